// worker: a thread that relays: its own loop, listening sockets, flows, journal, link and counters.
// Nothing is shared on the path of a byte.
//
//   main thread:  worker_new … worker_start … worker_go … worker_post(job) …  worker_free
//                                   │                          │ eventfd          ↑ joins
//   its thread:                     └─ waits ─────┴─ loop ─────┴─ job ── drain ───┘
#ifndef TAPEDECK_PROXY_WORKER_H
#define TAPEDECK_PROXY_WORKER_H

#include "proxy/emit/link.h"
#include "proxy/flow.h"
#include "proxy/secrets.h"
#include "proxy/settings.h"
#include "proxy/world.h"

struct worker;

struct worker_conf {
    unsigned index;
    // Read by worker_new() alone, but for the recorder's address.
    const struct proxy_settings *settings;
    struct listener *listeners;
    size_t count;
    int *fds;                // a listening socket each; those that the worker takes over become -1
    struct secrets *secrets; // NULL: no TLS of ours; outlives the worker
    const struct world_hook *hook; // NULL: the network, and nobody else listens
    const struct addr *admin; // where the admin listener is bound, by worker_start(); not set: none
    struct link_identity identity;
    void (*on_finished)(void *arg); // from the worker's thread: drained, it is about to end
    void *arg;
};

// Called on the main thread before others run. NULL with why.
struct worker *worker_new(const struct worker_conf *conf, char why[WHY_MAX]);
// The thread, which waits for worker_go() or a job: nothing is served before.
int worker_start(struct worker *w, char why[WHY_MAX]) MUST_CHECK;
void worker_go(struct worker *w);
// Joins the thread when it was started, which must be ending by itself or by worker_stop(). The
// number of records that are lost with it: capture_free().
uint64_t worker_free(struct worker *w);

// From any thread: job runs on the worker's thread, in order, before that ends. E_EOF: it has
// ended; E_NOMEM: then the job never runs, and arg stays the caller's.
int worker_post(struct worker *w, void (*job)(struct worker *w, void *arg), void *arg) MUST_CHECK;

// From any thread. Accepting stops; flows may go on until deadline_us (monotonic); then the journal
// is sent, until finish_us; on_finished.
void worker_drain(struct worker *w, int64_t deadline_us, int64_t finish_us);
// At once: on_finished does not come any more.
void worker_stop(struct worker *w);
// From any thread: what SIGHUP may change. s is copied. false: out of memory.
bool worker_apply(struct worker *w, const struct proxy_settings *s);

// For jobs, and for readers of counters.
struct flow_env *worker_env(struct worker *w);
const struct stats *worker_stats(const struct worker *w);

#endif
