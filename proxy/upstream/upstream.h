// upstream: where the far end of a flow comes from: the network, or a script in the tests.
#ifndef TAPEDECK_PROXY_UPSTREAM_UPSTREAM_H
#define TAPEDECK_PROXY_UPSTREAM_UPSTREAM_H

#include "proto/base/addr.h"
#include "proto/base/err.h"

struct flow;
struct io;

struct upstream {
    const struct upstream_ops *ops; // each upstream's own state follows
};

struct upstream_ops {
    const char *name;
    // Begins to open target for f, within connect_us. It ends in exactly one flow_upstream_done(),
    // perhaps before open() returns. Until then f->dial is the upstream's own. target is a loan.
    void (*open)(struct upstream *u, struct flow *f, const struct hostport *target,
                 int64_t connect_us);
    // The flow ends first: forget it, no flow_upstream_done() comes.
    void (*cancel)(struct upstream *u, struct flow *f);
    // The loop's turn is over: frees what could not be freed within a callback. NULL: nothing.
    void (*reap)(struct upstream *u);
};

struct upstream_result {
    int error;          // 0, or E_NOTFOUND, E_REFUSED, E_UNREACHABLE, E_TIMEOUT, E_LOOP, E_…
    const char *detail; // with an error: one line for a person, a loan
    struct io *io;      // without: connected, the flow moves it away
    struct addr server; // who answered
    struct addr local;  // our end towards it
    int64_t dns_us;     // duration of the look-up, 0: none was needed
};

#endif
