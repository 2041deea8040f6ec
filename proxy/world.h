// world: the proxy's process: listeners, workers, the admin listener, signals; assembled, run,
// drained.
#ifndef TAPEDECK_PROXY_WORLD_H
#define TAPEDECK_PROXY_WORLD_H

#include "proxy/admin_http.h"
#include "proxy/settings.h"
#include "proxy/upstream/upstream.h"

struct event_base;
struct flow_env;
struct sink;

// How the options are read again on SIGHUP: new ones, which the world frees, or NULL with why.
typedef struct options *world_read_options(void *arg, char why[WHY_MAX]);

// What a worker gives to what is put into it.
struct world_worker {
    unsigned index;
    struct event_base *base;
    struct flow_env *env;            // whose upstream is not set yet
    struct upstream *net;            // the network
    const struct secure_env *secure; // NULL: no TLS of ours
};

// A page of the admin listener beside its own, on the main thread.
struct world_page {
    const char *path; // "/faults"
    size_t body_max;  // bytes of content of a request
    admin_show *show; // answers all methods, with 405 and allow what there is not
    void *arg;
};

// What a program puts into each worker, in the place of the network (or before it) and of what
// listens. A flow whose upstream is within the process has a far end (io.h): TLS towards that is
// neither needed nor possible, so that of its client ends with us, with HTTP/1 where the client
// offers it, and no rule lets it pass. Such an upstream calls flow_upstream_done() with an io that
// io_far_open() made, and may leave the addresses unset. It may hand any flow on to net, whose
// open() and cancel() then are the flow's; its reap() reaps net as well.
//
//   main thread:    join ── upstream, sink ──…──→ sink … unsink, leave
//   worker thread:               └── all that they are called for, also sink and unsink on SIGHUP
struct world_hook {
    bool
        precise; // its timers are to fire within a millisecond, which costs each turn a system call
    // A worker is made, before any of them runs; w outlives the part, what it points to too. NULL
    // with why: the world does not begin.
    void *(*join)(void *arg, const struct world_worker *w, char why[WHY_MAX]);
    // What the worker dials with. Valid until leave.
    struct upstream *(*upstream)(void *part);
    // What the worker's taps lead to from now on: a sink that stands before next, and tells it all
    // that it is told. NULL: out of memory. It is told of the flows of this upstream, and of those
    // that never came to one. Behind unsink() no flow uses it any more.
    struct sink *(*sink)(void *part, struct sink *next);
    void (*unsink)(void *part, struct sink *sink);
    // The worker's flows are no more, nor is net.
    void (*leave)(void *part);
    // On the main thread, behind a SIGHUP that was heeded: the options as they are now. NULL:
    // nothing of the hook's changes.
    void (*again)(void *again_arg, const struct options *o);
    void *again_arg;
    const struct world_page *page; // NULL: none
    void *arg;                     // of join
};

// Runs until SIGTERM or SIGINT has drained it. o and s outlive the call. 0; or an error told in
// why: it could not begin. *lost: records that no recorder took and that nobody keeps. hook: NULL,
// or what is put into the workers; it outlives the call.
int world_run(const struct options *o, const struct proxy_settings *s, world_read_options *again,
              void *arg, const struct world_hook *hook, uint64_t *lost,
              char why[WHY_MAX]) MUST_CHECK;

#endif
