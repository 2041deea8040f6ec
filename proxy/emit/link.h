// link: keeps a connection to the recorder and moves a journal's frames over it. One a journal, on
// its worker's loop.
#ifndef TAPEDECK_PROXY_EMIT_LINK_H
#define TAPEDECK_PROXY_EMIT_LINK_H

#include "proxy/emit/journal.h"
#include "proxy/stats.h"

struct event_base;

// Who we are, for HELLO; all texts outlive the link.
struct link_identity {
    const char *software, *host, *pod, *namespace_, *workload, *node, *settings_json;
    const char *const *labels; // name, value, name, value …, NULL
    unsigned worker;
};

struct link_conf {
    const char *recorder; // "unix:PATH", or "HOST:PORT" of a loopback address
    const struct link_identity *identity;
    void (*on_room)(void *arg); // after an ACK freed room in the journal
    // The recorder names the file that it writes to, at each connect and when that changes. NULL:
    // nobody asks.
    void (*on_file)(void *arg, uint64_t file);
    // Whether records will come even while it finishes: BYE is said behind them. NULL: none will.
    bool (*more)(void *arg);
    void *arg;
};

struct link;
// Connects in the background and again after each failure (100 ms doubling to 5 s, with jitter; 30
// s after the recorder refused us). NULL: out of memory or a bad address (why).
struct link *link_new(struct event_base *base, struct journal *j, struct stats *stats,
                      const struct link_conf *conf, char why[WHY_MAX]);
void link_free(struct link *l);

// Frames were appended: they are sent at once when 64 KiB have gathered, else at most 10 ms later.
void link_kick(struct link *l);

// Drain: sends all, then BYE, and calls done once everything is acknowledged or at the deadline,
// whichever comes first.
void link_finish(struct link *l, int64_t deadline_mono_us, void (*done)(void *arg, bool clean),
                 void *arg);

#endif
