// net: the upstream that is the network.
#ifndef TAPEDECK_PROXY_UPSTREAM_NET_H
#define TAPEDECK_PROXY_UPSTREAM_NET_H

#include "proxy/flow.h"

struct net_conf {
    struct event_base *base;
    struct flow_env *env;             // whose wheel it uses
    const struct listener *listeners; // our own: a dial that leads to one of them is a loop
    size_t count;
    const struct addr *admin;        // the same; NULL, or not set: none
    unsigned mark;                   // SO_MARK of every socket, where permitted; 0: none
    const char *resolv_conf, *hosts; // NULL: those of /etc
};

struct dial;
typedef void net_done(void *arg, const struct upstream_result *r);

// conf's pointers outlive it. NULL: out of memory.
struct upstream *net_new(const struct net_conf *conf);
void net_free(struct upstream *u); // no dial is under way any more

// The same as its open() for others than flows: *at is the dial until done is called, perhaps
// before this returns, or net_hang_up(). r->io is moved away by done, or closed behind it. id: for
// traces.
void net_dial(struct upstream *u, uint64_t id, const struct hostport *target, int64_t connect_us,
              net_done *done, void *arg, void **at);
void net_hang_up(struct dial *d);

#endif
