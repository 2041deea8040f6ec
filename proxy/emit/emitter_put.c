// emitter_put: records into the journal, and the ledger of what they stand for.
//
// booked[dir] of a flow grows here only, by exactly the wire bytes that a record, a loss or the
// flow's own omitted count now answers for.
#include "proxy/emit/emitter_state.h"

#include <assert.h>
#include <unistd.h>

// ---- the ledger

const enum cause emit_causes[CAUSES] = {
    CAUSE_RING_FULL,        CAUSE_DECODE_LOST, CAUSE_OUT_OF_MEMORY,
    CAUSE_REDACTION_FAILED, CAUSE_BUDGET_FULL,
};

static struct book_line *line_of(struct book *b, enum cause cause, int64_t at_us)
{
    unsigned i = emit_cause_index(cause);
    assert(i < CAUSES && emit_causes[i] == cause);
    struct book_line *l = &b->line[i];

    if (!(b->due & 1u << i)) {
        b->due |= 1u << i;
        *l = (struct book_line){.first_us = at_us, .last_us = at_us};
    }
    if (at_us < l->first_us)
        l->first_us = at_us;
    if (at_us > l->last_us)
        l->last_us = at_us;
    return l;
}

// The line where a flow's loss stands: a flow without a record has the worker's.
static struct book_line *flow_line(struct emit_flow *f, enum cause *cause, int64_t at_us)
{
    if (f->state == EMIT_UNRECORDED) {
        *cause = CAUSE_RING_FULL;
        return line_of(&f->e->book, *cause, at_us);
    }
    if (!node_listed(&f->in_lossy))
        node_add(&f->e->lossy, &f->in_lossy);
    // Room to tell of it is set aside, and when there is none, that is its cause.
    unsigned bit = 1u << emit_cause_index(*cause);
    if (f->holds && !(f->held_losses & bit)) {
        if (journal_hold(f->e->journal, HELD_LOSS)) {
            f->held += HELD_LOSS;
            f->held_losses |= bit;
        } else {
            *cause = CAUSE_RING_FULL;
        }
    }
    return line_of(&f->book, *cause, at_us);
}

void emit_book_lost(struct emit_flow *f, enum dir dir, enum cause cause, uint64_t wire,
                    int64_t at_us)
{
    if (wire == 0)
        return;
    flow_line(f, &cause, at_us)->bytes[dir] += wire;
    f->booked[dir] += wire;
    stat_add(&f->e->stats->lost_bytes[cause], wire);
}

void emit_book_lost_txn(struct emit_flow *f, enum cause cause, int64_t at_us)
{
    flow_line(f, &cause, at_us)->transactions++;
    stat_add(&f->e->stats->lost_transactions[cause], 1);
}

void emit_book_lost_record(struct emit_flow *f, enum cause cause, int64_t at_us)
{
    flow_line(f, &cause, at_us);
}

void emit_book_lost_flow(struct emitter *e, enum cause cause, const uint64_t bytes[2],
                         uint64_t transactions, int64_t at_us)
{
    struct book_line *l = line_of(&e->book, cause, at_us);

    l->flows++;
    l->bytes[C2S] += bytes[C2S];
    l->bytes[S2C] += bytes[S2C];
    l->transactions += transactions;
    stat_add(&e->stats->lost_bytes[cause], bytes[C2S] + bytes[S2C]);
    stat_add(&e->stats->lost_transactions[cause], transactions);
}

void emit_book_untold(struct emit_flow *f, int64_t at_us)
{
    for (unsigned i = 0; i < CAUSES; i++) {
        const struct book_line *from = &f->book.line[i];
        if (!(f->book.due & 1u << i))
            continue;
        struct book_line *to = line_of(&f->e->book, emit_causes[i], from->first_us);
        to->transactions += from->transactions;
        to->bytes[C2S] += from->bytes[C2S];
        to->bytes[S2C] += from->bytes[S2C];
        if (from->last_us > to->last_us)
            to->last_us = from->last_us;
    }
    f->book.due = 0;
    line_of(&f->e->book, CAUSE_RING_FULL, at_us)->flows++;
}

void emit_book_omitted(struct emit_flow *f, enum dir dir, uint64_t wire)
{
    f->omitted[dir] += wire;
    f->booked[dir] += wire;
    stat_add(&f->e->stats->omitted_bytes, wire);
}

// ---- records

static void *put_room(struct emitter *e, size_t n, size_t held)
{
    return journal_room(e->journal, n, held);
}

static uint64_t put_commit(struct emitter *e, enum wire_type type, size_t n)
{
    stat_add(&e->stats->records, 1);
    stat_add(&e->stats->record_bytes, WIRE_HEADER + n);
    e->appended = true;
    return journal_commit(e->journal, type, n);
}

bool emit_put_restart(struct emitter *e, int64_t now_us)
{
    void *room = put_room(e, PACK_RESTART_MAX, 0);

    if (!room)
        return false;
    put_commit(e, WIRE_RESTART, pack_restart(room, now_us, (unsigned)getpid()));
    e->restart_due = false;
    return true;
}

