// recorded: each recorded connection is one here: opened when it was, its requests sent in their
// order, one behind the answer of the other unless they were pipelined, closed when it was.
//
//   by the clock    flows open at their times; requests go at theirs, or, where the connection is
//                   busy still, when it is not
//   closed loop     so many lanes, each of which plays one flow after the other: as many as were
//                   open at once (--speed max), or --vus
//
// A connection that the target closes although the recorded one went on is opened again.
#include "tools/replay/drive_in.h"

#include "proxy/decode/decode.h"

#include <stdlib.h>

#define AHEAD_US (20 * US_PER_MS) // connections are opened so long before their first request

static const struct plan_item *item_of(const struct drive *d, uint32_t i)
{
    return &d->conf.plan->items[i];
}

static const struct plan_flow *flow_of(const struct session *s)
{
    return &s->d->conf.plan->flows[s->flow];
}

static bool is_closed_loop(const struct drive *d)
{
    return d->conf.users > 0 || d->conf.schedule.kind == SCHEDULE_AT_ONCE;
}

// ---- flows

static bool begin_flow(struct drive *d, uint32_t flow, uint32_t round, int64_t base_us)
{
    struct session *s = drive_session(d);
    if (!s)
        return false;
    const struct plan_flow *f = &d->conf.plan->flows[flow];
    s->flow = flow;
    s->round = round;
    s->service = f->service;
    s->at = f->first;
    s->end = f->first + f->count;
    s->base_us = base_us;
    s->able_us = s->over_us = d->env.now;
    drive_open(s, f->service, item_of(d, f->first)->kind == PLAN_RAW, f->inbound);
    return true;
}

static void next_round(struct drive *d)
{
    d->next_flow = 0;
    d->next_round++;
    if (d->rewriting && d->next_round >= 2)
        rewrite_forget(d->rewriting, d->next_round - 2);
}

static bool is_last_round(const struct drive *d)
{
    return d->conf.times > 0 && d->next_round >= d->conf.times;
}

// A lane goes on with the next flow.
static void next_of_lane(struct drive *d)
{
    if (is_last_round(d) || !drive_may_begin(d)) {
        d->all_out = true;
        return;
    }
    if (!begin_flow(d, d->next_flow, d->next_round, d->env.now))
        return;
    if (++d->next_flow == d->conf.plan->n_flows)
        next_round(d);
}

// The flow that opens next. With a rate the time of its first request counts, not that at which it
// was opened: one that was opened early and said something late would hold up all behind it.
static uint32_t flow_at_hand(const struct drive *d)
{
    return d->opens ? d->opens[d->next_flow] : d->next_flow;
}

// When the flow at hand opens; SCHEDULE_END: never.
static int64_t opens_at(const struct drive *d)
{
    const struct plan *p = d->conf.plan;
    const struct plan_flow *f = &p->flows[flow_at_hand(d)];
    if (d->conf.schedule.kind == SCHEDULE_RECORDED)
        return d->start_us + (int64_t)d->next_round * d->round_us +
               schedule_span(&d->conf.schedule, f->opened_us);
    int64_t at = schedule_at(&d->conf.schedule, (uint64_t)d->next_round * p->n + d->rank[f->first]);
    return at == SCHEDULE_END ? at : d->start_us + at - AHEAD_US;
}

static void on_opening(struct alarm *a)
{
    struct drive *d = (struct drive *)(void *)((char *)a - offsetof(struct drive, opening));
    for (;;) {
        int64_t at = is_last_round(d) || !drive_may_begin(d) ? SCHEDULE_END : opens_at(d);
        if (at == SCHEDULE_END || at >= d->end_us) {
            d->all_out = true;
            return;
        }
        if (at > d->env.now) {
            alarm_set(&d->alarms, &d->opening, at);
            return;
        }
        int64_t base = d->start_us + (int64_t)d->next_round * d->round_us;
        if (!begin_flow(d, flow_at_hand(d), d->next_round, base)) {
            alarm_set(&d->alarms, &d->opening, d->env.now + DRIVE_POLL_US); // as many as may be
            return;
        }
        if (++d->next_flow == d->conf.plan->n_flows)
            next_round(d);
    }
}

static int rank_items(struct drive *d)
{
    const struct plan *p = d->conf.plan;
    size_t flows = 0;
    d->rank = calloc(p->n, sizeof *d->rank);
    d->opens = calloc(p->n_flows, sizeof *d->opens);
    if (!d->rank || !d->opens)
        return E_NOMEM;
    for (size_t i = 0; i < p->n; i++) {
        uint32_t flow = p->items[p->order[i]].flow;
        d->rank[p->order[i]] = (uint32_t)i;
        if (p->order[i] == p->flows[flow].first)
            d->opens[flows++] = flow;
    }
    return 0;
}

static int begin(struct drive *d)
{
    const struct plan *p = d->conf.plan;
    d->opening.fire = on_opening;
    if (alarms_reserve(&d->alarms, 64))
        return E_NOMEM;
    if (is_closed_loop(d)) {
        size_t lanes = d->conf.users ? d->conf.users : p->peak;
        for (size_t i = 0; i < lanes && !d->all_out && d->sessions < d->most; i++)
            next_of_lane(d);
        return d->live ? 0 : E_NOMEM;
    }
    if (d->conf.schedule.kind == SCHEDULE_RATE && rank_items(d))
        return E_NOMEM;
    alarm_set(&d->alarms, &d->opening, d->env.now);
    return 0;
}

static void end(struct drive *d)
{
    free(d->rank);
    free(d->opens);
    d->rank = d->opens = NULL;
}

// ---- a flow's requests

