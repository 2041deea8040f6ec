// link_ages: one time for all numbers of a step; when the list is full the steps become longer.
//
//   age[0]          age[1]            age[n-1]
//   seq 17 … 30     seq 31 … 90  …    seq 400 … next-1
//   oldest                            newest, at least step_us apart
//
// An age goes when all its numbers are forgotten, so the oldest time is at most a step too old.
#include "proxy/emit/link_ages.h"

#include <string.h>

#define STEP_US 100000 // records that were appended within this share a time, at first

static void thin_out(struct link_ages *a)
{
    while (a->n == LINK_AGES) {
        size_t kept = 1;
        a->step_us *= 2;
        for (size_t i = 1; i < a->n; i++) {
            if (a->age[i].at_us >= a->age[kept - 1].at_us + a->step_us)
                a->age[kept++] = a->age[i];
        }
        a->n = kept;
    }
}

void link_ages_note(struct link_ages *a, uint64_t next_seq, uint64_t now_us)
{
    if (next_seq <= a->next)
        return;
    if (a->n == 0)
        a->step_us = STEP_US;
    if (a->n == 0 || now_us >= a->age[a->n - 1].at_us + a->step_us) {
        thin_out(a);
        a->age[a->n++] = (struct link_age){a->next, now_us};
    }
    a->next = next_seq;
}

void link_ages_forget(struct link_ages *a, uint64_t first_seq)
{
    size_t gone = 0;

    if (first_seq >= a->next)
        gone = a->n;
    while (gone + 1 < a->n && a->age[gone + 1].seq <= first_seq)
        gone++;
    if (gone == 0)
        return;
    a->n -= gone;
    memmove(a->age, a->age + gone, a->n * sizeof *a->age);
}

uint64_t link_ages_oldest_us(const struct link_ages *a)
{
    return a->n ? a->age[0].at_us : 0;
}
