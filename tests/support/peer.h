// peer: a proxy's end of a connection to a recorder, blocking; ends the test after 30 s of silence.
#ifndef TAPEDECK_TESTS_PEER_H
#define TAPEDECK_TESTS_PEER_H

#include "tests/support/frames.h"

struct peer {
    int fd;
    struct buf in;
};

// address: "unix:PATH" or "127.0.0.1:PORT"; waits up to 30 s until somebody listens there.
void peer_connect(struct peer *p, const char *address);
// The same with a patience of its own: false when nobody listened.
bool peer_try(struct peer *p, const char *address, int patience_ms);
void peer_close(struct peer *p);

// Sends all of out and empties it. false: the connection broke.
bool peer_send(struct peer *p, struct buf *out);
// The next answer; false at the end of the connection.
bool peer_next(struct peer *p, struct frames_answer *a);
// Takes answers up to the ACK of seq or more; fails the test when the connection ends before.
void peer_wait_ack(struct peer *p, uint64_t seq);
// HELLO and its WELCOME: the number that was committed.
uint64_t peer_hello(struct peer *p, int stream, uint64_t first_seq, uint64_t next_seq);
// Waits for the end of the connection; answers are passed over.
void peer_wait_end(struct peer *p);

#endif
