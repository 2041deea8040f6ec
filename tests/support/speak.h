// speak: speaks to a sink as a decoder would, and keeps count of the bytes for it.
#ifndef TAPEDECK_TESTS_SPEAK_H
#define TAPEDECK_TESTS_SPEAK_H

#include "proxy/emit/sink.h"

struct speak {
    struct sink *sink;
    struct sink_flow *flow; // NULL: the sink had no memory for it
    struct flow_facts facts;
    uint64_t relayed[2]; // by enum dir
    int64_t now_us;      // of what is said next; advance it at will
};

// A flow from 127.0.0.1:50000 to 10.0.0.7:8080.
void speak_open(struct speak *t, struct sink *sink, int64_t now_us);
void speak_close(struct speak *t);

// An HTTP head (whole, with its empty line); the direction follows from it. 1xx answers are
// interim.
void speak_head(struct speak *t, uint64_t n, const char *head);
void speak_body(struct speak *t, uint64_t n, enum dir dir, struct view content, uint64_t wire);
void speak_end(struct speak *t, uint64_t n, enum dir dir, enum msg_end how, const char *trailers,
               uint64_t wire);
void speak_txn_end(struct speak *t, uint64_t n, const char *note);
void speak_linked(struct speak *t, uint64_t n, int64_t original, const char *outcome);
void speak_lost(struct speak *t, enum dir dir, enum cause cause, uint64_t wire);

// A whole exchange with the content given; heads as above.
void speak_exchange(struct speak *t, uint64_t n, const char *request, struct view sent,
                    const char *answer, struct view got);

// A raw conversation: begun by the first words of each direction.
void speak_raw_begin(struct speak *t, uint64_t n, enum dir dir);
void speak_raw(struct speak *t, uint64_t n, enum dir dir, struct view bytes);

// n bytes that differ from place to place and by seed; static memory, at most 2 MiB.
struct view speak_bytes(size_t n, unsigned seed);

#endif
