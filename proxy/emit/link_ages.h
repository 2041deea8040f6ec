// link_ages: since when records wait for their ACK, about: a few numbers with their times.
#ifndef TAPEDECK_PROXY_EMIT_LINK_AGES_H
#define TAPEDECK_PROXY_EMIT_LINK_AGES_H

#include <stddef.h>
#include <stdint.h>

#define LINK_AGES 64 // more of them are thinned out: ages are right to a 16th of the longest

struct link_ages {
    struct link_age {
        uint64_t seq, at_us; // appended then: this number, and those up to the next age's
    } age[LINK_AGES];
    size_t n;
    uint64_t step_us;
    uint64_t next; // the number from which on nothing is known
};

// The numbers from ages->next up to next_seq - 1 were appended at now_us, or shortly before.
void link_ages_note(struct link_ages *a, uint64_t next_seq, uint64_t now_us);
// All below first_seq are acknowledged; first_seq may be next_seq.
void link_ages_forget(struct link_ages *a, uint64_t first_seq);
// 0: nothing waits.
uint64_t link_ages_oldest_us(const struct link_ages *a);

#endif
