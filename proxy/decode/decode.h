// decode: a decoder names what was said on a flow. It watches bytes and calls the sink; it does no
// I/O, reads no clock, and never holds a body.
//
// Contract of feed(): 0 <= *used <= in.n. What is not used is offered again with more behind it,
// unless the verdict says otherwise. The tap bounds what may stay unused (TAP_HOLD_MAX a
// direction); beyond it the flow goes on as raw.
#ifndef TAPEDECK_PROXY_DECODE_H
#define TAPEDECK_PROXY_DECODE_H

#include "proxy/emit/sink.h"

#define TAP_HOLD_MAX  (80 * 1024) // bytes a decoder may leave unused, each direction
#define TAP_SNIFF_MAX 1024        // bytes within which the protocol is guessed

enum decode_verdict {
    DECODE_MORE,     // fine
    DECODE_SWITCH,   // from *used on another decoder takes both directions: ctx->next, or a new
                     // guess when that is NULL
    DECODE_STARTTLS, // behind *used TLS begins, with a hello of the client: as DECODE_SWITCH to a
                     // new guess, but for what the relay makes of it. Nothing of the direction was
                     // left unused before
    DECODE_LOST,     // not what was thought: from *used on raw; ctx->note says why. Final.
};

enum decode_sniff { SNIFF_NO, SNIFF_MORE, SNIFF_YES };

struct decode_ctx {
    struct sink_flow *sink;
    const struct flow_facts *facts;
    int64_t now_us;   // of the last of the bytes at hand
    int64_t first_us; // of the first of them: before now_us when they had to wait for more
    uint64_t next_n;  // number of the flow's next transaction; decoders take and advance it
    bool by_proxy;    // the S2C bytes at hand are our own words
    bool unreadable;  // what is not decoded may hold what this flow's decoder would have shown: of
                      // HTTP that was given up, and of what is made like it
    bool last;        // the flow is over: what is not used now is never offered again
    bool wake;        // set by a decoder: what it left unused in the other direction is offered
                      // again first, then the rest of this one
    const struct decoder_ops *next; // with DECODE_SWITCH
    char note[128];                 // with DECODE_LOST or DECODE_SWITCH; "" otherwise
};

struct decoder_ops {
    const char *name;
    size_t size; // of the state, zeroed before init
    // By the first bytes of the flow in one direction, at least one. NULL: never guessed.
    enum decode_sniff (*sniff)(enum dir dir, struct view first);
    // Whether the first bytes of one direction, not taken for this protocol, are made like it all
    // the same. Only for a protocol whose messages hold what redaction replaces: such bytes, and
    // all that the decoder gives up, are told of as unreadable.
    bool (*alike)(enum dir dir, struct view first);
    void (*init)(void *d, struct decode_ctx *ctx);
    // in is never empty.
    enum decode_verdict (*feed)(void *d, struct decode_ctx *ctx, enum dir dir, struct view in,
                                size_t *used);
    // End of input in one direction, when all of it was used.
    void (*end)(void *d, struct decode_ctx *ctx, enum dir dir);
    // The last call: ends every open transaction (msg_end CUT, txn_end with ctx->note) and frees
    // what the state owns.
    void (*clear)(void *d, struct decode_ctx *ctx);
};

extern const struct decoder_ops decoder_http1, decoder_tls, decoder_starttls, decoder_raw;

extern const struct decoder_ops *const decoder_table[]; // in the order of guessing, NULL at the end

#endif
