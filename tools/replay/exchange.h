// exchange: one request of the plan on its way: said, heard, judged. Reused, so that a steady run
// takes no memory.
#ifndef TAPEDECK_TOOLS_REPLAY_EXCHANGE_H
#define TAPEDECK_TOOLS_REPLAY_EXCHANGE_H

#include "proto/base/buf.h"
#include "proto/digest.h"
#include "tools/replay/material.h"
#include "tools/report/result.h"

#define EXCHANGE_HEAD_MAX  (96u << 10)  // bytes of a head, and of trailers
#define EXCHANGE_BODY_MAX  (64u << 20)  // bytes of a content that is kept to be compared by value
#define EXCHANGE_KEPT      (256u << 10) // bytes of a text whose memory one keeps for the next
#define EXCHANGE_SPARE_MAX 4096

struct exchange {
    struct exchange *next;
    struct material *material;
    uint32_t item;
    uint32_t round;
    // µs, monotonic; -1: it did not happen
    int64_t planned_us, ready_us, sent_us, first_us, end_us;
    uint64_t sent_bytes, received_bytes;

    // the request
    struct buf head, content; // rewritten ones
    bool rewritten;           // head counts, and content where new_content is set
    bool new_content;
    bool said;     // all of it
    bool numbered; // n is known
    uint64_t n;    // in its connection's tap

    // the answer
    bool heard; // its head has begun
    bool over;  // its last byte has come
    bool cut;   // and that was not its end
    bool until_close;
    bool linked;
    bool told;           // the verdict knows it
    bool retried;        // it is sent for the second time
    int64_t patience_us; // for an answer; 0: the common one
    int64_t status;
    struct buf answer_head, answer, trailers, interim;
    bool whole;     // answer is all of it so far
    bool digested;  // digest has all of it so far
    uint64_t size;  // of its content
    size_t claimed; // of the common budget
    struct digest_state digest;

    enum result_kind kind;
    const char *reason; // static, or note
    char note[128];
};

struct exchanges {
    struct exchange *spare;
    size_t spares;
    size_t held, most; // bytes of answers that are kept by all that are under way
    size_t idle;       // bytes of memory of the spare ones: a quarter of most, at most
};

// NULL: out of memory.
struct exchange *exchange_new(struct exchanges *s);
void exchange_free(struct exchanges *s, struct exchange *x); // its material was left; x may be NULL
void exchanges_clear(struct exchanges *s);

// The same one is to be sent once more.
void exchange_again(struct exchanges *s, struct exchange *x);

// Bytes of the answer's content.
void exchange_hear(struct exchanges *s, struct exchange *x, struct view content);

#endif
