// alarm: a binary heap.
//
//   heap[k].at_us ≤ heap[2k].at_us, heap[2k + 1].at_us        heap[k]->place = k, 1 ≤ k ≤ n
#include "tools/replay/alarm.h"

#include <assert.h>
#include <stdlib.h>

int alarms_reserve(struct alarms *s, size_t n)
{
    if (n + 1 <= s->room)
        return 0;
    size_t room = s->room ? s->room : 64;
    while (room < n + 1)
        room *= 2;
    struct alarm **more = realloc(s->heap, room * sizeof(struct alarm *));
    if (!more)
        return E_NOMEM;
    s->heap = more;
    s->room = room;
    return 0;
}

void alarms_clear(struct alarms *s)
{
    for (size_t i = 1; i <= s->n; i++)
        s->heap[i]->place = 0;
    free(s->heap);
    *s = (struct alarms){0};
}

static void put(struct alarms *s, size_t place, struct alarm *a)
{
    s->heap[place] = a;
    a->place = place;
}

// Where an alarm of that time belongs, from place on, those on the way moved.
static void settle(struct alarms *s, size_t place, struct alarm *a)
{
    while (place > 1 && s->heap[place / 2]->at_us > a->at_us) {
        put(s, place, s->heap[place / 2]);
        place /= 2;
    }
    for (size_t child; (child = 2 * place) <= s->n; place = child) {
        if (child < s->n && s->heap[child + 1]->at_us < s->heap[child]->at_us)
            child++;
        if (s->heap[child]->at_us >= a->at_us)
            break;
        put(s, place, s->heap[child]);
    }
    put(s, place, a);
}

void alarm_set(struct alarms *s, struct alarm *a, int64_t at_us)
{
    a->at_us = at_us;
    if (a->place == 0) {
        assert(s->n + 1 < s->room);
        put(s, ++s->n, a);
    }
    settle(s, a->place, a);
}

void alarm_unset(struct alarms *s, struct alarm *a)
{
    size_t place = a->place;
    if (place == 0)
        return;
    a->place = 0;
    struct alarm *last = s->heap[s->n--];
    if (last != a)
        settle(s, place, last);
}

int64_t alarms_next(const struct alarms *s)
{
    return s->n > 0 ? s->heap[1]->at_us : ALARM_NEVER;
}

void alarms_turn(struct alarms *s, int64_t now_us)
{
    while (s->n > 0 && s->heap[1]->at_us <= now_us) {
        struct alarm *a = s->heap[1];
        alarm_unset(s, a);
        a->fire(a);
    }
}
