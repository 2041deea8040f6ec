// frames: what a proxy sends, as bytes: each call appends one whole frame. Ends the test where
// memory is missing.
#ifndef TAPEDECK_TESTS_FRAMES_H
#define TAPEDECK_TESTS_FRAMES_H

#include "proto/base/buf.h"
#include "proto/wire.h"

#define FRAMES_MAX (64u << 20)

// A frame of any content.
void frames_put(struct buf *out, unsigned kind, unsigned type, uint64_t seq, struct view payload);

// stream: the byte of which the stream's name consists.
void frames_hello(struct buf *out, int stream, uint64_t first_seq, uint64_t next_seq);
// The same of a proxy that knows nothing of files.
void frames_hello_plain(struct buf *out, int stream, uint64_t first_seq, uint64_t next_seq);
void frames_bye(struct buf *out, uint64_t last_seq);

void frames_flow_open(struct buf *out, uint64_t seq, const char *target);
void frames_flow_close(struct buf *out, uint64_t seq, uint64_t flow, uint64_t transactions,
                       uint64_t c2s, uint64_t s2c);

// A GET of path answered with status and body; Content-Type text/plain.
struct frames_txn {
    uint64_t flow, n;
    int64_t at_us; // first byte of the request; the answer begins 1 ms later and takes 2 ms
    const char *host, *path;
    unsigned status; // 0: never answered
    struct view body;
    uint64_t wire[2]; // out: what it stands for, C2S and S2C
};
void frames_txn(struct buf *out, uint64_t seq, struct frames_txn *t);

void frames_part(struct buf *out, uint64_t seq, uint64_t flow, uint64_t n, uint64_t at,
                 struct view bytes);
void frames_restart(struct buf *out, uint64_t seq);

// What a recorder answered: the frames in, parsed; at most max, their count. *used: whole bytes.
struct frames_answer {
    unsigned kind;
    uint64_t seq;  // of an ACK; of a WELCOME: last_seq
    uint64_t file; // of a WELCOME
    char refusal[256];
};
size_t frames_answers(struct view in, struct frames_answer *out, size_t max, size_t *used);

#endif
