// raw: a conversation kept as it is: one transaction, a message for each direction that spoke. The
// raw decoder is this and nothing else; others pass on what they cannot name.
#ifndef TAPEDECK_PROXY_RAW_H
#define TAPEDECK_PROXY_RAW_H

#include "proxy/decode/decode.h"

struct raw {
    const char *protocol; // static: "raw", "tls"
    uint64_t n;           // of the transaction, while open
    bool open;
    unsigned char half[2]; // by enum dir: not begun, begun, ended
};

void raw_begin(struct raw *r, const char *protocol);

// All of in goes to the sink.
void raw_hear(struct raw *r, struct decode_ctx *ctx, enum dir dir, struct view in);

// The direction ended in good order.
void raw_end(struct raw *r, struct decode_ctx *ctx, enum dir dir);

// Ends the transaction, if one is open, with its begun halves CUT. What is heard later begins
// another.
void raw_finish(struct raw *r, struct decode_ctx *ctx, const char *note);

#endif
