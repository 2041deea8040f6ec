// session: one connection's protocol (proto/wire.h): bytes in, calls and bytes out. No I/O.
//
//   HELLO ──hello──▶ WAITING ──session_welcome()──▶ OPEN ──bye──▶ ENDED
//                       └──────session_refuse()───▶ REFUSED
//
// 1. In OPEN, records are taken in the order of their numbers: one that was committed before is
//    passed over, the expected one goes to the host, a later one is an error: the hole may not be
//    skipped, and after a new HELLO the proxy sends it.
// 2. Frames of unknown kinds are passed over by their length. Records of unknown types go to the
//    host like others.
// 3. After an error the session takes nothing more; it is the caller's to close.
// 4. Of acknowledgements that the peer has not read only the latest is kept, and so of other files,
//    so out stays small. The file is told, by another WELCOME, before an acknowledgement that comes
//    with it or later; only to who says in HELLO that it knows of that: to others a second WELCOME
//    is nonsense.
#ifndef TAPEDECK_RECORDER_SESSION_H
#define TAPEDECK_RECORDER_SESSION_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/options.h"
#include "recorder/unpack.h"

#define SESSION_OUT_MAX 4096

// Each 0, or E_FULL: no room now, the frame is offered again by the next session_feed(). Another
// error is handed on by session_feed(): the host has ended the connection.
struct session_host {
    // The payload of a HELLO that is in order. Ends in session_welcome() or session_refuse(),
    // later.
    int (*hello)(void *arg, const unsigned char name[16], struct view payload);
    int (*record)(void *arg, int64_t stream, uint64_t seq, unsigned type, struct view payload);
    // Everything up to last_seq has been handed over, and nothing follows.
    int (*bye)(void *arg, int64_t stream, uint64_t last_seq);
};

enum session_state {
    SESSION_HELLO,
    SESSION_WAITING,
    SESSION_OPEN,
    SESSION_ENDED,
    SESSION_REFUSED,
    SESSION_BROKEN
};

struct session {
    const struct session_host *host;
    void *arg;
    struct unpack *unpack;
    enum session_state state;
    unsigned char name[16];
    uint64_t first_seq, next_seq;        // as the HELLO has them
    bool refers;                         // as well: it is told of files
    int64_t stream;                      // from OPEN on
    uint64_t expected;                   // the next record's number
    uint64_t ack, acked;                 // highest number to be told; told
    bool ack_due;                        // tell it even if it was told before
    uint64_t file;                       // where records go; 0: it has no name
    bool file_due;                       // it is another one than was told
    uint64_t records, repeated, skipped; // taken, committed before, of unknown kinds
    struct buf out;
    char why[WHY_MAX];
};

// host, arg and unpack outlive the session.
void session_init(struct session *s, const struct session_host *host, void *arg,
                  struct unpack *unpack);
void session_clear(struct session *s);

// Takes whole frames from the front of in; *used bytes are done with, the rest is offered again
// with more behind it. *need: how many bytes the next frame needs in all, as far as that is known.
// 0; E_FULL: the host has no room, or the welcome is awaited: offer the same bytes again later;
// E_SYNTAX, E_RANGE, E_DAMAGED (a hole in the numbers), E_VERSION, E_NOMEM: the session is over,
// why says in one line.
int session_feed(struct session *s, struct view in, size_t *used, size_t *need) MUST_CHECK;

// The answer to the HELLO: the stream's id in the sink, its highest number committed, and the name
// of the file that records go to. An id of 0 cannot be. E_DAMAGED: the numbers of both sides do not
// fit; the proxy has been refused.
int session_welcome(struct session *s, int64_t stream, uint64_t last_seq, uint64_t file) MUST_CHECK;
void session_refuse(struct session *s, const char *why);

// Records go to the file of that name from now on; before session_ack() of the first of them.
// Nothing, when it was told so, or is not open.
void session_file(struct session *s, uint64_t file);

// All up to seq is committed; last: the bye as well, and is answered in any case.
void session_ack(struct session *s, uint64_t seq, bool last);

// What is to be sent now; session_sent() forgets n bytes of it.
struct view session_out(struct session *s);
void session_sent(struct session *s, size_t n);

#endif
