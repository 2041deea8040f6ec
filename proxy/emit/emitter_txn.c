// emitter_txn: what the sink is told of a transaction, from its first message to its end.
//
// A number that no transaction has (any more), although the flow went past it, belongs to one that
// found no place at its beginning: what is told of it is lost, and it is counted when it ends.
#include "proxy/emit/emitter_state.h"

#include <stdlib.h>

static struct emit_flow *flow_of(struct sink_flow *f)
{
    return (struct emit_flow *)(void *)f;
}

static struct pend *find(const struct emit_flow *f, uint64_t n)
{
    // Requests go on with the youngest, answers with the oldest.
    struct pend *p = NODE_OWNER(f->pends.prev, struct pend, in_flow);

    if (f->pend_count && p->n == n)
        return p;
    for (struct node *i = f->pends.next; i != &f->pends; i = i->next) {
        p = NODE_OWNER(i, struct pend, in_flow);
        if (p->n >= n)
            return p->n == n ? p : NULL;
    }
    return NULL;
}

int64_t emit_pend_last_us(const struct pend *p)
{
    int64_t c2s = p->half[C2S].last_us, s2c = p->half[S2C].last_us;

    return c2s > s2c ? c2s : s2c;
}

static struct pend *begin(struct emit_flow *f, const struct sink_msg *m)
{
    struct emitter *e = f->e;
    size_t size;

    if (m->n < f->next_n)
        return NULL;
    f->next_n = m->n + 1;
    bool allowed = f->pend_count < EMIT_PENDING_MAX;
    struct pend *p = allowed ? emit_body_block(e, sizeof *p, &size) : NULL;
    if (!p) {
        f->short_of = allowed ? emit_body_shortage(e) : CAUSE_BUDGET_FULL;
        return NULL;
    }
    memset(p, 0, sizeof *p);
    p->flow = f;
    p->size = size;
    p->n = m->n;
    p->protocol = m->protocol;
    p->raw = m->as_parts;
    p->decided = !e->filter;
    p->check_us = m->at_us + LONG_US;
    for (int i = 0; i < TEXTS; i++)
        p->text[i] = NO_TEXT;
    node_add(&f->pends, &p->in_flow);
    f->pend_count++;
    node_add(&e->ages, &p->in_age);
    return p;
}

static void free_half(struct pend *p, struct half *h)
{
    struct pool *pool = &p->flow->e->pool;

    pool_buf_free(pool, &h->data);
    pool_buf_free(pool, &h->rhythm.pairs);
    twin_free(h->twin);
    h->twin = NULL;
    h->hold_n = 0;
    h->like = 0;
    h->holds = false;
}

static void free_linked(struct pend *p)
{
    if (p->linked)
        pool_give(&p->flow->e->pool, p->linked, p->linked->size);
    p->linked = NULL;
}

// What was lost before the filter had decided: nothing is missing of what it drops.
static void book_undecided(struct emit_flow *f, enum dir dir, struct half *h, enum fate fate)
{
    if (h->lost && fate == PEND_FILTERED)
        emit_book_omitted(f, dir, h->lost);
    else if (h->lost)
        emit_book_lost(f, dir, h->lost_cause, h->lost, h->last_us);
    h->lost = 0;
}

void emit_pend_drop(struct pend *p, enum fate fate, enum cause cause)
{
    struct emit_flow *f = p->flow;

    for (int dir = C2S; dir <= S2C; dir++) {
        struct half *h = &p->half[dir];
        uint64_t here = h->head_wire + h->due;
        uint64_t omitted = h->credit < here && fate == PEND_LOST ? h->credit : here;
        emit_book_omitted(f, (enum dir)dir, omitted + h->left_out);
        emit_book_lost(f, (enum dir)dir, cause, here - omitted, h->last_us);
        book_undecided(f, (enum dir)dir, h, fate);
        h->head_wire = h->due = h->left_out = h->credit = 0;
        h->body_n = 0;
        free_half(p, h);
    }
    free_linked(p);
    node_del(&p->in_gather);
    node_del(&p->in_age);
    p->fate = fate;
    p->cause = cause;
}

