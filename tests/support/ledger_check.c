// ledger_check: see ledger_check.h.
#include "tests/support/ledger_check.h"

#include "proto/digest.h"
#include "proxy/emit/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define APPEND(list, count, value)                                                                 \
    do {                                                                                           \
        (list) = realloc((list), ((count) + 1) * sizeof *(list));                                  \
        assert_non_null(list);                                                                     \
        (list)[(count)++] = (value);                                                               \
    } while (0)

void ledger_clear(struct ledger *l)
{
    for (size_t i = 0; i < l->flows; i++) {
        tapedeck__flow_open__free_unpacked(l->flow[i].open, NULL);
        tapedeck__flow_close__free_unpacked(l->flow[i].close, NULL);
    }
    for (size_t i = 0; i < l->txns; i++)
        tapedeck__transaction__free_unpacked(l->txn[i], NULL);
    for (size_t i = 0; i < l->parts; i++)
        tapedeck__part__free_unpacked(l->part[i], NULL);
    for (size_t i = 0; i < l->opens; i++)
        tapedeck__transaction_open__free_unpacked(l->open[i], NULL);
    for (size_t i = 0; i < l->losses; i++)
        tapedeck__loss__free_unpacked(l->loss[i], NULL);
    for (size_t i = 0; i < l->tlss; i++)
        tapedeck__tls__free_unpacked(l->tls[i], NULL);
    free(l->flow);
    free(l->txn);
    free(l->part);
    free(l->open);
    free(l->loss);
    free(l->tls);
    *l = (struct ledger){0};
}

static struct ledger_flow *find(const struct ledger *l, uint64_t id)
{
    for (size_t i = l->flows; i-- > 0;) {
        if (l->flow[i].id == id)
            return &l->flow[i];
    }
    return NULL;
}

const struct ledger_flow *ledger_find_flow(const struct ledger *l, uint64_t id)
{
    return find(l, id);
}

static struct ledger_flow *add_flow(struct ledger *l, uint64_t id)
{
    APPEND(l->flow, l->flows, ((struct ledger_flow){.id = id}));
    return &l->flow[l->flows - 1];
}

static struct ledger_flow *open_flow(struct ledger *l, uint64_t id)
{
    struct ledger_flow *f = find(l, id);

    assert_true(id != 0);
    assert_non_null(f);
    assert_false(f->closed);
    assert_false(f->ended);
    return f;
}

static void account(struct ledger_flow *f, const Tapedeck__Account *a)
{
    assert_non_null(a);
    f->stored[0] += a->stored_c2s;
    f->stored[1] += a->stored_s2c;
    f->omitted[0] += a->omitted_c2s;
    f->omitted[1] += a->omitted_s2c;
}

static void take_open(struct ledger *l, uint64_t seq, size_t n, const uint8_t *p)
{
    Tapedeck__FlowOpen *m = tapedeck__flow_open__unpack(NULL, n, p);

    assert_non_null(m);
    add_flow(l, seq)->open = m;
}

static void take_close(struct ledger *l, size_t n, const uint8_t *p)
{
    Tapedeck__FlowClose *m = tapedeck__flow_close__unpack(NULL, n, p);

    assert_non_null(m);
    struct ledger_flow *f = open_flow(l, m->flow);
    account(f, m->account);
    f->relayed[0] = m->relayed_c2s;
    f->relayed[1] = m->relayed_s2c;
    f->transactions = m->transactions;
    f->filtered = m->filtered;
    f->closed = true;
    f->close = m;
}

static void take_transaction(struct ledger *l, size_t n, const uint8_t *p)
{
    Tapedeck__Transaction *m = tapedeck__transaction__unpack(NULL, n, p);

    assert_non_null(m);
    struct ledger_flow *f = open_flow(l, m->flow);
    account(f, m->account);
    f->rows++;
    assert_null(ledger_find(l, m->flow, m->n));
    APPEND(l->txn, l->txns, m);
}

