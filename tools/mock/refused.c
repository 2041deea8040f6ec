// refused: a sink for a flow whose dial a fault refused: what it tells goes on, and each
// transaction is told to be of that fault's making.
#include "tools/mock/refused.h"

#include <stdlib.h>

struct refused {
    struct sink_flow flow; // first
    struct sink_flow *next;
};

static struct sink_flow *next_of(struct sink_flow *f)
{
    return ((struct refused *)(void *)f)->next;
}

static void on_begin(struct sink_flow *f, const struct sink_msg *m)
{
    struct sink_flow *next = next_of(f);
    next->ops->msg_begin(next, m);
}

static void on_body(struct sink_flow *f, uint64_t n, enum dir dir, struct view content,
                    uint64_t wire, int64_t at_us)
{
    struct sink_flow *next = next_of(f);
    next->ops->msg_body(next, n, dir, content, wire, at_us);
}

static void on_end(struct sink_flow *f, uint64_t n, enum dir dir, enum msg_end how,
                   struct view trailers, uint64_t wire, int64_t at_us)
{
    struct sink_flow *next = next_of(f);
    next->ops->msg_end(next, n, dir, how, trailers, wire, at_us);
}

static void on_txn_end(struct sink_flow *f, uint64_t n, const char *note)
{
    struct sink_flow *next = next_of(f);
    next->ops->linked(next, n, 0, "refused fault=refused");
    next->ops->txn_end(next, n, note);
}

static void on_tls(struct sink_flow *f, const struct tls_facts *t)
{
    struct sink_flow *next = next_of(f);
    next->ops->tls(next, t);
}

static void on_omitted(struct sink_flow *f, uint64_t n, enum dir dir, const char *what,
                       uint64_t wire)
{
    struct sink_flow *next = next_of(f);
    next->ops->omitted(next, n, dir, what, wire);
}

static void on_lost(struct sink_flow *f, uint64_t n, enum dir dir, enum cause cause, uint64_t wire,
                    int64_t at_us)
{
    struct sink_flow *next = next_of(f);
    next->ops->lost(next, n, dir, cause, wire, at_us);
}

static void on_linked(struct sink_flow *f, uint64_t n, int64_t original, const char *outcome)
{
    struct sink_flow *next = next_of(f);
    next->ops->linked(next, n, original, outcome);
}

static void on_close(struct sink_flow *f, const struct flow_totals *totals)
{
    struct sink_flow *next = next_of(f);
    next->ops->close(next, totals);
    free(f);
}

static const struct sink_ops refused_ops = {
    .msg_begin = on_begin,
    .msg_body = on_body,
    .msg_end = on_end,
    .txn_end = on_txn_end,
    .tls = on_tls,
    .omitted = on_omitted,
    .lost = on_lost,
    .linked = on_linked,
    .close = on_close,
};

struct sink_flow *refused_sink(struct sink_flow *next)
{
    struct refused *r = next ? malloc(sizeof *r) : NULL;
    if (!r)
        return next;
    *r = (struct refused){.flow = {.ops = &refused_ops}, .next = next};
    return &r->flow;
}
