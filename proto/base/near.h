// near: where programs of one machine meet: a socket's path or a loopback address.
#ifndef TAPEDECK_BASE_NEAR_H
#define TAPEDECK_BASE_NEAR_H

#include "proto/base/addr.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

#include <sys/un.h>

struct near {
    union {
        struct sockaddr sa; // sa_family AF_UNIX: un, else ip
        struct sockaddr_un un;
        struct addr ip;
    };
    socklen_t size; // for bind() and connect()
};

// text: "unix:PATH", or "HOST:PORT" (port 0 is one) of a loopback address or localhost, which is
// 127.0.0.1. 0; E_SYNTAX: it is neither, or a path that no socket can have; E_REFUSED: an address
// that others reach too. why then says so in one line that begins with option.
int near_parse(struct near *out, const char *option, const char *text,
               char why[WHY_MAX]) MUST_CHECK;

#endif
