// emitter: its life, its flows, and what time brings.
//
//   flow:  WAITING ──room for its last words was set aside──→ ADMITTED
//             └──none, when there is something to tell──────→ UNRECORDED: only counted
//                                  (with --on-full block: ADMITTED, its last words may wait)
//
// A flow that says nothing is told of after a second, but only while what is held for all flows is
// a small share of the ring: so many idle connections do not take the place of records.
//
// The first record of a recovered journal is a Restart; until there is room for it no flow is
// admitted, since it ends all flows before it.
#include "proxy/emit/emitter_state.h"

#include "proto/base/log.h"
#include "proxy/metrics.h"

#include <assert.h>
#include <stdlib.h>

void emitter_done(struct emitter *e)
{
    if (e->pool.used != e->pool_told) {
        stat_add(&e->stats->tap_bytes, e->pool.used - e->pool_told);
        e->pool_told = e->pool.used;
    }
    if (e->appended) {
        e->appended = false;
        e->conf.on_append(e->conf.arg);
    }
}

uint64_t emitter_rule(struct emitter *e, const char *what)
{
    unsigned i = 0;

    for (; i < e->rules; i++) {
        if (e->rule[i] == what || strcmp(e->rule[i], what) == 0)
            return (uint64_t)1 << i;
    }
    // The last place is for all that have none of their own.
    char *name = i < PACK_RULES_MAX - 1 ? strdup(what) : NULL;
    if (!name)
        return (uint64_t)1 << (PACK_RULES_MAX - 1);
    e->rule[e->rules++] = name;
    return (uint64_t)1 << i;
}

// ---- flows

// From WAITING, if there is room.
static bool hold(struct emit_flow *f)
{
    struct emitter *e = f->e;
    struct journal_facts facts;

    if (e->restart_due && !emit_put_restart(e, f->facts->at_us))
        return false;
    // To block is to wait for ACKs: when they have come there must be room.
    journal_facts(e->journal, &facts);
    if (e->conf.block && facts.reserved + HELD_FLOW > e->ring_size / BLOCK_SHARE)
        return false;
    if (!journal_hold(e->journal, HELD_FLOW))
        return false;
    f->holds = true;
    f->held = HELD_FLOW;
    f->held_losses = 1u << emit_cause_index(CAUSE_RING_FULL);
    f->state = EMIT_ADMITTED;
    return true;
}

bool emit_admit(struct emit_flow *f)
{
    _Static_assert(HELD_CLOSE + HELD_LOSS == EMIT_FLOW_HELD, "what stays held, as is told");
    if (f->state == EMIT_WAITING && !hold(f))
        f->state = f->e->conf.block ? EMIT_ADMITTED : EMIT_UNRECORDED;
    return f->state == EMIT_ADMITTED;
}

static struct sink_flow *flow_open(struct sink *s, const struct flow_facts *facts)
{
    struct emitter *e = (struct emitter *)(void *)s;
    struct emit_flow *f = facts ? calloc(1, sizeof *f) : NULL;

    if (!f)
        return &e->nobody;
    f->base.ops = &emitter_ops;
    f->e = e;
    f->facts = facts;
    f->short_of = CAUSE_OUT_OF_MEMORY;
    node_init(&f->pends);
    node_add(&e->young, &f->in_young);
    return &f->base;
}

void emit_end_flow(struct emit_flow *f, const struct flow_totals *totals)
{
    struct emitter *e = f->e;

    while (f->pends.next != &f->pends) {
        struct pend *p = NODE_OWNER(f->pends.next, struct pend, in_flow);
        emit_pend_put(p, p->note ? p->note : "");
    }
    for (int dir = C2S; dir <= S2C; dir++) {
        // What nobody told of was heard by no decoder.
        assert(f->told[dir] <= totals->relayed[dir] && f->told[dir] == f->booked[dir]);
        if (f->told[dir] < totals->relayed[dir])
            emit_book_lost(f, (enum dir)dir, CAUSE_DECODE_LOST, totals->relayed[dir] - f->told[dir],
                           totals->at_us);
    }
    if (f->state == EMIT_ADMITTED) {
        emit_put_losses(e, f, true);
        if (f->book.due || !emit_put_flow_open(f) || !emit_put_flow_close(f, totals))
            emit_book_untold(f, totals->at_us);
        journal_unhold(e->journal, f->held);
    } else {
        emit_book_lost_flow(e, CAUSE_RING_FULL, (uint64_t[2]){0, 0}, 0, totals->at_us);
    }
    node_del(&f->in_young);
    node_del(&f->in_lossy);
    node_del(&f->in_late);
    free(f->sni);
    free(f);
}

