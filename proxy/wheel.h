// wheel: deadlines of a worker, in ticks of 100 ms. Moving one to a later time is one store, so a
// busy flow may push its deadline on with every byte.
//
//   slot:   0   1   2  …  SLOTS-1        a deadline lies in the slot of its due tick, or, when that
//           │   └─ d ─ d                 is further off than the wheel is round, in the furthest
//           now                          one; it is looked at there and put further on
//
//   1. A deadline never fires early, and at most one tick and one turn late.
//   2. Its slot is never later than its due time: it may be earlier, after it was moved later.
#ifndef TAPEDECK_PROXY_WHEEL_H
#define TAPEDECK_PROXY_WHEEL_H

#include "proto/base/clock.h"

#include <stdbool.h>

#define WHEEL_TICK_US (100 * US_PER_MS)
#define WHEEL_SLOTS   512

struct deadline {
    struct deadline *prev, *next; // NULL: not set
    int64_t due_us;
    int64_t tick; // whose slot it lies in
    void (*fire)(struct deadline *d);
};

struct wheel {
    int64_t tick; // the last one that was turned through
    struct deadline slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, int64_t now_us);

// Once, before the first wheel_set. fire is called with d cleared; it may set it again, and may
// clear or free any other deadline.
void deadline_init(struct deadline *d, void (*fire)(struct deadline *d));

// due_us is monotonic time, as everywhere in the proxy. A deadline that is set may be set again.
void wheel_set(struct wheel *w, struct deadline *d, int64_t due_us);
void wheel_clear(struct deadline *d);

// Fires what is due. Called at least once a tick; longer pauses are made good.
void wheel_turn(struct wheel *w, int64_t now_us);

#endif
