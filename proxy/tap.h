// tap: listens to a relay. It hears every byte once, before it leaves, and never answers: capture
// cannot stop traffic. One thing it tells: that TLS starts here (tls_starts), for which the relay
// holds back what comes then.
#ifndef TAPEDECK_PROXY_TAP_H
#define TAPEDECK_PROXY_TAP_H

#include "proto/base/buf.h"
#include "proxy/decode/decode.h"
#include "proxy/emit/sink.h"
#include "proxy/stats.h"

#define TAP_STATE_SMALL 48 // bytes of a decoder's state that need no memory of their own

// What taps of a worker share. *used counts bytes of memory in which bytes are held, perhaps
// others' too; at max a tap gives up holding and goes on as raw.
struct tap_env {
    struct sink *sink;
    struct stats *stats;
    size_t *used, max;
};

struct tap {
    struct tap_env *env;
    const struct flow_facts *facts; // set by tap_open, outlives the tap
    struct decode_ctx ctx;
    const struct decoder_ops *decoder;   // NULL while guessing
    void *state;                         // the decoder's
    uint64_t small[TAP_STATE_SMALL / 8]; // where a small state lives
    struct buf hold[2];
    int64_t hold_us[2]; // when the first byte held came
    int64_t since_us;   // when the C2S bytes fed next began to come; 0: as they are fed
    int64_t fresh_us;   // when the bytes at hand began to come
    uint64_t relayed[2];
    bool ended[2], end_told[2]; // heard of, told to the decoder
    bool held_own;              // what is held of S2C has our own words in it
    bool stir;                  // what is held is to be offered again
    bool open;
    bool tls_starts;  // behind what was heard of the bytes fed last: the client's next begin TLS
    size_t unheard;   // so many of them were not; they are to be fed as they then are
    unsigned changes; // of the decoder
    int first_speaker;
};

// hint: a decoder to use without guessing, or NULL. Cannot fail: without memory the flow is
// counted, not kept.
void tap_open(struct tap *t, struct tap_env *env, const struct flow_facts *facts,
              const struct decoder_ops *hint, int64_t now_us);
// The C2S bytes that are fed next began to come then: a head waited for its end, or for a dial.
void tap_since(struct tap *t, int64_t us);
// tls_starts and unheard may be set by it.
void tap_feed(struct tap *t, enum dir dir, struct view bytes, int64_t now_us);
void tap_feed_own(struct tap *t, struct view answer,
                  int64_t now_us); // S2C bytes that are our own words

// A handshake whose content is what is fed.
void tap_tls(struct tap *t, const struct tls_facts *facts);

void tap_end(struct tap *t, enum dir dir, int64_t now_us);
void tap_close(struct tap *t, const char *reason, const char *detail,
               int64_t now_us); // t may be opened again

#endif
