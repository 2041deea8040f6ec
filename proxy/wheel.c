#include "proxy/wheel.h"

#include <assert.h>

void wheel_init(struct wheel *w, int64_t now_us)
{
    w->tick = now_us / WHEEL_TICK_US;
    for (int i = 0; i < WHEEL_SLOTS; i++)
        w->slots[i] = (struct deadline){.prev = &w->slots[i], .next = &w->slots[i]};
}

void deadline_init(struct deadline *d, void (*fire)(struct deadline *d))
{
    *d = (struct deadline){.fire = fire};
}

static void append(struct deadline *list, struct deadline *d)
{
    d->prev = list->prev;
    d->next = list;
    list->prev->next = d;
    list->prev = d;
}

void wheel_clear(struct deadline *d)
{
    if (!d->next)
        return;
    d->prev->next = d->next;
    d->next->prev = d->prev;
    d->prev = d->next = NULL;
}

// The first tick at whose turn the time has certainly come.
static int64_t tick_of(int64_t due_us)
{
    return (due_us + WHEEL_TICK_US - 1) / WHEEL_TICK_US;
}

static void place(struct wheel *w, struct deadline *d)
{
    d->tick = tick_of(d->due_us);
    if (d->tick <= w->tick)
        d->tick = w->tick + 1;
    if (d->tick >= w->tick + WHEEL_SLOTS)
        d->tick = w->tick + WHEEL_SLOTS - 1;
    append(&w->slots[d->tick % WHEEL_SLOTS], d);
}

void wheel_set(struct wheel *w, struct deadline *d, int64_t due_us)
{
    assert(d->fire);
    d->due_us = due_us;
    if (d->next && tick_of(due_us) >= d->tick)
        return;
    wheel_clear(d);
    place(w, d);
}

// Everything in the slot, taken out first: fire() may set deadlines into the very same slot, one
// round later.
static void turn_slot(struct wheel *w, struct deadline *slot)
{
    struct deadline due = {.prev = &due, .next = &due};
    if (slot->next == slot)
        return;
    due = *slot;
    due.next->prev = due.prev->next = &due;
    slot->prev = slot->next = slot;
    while (due.next != &due) {
        struct deadline *d = due.next;
        wheel_clear(d);
        if (tick_of(d->due_us) <= w->tick)
            d->fire(d);
        else
            place(w, d);
    }
}

void wheel_turn(struct wheel *w, int64_t now_us)
{
    int64_t now = now_us / WHEEL_TICK_US;
    if (now - w->tick > WHEEL_SLOTS) {
        // Every slot is behind us: one round over all of them, at the present tick.
        w->tick = now - WHEEL_SLOTS;
    }
    while (w->tick < now) {
        w->tick++;
        turn_slot(w, &w->slots[w->tick % WHEEL_SLOTS]);
    }
}