static void free_pend(struct pend *p)
{
    struct emit_flow *f = p->flow;

    free_half(p, &p->half[C2S]);
    free_half(p, &p->half[S2C]);
    free_linked(p);
    node_del(&p->in_gather);
    node_del(&p->in_age);
    node_del(&p->in_flow);
    if (!p->ended)
        f->pend_count--;
    free(p->note);
    pool_give(&f->e->pool, p, p->size);
}

void emit_pend_end(struct pend *p, const char *note)
{
    for (int dir = C2S; dir <= S2C; dir++) {
        if (p->fate == PEND_KEPT && p->half[dir].holds) // its end was never told
            emit_twin_end(p, (enum dir)dir, false);
    }
    if (p->fate == PEND_KEPT && !p->decided && emit_filter_pend(p, true, note) == FILTER_DROP)
        emit_pend_drop(p, PEND_FILTERED, 0);
    if (p->fate != PEND_KEPT || !emit_late_pend(p, note))
        emit_pend_put(p, note);
}

void emit_pend_put(struct pend *p, const char *note)
{
    struct emit_flow *f = p->flow;

    for (int dir = C2S; dir <= S2C; dir++) {
        if (p->fate == PEND_KEPT && p->half[dir].in_parts)
            emit_body_flush(p, (enum dir)dir, true);
    }
    if (p->fate == PEND_KEPT && !emit_put_txn(p, note))
        emit_pend_drop(p, PEND_LOST, CAUSE_RING_FULL);
    for (int dir = C2S; dir <= S2C; dir++)
        book_undecided(f, (enum dir)dir, &p->half[dir], p->fate);
    if (p->fate == PEND_LOST)
        emit_book_lost_txn(f, p->cause, emit_pend_last_us(p));
    if (p->fate == PEND_FILTERED) {
        f->filtered++;
        stat_add(&f->e->stats->filtered, 1);
    }
    free_pend(p);
}

// ---- what the sink is told

// Wire bytes of a transaction that is not kept. False: it is kept.
static bool passes(struct emit_flow *f, const struct pend *p, enum dir dir, uint64_t wire,
                   int64_t at_us)
{
    if (p && p->fate == PEND_KEPT)
        return false;
    f->passed_us = at_us;
    if (p && p->fate == PEND_FILTERED)
        emit_book_omitted(f, dir, wire);
    else
        emit_book_lost(f, dir, p ? p->cause : f->short_of, wire, at_us);
    return true;
}

static bool add_text(struct pend *p, int which, struct view text)
{
    struct pool_buf *b = &p->half[C2S].data;

    if (text.n == 0)
        return true;
    if (!emit_body_room(p, b, PACK_TEXT_ROOM(text.n)))
        return false;
    p->text[which] = (uint32_t)b->n;
    b->n += pack_text(b->p + b->n, text) + 1;
    return true;
}

static bool add_head(struct pend *p, struct half *h, const struct sink_msg *m)
{
    h->head_at = (uint32_t)h->data.n;
    h->head_n = (uint32_t)m->head.n;
    if (!emit_body_room(p, &h->data, m->head.n) ||
        !pool_buf_add(&p->flow->e->pool, &h->data, m->head.p, m->head.n))
        return false;
    return m->dir == S2C ||
           (add_text(p, TEXT_METHOD, m->method) && add_text(p, TEXT_SCHEME, m->scheme) &&
            add_text(p, TEXT_HOST, m->host) && add_text(p, TEXT_PATH, m->path) &&
            add_text(p, TEXT_QUERY, m->query));
}