void emit_close(struct sink_flow *sf, const struct flow_totals *totals)
{
    struct emit_flow *f = (struct emit_flow *)(void *)sf;
    struct emitter *e = f->e;
    struct node *next;

    emit_admit(f);
    for (struct node *n = f->pends.next; n != &f->pends; n = next) {
        struct pend *p = NODE_OWNER(n, struct pend, in_flow);
        next = n->next;
        if (p->ended)
            continue;
        f->transactions++;
        stat_add(&e->stats->transactions, 1);
        emit_pend_end(p, "the flow ended");
    }
    if (!emit_late_flow(f, totals))
        emit_end_flow(f, totals);
    emitter_done(e);
}

// ---- time

// Once a second for each transaction that lives so long: a live view is to see it, and its content.
static void check_age(struct pend *p, int64_t now_us)
{
    struct emitter *e = p->flow->e;

    node_del(&p->in_age);
    p->check_us = now_us + LONG_US;
    node_add(&e->ages, &p->in_age);
    if (!p->decided) {
        enum filter_verdict verdict = emit_filter_pend(p, false, "");
        if (verdict == FILTER_DROP)
            emit_pend_drop(p, PEND_FILTERED, 0);
        p->decided = verdict == FILTER_KEEP;
        if (!p->decided)
            return;
    }
    emit_put_txn_open(p);
    for (int dir = C2S; dir <= S2C; dir++) {
        struct half *h = &p->half[dir];
        if (p->fate == PEND_KEPT && (h->body_n || h->like) && h->end == MSG_ABSENT &&
            now_us - h->gather_first >= LONG_US)
            emit_body_spill(p, (enum dir)dir);
    }
}

static void end_joins(struct emitter *e, int64_t now_us)
{
    struct node *next;

    for (struct node *n = e->gathers.next; n != &e->gathers; n = next) {
        struct pend *p = NODE_OWNER(n, struct pend, in_gather);
        next = n->next;
        for (int dir = C2S; p->raw && dir <= S2C; dir++) {
            if (p->fate == PEND_KEPT && p->half[dir].body_n &&
                now_us - p->half[dir].gather_last >= EMIT_JOIN_US)
                emit_body_flush(p, (enum dir)dir, false);
        }
    }
}

// Of flows that live for a second, so that a live view sees them.
static void tell_young(struct emitter *e, int64_t now_us)
{
    while (e->young.next != &e->young) {
        struct emit_flow *f = NODE_OWNER(e->young.next, struct emit_flow, in_young);
        struct journal_facts facts;
        if (now_us - f->facts->at_us < LONG_US)
            return;
        node_del(&f->in_young);
        journal_facts(e->journal, &facts);
        if (f->state == EMIT_WAITING && facts.reserved + HELD_FLOW <= e->ring_size / QUIET_SHARE)
            hold(f);
        if (f->state == EMIT_ADMITTED)
            emit_put_flow_open(f);
    }
}

static void tell_losses(struct emitter *e)
{
    // Not at once when an ACK makes a little room: a loss a flow each time would fill it again.
    if (journal_free(e->journal) < e->ring_size / 16)
        return;
    emit_put_losses(e, NULL, false);
    struct node *next;
    for (struct node *n = e->lossy.next; n != &e->lossy; n = next) {
        next = n->next;
        emit_put_losses(e, NODE_OWNER(n, struct emit_flow, in_lossy), false);
    }
}

static void hold_for_losses(struct emitter *e)
{
    if (e->held == 0 && journal_hold(e->journal, CAUSES * HELD_LOSS))
        e->held = CAUSES * HELD_LOSS;
}

void emitter_tick(struct emitter *e, int64_t now_us)
{
    if (e->restart_due)
        emit_put_restart(e, now_us);
    if (!e->restart_due)
        hold_for_losses(e);
    emit_late_catch_up(e, false);
    tell_young(e, now_us);
    // One round: those that are looked at go to the end, with a later time.
    while (e->ages.next != &e->ages) {
        struct pend *p = NODE_OWNER(e->ages.next, struct pend, in_age);
        if (now_us < p->check_us)
            break;
        check_age(p, now_us);
    }
    end_joins(e, now_us);
    if (!e->restart_due)
        tell_losses(e);
    pool_trim(&e->pool);
    journal_rest(e->journal);
    emitter_done(e);
}

