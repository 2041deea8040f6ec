// ear: a sink that keeps what it is told of one flow, for assertions.
#ifndef TAPEDECK_TESTS_EAR_H
#define TAPEDECK_TESTS_EAR_H

#include "proxy/emit/sink.h"

#define EAR_TEXT    16384
#define EAR_CONTENT (4u << 20)

struct ear {
    struct sink sink;
    struct sink_flow flow;
    // By enum dir, of the last message or of all:
    char head[2][EAR_TEXT], trailers[2][EAR_TEXT]; // last
    char *content[2];                              // all, EAR_CONTENT bytes of room
    size_t content_n[2];
    uint64_t withheld[2]; // content of which only the size was told
    uint64_t wire[2];     // told by messages, and lost
    uint64_t omitted[2], lost[2], relayed[2];
    char what[EAR_TEXT];                                  // the rules, each with a blank behind it
    char path[EAR_TEXT], query[EAR_TEXT], host[EAR_TEXT]; // of the last request
    bool had_http;
    struct http_head http; // of the last head; valid while its message's views are
    unsigned txns;
    int64_t original; // of the last link
    char outcome[64];
};

struct sink *ear_begin(struct ear *e);
void ear_end(struct ear *e);

#endif