static bool add_interim(struct pend *p, struct half *h, const struct sink_msg *m)
{
    if (h->interims == PACK_INTERIMS_MAX || h->data.n + m->head.n > INTERIM_BYTES) {
        h->left_out += m->head_wire; // what a server repeats without end adds nothing
        h->head_wire -= m->head_wire;
        h->head_left_out = true;
        h->rules |= emitter_rule(p->flow->e, RULE_INTERIM);
        return true;
    }
    if (!emit_body_room(p, &h->data, m->head.n) ||
        !pool_buf_add(&p->flow->e->pool, &h->data, m->head.p, m->head.n))
        return false;
    h->interim_end[h->interims++] = (uint32_t)h->data.n;
    return true;
}

static void hear_begin(struct pend *p, const struct sink_msg *m)
{
    struct half *h = &p->half[m->dir];

    h->head_wire += m->head_wire;
    h->head_left_out = false;
    if (!h->seen || !m->interim)
        h->first_us = m->at_us;
    h->last_us = m->at_us;
    h->seen = true;
    if (m->dir == S2C && m->by_proxy)
        p->by_proxy = true;
    if (m->interim) {
        if (!add_interim(p, h, m))
            emit_pend_drop(p, PEND_LOST, emit_body_shortage(p->flow->e));
        return;
    }
    h->begun = true;
    h->limit = p->flow->e->conf.max_body;
    h->in_parts = p->raw;
    if (!p->raw)
        emit_rhythm_hear(&h->rhythm, &p->flow->e->pool, m->head_wire, m->at_us);
    if (m->dir == S2C)
        p->status = m->status;
    if (m->version.n && (m->dir == C2S || !p->version[0])) {
        struct view version = view_head(m->version, sizeof p->version - 1);
        memcpy(p->version, version.p, version.n);
        p->version[version.n] = '\0';
    }
    if (!add_head(p, h, m))
        emit_pend_drop(p, PEND_LOST, emit_body_shortage(p->flow->e));
}

static void on_begin(struct sink_flow *sf, const struct sink_msg *m)
{
    struct emit_flow *f = flow_of(sf);

    f->told[m->dir] += m->head_wire;
    if (!emit_admit(f)) {
        emit_book_lost(f, m->dir, CAUSE_RING_FULL, m->head_wire, m->at_us);
        return;
    }
    struct pend *p = find(f, m->n);
    if (!p)
        p = begin(f, m);
    if (!passes(f, p, m->dir, m->head_wire, m->at_us))
        hear_begin(p, m);
    emitter_done(f->e);
}

static void on_body(struct sink_flow *sf, uint64_t n, enum dir dir, struct view content,
                    uint64_t wire, int64_t at_us)
{
    struct emit_flow *f = flow_of(sf);

    f->told[dir] += wire;
    struct pend *p = find(f, n);
    if (!passes(f, p, dir, wire, at_us)) {
        struct half *h = &p->half[dir];
        h->seen = true;
        h->last_us = at_us;
        if (!p->raw)
            emit_rhythm_hear(&h->rhythm, &f->e->pool, wire, at_us);
        emit_body_add(p, dir, content, wire, at_us);
    }
    emitter_done(f->e);
}

static void on_end(struct sink_flow *sf, uint64_t n, enum dir dir, enum msg_end how,
                   struct view trailers, uint64_t wire, int64_t at_us)
{
    struct emit_flow *f = flow_of(sf);

    f->told[dir] += wire;
    struct pend *p = find(f, n);
    if (!passes(f, p, dir, wire, at_us)) {
        struct half *h = &p->half[dir];
        h->seen = true;
        h->last_us = at_us;
        h->end = how;
        h->body_wire += wire;
        h->due += wire;
        if (!p->raw)
            emit_rhythm_hear(&h->rhythm, &f->e->pool, wire, at_us);
        if (h->holds)
            emit_twin_end(p, dir, how != MSG_CUT);
        if (trailers.n && h->in_parts && p->fate == PEND_KEPT)
            emit_body_flush(p, dir, false);
        if (trailers.n && p->fate == PEND_KEPT) {
            if (emit_body_room(p, &h->data, trailers.n)) {
                h->trailers_at = (uint32_t)h->data.n;
                h->trailers_n = (uint32_t)trailers.n;
                pool_buf_add(&f->e->pool, &h->data, trailers.p, trailers.n);
            } else {
                emit_pend_drop(p, PEND_LOST, emit_body_shortage(p->flow->e));
            }
        }
    }
    emitter_done(f->e);
}

