// sink: what decoders say, and who listens. Sinks stand in a row: redact → emitter; a mock and a
// replay have their own.
//
// For one flow the calls come in this order:
//   open, then for each transaction n (several may be under way, pipelined):
//     msg_begin(interim)* msg_begin msg_body* msg_end   each direction seen, in any interleaving
//     txn_end(n)                                        once for each n that had a msg_begin
//   tls, lost at any time; linked at any time from a msg_begin of n to its txn_end; close exactly
//   once. Nothing is returned: whatever fails in here is counted as loss.
// All views and pointers are loans until the call returns, but for flow_facts, which outlives the
// flow's sink.
#ifndef TAPEDECK_PROXY_EMIT_SINK_H
#define TAPEDECK_PROXY_EMIT_SINK_H

#include "proto/base/addr.h"
#include "proto/base/view.h"
#include "proxy/http/head.h"

enum dir { C2S = 0, S2C = 1 };

#define SINK_NO_MESSAGE UINT64_MAX

enum direction { INBOUND = 1, OUTBOUND = 2 }; // as in record.proto

enum cause {
    CAUSE_RING_FULL = 1,
    CAUSE_DECODE_LOST,
    CAUSE_OUT_OF_MEMORY,
    CAUSE_REDACTION_FAILED,
    CAUSE_BUDGET_FULL = 7
}; // as in record.proto, without those that a proxy has no use for

enum msg_end { MSG_ABSENT, MSG_COMPLETE, MSG_CUT, MSG_UNTIL_CLOSE }; // as in record.proto

struct flow_facts {
    int64_t at_us;
    enum direction direction;
    const char *front; // static
    struct addr client, local, original, server, server_local;
    const char *requested, *target; // never NULL
    bool secured;                   // what the client says came out of TLS that ended with us
    const char *tls_why; // that TLS is relayed as it is, static; NULL: nobody thought otherwise
    int64_t dial_us, dns_us;
};

struct flow_totals {
    int64_t at_us;
    const char *reason, *detail; // never NULL
    uint64_t relayed[2];         // by enum dir: every byte that the tap was fed
    int first_speaker;           // 0 nobody, 1 client, 2 server
};

struct certificate; // proxy/tls/certificate.h

struct tls_facts { // texts are "" where unknown, unless they may be NULL
    int64_t at_us;
    const char *sni, *alpn_offered, *versions_offered; // by the client
    const char *version, *cipher, *alpn;               // chosen by the server
    const char *mode;                                  // as in record.proto
    const char *why;                                   // of the mode; NULL: as was asked for
    const char *client_version, *client_cipher;        // in our handshake with the client, or NULL
    bool resumed, client_resumed;                      // that with the server, that with the client
    const struct certificate *certificate; // the server's, or that of a client which we asked for
                                           // one; NULL: none was seen
};

struct sink_msg {
    uint64_t n;
    enum dir dir;
    const char *protocol;         // static: "http", "raw", "tls"
    int64_t at_us;                // of its first byte
    bool interim;                 // a 1xx answer: no body, no msg_end follows
    bool as_parts;                // a raw conversation: its bytes are kept as timed Parts
    bool by_proxy;                // our own answer
    bool unreadable;              // its body may hold other messages of HTTP, heads among them
    struct view head;             // exact bytes (after redaction); empty without a head
    uint64_t head_wire;           // wire bytes that the head stands for
    const struct http_head *http; // the same, parsed; NULL for other protocols
    struct view method, scheme, host, path, query,
        version;     // of a request; empty where not applicable
    unsigned status; // of an answer
};

struct sink_flow {
    const struct sink_ops *ops; // each sink's own state follows
};

struct sink {
    const struct sink_factory *ops; // each sink's own state follows
};

struct sink_factory {
    // facts NULL: a sink before found no memory for the flow, which is to be counted only. NULL:
    // out of memory, and nobody counts (the emitter always does); nothing more is called on it.
    struct sink_flow *(*open)(struct sink *s, const struct flow_facts *facts);
};

struct sink_ops {
    void (*msg_begin)(struct sink_flow *f, const struct sink_msg *m);
    // content: bytes of the body; wire: bytes on the wire that they stand for (framing included;
    // content may be empty). content.p NULL with content.n > 0: so many bytes that a sink before
    // withholds; they count in the body's size alone, and the body has no digest then.
    void (*msg_body)(struct sink_flow *f, uint64_t n, enum dir dir, struct view content,
                     uint64_t wire, int64_t at_us);
    // trailers: exact bytes of the trailer section without its last empty line. wire: bytes not yet
    // told.
    void (*msg_end)(struct sink_flow *f, uint64_t n, enum dir dir, enum msg_end how,
                    struct view trailers, uint64_t wire, int64_t at_us);
    void (*txn_end)(struct sink_flow *f, uint64_t n,
                    const char *note); // note: why decoding ended here, or ""
    void (*tls)(struct sink_flow *f, const struct tls_facts *t);
    // A rule replaced or left out wire bytes of message n: bytes that msg_begin, msg_body and
    // msg_end tell of as well. what, a loan: "header:cookie", "query:token", "json:$.pw".
    void (*omitted)(struct sink_flow *f, uint64_t n, enum dir dir, const char *what, uint64_t wire);
    // Wire bytes that passed and were not kept; no other call tells of them. n: of the message that
    // they belong to, or SINK_NO_MESSAGE.
    void (*lost)(struct sink_flow *f, uint64_t n, enum dir dir, enum cause cause, uint64_t wire,
                 int64_t at_us);
    // Transaction n was played from a capture, as a replay's request or a mock's answer. original:
    // id of the transaction in there, 0: none; outcome, a loan: what came of it, a short text
    // ("equal", "differs", "hit", "miss", "hit fault=latency"), or "". Called again it replaces
    // both.
    void (*linked)(struct sink_flow *f, uint64_t n, int64_t original, const char *outcome);
    void (*close)(struct sink_flow *f, const struct flow_totals *totals); // frees f
};

#endif