static void take_part(struct ledger *l, size_t n, const uint8_t *p)
{
    Tapedeck__Part *m = tapedeck__part__unpack(NULL, n, p);

    assert_non_null(m);
    account(open_flow(l, m->flow), m->account);
    assert_null(ledger_find(l, m->flow, m->n));
    assert_true(m->first_us <= m->last_us);
    assert_true(m->like.len ? m->size > 0 && !m->bytes.len : m->bytes.len > 0);
    APPEND(l->part, l->parts, m);
}

static void take_loss(struct ledger *l, size_t n, const uint8_t *p)
{
    Tapedeck__Loss *m = tapedeck__loss__unpack(NULL, n, p);
    struct ledger_flow *f;

    assert_non_null(m);
    assert_true(m->cause != 0 && m->first_us <= m->last_us);
    if (m->flow) {
        f = open_flow(l, m->flow);
        assert_int_equal(m->flows, 0);
    } else {
        f = find(l, 0);
        if (!f)
            f = add_flow(l, 0);
    }
    f->lost[0] += m->lost_c2s;
    f->lost[1] += m->lost_s2c;
    f->lost_transactions += m->transactions;
    f->lost_flows += m->flows;
    APPEND(l->loss, l->losses, m);
}

void ledger_take(struct ledger *l, const struct wire_frame *frame)
{
    const uint8_t *p = (const uint8_t *)frame->payload.p;
    size_t n = frame->payload.n;

    assert_int_equal(frame->kind, WIRE_RECORD);
    if (l->next_seq)
        assert_int_equal(frame->seq, l->next_seq);
    l->next_seq = frame->seq + 1;
    l->records++;
    switch (frame->type) {
    case WIRE_FLOW_OPEN:
        take_open(l, frame->seq, n, p);
        break;
    case WIRE_FLOW_CLOSE:
        take_close(l, n, p);
        break;
    case WIRE_TLS: {
        Tapedeck__Tls *m = tapedeck__tls__unpack(NULL, n, p);
        assert_non_null(m);
        open_flow(l, m->flow);
        APPEND(l->tls, l->tlss, m);
        break;
    }
    case WIRE_TRANSACTION:
        take_transaction(l, n, p);
        break;
    case WIRE_TRANSACTION_OPEN: {
        Tapedeck__TransactionOpen *m = tapedeck__transaction_open__unpack(NULL, n, p);
        assert_non_null(m);
        open_flow(l, m->flow);
        APPEND(l->open, l->opens, m);
        break;
    }
    case WIRE_PART:
        take_part(l, n, p);
        break;
    case WIRE_LOSS:
        take_loss(l, n, p);
        break;
    case WIRE_RESTART:
        l->restarts++;
        for (size_t i = 0; i < l->flows; i++)
            l->flow[i].ended = l->flow[i].id && !l->flow[i].closed;
        break;
    default:
        fail_msg("a record of type %u", frame->type);
    }
}

void ledger_drain(struct ledger *l, struct journal *j)
{
    struct iovec pieces[2];
    uint64_t last = 0;
    int count = journal_unsent(j, pieces);

    for (int i = 0; i < count; i++) {
        struct view in = view_n(pieces[i].iov_base, pieces[i].iov_len);
        while (in.n) {
            struct wire_frame frame;
            size_t used;
            assert_int_equal(wire_take(in, &frame, &used), 0);
            ledger_take(l, &frame);
            last = frame.seq;
            in = view_from(in, used);
        }
    }
    for (int i = 0; i < count; i++)
        journal_sent(j, pieces[i].iov_len);
    if (last)
        assert_true(journal_ack(j, last));
}

const Tapedeck__Transaction *ledger_find(const struct ledger *l, uint64_t flow, uint64_t n)
{
    for (size_t i = l->txns; i-- > 0;) {
        if (l->txn[i]->flow == flow && l->txn[i]->n == n)
            return l->txn[i];
    }
    return NULL;
}

static uint64_t part_size(const Tapedeck__Part *p)
{
    return p->like.len ? p->size : p->bytes.len;
}

