// endpoint: the socket that proxies connect to.
#ifndef TAPEDECK_RECORDER_ENDPOINT_H
#define TAPEDECK_RECORDER_ENDPOINT_H

#include "proto/base/err.h"
#include "proto/base/options.h"

#include <sys/types.h>
#include <time.h>

#define ENDPOINT_BACKLOG 128
#define ENDPOINT_TEXT    128

struct endpoint {
    int fd;
    char *path;  // of a unix socket
    ino_t inode; // of the same, with its time, so that only ours is removed
    struct timespec made;
    char text[ENDPOINT_TEXT]; // "unix:PATH", or "ADDRESS:PORT" with the port that was given
};

// address: "unix:PATH", or "HOST:PORT" (port 0: a free one) of a loopback address, for what is sent
// is not encrypted. A unix socket is made with mode 0600; uid other than 0: it is handed to that
// user when we are root. One that nobody listens at any more is replaced. E_SYNTAX, E_REFUSED (not
// a loopback address), E_BUSY (somebody listens there), E_EXISTS (PATH is no socket), E_…; why says
// in one line. After 0 the caller owes endpoint_close().
int endpoint_open(struct endpoint *l, const char *address, uid_t uid, char why[WHY_MAX]) MUST_CHECK;
void endpoint_close(struct endpoint *l); // removes the path

// The next connection, not blocking: its fd, or -1 with errno.
int endpoint_accept(const struct endpoint *l);

#endif
