// io: one stream socket as a few events. The only file that touches sockets and the event loop for
// a flow, so that tests put a script in its place.
//
//   io_accepted ─┐                       ┌─ io_close   (FIN, as the kernel does it)
//                ├─ open ── io_shutdown ─┤
//   io_connect ──┘   │                   └─ io_reset   (RST)
//                    └─ io_move: another struct io goes on with the socket
//
// In place of a socket there may be a far end within the process (io_far_open), which is read and
// written without a system call, and is asked for no event of the system.
//
//   1. A zeroed struct io is a closed one; fd is valid only while open is set, and is -1 with a far
//      end.
//   2. Events come level-triggered and only for what was wanted. Nothing here calls back at once.
#ifndef TAPEDECK_PROXY_IO_H
#define TAPEDECK_PROXY_IO_H

#include "proto/base/addr.h"
#include "proto/base/err.h"

#include <event2/event_struct.h>

struct io;
struct io_far;

struct io_handler {
    void (*readable)(struct io *io);
    void (*writable)(struct io *io); // also: the connect ended
};

struct io {
    const struct io_handler *handler;
    struct io_far *far; // NULL: a socket
    int fd;
    bool open, reading, writing; // wanted events
    bool telling;                // within a handler that a far end's event called
    struct event read_event;
    struct event *write_event; // there while it is wanted, which is seldom
};

// What a far end does when this end reads, writes and closes. All are called by the functions of
// the same name below, with their contracts; none calls the handler, nor frees anything of this
// end.
struct io_far_ops {
    int (*read)(struct io_far *far, void *p, size_t n, size_t *got);
    int (*write)(struct io_far *far, const void *p, size_t n, size_t *put);
    int (*peek)(struct io_far *far);
    void (*shutdown)(struct io_far *far);
    void (*close)(struct io_far *far, bool reset); // the last call; far is its own from now on
};

// The rest of a far end's state follows, or lies around it.
struct io_far {
    const struct io_far_ops *ops;
    struct io *io; // this end; NULL before io_far_open() and behind close
    bool readable, writable;
};

// Connects io, which is closed, with a far end, which is neither readable nor writable yet.
void io_far_open(struct io *io, struct event_base *base, struct io_far *far,
                 const struct io_handler *handler);
// Said by the far end whenever it changes: whether a read would tell anything (an end and an error
// are something), and whether a write would take bytes. The handler hears of it from the loop, as
// long as it is so. At any time, also within read and write; nothing happens when it is closed.
void io_far_tell(struct io_far *far, bool readable, bool writable);

// Takes over an accepted, non-blocking socket. Neither event is wanted yet.
void io_accepted(struct io *io, struct event_base *base, int fd, const struct io_handler *handler);

// Opens a socket and connects it, marked with mark where that is permitted (0: no mark).
// 0: connected. E_AGAIN: under way, want writable and then ask io_connect_end(). Else an error, and
// io is closed.
int io_connect(struct io *io, struct event_base *base, const struct addr *to, unsigned mark,
               const struct io_handler *handler) MUST_CHECK;
// How the connect ended: 0, or an error, and io is closed.
int io_connect_end(struct io *io) MUST_CHECK;

// to, which is closed, takes over an open socket with another handler; no event is wanted then.
void io_move(struct io *to, struct io *from, struct event_base *base,
             const struct io_handler *handler);

void io_want_read(struct io *io, bool want);
void io_want_write(struct io *io, bool want);

// 0: *got > 0 bytes came. E_AGAIN: nothing now. E_EOF, E_RESET, or another error of the socket.
int io_read(struct io *io, void *p, size_t n, size_t *got) MUST_CHECK;
// 0: *put bytes went out, which may be fewer than n, or none. Else an error of the socket.
int io_write(struct io *io, const void *p, size_t n, size_t *put) MUST_CHECK;

// What io_read() would say, without taking it: 0, E_AGAIN, E_EOF, E_RESET, …
int io_peek(struct io *io);

void io_shutdown(struct io *io); // no more output: the peer reads the end
void io_close(struct io *io);    // does nothing when it is closed already
void io_reset(struct io *io);

// Our own end; not set when the system would not tell, and of a far end.
void io_local(const struct io *io, struct addr *out);
// Whether the address is one of this machine's own.
bool io_is_local(const struct addr *a);

#endif