bool emit_put_flow_open(struct emit_flow *f)
{
    size_t from = f->holds ? HELD_OPEN : 0;

    if (f->seq)
        return true;
    void *room = f->e->restart_due ? NULL : put_room(f->e, PACK_FLOW_OPEN_MAX, from);
    assert(room || !f->holds);
    if (!room)
        return false;
    f->seq = put_commit(f->e, WIRE_FLOW_OPEN, pack_flow_open(room, f->facts));
    f->held -= from;
    node_del(&f->in_young);
    return true;
}

bool emit_put_flow_close(struct emit_flow *f, const struct flow_totals *totals)
{
    struct pack_flow_close c = {
        .flow = f->seq,
        .omitted = {f->omitted[C2S], f->omitted[S2C]},
        .transactions = f->transactions,
        .filtered = f->filtered,
        .totals = totals,
    };
    size_t from = f->holds ? HELD_CLOSE : 0;
    void *room = put_room(f->e, PACK_FLOW_CLOSE_MAX, from);

    assert(room || !f->holds);
    if (!room)
        return false;
    put_commit(f->e, WIRE_FLOW_CLOSE, pack_flow_close(room, &c));
    f->held -= from;
    return true;
}

bool emit_put_tls(struct emit_flow *f, const struct tls_facts *t)
{
    void *room = f->seq ? put_room(f->e, PACK_TLS_MAX, 0) : NULL;

    if (!room)
        return false;
    put_commit(f->e, WIRE_TLS, pack_tls(room, f->seq, t));
    return true;
}

// Of what is held for a loss, which of it may be used for this one: a full ring can be met again.
static size_t held_for(struct emitter *e, struct emit_flow *f, unsigned line, bool last)
{
    bool any = f ? (f->held_losses & 1u << line) != 0 : e->held >= HELD_LOSS;

    return any && (last || (f && line != emit_cause_index(CAUSE_RING_FULL))) ? HELD_LOSS : 0;
}

void emit_put_losses(struct emitter *e, struct emit_flow *f, bool last)
{
    struct book *b = f ? &f->book : &e->book;

    for (unsigned i = 0; i < CAUSES && b->due; i++) {
        const struct book_line *l = &b->line[i];
        size_t from = held_for(e, f, i, last);
        if (!(b->due & 1u << i))
            continue;
        if (f && !emit_put_flow_open(f))
            return;
        void *room = put_room(e, PACK_LOSS_MAX, from);
        if (!room)
            return;
        if (f && from)
            f->held_losses &= ~(1u << i);
        *(f ? &f->held : &e->held) -= from;
        struct pack_loss loss = {
            .flow = f ? f->seq : 0,
            .cause = emit_causes[i],
            .transactions = l->transactions,
            .flows = l->flows,
            .bytes = {l->bytes[C2S], l->bytes[S2C]},
            .first_us = l->first_us,
            .last_us = l->last_us,
        };
        put_commit(e, WIRE_LOSS, pack_loss(room, &loss));
        b->due &= ~(1u << i);
    }
    if (f && !b->due)
        node_del(&f->in_lossy);
}

// ---- transactions

static const char *text_of(const struct pend *p, int which)
{
    return p->text[which] == NO_TEXT ? "" : p->half[C2S].data.p + p->text[which];
}

static void fill_txn(struct pack_txn *t, const struct pend *p)
{
    *t = (struct pack_txn){
        .flow = p->flow->seq,
        .n = p->n,
        .protocol = p->protocol,
        .version = p->version,
        .method = text_of(p, TEXT_METHOD),
        .scheme = text_of(p, TEXT_SCHEME),
        .host = text_of(p, TEXT_HOST),
        .path = text_of(p, TEXT_PATH),
        .query = text_of(p, TEXT_QUERY),
        .note = "",
        .status = p->status,
        .by_proxy = p->by_proxy,
        .original = p->linked ? (uint64_t)p->linked->original : 0,
        .outcome = p->linked ? p->linked->outcome : "",
    };
    for (int dir = C2S; dir <= S2C; dir++) {
        t->half[dir].first_us = p->half[dir].first_us;
        t->half[dir].end = p->half[dir].end;
    }
}

void emit_put_txn_open(struct pend *p)
{
    struct emitter *e = p->flow->e;
    struct pack_txn t;

    if (p->told || !emit_put_flow_open(p->flow))
        return;
    fill_txn(&t, p);
    void *room = put_room(e, pack_txn_open_bound(&t), 0);
    if (!room)
        return; // the Transaction says all again
    put_commit(e, WIRE_TRANSACTION_OPEN, pack_txn_open(room, &t));
    p->told = true;
}

struct half_parts { // what a packed half points to
    struct view interim[PACK_INTERIMS_MAX];
    const char *rule[PACK_RULES_MAX];
    unsigned char digest[DIGEST_SIZE];
};

static const char *rule_name(const struct emitter *e, unsigned i)
{
    return e->rule[i] ? e->rule[i] : "other";
}

