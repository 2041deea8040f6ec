// pack_txn: the record that each transaction becomes, in protobuf's wire format
// (protobuf.dev/programming-guides/encoding).
//
// 1. The other records are made by protobuf-c. It asks for each field of a type what to do with it,
//    and moves what stands in a message within another; for this record that took a sixth of the
//    instructions of a whole transaction. Here is what it makes, byte for byte.
// 2. A message within the record has its length in front, which is known behind it: room is left
//    for the longest that it may be, and where it turns out shorter the message moves.
#include "proto/base/varint.h"
#include "proto/digest.h"
#include "proxy/emit/pack_impl.h"

#include <assert.h>

enum { VARINT = 0, BYTES = 2 };

struct out {
    unsigned char *at;
};

static inline void put_varint(struct out *o, uint64_t v)
{
    o->at = varint_put(o->at, v);
}

static inline void put_tag(struct out *o, unsigned field, unsigned type)
{
    put_varint(o, field << 3 | type);
}

static inline void put_number(struct out *o, unsigned field, uint64_t v)
{
    if (v == 0)
        return;
    put_tag(o, field, VARINT);
    put_varint(o, v);
}

static inline void put_each(struct out *o, unsigned field, struct view v)
{
    put_tag(o, field, BYTES);
    put_varint(o, v.n);
    if (v.n > 0)
        memcpy(o->at, v.p, v.n);
    o->at += v.n;
}

static inline void put_bytes(struct out *o, unsigned field, struct view v)
{
    if (v.n > 0)
        put_each(o, field, v);
}

static inline void put_text(struct out *o, unsigned field, const char *s)
{
    if (*s)
        put_each(o, field, view_of(s));
}

// Begins a message of at most bound bytes: where it begins.
static inline unsigned char *begin(struct out *o, unsigned field, size_t bound)
{
    put_tag(o, field, BYTES);
    o->at += varint_size(bound);
    return o->at;
}

static inline void end(struct out *o, unsigned char *first, size_t bound)
{
    size_t n = (size_t)(o->at - first), room = varint_size(bound), shorter = room - varint_size(n);
    assert(n <= bound);
    if (shorter > 0)
        memmove(first - shorter, first, n);
    o->at = first - room;
    put_varint(o, n);
    o->at += n;
}

static size_t half_bound(const struct pack_half *h)
{
    size_t n = 16 * NUMBER + DIGEST_SIZE + h->head.n + h->body.n + h->trailers.n + h->rhythm.n;

    for (unsigned i = 0; i < h->interims; i++)
        n += LENGTH + h->interim[i].n;
    for (unsigned i = 0; i < h->rules; i++)
        n += LENGTH + strlen(h->rule[i]);
    return n;
}

static void put_half(struct out *o, const struct pack_half *h)
{
    assert(h->interims <= PACK_INTERIMS_MAX && h->rules <= PACK_RULES_MAX);
    put_number(o, 1, (uint64_t)h->first_us);
    put_number(o, 2, (uint64_t)h->last_us);
    put_bytes(o, 3, h->head);
    put_bytes(o, 4, h->body);
    put_bytes(o, 5, h->trailers);
    put_number(o, 6, h->head_wire);
    put_number(o, 7, h->body_wire);
    put_number(o, 8, h->body_size);
    if (h->digest)
        put_bytes(o, 9, view_n((const char *)h->digest, DIGEST_SIZE));
    put_number(o, 10, h->body_stored);
    put_number(o, 11, h->parts);
    put_bytes(o, 12, h->rhythm);
    put_number(o, 13, h->end);
    for (unsigned i = 0; i < h->interims; i++)
        put_each(o, 14, h->interim[i]);
    for (unsigned i = 0; i < h->rules; i++)
        put_each(o, 15, view_of(h->rule[i]));
    put_number(o, 16, h->known);
}

static void put_account(struct out *o, const struct pack_account *a)
{
    put_number(o, 1, a->stored[C2S]);
    put_number(o, 2, a->stored[S2C]);
    put_number(o, 3, a->omitted[C2S]);
    put_number(o, 4, a->omitted[S2C]);
}

static void put_txn(struct out *o, const struct pack_txn *t)
{
    put_number(o, 1, t->flow);
    put_number(o, 2, t->n);
    put_text(o, 3, t->protocol);
    put_text(o, 4, t->version);
    put_text(o, 5, t->method);
    put_text(o, 6, t->scheme);
    put_text(o, 7, t->host);
    put_text(o, 8, t->path);
    put_text(o, 9, t->query);
    put_number(o, 10, t->status);
    for (int dir = C2S; dir <= S2C; dir++) {
        if (t->half[dir].end == MSG_ABSENT)
            continue;
        size_t bound = half_bound(&t->half[dir]);
        unsigned char *half = begin(o, dir == C2S ? 11 : 12, bound);
        put_half(o, &t->half[dir]);
        end(o, half, bound);
    }
    unsigned char *account = begin(o, 13, ACCOUNT_MAX);
    put_account(o, &t->account);
    end(o, account, ACCOUNT_MAX);
    put_text(o, 14, t->note);
    put_number(o, 15, t->by_proxy);
    put_number(o, 16, t->original);
    put_text(o, 17, t->outcome);
}

size_t pack_txn_bound(const struct pack_txn *t)
{
    return 16 * NUMBER + ACCOUNT_MAX + strlen(t->protocol) + strlen(t->version) +
           strlen(t->method) + strlen(t->scheme) + strlen(t->host) + strlen(t->path) +
           strlen(t->query) + strlen(t->note) + strlen(t->outcome) + half_bound(&t->half[C2S]) +
           half_bound(&t->half[S2C]);
}

size_t pack_txn(void *out, const struct pack_txn *t)
{
    struct out o = {out};
    put_txn(&o, t);
    return (size_t)(o.at - (unsigned char *)out);
}
