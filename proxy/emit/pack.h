// pack: what the proxy knows → a record's payload (record.proto), written straight into memory that
// the caller has, as a rule the journal's. Nothing is allocated and nothing is kept.
//
// Each pack_x_bound() is at least what pack_x() writes for the same values; pack_x() returns the
// size that it wrote.
#ifndef TAPEDECK_PROXY_EMIT_PACK_H
#define TAPEDECK_PROXY_EMIT_PACK_H

#include "proxy/emit/sink.h"

// What a record stands for in the ledger, by enum dir.
struct pack_account {
    uint64_t stored[2], omitted[2];
};

#define PACK_INTERIMS_MAX 8
#define PACK_RULES_MAX    64

// One half of a transaction.
struct pack_half {
    int64_t first_us, last_us;
    struct view head, body, trailers, rhythm;
    uint64_t head_wire, body_wire, body_size, body_stored;
    const unsigned char *digest; // DIGEST_SIZE bytes, or NULL
    bool known;                  // the recorder has the content of that digest
    uint32_t parts;
    enum msg_end end;
    unsigned interims; // at most PACK_INTERIMS_MAX
    const struct view *interim;
    unsigned rules; // at most PACK_RULES_MAX
    const char *const *rule;
};

// Texts are UTF-8 (pack_text() makes them so) and never NULL.
struct pack_txn {
    uint64_t flow, n;
    const char *protocol, *version, *method, *scheme, *host, *path, *query, *note;
    const char *outcome;
    uint64_t original;
    unsigned status;
    bool by_proxy;
    struct pack_half half[2]; // by enum dir
    struct pack_account account;
};
size_t pack_txn_bound(const struct pack_txn *t);
size_t pack_txn(void *out, const struct pack_txn *t);

// Of t: flow, n, protocol, method, scheme, host, path, query, status, the first time of both
// halves.
size_t pack_txn_open_bound(const struct pack_txn *t);
size_t pack_txn_open(void *out, const struct pack_txn *t);

struct pack_part {
    uint64_t flow, n, offset;
    enum dir dir;
    int64_t first_us, last_us;
    struct view bytes;
    const unsigned char *like; // instead of bytes: size bytes of the content with that digest; NULL
    uint64_t size;
    uint64_t stored, omitted; // in wire bytes of dir
};
#define PACK_LIKE_MAX 256 // the bound of one with like
size_t pack_part_bound(const struct pack_part *p);
size_t pack_part(void *out, const struct pack_part *p);

// Texts are cut at PACK_TEXT_MAX bytes each, so the bounds are constants.
#define PACK_TEXT_MAX      280
#define PACK_FLOW_OPEN_MAX 1024
size_t pack_flow_open(void *out, const struct flow_facts *facts);

#define PACK_REASON_MAX     32
#define PACK_DETAIL_MAX     120
#define PACK_FLOW_CLOSE_MAX 320
struct pack_flow_close {
    uint64_t flow, omitted[2], transactions, filtered;
    const struct flow_totals *totals;
};
size_t pack_flow_close(void *out, const struct pack_flow_close *c);

#define PACK_TLS_MAX 6144
size_t pack_tls(void *out, uint64_t flow, const struct tls_facts *t);

struct pack_loss {
    uint64_t flow; // 0: several
    enum cause cause;
    uint64_t transactions, flows, bytes[2]; // by enum dir
    int64_t first_us, last_us;
};
#define PACK_LOSS_MAX 96
size_t pack_loss(void *out, const struct pack_loss *l);

#define PACK_RESTART_MAX 32
size_t pack_restart(void *out, int64_t at_us, unsigned pid);

// Any bytes as UTF-8 text: what is none, and NUL, becomes %XX. NUL-terminated into out, which has
// PACK_TEXT_ROOM(in.n) bytes; the length. 0 for the empty text.
#define PACK_TEXT_ROOM(n) (3 * (n) + 1)
size_t pack_text(char *out, struct view in);

#endif
