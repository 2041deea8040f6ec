// emitter_body: content on its way from the tap to the ring.
//
//   gathered ──small, to the end──────────────────────────→ body of the Transaction
//      └──spill: beyond inline_max, over the budget, or old──→ Parts: gathered while small,
//                                                             straight from the caller if large
//
// 1. Wire bytes become due before anything is done with the content, so that whatever ends the
//    transaction's being kept finds all of them.
// 2. put_at is the offset in the content of the first gathered byte; what the limit cuts off comes
//    behind all that is kept.
// 3. A digest exists from the first byte on that is not in the body of the Transaction.
#include "proto/base/varint.h"
#include "proxy/emit/emitter_state.h"

#include <assert.h>

// ---- rhythm

// The piece at hand is over.
static void rhythm_put(struct rhythm *r, struct pool *pool)
{
    unsigned char pair[2 * VARINT_MAX];
    int64_t since = r->count ? r->at_us - r->before_us : 0;
    unsigned char *end = varint_put(pair, since > 0 ? (uint64_t)since : 0);

    end = varint_put(end, r->wire);
    if (!pool_buf_add(pool, &r->pairs, pair, (size_t)(end - pair))) {
        r->given_up = true; // it only adorns the record
        pool_buf_free(pool, &r->pairs);
    }
    r->count++;
    r->before_us = r->at_us;
}

void emit_rhythm_hear(struct rhythm *r, struct pool *pool, uint64_t wire, int64_t at_us)
{
    if (wire == 0 || r->given_up)
        return;
    if (!r->begun) {
        r->begun = true;
        r->at_us = at_us;
    } else if (at_us != r->at_us && r->count < RHYTHM_PAIRS - 1) {
        rhythm_put(r, pool);
        r->at_us = at_us;
        r->wire = 0;
    }
    r->wire += wire;
}

struct view emit_rhythm_bytes(struct half *h, struct pool *pool)
{
    struct rhythm *r = &h->rhythm;

    if (r->count && !r->given_up && r->wire) {
        rhythm_put(r, pool);
        r->wire = 0;
    }
    return view_n(r->pairs.p, r->pairs.n);
}

// ---- memory

static void spill(struct pend *p, enum dir dir, uint64_t spare, bool last);

// Sends out what the transaction that began to gather first, but for p, has gathered. False: none
// has.
static bool relieve(struct emitter *e, const struct pend *p)
{
    struct node *n = e->gathers.next;

    if (n != &e->gathers && NODE_OWNER(n, struct pend, in_gather) == p)
        n = n->next;
    if (n == &e->gathers)
        return false;
    struct pend *other = NODE_OWNER(n, struct pend, in_gather);
    if (e->conf.block &&
        (e->restart_due || journal_free(e->journal) < EMIT_READ_MAX + emit_late_need(other)))
        return false; // rather beyond the budget
    for (int dir = C2S; dir <= S2C; dir++) {
        if (other->fate == PEND_KEPT && (other->half[dir].body_n || other->half[dir].hold_n))
            spill(other, (enum dir)dir, 0, true);
        if (other->fate == PEND_KEPT)
            pool_buf_shrink(&e->pool, &other->half[dir].data);
    }
    assert(!node_listed(&other->in_gather));
    return true;
}

// To block is to exceed the budget rather than to lose: by no more than the heads, and a block's
// worth of content, of transactions that are under way.
static bool may_exceed(struct emitter *e)
{
    return e->conf.block && e->pool.full;
}

bool emit_body_room(struct pend *p, struct pool_buf *b, size_t n)
{
    struct emitter *e = p->flow->e;

    while (!pool_buf_room(&e->pool, b, n)) {
        if (relieve(e, p))
            continue;
        size_t max = e->pool.max;
        if (!may_exceed(e))
            return false;
        e->pool.max = SIZE_MAX;
        bool found = pool_buf_room(&e->pool, b, n);
        e->pool.max = max;
        return found;
    }
    return true;
}