static struct view piece(const struct half *h, uint32_t at, uint32_t n)
{
    return n ? view_n(h->data.p + at, n) : view_n(NULL, 0);
}

static void fill_half(struct pack_half *out, struct half_parts *parts, struct half *h,
                      struct emitter *e)
{
    out->last_us = h->last_us;
    out->head = piece(h, h->head_at, h->head_n);
    out->trailers = piece(h, h->trailers_at, h->trailers_n);
    out->rhythm = emit_rhythm_bytes(h, &e->pool);
    out->head_wire = h->head_wire;
    out->body_wire = h->body_wire;
    out->body_size = h->size;
    out->body_stored = h->stored;
    out->parts = h->parts;
    out->end = h->end == MSG_ABSENT ? MSG_CUT : h->end;
    if (!h->in_parts) {
        out->body = piece(h, h->body_at, h->body_n);
        out->body_stored = h->body_n;
    }
    if (h->twin && !h->withheld) {
        twin_digest(h->twin, parts->digest);
        out->digest = parts->digest;
    }
    if (h->known) {
        out->known = true;
        out->body_stored = emit_within(h, h->size);
    }
    if (h->hashed) {
        digest_end(&h->digest, parts->digest);
        h->hashed = false;
        out->digest = parts->digest;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < h->interims; i++) {
        parts->interim[i] = piece(h, at, h->interim_end[i] - at);
        at = h->interim_end[i];
    }
    out->interims = h->interims;
    out->interim = parts->interim;
    for (uint64_t rules = h->rules; rules; rules &= rules - 1)
        parts->rule[out->rules++] = rule_name(e, (unsigned)__builtin_ctzll(rules));
    out->rule = parts->rule;
}

bool emit_put_txn(struct pend *p, const char *note)
{
    struct emit_flow *f = p->flow;
    struct emitter *e = f->e;
    struct pack_txn t;
    struct half_parts parts[2];
    char clean[PACK_TEXT_ROOM(PACK_TEXT_MAX)];

    if (!emit_put_flow_open(f))
        return false;
    fill_txn(&t, p);
    if (*note) {
        pack_text(clean, view_n(note, strnlen(note, PACK_TEXT_MAX)));
        t.note = clean;
    }
    for (int dir = C2S; dir <= S2C; dir++) {
        struct half *h = &p->half[dir];
        uint64_t here = h->head_wire + h->due, omitted = h->credit < here ? h->credit : here;
        t.account.stored[dir] = here - omitted;
        t.account.omitted[dir] = omitted + h->left_out;
        if (h->seen)
            fill_half(&t.half[dir], &parts[dir], h, e);
    }
    void *room = put_room(e, pack_txn_bound(&t), 0);
    if (!room)
        return false;
    put_commit(e, WIRE_TRANSACTION, pack_txn(room, &t));
    for (int dir = C2S; dir <= S2C; dir++) {
        f->booked[dir] += t.account.stored[dir] + t.account.omitted[dir];
        stat_add(&e->stats->omitted_bytes, t.account.omitted[dir]);
        emit_twin_written(&p->half[dir]);
    }
    return true;
}

static void put_part(struct pend *p, enum dir dir, struct view bytes, const unsigned char *like,
                     uint64_t size, uint64_t wire)
{
    struct emit_flow *f = p->flow;
    struct half *h = &p->half[dir];
    // What redaction left out belongs to the head first, which the Transaction stands for.
    uint64_t beyond = h->credit > h->head_wire ? h->credit - h->head_wire : 0;
    uint64_t omitted = beyond < wire ? beyond : wire;
    struct pack_part part = {
        .flow = f->seq,
        .n = p->n,
        .offset = h->put_at,
        .dir = dir,
        .first_us = h->gather_first,
        .last_us = h->gather_last,
        .bytes = bytes,
        .like = like,
        .size = size,
        .stored = wire - omitted,
        .omitted = omitted,
    };

    assert(wire <= h->due && size);
    void *room = f->seq ? put_room(f->e, pack_part_bound(&part), 0) : NULL;
    if (room) {
        put_commit(f->e, WIRE_PART, pack_part(room, &part));
        f->booked[dir] += wire;
        stat_add(&f->e->stats->omitted_bytes, omitted);
        h->stored += size;
        h->parts++;
    } else {
        emit_book_lost(f, dir, CAUSE_RING_FULL, wire - omitted, h->gather_last);
        emit_book_omitted(f, dir, omitted);
    }
    h->put_at += size;
    h->due -= wire;
    h->credit -= omitted;
}

void emit_put_part(struct pend *p, enum dir dir, struct view bytes, uint64_t wire)
{
    put_part(p, dir, bytes, NULL, bytes.n, wire);
}

void emit_put_like(struct pend *p, enum dir dir, const unsigned char digest[DIGEST_SIZE],
                   uint64_t size, uint64_t wire)
{
    put_part(p, dir, view_n(NULL, 0), digest, size, wire);
}
