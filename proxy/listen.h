// listen: a door of the proxy: what a flow that came in by it is, and the sockets that accept.
#ifndef TAPEDECK_PROXY_LISTEN_H
#define TAPEDECK_PROXY_LISTEN_H

#include "proto/base/options.h"
#include "proxy/front/front.h"
#include "proxy/secure.h"

#include <stdatomic.h>

struct event_base;
struct flow_env;

// Shared by all workers, and constant but for what is atomic.
struct listener {
    const char *name; // "in", "out"
    enum direction direction;
    const struct front_ops *front; // NULL: socks, told apart by a client's first byte
    struct front_conf front_conf;
    enum secure_way secure;
    char target[HOSTPORT_TEXT]; // where every flow goes; "" when the client names it
    struct addr bound;          // where it listens; port 0 until it does
    atomic_uint open, max;      // flows: now, and at most
};

// Opens count sockets that listen on l->bound together, one a worker; port 0 becomes a free one.
// That no other process listens there is seen by probing first. Wildcard IPv6 takes IPv4 as well,
// and falls back to IPv4 where there is no IPv6. 0 and fds, or an error told in why.
int listen_open(struct listener *l, int fds[], size_t count, char why[WHY_MAX]) MUST_CHECK;

// One socket of one worker.
struct acceptor;
// Takes over fd. NULL: out of memory, and fd is closed.
struct acceptor *acceptor_new(struct flow_env *env, struct listener *l, int fd);
// Accepts what the system has accepted already, and stops listening.
void acceptor_finish(struct acceptor *a);
void acceptor_free(struct acceptor *a);

#endif