void *emit_body_block(struct emitter *e, size_t n, size_t *size)
{
    void *block;

    while (!(block = pool_take(&e->pool, n, size))) {
        if (relieve(e, NULL))
            continue;
        size_t max = e->pool.max;
        if (!may_exceed(e))
            return NULL;
        e->pool.max = SIZE_MAX;
        block = pool_take(&e->pool, n, size);
        e->pool.max = max;
        return block;
    }
    return block;
}

enum cause emit_body_shortage(const struct emitter *e)
{
    return e->pool.full ? CAUSE_BUDGET_FULL : CAUSE_OUT_OF_MEMORY;
}

// ---- gathering

void emit_body_gathered(struct pend *p)
{
    bool any =
        p->half[C2S].body_n || p->half[S2C].body_n || p->half[C2S].hold_n || p->half[S2C].hold_n;

    if (any && !node_listed(&p->in_gather))
        node_add(&p->flow->e->gathers, &p->in_gather);
    else if (!any)
        node_del(&p->in_gather);
}

static void note_time(struct half *h, int64_t at_us)
{
    if (h->body_n == 0)
        h->gather_first = at_us;
    h->gather_last = at_us;
}

static bool gather(struct pend *p, struct half *h, struct view content, int64_t at_us)
{
    if (content.n == 0)
        return true;
    if (!emit_body_room(p, &h->data, content.n))
        return false;
    note_time(h, at_us);
    if (h->body_n == 0)
        h->body_at = (uint32_t)h->data.n;
    memcpy(h->data.p + h->data.n, content.p, content.n);
    h->data.n += content.n;
    h->body_n += (uint32_t)content.n;
    emit_body_gathered(p);
    return true;
}

static void begin_digest(struct half *h)
{
    if (h->hashed || h->twin || h->withheld)
        return;
    h->hashed = true;
    digest_begin(&h->digest);
    if (h->body_n)
        digest_more(&h->digest, view_n(h->data.p + h->body_at, h->body_n));
}

// What was gathered goes out, and stands for what is due but for spare bytes.
static void flush(struct pend *p, enum dir dir, uint64_t spare, bool last)
{
    struct half *h = &p->half[dir];

    assert(spare <= h->due);
    if ((h->body_n == 0 && h->like == 0) || !emit_filter_settle(p))
        return;
    if (!last && emit_late_must_wait(p->flow->e, emit_late_need(p)))
        return;
    emit_put_flow_open(p->flow);
    if (h->like) {
        emit_put_txn_open(p);
        emit_twin_tell(p, dir, spare);
    }
    if (h->body_n == 0)
        return;
    size_t n = h->body_n, done = 0, most = p->flow->e->part_max;
    while (done < n) {
        size_t now = n - done < most ? n - done : most;
        uint64_t wire = h->due - spare;
        if (done + now < n && now < wire)
            wire = now;
        emit_put_part(p, dir, view_n(h->data.p + h->body_at + done, now), wire);
        done += now;
    }
    if (h->trailers_n) {
        memmove(h->data.p + h->body_at, h->data.p + h->trailers_at, h->trailers_n);
        h->trailers_at = h->body_at;
    }
    h->data.n -= n;
    h->body_n = 0;
    emit_body_gathered(p);
}

void emit_body_flush(struct pend *p, enum dir dir, bool last)
{
    flush(p, dir, 0, last);
}

// Straight from the caller's memory.
static void put_direct(struct pend *p, enum dir dir, struct view content, int64_t at_us)
{
    struct half *h = &p->half[dir];

    if (!emit_filter_settle(p))
        return;
    emit_put_flow_open(p->flow);
    h->gather_first = h->gather_last = at_us;
    while (content.n) {
        struct view now = view_head(content, p->flow->e->part_max);
        content = view_from(content, now.n);
        emit_put_part(p, dir, now, content.n && now.n < h->due ? now.n : h->due);
    }
}

