// tape: a worker's part: dials end here, and taps are listened to.
#include "tools/mock/refused.h"
#include "tools/mock/tape_in.h"

#include <stdio.h>
#include <stdlib.h>

// ---- far ends

static struct end *end_new(struct tape *t)
{
    struct end *e = t->spare;
    if (e) {
        t->spare = e->after;
        t->spares--;
    } else {
        e = malloc(sizeof *e);
    }
    if (e)
        end_set_up(e, t);
    return e;
}

void tape_bury(struct end *e)
{
    e->after = e->tape->dead;
    e->tape->dead = e;
}

static void end_free(struct end *e)
{
    struct tape *t = e->tape;
    end_tear_down(e);
    if (t->spares == TAPE_SPARE) {
        free(e);
        return;
    }
    e->after = t->spare;
    t->spare = e;
    t->spares++;
}

// ---- upstream

static void nothing(struct io *io)
{
    (void)io; // the flow has it before any event
}

static const struct io_handler nobody = {nothing, nothing};

static void describe(struct end *e, const struct flow *f)
{
    const struct flow_facts *facts = &f->facts;
    e->who = (struct fault_flow){.direction = facts->direction,
                                 .front = f->front ? f->front->name : "",
                                 .client = facts->client,
                                 .requested = f->requested ? f->requested : "",
                                 .target = e->host};
}

// Whether its dial is refused on purpose. It is told from within.
static bool refuses(struct tape *t, struct end *e, struct flow *f)
{
    struct faults *faults = t->mock->conf.faults;
    struct fault_plan plan;
    if (!faults || !faults_any(faults))
        return false;
    faults_of_flow(faults, &e->who, &plan);
    bool refused = plan.kinds & FAULT_BIT(FAULT_REFUSED);
    if (refused) {
        atomic_fetch_add_explicit(&t->counts->faults, 1, memory_order_relaxed);
        t->refusing = f;
        struct upstream_result r = {.error = E_REFUSED, .detail = "refused by a fault"};
        flow_upstream_done(f, &r);
        t->refusing = NULL;
    }
    fault_plan_clear(&plan);
    return refused;
}

static void tape_open(struct upstream *u, struct flow *f, const struct hostport *target,
                      int64_t connect_us)
{
    struct tape *t = (struct tape *)(void *)u;
    if (t->mock->conf.relay[f->facts.direction]) {
        t->given.net->ops->open(t->given.net, f, target, connect_us);
        return;
    }
    struct end *e = end_new(t);
    if (!e) {
        flow_upstream_done(f, &(struct upstream_result){.error = E_NOMEM, .detail = ""});
        return;
    }
    e->flow = f;
    e->target = *target;
    hostport_text(target, e->host);
    describe(e, f);
    if (refuses(t, e, f)) {
        end_free(e);
        return;
    }
    talk_start(e, e->host);
    io_far_open(&e->io, t->given.base, &e->far, &nobody);
    end_stir(e);
    struct upstream_result r = {.io = &e->io};
    flow_upstream_done(f, &r);
}

static void tape_cancel(struct upstream *u, struct flow *f)
{
    struct tape *t = (struct tape *)(void *)u;
    t->given.net->ops->cancel(t->given.net, f); // dials of ours are over at once
}

static void tape_reap(struct upstream *u)
{
    struct tape *t = (struct tape *)(void *)u;
    for (struct end *e; (e = t->dead);) {
        t->dead = e->after;
        end_free(e);
    }
    t->given.net->ops->reap(t->given.net);
}

static const struct upstream_ops tape_ops = {
    .name = "tape", .open = tape_open, .cancel = tape_cancel, .reap = tape_reap};

struct upstream *tape_upstream(struct tape *t)
{
    return &t->upstream;
}

// ---- sink

struct tape_sink {
    struct sink sink; // first
    struct tape *tape;
    struct sink *next;
};

static struct sink_flow *sink_open(struct sink *s, const struct flow_facts *facts)
{
    struct tape_sink *ts = (struct tape_sink *)(void *)s;
    struct sink_flow *next = ts->next->ops->open(ts->next, facts);
    if (!facts)
        return next;
    const struct flow *f =
        (const struct flow *)(const void *)((const char *)facts - offsetof(struct flow, facts));
    if (f == ts->tape->refusing)
        return refused_sink(next);
    struct io_far *far = f->server.io.far;
    if (!far || far->ops != &end_ops)
        return next; // it never came to us
    struct end *e = end_of_far(far);
    if (!next) {
        e->broken = e->over = e->reset = true; // nobody hears what is asked
        end_stir(e);
        return NULL;
    }
    e->next = next;
    return &e->tap;
}

static const struct sink_factory sink_ops = {.open = sink_open};

struct sink *tape_sink(struct tape *t, struct sink *next)
{
    struct tape_sink *s = malloc(sizeof *s);
    if (!s)
        return NULL;
    *s = (struct tape_sink){.sink = {.ops = &sink_ops}, .tape = t, .next = next};
    return &s->sink;
}

void tape_unsink(struct sink *s)
{
    free(s);
}

// ---- life

struct tape *tape_new(struct mock *m, const struct world_worker *w, char why[WHY_MAX])
{
    struct tape *t = calloc(1, sizeof *t);
    snprintf(why, WHY_MAX, "out of memory");
    if (!t)
        return NULL;
    t->upstream.ops = &tape_ops;
    t->mock = m;
    t->given = *w;
    t->counts = &m->counts[w->index];
    t->match = match_new(m->index);
    t->rows = recorded_new(m->index, m->captures, m->n_captures);
    if (t->match && t->rows && kept_init(&t->kept, m->conf.cache ? m->conf.cache : KEPT_MAX) == 0)
        return t;
    tape_free(t);
    return NULL;
}

void tape_free(struct tape *t)
{
    if (!t)
        return;
    for (struct end *e; (e = t->dead);) {
        t->dead = e->after;
        end_free(e);
    }
    for (struct end *e; (e = t->spare);) {
        t->spare = e->after;
        free(e);
    }
    kept_clear(&t->kept);
    recorded_free(t->rows);
    match_free(t->match);
    free(t);
}