// When an item is to go; SCHEDULE_END: never.
static int64_t planned(const struct session *s, uint32_t i)
{
    const struct drive *d = s->d;
    const struct plan_item *t = item_of(d, i);
    if (is_closed_loop(d)) {
        int64_t before = i > flow_of(s)->first ? item_of(d, i - 1)->end_us : flow_of(s)->opened_us;
        int64_t think = t->start_us > before ? t->start_us - before : 0;
        return s->over_us + schedule_span(&d->conf.schedule, think);
    }
    if (d->conf.schedule.kind == SCHEDULE_RECORDED)
        return s->base_us + schedule_span(&d->conf.schedule, t->start_us);
    int64_t at = schedule_at(&d->conf.schedule, (uint64_t)s->round * d->conf.plan->n + d->rank[i]);
    return at == SCHEDULE_END ? at : d->start_us + at;
}

// Takes the next one that can be sent, ahead of its time. false: there is none.
static bool take(struct session *s)
{
    struct drive *d = s->d;
    while (!s->x && s->at < s->end) {
        // In a closed loop the time depends on the answer before.
        if (is_closed_loop(d) && s->c->pending > 0 && s->at > flow_of(s)->first &&
            item_of(d, s->at)->start_us >= item_of(d, s->at - 1)->end_us)
            return false;
        int64_t at = planned(s, s->at);
        if (at == SCHEDULE_END || at >= d->end_us) {
            s->at = s->end;
            return false;
        }
        uint32_t item = s->at++;
        s->x = drive_take(d, item, s->round, at);
    }
    return s->x != NULL;
}

// Whether the recording sent it while the oldest request without an answer had none.
static bool is_pipelined(const struct session *s, const struct exchange *x)
{
    const struct exchange *oldest = s->c->first;
    const struct plan_item *a = item_of(s->d, oldest->item), *b = item_of(s->d, x->item);
    return a->kind == PLAN_HTTP && b->kind == PLAN_HTTP && a->end_us > b->start_us;
}

// Whether bytes of a conversation are what the connection expects now.
static const char *misplaced(const struct session *s, const struct exchange *x)
{
    if (x->material->kind != PLAN_RAW || s->c->state == CONNECTION_DIALLING ||
        s->c->state == CONNECTION_SECURING || s->c->raw)
        return NULL;
    if (s->c->state == CONNECTION_CLOSED)
        return x->item == flow_of(s)->first ? NULL : "its connection had been closed";
    return s->c->tap.decoder == &decoder_http1 ? "its connection had not gone over to it" : NULL;
}

// Sends what was sent before, once more. false: it has to wait.
static bool send_again(struct session *s)
{
    struct exchange *x = s->again, *next = s->x;
    if (s->c->state == CONNECTION_CLOSED)
        drive_open(s, s->service, false, flow_of(s)->inbound);
    if (!connection_takes(s->c) || (s->c->pending > 0 && !is_pipelined(s, x)))
        return false;
    s->again = x->next;
    s->x = x;
    int sent = drive_send(s);
    if (!sent) {
        s->again = x;
    } else if (!s->again) {
        s->again_end = &s->again;
    }
    s->x = next;
    return sent;
}

// false: it has to wait.
static bool send_next(struct session *s)
{
    struct drive *d = s->d;
    struct exchange *x = s->x;
    if (d->env.now < x->planned_us) {
        alarm_set(&d->alarms, &s->alarm, x->planned_us);
        return false;
    }
    const char *why = s->c->pending == 0 ? misplaced(s, x) : NULL;
    if (why) {
        s->x = NULL;
        x->ready_us = d->env.now;
        drive_drop(d, x, RESULT_CLOSED, why);
        return true;
    }
    if (s->c->state == CONNECTION_CLOSED)
        drive_open(s, s->service, x->material->kind == PLAN_RAW, flow_of(s)->inbound);
    if (!connection_takes(s->c) || (s->c->pending > 0 && !is_pipelined(s, x)))
        return false;
    return drive_send(s);
}

static void over(struct session *s)
{
    struct drive *d = s->d;
    connection_close(s->c, RESULT_CLOSED, "done");
    drive_session_over(s);
    if (is_closed_loop(d))
        next_of_lane(d);
}

static void step(struct session *s)
{
    struct drive *d = s->d;
    while (!d->stopping) {
        if (s->again) {
            if (!send_again(s))
                return;
        } else if (!take(s)) {
            break;
        } else if (!send_next(s)) {
            return;
        }
    }
    if (s->c->pending > 0 || (s->c->state == CONNECTION_OPEN && s->c->final && !d->stopping))
        return; // its end comes
    int64_t closes = s->base_us + schedule_span(&d->conf.schedule, flow_of(s)->closed_us);
    bool timed = !is_closed_loop(d) && d->conf.schedule.kind == SCHEDULE_RECORDED;
    if (timed && !d->stopping && d->env.now < closes && s->c->state == CONNECTION_OPEN)
        alarm_set(&d->alarms, &s->alarm, closes);
    else
        over(s);
}

static void closed(struct session *s, const char *failed)
{
    struct drive *d = s->d;
    struct exchange *x = s->again ? s->again : s->x;
    if (failed && x && d->env.now >= x->planned_us) {
        if (x == s->again) {
            s->again = x->next;
            s->again_end = s->again ? s->again_end : &s->again;
        } else {
            s->x = NULL;
        }
        x->ready_us = d->env.now;
        drive_drop(d, x, RESULT_REFUSED, failed);
    } else if (!failed && !s->again && (s->x || s->at < s->end)) {
        d->reconnects++;
    }
    step(s);
}

static void answered(struct session *s)
{
    (void)s;
}

const struct way way_recorded = {begin, step, closed, answered, end};
