// fake_recorder: a recorder that does what a test says, on a socket of its own; see proto/wire.h.
// Records are those of ring.h: it asserts that each comes once, in order, as it was put.
#ifndef TAPEDECK_TESTS_FAKE_RECORDER_H
#define TAPEDECK_TESTS_FAKE_RECORDER_H

#include "proto/base/buf.h"
#include "proto/record.pb-c.h"
#include "proto/wire.h"

extern struct fake_recorder {
    int listener, fd; // -1: none
    struct buf in;
    uint64_t next; // number of the record that comes next
    uint64_t file; // that its welcomes name
    unsigned hellos, byes;
    Tapedeck__Hello *hello; // the last
} fake;

void fake_begin(void);
void fake_end(void);

void fake_listen(const char *path);
void fake_stop_listening(void);
void fake_hang_up(void);

// Takes a connection if one waits and none is there, and what has come, at most n bytes.
void fake_hear(size_t n);

void fake_say(const void *bytes, size_t n);
void fake_say_frame(enum wire_kind kind, uint64_t seq, const void *payload, size_t n);
void fake_welcome(uint64_t last_seq);
void fake_welcome_as(unsigned protocol, uint64_t last_seq, const char *refusal);
void fake_ack(uint64_t seq);

#endif
