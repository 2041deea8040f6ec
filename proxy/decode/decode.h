// decode: a decoder names what was said on a flow. It watches bytes and calls the sink; it does no
// I/O, reads no clock, and never holds a body.
//
// Contract of feed(): 0 <= *used <= in.n. What is not used is offered again with more behind it,
// unless the verdict says otherwise. The tap bounds what may stay unused (TAP_HOLD_MAX a
// direction); beyond it the flow goes on as raw.
#ifndef TAPEDECK_PROXY_DECODE_H
#define TAPEDECK_PROXY_DECODE_H

#include "proxy/emit/sink.h"

enum decode_verdict {
    DECODE_MORE,   // fine
    DECODE_SWITCH, // from *used on another decoder takes both directions: ctx->next, or a new guess
                   // when that is NULL
    DECODE_STARTTLS, // from *used on both directions speak TLS
    DECODE_LOST,     // not what was thought: from *used on raw; ctx->note says why. Final.
};

enum decode_sniff { SNIFF_NO, SNIFF_MORE, SNIFF_YES };

struct decode_ctx {
    struct sink_flow *sink;
    const struct flow_facts *facts;
    int64_t now_us;  // of the bytes at hand
    uint64_t next_n; // number of the flow's next transaction; decoders take and advance it
    bool by_proxy;   // the S2C bytes at hand are our own words
    const struct decoder_ops *next; // with DECODE_SWITCH
    char note[128];                 // with DECODE_LOST or DECODE_SWITCH; "" otherwise
};

struct decoder_ops {
    const char *name;
    size_t size; // of the state, zeroed before init
    // By the first bytes of the flow in one direction. NULL: never guessed.
    enum decode_sniff (*sniff)(enum dir dir, struct view first);
    void (*init)(void *d, struct decode_ctx *ctx);
    enum decode_verdict (*feed)(void *d, struct decode_ctx *ctx, enum dir dir, struct view in,
                                size_t *used);
    void (*gap)(void *d, struct decode_ctx *ctx, enum dir dir,
                uint64_t wire);                                 // bytes that passed unseen
    void (*end)(void *d, struct decode_ctx *ctx, enum dir dir); // end of input in one direction
    // The last call: ends every open transaction (msg_end CUT, txn_end) and frees what the state
    // owns. how says whether the flow is over or another decoder follows.
    void (*clear)(void *d, struct decode_ctx *ctx);
};

extern const struct decoder_ops decoder_http1, decoder_tls, decoder_raw;

extern const struct decoder_ops *const decoder_table[]; // in the order of guessing, NULL at the end

#endif
