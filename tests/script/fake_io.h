// fake_io: stands in for proxy/io.c: sockets whose other end is the script's.
#ifndef TAPEDECK_TESTS_FAKE_IO_H
#define TAPEDECK_TESTS_FAKE_IO_H

#include "proxy/io.h"

// Bytes in memory that does not come from malloc(), which the scripts let fail.
struct tube {
    char *p;
    size_t at, n;
};

// The other end of a socket.
struct peer {
    struct io *io;               // NULL: closed, or never opened
    struct tube to_us;           // what it has sent and we have not read
    struct tube heard;           // what it received and the script has not asked for
    bool says_end, says_reset;   // behind to_us
    bool heard_end, heard_reset; // from us
    bool gone;                   // it takes no more bytes: writing to it fails
    bool bounded;                // window counts
    size_t window;               // bytes that it takes before it stalls
};

#define PEERS 64

void tube_add(struct tube *t, const void *p, size_t n);
struct view tube_view(const struct tube *t);
void tube_drop(struct tube *t, size_t n);

// A new peer; its number is the descriptor of the socket that will speak with it.
int peer_new(void);
struct peer *peer_of(int fd);
void peers_clear(void);

// How many bytes a read brings at most; 0: no limit.
void fake_io_chunk(size_t n);

// Delivers one event that is wanted and possible; false when there is none.
bool fake_io_turn(void);

#endif
