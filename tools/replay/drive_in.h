// drive_in: what drive.c and its two ways of sending share: recorded.c, as the recorded connections
// did, and pool.c, over a number of connections.
#ifndef TAPEDECK_TOOLS_REPLAY_DRIVE_IN_H
#define TAPEDECK_TOOLS_REPLAY_DRIVE_IN_H

#include "tools/replay/drive.h"
#include "tools/replay/hear.h"
#include "tools/replay/judge.h"

#define DRIVE_POLL_US    1000           // between two looks at what cannot be waited for
#define DRIVE_CARRIED_US (5 * US_PER_S) // for values that a request carries, from answers
#define DRIVE_WAITING    65536          // requests of a service that wait for a connection
#define DRIVE_LAST_US    (1 * US_PER_S) // for answers, when the run is stopped

// One that sends on one connection: a recorded flow being played, or a connection of a pool.
struct session {
    struct alarm alarm; // first
    struct drive *d;
    struct connection *c;
    struct session *next;                // of the spare, or of the idle ones of a service
    struct session *before, *after;      // of all that are under way
    struct exchange *x;                  // the next to be sent, on no connection
    struct exchange *again, **again_end; // to be sent once more, before it
    int64_t able_us;                     // since when the connection takes requests
    int64_t waits_us; // since when values that x carries are waited for; 0: they are not
    int64_t base_us;  // of the round: its time 0
    int64_t over_us;  // when the last answer came
    uint32_t flow, round, at, end; // recorded: items
    uint32_t service;
    bool idle;
};

struct waiting {
    uint32_t item, round;
    int64_t planned_us;
};
struct pool {
    struct session *idle;
    uint32_t made; // sessions
    struct waiting *ring;
    size_t head, n;
};

struct drive {
    struct drive_conf conf;
    struct event_base *base;
    struct event *timer, *tick, *signals[3];
    struct flow_env env;
    struct stats stats;
    struct alarms alarms;
    struct exchanges exchanges;
    struct connections connections;
    struct hear hear;
    struct judge judge;
    struct materials *materials;
    struct rewrite_session *rewriting; // NULL: nothing is ever rewritten
    struct verdict *verdict;
    struct buf content; // of a request that is rewritten
    struct keep *keep;  // NULL: no capture
    size_t held;        // by taps
    struct tap_env taps;
    struct session *live, *spare;
    size_t sessions, most;
    int64_t start_us, end_us; // end: no request goes from then on; ALARM_NEVER
    int64_t round_us;         // from one round to the next
    int64_t armed_us;         // what the timer is set to
    int64_t last_us;          // stopping: until then
    uint64_t requests;        // in all rounds; UINT64_MAX: no end
    const char *stopped;      // why it ends before its plan
    unsigned interrupts;
    bool stopping; // nothing goes any more
    bool all_out;  // everything was begun
    uint64_t told, reconnects, retries;

    struct alarm stall; // while its capture takes no more

    // recorded
    struct alarm opening;
    uint32_t next_flow, next_round;
    // With a rate; NULL without:
    uint32_t *rank;  // of items in the order of the plan
    uint32_t *opens; // flows in the order of their first items
    // pool
    struct pool *pools;
    struct alarm pump;
    bool pumping;           // within pump()
    struct exchange *ahead; // the next one, whose time has not come
    uint64_t cursor;        // requests begun
};

// A session that is not under way, with a connection. NULL: no memory, or as many as may be.
struct session *drive_session(struct drive *d);
void drive_session_over(struct session *s); // its connection is closed

// The request of the plan, to be sent; NULL: it cannot be, which was told of. planned: µs, mono.
struct exchange *drive_take(struct drive *d, uint32_t item, uint32_t round, int64_t planned_us);
// Sends s->x on s->c, which takes it. 1: gone, or given up and told of; 0: not yet, s->alarm is
// set.
int drive_send(struct session *s);
// Ends an exchange that is on no connection.
void drive_drop(struct drive *d, struct exchange *x, enum result_kind kind, const char *reason);
// The same of one that was not come to: nobody is told. NULL is fine.
void drive_forget(struct drive *d, struct exchange *x);
// Opens the connection of a session.
void drive_open(struct session *s, uint32_t service, bool raw, bool inbound);

bool drive_may_begin(const struct drive *d); // a request more
int64_t drive_now(struct drive *d);

// A way of sending.
struct way {
    int (*begin)(struct drive *d);   // E_NOMEM
    void (*step)(struct session *s); // the connection opened, or went on, or the alarm fired
    void (*closed)(struct session *s, const char *failed);
    void (*answered)(struct session *s);
    void (*end)(struct drive *d);
};
extern const struct way way_recorded, way_pool;
const struct way *drive_way(const struct drive *d);

// What connections tell of.
extern const struct connection_ops drive_events;

#endif
