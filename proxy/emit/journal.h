// journal: the ring of frames that are not acknowledged yet: a memory-mapped file, or anonymous
// memory of the same size. One thread uses it.
//
//      tail            sent              head
//   ────┬───────────────┬─────────────────┬────────────
//       │ sent, no ACK  │ not sent yet    │ free (some of it reserved)
//   ────┴───────────────┴─────────────────┴────────────
//   1. tail <= sent <= head <= tail + size, as ever-growing offsets; a frame never wraps: a pad
//      fills the end of the ring.
//   2. Sequence numbers in the ring are consecutive; the one at head is next_seq.
//   3. A frame is whole before head passes it, so what a killed process leaves behind is whole
//      frames.
//   4. When tail reaches head the ring starts again at its beginning, so a quiet proxy touches few
//      pages.
//   5. What was held always finds room, wherever the ring's end falls: see journal.c.
#ifndef TAPEDECK_PROXY_EMIT_JOURNAL_H
#define TAPEDECK_PROXY_EMIT_JOURNAL_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proto/wire.h"

#include <sys/uio.h>

#define JOURNAL_MIN      (1u << 18) // bytes, smallest ring
#define JOURNAL_HELD_MAX 2048       // bytes, largest frame that may be written from what was held

struct journal;

struct journal_facts {
    unsigned char stream[16];
    int64_t started_us;
    uint64_t first_seq; // lowest number still in the ring, or next_seq when it is empty
    uint64_t next_seq;
    uint64_t size, used, reserved;
    bool recovered; // the stream of a process that died, or went before its end was acknowledged
};

// path NULL: anonymous memory. A file is made with mode 0600, its blocks allocated, and locked for
// this process. One that is there already was left by a process that died: its stream is taken over
// with all frames and, as long as it holds any, with its size. E_BUSY: locked by another process;
// E_FULL: no disk space; E_NOMEM; E_IO; each with why. A damaged file is set aside as PATH.damaged
// (.2, .3 … when there is one) and a new stream begun: 0 then, and why is not empty.
int journal_open(struct journal **out, const char *path, uint64_t size, int64_t now_us,
                 char why[WHY_MAX]) MUST_CHECK;

// Gives the file to a user: 0, or E_IO with errno. Anonymous memory has no owner.
int journal_give(struct journal *j, uint32_t uid) MUST_CHECK;

// When everything was acknowledged and the stream said Bye the file is removed; else it stays for
// the next process. j may be NULL.
void journal_close(struct journal *j);
void journal_said_bye(struct journal *j);

void journal_facts(const struct journal *j, struct journal_facts *out);

// Bytes that frames can still take, beyond what is held (a pad at the ring's end may cost some).
uint64_t journal_free(const struct journal *j);

// Room for a record's payload of n bytes, contiguous, or NULL when the free space less what others
// reserved does not hold it. from_reserve: give back so many bytes of what journal_hold() set
// aside; when these cover the frame (WIRE_HEADER + n, at most JOURNAL_HELD_MAX) there is always
// room. journal_commit() makes the record real, with the next sequence number (its result), and n
// the final payload size, at most what was asked. A room that is not committed is forgotten, and
// nothing is given back, by the next journal_room().
void *journal_room(struct journal *j, size_t n, size_t from_reserve);
uint64_t journal_commit(struct journal *j, enum wire_type type, size_t n);

// Sets bytes aside for the frames (headers included) of records that must find room later (a flow's
// close, a loss): false when there is no room.
bool journal_hold(struct journal *j, size_t n);
void journal_unhold(struct journal *j, size_t n);

// What is not sent yet, as at most two pieces; the count (0: nothing). journal_sent() moves on by n
// bytes of it.
int journal_unsent(const struct journal *j, struct iovec out[2]);
void journal_sent(struct journal *j, size_t n);

// All up to seq is committed at the recorder: forget it. False when that is more than was sent: the
// connection is then in the midst of a forgotten frame and must be begun anew.
bool journal_ack(struct journal *j, uint64_t seq);
// Every 100 ms or so: when the ring is empty, gives memory back that was not used lately.
void journal_rest(struct journal *j);
// After a reconnect: send again everything behind seq.
void journal_resend(struct journal *j, uint64_t seq);

#endif
