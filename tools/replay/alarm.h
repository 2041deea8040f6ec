// alarm: moments of a run to the microsecond: when a request goes, when a pause is over. For
// deadlines that are moved on with every byte there is proxy/wheel.h, which is coarse and cheap.
#ifndef TAPEDECK_TOOLS_REPLAY_ALARM_H
#define TAPEDECK_TOOLS_REPLAY_ALARM_H

#include "proto/base/err.h"

#include <stdint.h>

#define ALARM_NEVER INT64_MAX

struct alarm {
    int64_t at_us;
    size_t place; // in the heap, from 1; 0: not set
    void (*fire)(struct alarm *a);
};

// Those that are set, as a heap: the earliest is heap[1].
struct alarms {
    struct alarm **heap;
    size_t n, room;
};

// Room for so many at once: 0 or E_NOMEM. Setting more than that is our own mistake.
int alarms_reserve(struct alarms *s, size_t n) MUST_CHECK;
void alarms_clear(struct alarms *s);

// Sets it, or moves it. Of two at the same time either may be the first.
void alarm_set(struct alarms *s, struct alarm *a, int64_t at_us);
void alarm_unset(struct alarms *s, struct alarm *a);
static inline int alarm_is_set(const struct alarm *a)
{
    return a->place > 0;
}

int64_t alarms_next(const struct alarms *s); // ALARM_NEVER: none is set
// Fires those that are due at now_us, each unset before; they may set and unset any.
void alarms_turn(struct alarms *s, int64_t now_us);

#endif
