// pool: requests in the order of the plan, each on any connection of its service that is free.
//
//   cursor ─ due ─┬─→ an idle session, or a new one while there are fewer than --connections
//                 └─→ ring: waits for one           a session that becomes idle asks the ring first
//
// A conversation has a connection of its own while it lasts.
#include "tools/replay/drive_in.h"

#include <stdlib.h>

#define WAITING_AT_ONCE 256  // of a service, where nothing has a time
#define A_TURN          1024 // requests that are given out before others have theirs

static size_t ring_room(const struct drive *d)
{
    return d->conf.schedule.kind == SCHEDULE_AT_ONCE ? WAITING_AT_ONCE : DRIVE_WAITING;
}

static void pump(struct drive *d);

static void over(struct session *s)
{
    struct pool *p = &s->d->pools[s->service];
    for (struct session **at = &p->idle; s->idle && *at; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    s->idle = false;
    p->made--;
    connection_close(s->c, RESULT_CLOSED, "done");
    drive_session_over(s);
}

static void assign(struct session *s, struct exchange *x)
{
    const struct plan *p = s->d->conf.plan;
    s->x = x;
    s->flow = p->items[x->item].flow;
    s->able_us = s->c->state == CONNECTION_OPEN ? s->able_us : s->d->env.now;
}

// Its next request, or idle. false: it is no more.
static bool find_work(struct session *s)
{
    struct drive *d = s->d;
    struct pool *p = &d->pools[s->service];
    while (p->n > 0 && !d->stopping) {
        struct waiting w = p->ring[p->head];
        p->head = (p->head + 1) % ring_room(d);
        p->n--;
        bool timed = d->conf.schedule.kind != SCHEDULE_AT_ONCE;
        struct exchange *x = drive_take(d, w.item, w.round, timed ? w.planned_us : d->env.now);
        if (!x)
            continue;
        assign(s, x);
        return true;
    }
    if (d->all_out || d->stopping) {
        over(s);
        return false;
    }
    s->idle = true;
    s->next = p->idle;
    p->idle = s;
    return true;
}

static void fit_connection(struct session *s, bool raw)
{
    const struct plan_flow *f = &s->d->conf.plan->flows[s->flow];
    if (s->c->state == CONNECTION_OPEN && (s->c->raw != raw || raw) && s->c->pending == 0 &&
        (s->c->served > 0 || s->c->raw != raw))
        connection_close(s->c, RESULT_CLOSED, "done");
    if (s->c->state == CONNECTION_CLOSED)
        drive_open(s, s->service, raw, f->inbound);
}

// What is to be done with the request at hand, or with none.
static void step(struct session *s)
{
    struct drive *d = s->d;
    for (;;) {
        if (s->c->pending > 0 || s->idle)
            break;
        if (d->stopping) {
            over(s);
            return;
        }
        if (!s->x && s->again) {
            s->x = s->again;
            s->again = s->x->next;
            s->again_end = s->again ? s->again_end : &s->again;
        }
        if (!s->x) {
            if (!find_work(s))
                return;
            if (s->idle) {
                pump(d);
                return;
            }
        }
        fit_connection(s, s->x->material->kind == PLAN_RAW);
        if (!connection_takes(s->c) || !drive_send(s))
            return;
    }
    if (s->idle && (d->stopping || d->all_out))
        over(s);
}

static struct session *free_session(struct drive *d, uint32_t service)
{
    struct pool *p = &d->pools[service];
    struct session *s = p->idle;
    if (s) {
        p->idle = s->next;
        s->next = NULL;
        s->idle = false;
        return s;
    }
    s = p->made < d->conf.connections ? drive_session(d) : NULL;
    if (s) {
        s->service = service;
        p->made++;
    }
    return s;
}

// When the request at the cursor is to go; SCHEDULE_END: there is none.
static int64_t due(const struct drive *d)
{
    const struct plan *p = d->conf.plan;
    uint64_t round = d->cursor / p->n;
    if (d->cursor >= d->requests || !drive_may_begin(d))
        return SCHEDULE_END;
    if (d->conf.schedule.kind == SCHEDULE_AT_ONCE)
        return d->env.now;
    int64_t at =
        d->conf.schedule.kind == SCHEDULE_RATE
            ? schedule_at(&d->conf.schedule, d->cursor)
            : (int64_t)round * d->round_us +
                  schedule_span(&d->conf.schedule, p->items[p->order[d->cursor % p->n]].start_us);
    return at == SCHEDULE_END || d->start_us + at >= d->end_us ? SCHEDULE_END : d->start_us + at;
}

static void all_out(struct drive *d)
{
    d->all_out = true;
    drive_forget(d, d->ahead);
    d->ahead = NULL;
    for (size_t i = 0; i < d->conf.plan->n_services; i++)
        while (d->pools[i].idle)
            over(d->pools[i].idle);
}

static void pass_round(struct drive *d, uint64_t round)
{
    if (d->rewriting && round >= 2 && d->cursor % d->conf.plan->n == 0)
        rewrite_forget(d->rewriting, round - 2);
}

// Gives out the request at the cursor. false: it has to wait, or there is none any more.
static bool give_out(struct drive *d)
{
    const struct plan *p = d->conf.plan;
    int64_t at = due(d);
    if (at == SCHEDULE_END) {
        all_out(d);
        return false;
    }
    uint32_t item = p->order[d->cursor % p->n];
    uint32_t round = (uint32_t)(d->cursor / p->n), service = p->flows[p->items[item].flow].service;
    struct pool *pool = &d->pools[service];
    if (at > d->env.now) {
        if (!d->ahead && !(d->ahead = drive_take(d, item, round, at))) {
            d->cursor++;
            return true;
        }
        alarm_set(&d->alarms, &d->pump, at);
        return false;
    }
    struct session *s = pool->n == 0 ? free_session(d, service) : NULL;
    if (!s && pool->n == ring_room(d))
        return false; // it goes on when a session is free
    struct exchange *x = d->ahead;
    d->ahead = NULL;
    pass_round(d, round);
    d->cursor++;
    if (!s) {
        drive_forget(d, x); // taken once more when its turn comes
        pool->ring[(pool->head + pool->n++) % ring_room(d)] =
            (struct waiting){.item = item, .round = round, .planned_us = at};
        return true;
    }
    x = x ? x : drive_take(d, item, round, at);
    if (x)
        assign(s, x);
    step(s);
    return true;
}

// A session that becomes idle calls it; while requests are given out, that goes on anyway. Where
// none of them can be sent nothing else would ever come to its turn.
static void pump(struct drive *d)
{
    size_t n = 0;
    if (d->pumping)
        return;
    d->pumping = true;
    while (n < A_TURN && !d->all_out && !d->stopping && give_out(d))
        n++;
    d->pumping = false;
    if (n == A_TURN && !d->all_out)
        alarm_set(&d->alarms, &d->pump, d->env.now + 1);
}

static void on_pump(struct alarm *a)
{
    pump((struct drive *)(void *)((char *)a - offsetof(struct drive, pump)));
}

static int begin(struct drive *d)
{
    size_t n = d->conf.plan->n_services;
    d->pump.fire = on_pump;
    d->pools = calloc(n, sizeof *d->pools);
    if (!d->pools || alarms_reserve(&d->alarms, 64))
        return E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        d->pools[i].ring =
            d->conf.plan->services[i].items ? calloc(ring_room(d), sizeof *d->pools[i].ring) : NULL;
        if (!d->pools[i].ring && d->conf.plan->services[i].items)
            return E_NOMEM;
    }
    alarm_set(&d->alarms, &d->pump, d->env.now);
    return 0;
}

static void end(struct drive *d)
{
    drive_forget(d, d->ahead);
    d->ahead = NULL;
    for (size_t i = 0; d->pools && i < d->conf.plan->n_services; i++)
        free(d->pools[i].ring);
    free(d->pools);
    d->pools = NULL;
}

static void closed(struct session *s, const char *failed)
{
    struct exchange *x = s->x;
    if (failed && x) {
        s->x = NULL;
        x->ready_us = s->d->env.now;
        drive_drop(s->d, x, RESULT_REFUSED, failed);
    }
    step(s);
}

static void answered(struct session *s)
{
    (void)s;
}

const struct way way_pool = {begin, step, closed, answered, end};