// ---- Parts

static void spill(struct pend *p, enum dir dir, uint64_t spare, bool last)
{
    struct half *h = &p->half[dir];

    if (!emit_filter_settle(p))
        return;
    emit_twin_leave(p, dir);
    if (!h->in_parts) {
        begin_digest(h);
        h->in_parts = true;
        emit_put_txn_open(p);
    }
    flush(p, dir, spare, last);
    if (h->end == MSG_ABSENT)
        pool_buf_shrink(&p->flow->e->pool, &h->data);
}

void emit_body_spill(struct pend *p, enum dir dir)
{
    spill(p, dir, 0, false);
}

// spare: the wire bytes of this content, which are due already, and so are not what is gathered
// before stands for.
static void add_to_parts(struct pend *p, enum dir dir, struct view content, uint64_t spare,
                         int64_t at_us)
{
    struct half *h = &p->half[dir];
    size_t most = p->flow->e->inline_max;

    if (content.n == 0)
        return;
    if (p->raw) {
        // The order of the records is the order of the conversation.
        emit_body_flush(p, dir == C2S ? S2C : C2S, false);
        if (p->fate == PEND_KEPT && at_us - h->gather_last >= EMIT_JOIN_US)
            flush(p, dir, spare, false);
    }
    if (p->fate == PEND_KEPT && h->body_n + content.n > most)
        flush(p, dir, spare, false);
    if (p->fate != PEND_KEPT)
        return;
    bool direct =
        h->body_n == 0 && h->like == 0 && content.n >= (DIRECT_MIN < most ? DIRECT_MIN : most);
    if (direct && !emit_late_must_wait(p->flow->e, 2 * content.n + emit_late_need(p))) {
        put_direct(p, dir, content, at_us);
        return;
    }
    if (gather(p, h, content, at_us))
        return;
    flush(p, dir, spare, true);
    if (p->fate == PEND_KEPT)
        put_direct(p, dir, content, at_us);
}

// Content that is not, or no more, compared with what the recorder has.
static void add(struct pend *p, enum dir dir, struct view content, struct view kept, uint64_t spare,
                int64_t at_us)
{
    struct half *h = &p->half[dir];
    struct emitter *e = p->flow->e;

    if (!h->in_parts &&
        (h->body_n + kept.n > e->inline_max || !emit_body_room(p, &h->data, kept.n))) {
        spill(p, dir, spare, false);
        if (p->fate != PEND_KEPT)
            return;
    }
    if (content.n > kept.n || h->in_parts)
        begin_digest(h);
    if (h->twin)
        twin_add(h->twin, content);
    else if (h->hashed)
        digest_more(&h->digest, content);
    h->size += content.n;
    if (h->in_parts)
        add_to_parts(p, dir, kept, spare, at_us);
    else
        gather(p, h, kept, at_us);
}

static void withhold(struct pend *p, enum dir dir, size_t n)
{
    struct half *h = &p->half[dir];

    if (n > 0) {
        emit_twin_leave(p, dir);
        h->withheld = true;
        h->hashed = false;
    }
    h->size += n;
}

void emit_body_add(struct pend *p, enum dir dir, struct view content, uint64_t wire, int64_t at_us)
{
    struct half *h = &p->half[dir];
    struct view kept = emit_keep(h, content);
    uint64_t cut = content.p ? content.n - kept.n : 0;
    uint64_t left_out = cut < wire ? cut : wire;

    h->body_wire += wire;
    h->left_out += left_out;
    wire -= left_out;
    h->due += wire;
    if (!content.p) {
        withhold(p, dir, content.n);
        return;
    }
    if (content.n == 0)
        return; // framing alone
    size_t done = emit_twin_add(p, dir, content, at_us);
    if (done == content.n)
        return;
    content = view_from(content, done);
    add(p, dir, content, emit_keep(h, content), wire < content.n ? wire : content.n, at_us);
}