// ---- life

static const struct sink_factory factory = {.open = flow_open};

static void no_kick(void *arg)
{
    (void)arg;
}

struct emitter *emitter_new(const struct emitter_conf *conf, struct journal *j, struct stats *stats,
                            int64_t now_us)
{
    struct emitter *e = calloc(1, sizeof *e);
    struct journal_facts facts;

    if (!e)
        return NULL;
    e->rule[0] = strdup(RULE_INTERIM); // it keeps its place, however many others there are
    e->twins = twins_new(conf->budget / TWINS_SHARE);
    if (!e->rule[0] || !e->twins) {
        twins_free(e->twins);
        free(e->rule[0]);
        free(e);
        return NULL;
    }
    e->rules = 1;
    journal_facts(j, &facts);
    e->sink.ops = &factory;
    e->conf = *conf;
    if (!e->conf.on_append)
        e->conf.on_append = no_kick;
    e->journal = j;
    e->stats = stats;
    e->ring_size = facts.size;
    size_t budget = conf->budget < BUDGET_MIN ? BUDGET_MIN : conf->budget;
    // What is held then should find room in a ring that is far from empty.
    if (conf->block && budget > facts.size / 4)
        budget = facts.size / 4;
    pool_init(&e->pool, budget - budget / TWINS_SHARE);
    e->inline_max = facts.size / 16 < EMIT_INLINE_MAX ? facts.size / 16 : EMIT_INLINE_MAX;
    e->part_max = facts.size / 8 < EMIT_PART_MAX ? facts.size / 8 : EMIT_PART_MAX;
    e->nobody.ops = &emitter_nobody_ops;
    node_init(&e->young);
    node_init(&e->lossy);
    node_init(&e->late);
    node_init(&e->ages);
    node_init(&e->gathers);
    emitter_set_filter(e, conf->filter);
    e->restart_due = facts.recovered;
    if (!e->restart_due || emit_put_restart(e, now_us))
        hold_for_losses(e);
    return e;
}

void emitter_finish(struct emitter *e)
{
    emit_put_losses(e, NULL, true);
    emitter_done(e);
}

// What nobody will hear of: the next run knows nothing of it.
static uint64_t give_up(const struct emitter *e)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < CAUSES; i++) {
        const struct book_line *l = &e->book.line[i];
        if (!(e->book.due & 1u << i))
            continue;
        count++;
        log_error("emitter: the ring is full, so these losses are not recorded cause=%s flows=%llu "
                  "transactions=%llu c2s=%llu s2c=%llu",
                  metrics_cause_word(emit_causes[i]), (unsigned long long)l->flows,
                  (unsigned long long)l->transactions, (unsigned long long)l->bytes[C2S],
                  (unsigned long long)l->bytes[S2C]);
    }
    return count;
}

uint64_t emitter_free(struct emitter *e)
{
    if (!e)
        return 0;
    emit_late_catch_up(e, true);
    emit_put_losses(e, NULL, true);
    uint64_t untold = give_up(e);
    if (e->pool_told)
        stat_sub(&e->stats->tap_bytes, e->pool_told);
    journal_unhold(e->journal, e->held);
    for (unsigned i = 0; i < e->rules; i++)
        free(e->rule[i]);
    twins_free(e->twins);
    pool_clear(&e->pool);
    free(e);
    return untold;
}

struct sink *emitter_sink(struct emitter *e)
{
    return &e->sink;
}

void emitter_set_filter(struct emitter *e, const struct filter *f)
{
    const struct filter_node *root = f ? filter_root(f) : NULL;

    e->filter = root ? f : NULL;
    e->filter_fields = root ? filter_fields_of(root) : 0;
}

void emitter_set_file(struct emitter *e, uint64_t file)
{
    if (file != e->file)
        twins_forget(e->twins);
    e->file = file;
}

void emitter_set_max_body(struct emitter *e, uint64_t max_body)
{
    if (max_body != e->conf.max_body)
        twins_forget(e->twins); // other pieces of them are kept from now on
    e->conf.max_body = max_body;
}
