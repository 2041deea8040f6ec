// emitter_nobody: one flow for all that found no memory: it has no state, and only counts.
//
// The bytes are those of close(), where a flow's totals are told; what is told before is part of
// them.
#include "proxy/emit/emitter_state.h"

static struct emitter *emitter_of(struct sink_flow *f)
{
    return NODE_OWNER(f, struct emitter, nobody);
}

static void on_begin(struct sink_flow *f, const struct sink_msg *m)
{
    (void)f;
    (void)m;
}

static void on_body(struct sink_flow *f, uint64_t n, enum dir dir, struct view content,
                    uint64_t wire, int64_t at_us)
{
    (void)f;
    (void)n;
    (void)dir;
    (void)content;
    (void)wire;
    (void)at_us;
}

static void on_end(struct sink_flow *f, uint64_t n, enum dir dir, enum msg_end how,
                   struct view trailers, uint64_t wire, int64_t at_us)
{
    (void)f;
    (void)n;
    (void)dir;
    (void)how;
    (void)trailers;
    (void)wire;
    (void)at_us;
}

static void on_txn_end(struct sink_flow *f, uint64_t n, const char *note)
{
    struct emitter *e = emitter_of(f);

    (void)n;
    (void)note;
    stat_add(&e->stats->transactions, 1);
    e->nobody_txns++;
}

static void on_tls(struct sink_flow *f, const struct tls_facts *t)
{
    (void)f;
    (void)t;
}

static void on_omitted(struct sink_flow *f, uint64_t n, enum dir dir, const char *what,
                       uint64_t wire)
{
    (void)f;
    (void)n;
    (void)dir;
    (void)what;
    (void)wire;
}

static void on_lost(struct sink_flow *f, uint64_t n, enum dir dir, enum cause cause, uint64_t wire,
                    int64_t at_us)
{
    (void)f;
    (void)n;
    (void)dir;
    (void)cause;
    (void)wire;
    (void)at_us;
}

static void on_linked(struct sink_flow *f, uint64_t n, int64_t original, const char *outcome)
{
    (void)f;
    (void)n;
    (void)original;
    (void)outcome;
}

static void on_close(struct sink_flow *f, const struct flow_totals *totals)
{
    struct emitter *e = emitter_of(f);

    emit_book_lost_flow(e, CAUSE_OUT_OF_MEMORY, totals->relayed, e->nobody_txns, totals->at_us);
    e->nobody_txns = 0;
}

const struct sink_ops emitter_nobody_ops = {
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