static void on_txn_end(struct sink_flow *sf, uint64_t n, const char *note)
{
    struct emit_flow *f = flow_of(sf);
    struct pend *p = find(f, n);

    f->transactions++;
    stat_add(&f->e->stats->transactions, 1);
    if (p)
        emit_pend_end(p, note);
    else
        emit_book_lost_txn(f, f->short_of, f->passed_us);
    emitter_done(f->e);
}

static void on_tls(struct sink_flow *sf, const struct tls_facts *t)
{
    struct emit_flow *f = flow_of(sf);

    if (emit_admit(f)) {
        emit_put_flow_open(f);
        if (!emit_put_tls(f, t))
            emit_book_lost_record(f, CAUSE_RING_FULL, t->at_us);
        if (!f->sni && *t->sni && (f->e->filter_fields & FILTER_BIT(FIELD_SNI)))
            f->sni = strdup(t->sni);
    }
    // Without its text, for want of memory or because nobody asked for it then, the filter does not
    // know it, and keeps.
    f->has_sni = f->has_sni || *t->sni;
    emitter_done(f->e);
}

static void on_omitted(struct sink_flow *sf, uint64_t n, enum dir dir, const char *what,
                       uint64_t wire)
{
    struct emit_flow *f = flow_of(sf);
    struct pend *p = find(f, n);

    if (!p || p->fate != PEND_KEPT)
        return;
    if (!p->half[dir].head_left_out)
        p->half[dir].credit += wire;
    p->half[dir].rules |= emitter_rule(f->e, what);
}

static void on_lost(struct sink_flow *sf, uint64_t n, enum dir dir, enum cause cause, uint64_t wire,
                    int64_t at_us)
{
    struct emit_flow *f = flow_of(sf);
    struct pend *p = n == SINK_NO_MESSAGE ? NULL : find(f, n);

    f->told[dir] += wire;
    emit_admit(f);
    if (p && p->fate == PEND_FILTERED) {
        emit_book_omitted(f, dir, wire);
    } else if (p && p->fate == PEND_KEPT && !p->decided) {
        p->half[dir].lost += wire;
        p->half[dir].lost_cause = cause;
    } else {
        emit_book_lost(f, dir, cause, wire, at_us);
    }
    emitter_done(f->e);
}

static void on_linked(struct sink_flow *sf, uint64_t n, int64_t original, const char *outcome)
{
    struct emit_flow *f = flow_of(sf);
    struct pend *p = find(f, n);
    struct view text = view_n(outcome, strnlen(outcome, PACK_TEXT_MAX));
    size_t size;

    if (!p || p->fate != PEND_KEPT)
        return;
    free_linked(p);
    struct linked *l = emit_body_block(f->e, sizeof *l + PACK_TEXT_ROOM(text.n), &size);
    if (l) {
        l->size = size;
        l->original = original;
        pack_text(l->outcome, text);
        p->linked = l;
    } else {
        emit_pend_drop(p, PEND_LOST, emit_body_shortage(f->e));
    }
    emitter_done(f->e);
}

const struct sink_ops emitter_ops = {
    .msg_begin = on_begin,
    .msg_body = on_body,
    .msg_end = on_end,
    .txn_end = on_txn_end,
    .tls = on_tls,
    .omitted = on_omitted,
    .lost = on_lost,
    .linked = on_linked,
    .close = emit_close,
};