// The content with that digest, of another message than but, of which so much is kept; freed by the
// caller. It must be there.
static unsigned char *content_of(const struct ledger *l, ProtobufCBinaryData digest, uint64_t kept,
                                 const Tapedeck__Message *but, size_t *n)
{
    for (size_t i = 0; i < l->txns; i++) {
        for (int s2c = 0; s2c < 2; s2c++) {
            const Tapedeck__Message *m = s2c ? l->txn[i]->response : l->txn[i]->request;
            if (m && m != but && !m->known && m->body_stored >= kept &&
                m->body_digest.len == digest.len &&
                memcmp(m->body_digest.data, digest.data, digest.len) == 0)
                return ledger_content(l, l->txn[i], s2c, n);
        }
    }
    fail_msg("content is referred to that never came");
    return NULL;
}

unsigned char *ledger_content(const struct ledger *l, const Tapedeck__Transaction *t, bool s2c,
                              size_t *n)
{
    const Tapedeck__Message *m = s2c ? t->response : t->request;
    unsigned char *out = calloc(1, (m ? m->body_size : 0) + 1);
    size_t size;

    assert_non_null(out);
    *n = m ? m->body_size : 0;
    if (m && m->known) {
        unsigned char *other = content_of(l, m->body_digest, m->body_stored, m, &size);
        assert_int_equal(size, *n);
        memcpy(out, other, size);
        free(other);
    }
    if (m && m->body.len)
        memcpy(out, m->body.data, m->body.len);
    for (size_t i = 0; m && i < l->parts; i++) {
        const Tapedeck__Part *p = l->part[i];
        if (p->flow != t->flow || p->n != t->n || (bool)p->s2c != s2c)
            continue;
        assert_true(p->offset + part_size(p) <= *n);
        if (p->like.len) {
            unsigned char *other = content_of(l, p->like, p->offset + p->size, m, &size);
            assert_true(p->offset + p->size <= size);
            memcpy(out + p->offset, other + p->offset, p->size);
            free(other);
        } else {
            memcpy(out + p->offset, p->bytes.data, p->bytes.len);
        }
    }
    return out;
}

static void check_half(const struct ledger *l, const Tapedeck__Transaction *t, bool s2c)
{
    const Tapedeck__Message *m = s2c ? t->response : t->request;
    uint64_t stored = 0, parts = 0, end = 0;
    size_t n;

    if (!m)
        return;
    for (size_t i = 0; i < l->parts; i++) {
        const Tapedeck__Part *p = l->part[i];
        if (p->flow != t->flow || p->n != t->n || (bool)p->s2c != s2c)
            continue;
        assert_true(p->offset >= end); // in order, and none twice
        end = p->offset + part_size(p);
        stored += part_size(p);
        parts++;
    }
    assert_int_equal(m->parts, parts);
    if (parts)
        assert_int_equal(m->body.len, 0);
    if (m->known)
        assert_true(!parts && !m->body.len && m->body_stored > 0 && m->body_digest.len);
    else
        assert_int_equal(m->body_stored, parts ? stored : m->body.len);
    assert_true(m->body_stored <= m->body_size);
    assert_true(m->end != TAPEDECK__MESSAGE_END__ABSENT);
    if (m->body_digest.len && m->body_stored == m->body_size) {
        unsigned char *content = ledger_content(l, t, s2c, &n), digest[DIGEST_SIZE];
        assert_int_equal(m->body_digest.len, DIGEST_SIZE);
        digest_once(view_n(content, n), digest);
        assert_memory_equal(m->body_digest.data, digest, DIGEST_SIZE);
        free(content);
    }
}

void ledger_check(const struct ledger *l, bool all_closed)
{
    for (size_t i = 0; i < l->flows; i++) {
        const struct ledger_flow *f = &l->flow[i];
        if (all_closed && f->id)
            assert_true(f->closed || f->ended);
        if (!f->closed)
            continue;
        for (int dir = 0; dir < 2; dir++)
            assert_int_equal(f->relayed[dir], f->stored[dir] + f->omitted[dir] + f->lost[dir]);
        assert_int_equal(f->transactions, f->rows + f->filtered + f->lost_transactions);
    }
    for (size_t i = 0; i < l->txns; i++) {
        check_half(l, l->txn[i], false);
        check_half(l, l->txn[i], true);
    }
}
