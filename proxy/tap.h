// tap: listens to a relay. It hears every byte once, before it leaves, and never answers: capture
// cannot stop traffic.
#ifndef TAPEDECK_PROXY_TAP_H
#define TAPEDECK_PROXY_TAP_H

#include "proto/base/buf.h"
#include "proxy/decode/decode.h"
#include "proxy/emit/sink.h"
#include "proxy/stats.h"

#define TAP_HOLD_MAX  (80 * 1024) // bytes a decoder may leave unused, each direction
#define TAP_SNIFF_MAX 1024        // bytes within which the protocol is guessed

// What all taps of a worker share. used counts bytes held; at max a tap gives up holding and goes
// on as raw.
struct tap_env {
    struct sink *sink;
    struct stats *stats;
    size_t used, max;
};

struct tap {
    struct tap_env *env;
    const struct flow_facts *facts; // set by tap_open, outlives the tap
    struct decode_ctx ctx;
    const struct decoder_ops *decoder; // NULL while guessing
    void *state;
    struct buf hold[2];
    uint64_t relayed[2];
    bool ended[2], open;
    int first_speaker;
};

// hint: a decoder to use without guessing, or NULL. Cannot fail: without memory the flow is
// counted, not kept.
void tap_open(struct tap *t, struct tap_env *env, const struct flow_facts *facts,
              const struct decoder_ops *hint, int64_t now_us);
void tap_feed(struct tap *t, enum dir dir, struct view bytes, int64_t now_us);
void tap_feed_own(struct tap *t, struct view answer,
                  int64_t now_us); // S2C bytes that are our own words
void tap_end(struct tap *t, enum dir dir, int64_t now_us);
void tap_close(struct tap *t, const char *reason, const char *detail,
               int64_t now_us); // t may be opened again

#endif
