// flow: one client connection with its upstream, from accept to the last byte.
//
//                ┌────── PASS_DONE: the next request of an exchange front ─────┐
//                ▼                                                             │
//   accept → FRONT ── target known ──→ DIAL ── flow_upstream_done() ──→ RELAY ─┤
//                       (PEEK and SECURE, from here or out of RELAY: secure.h) │
//              │ └── same target as before, still open ───────────────→   ↑    │
//              │                          │                                    │
//              └─────── flow_fail() ──────┴──────── flow_fail() ───────────────┘
//                                         ▼
//               DRAIN (what the other end has to come out still does) → CLOSED, reaped at the
//                                                                       end of the loop's turn
//
//   1. flow_set_state() is the only writer of the state, flow_fail() the only way out.
//   2. Nothing is freed within a callback: flow_env_reap() does it between two turns.
//   3. The tap hears each byte before it leaves, and is closed when the flow leaves RELAY for good:
//      what the client learns is in the journal already.
//   4. A side is read only while the other one has nothing kept: so a flow keeps at most what one
//      read brought, and the far sender feels it.
//   5. An idle flow holds no buffer.
//
// The protocol is guessed by the tap, while bytes move; only whether TLS begins is waited for
// (PEEK). flow.c: life; approach.c: FRONT and DIAL; relay.c: RELAY and DRAIN.
#ifndef TAPEDECK_PROXY_FLOW_H
#define TAPEDECK_PROXY_FLOW_H

#include "proxy/listen.h"
#include "proxy/secure.h"
#include "proxy/side.h"
#include "proxy/stats.h"
#include "proxy/tap.h"
#include "proxy/upstream/upstream.h"
#include "proxy/wheel.h"

enum flow_state {
    FLOW_FRONT,
    FLOW_DIAL,
    FLOW_PEEK,
    FLOW_SECURE,
    FLOW_RELAY,
    FLOW_DRAIN,
    FLOW_CLOSED
};

// Why a flow ended, for the log and the capture; flow_reason_text() gives the word.
enum flow_reason {
    FLOW_DONE,              // done: both ends finished in order
    FLOW_CLIENT_RESET,      // client-reset
    FLOW_SERVER_RESET,      // server-reset
    FLOW_CLIENT_LOST,       // client-lost: the system gave up on the connection; detail says why
    FLOW_SERVER_LOST,       // server-lost
    FLOW_CLIENT_CLOSED,     // client-closed: ended within its handshake or request head
    FLOW_SERVER_CLOSED,     // server-closed: ended within an exchange, or between two of them
    FLOW_KEPT_CLOSED,       // kept-closed: a kept upstream ended under the next request, unanswered
    FLOW_REFUSED,           // refused: by the front; detail is its word
    FLOW_BAD_FRAMING,       // bad-framing: of a body that was forwarded
    FLOW_DIAL_NOTFOUND,     // dial-notfound: no such host
    FLOW_DIAL_REFUSED,      // dial-refused
    FLOW_DIAL_UNREACHABLE,  // dial-unreachable
    FLOW_DIAL_TIMEOUT,      // dial-timeout
    FLOW_DIAL_LOOP,         // dial-loop: would lead back to ourselves
    FLOW_DIAL_FAILED,       // dial-failed: anything else
    FLOW_HANDSHAKE_TIMEOUT, // handshake-timeout
    FLOW_HEAD_TIMEOUT,      // head-timeout
    FLOW_IDLE_TIMEOUT,      // idle-timeout
    FLOW_DRAINED,           // drain: the proxy ends
    FLOW_NO_MEMORY,         // no-memory
    FLOW_TLS_CLIENT,        // tls-client: no handshake with the client; detail says why
    FLOW_TLS_SERVER,        // tls-server: none with the server
    FLOW_NEXT_UPSTREAM,     // next-upstream: of a captured flow only, its client goes on elsewhere
    FLOW_REASONS
};

#define FLOW_HEAD_MAX     (64 * 1024)       // the most that a listener's head_max may be
#define FLOW_HELD_MAX     (256 * 1024)      // client bytes that wait for their exchange
#define FLOW_FLUSH_US     (30 * US_PER_S)   // without progress, for the last bytes of a flow
#define FLOW_FRESH_US     (100 * US_PER_MS) // for so long a resting upstream is taken to be alive
#define FLOW_LAST_CALL_US (1 * US_PER_S)    // for a request on its way while we are to end
#define FLOW_LINGER_US    (2 * US_PER_S)    // for the client's own end behind our last byte

_Static_assert(FLOW_HEAD_MAX + FRONT_ROOM <= TAP_HOLD_MAX, "what is relayed can be decoded");

// Where the present exchange goes.
struct flow_target {
    struct hostport to;
    char text[]; // "host:port"
};

struct flow {
    struct side client, server;
    struct flow *prev, *next; // of the living or the dead
    struct flow_env *env;
    struct listener *listener;
    const struct front_ops *front; // NULL until a socks client's first byte; its state lies behind
                                   // the struct
    struct buf held;               // client bytes that are not consumed yet
    struct buf heard;   // server bytes that are not consumed yet: a head that is not whole
    struct buf opening; // what opens the exchange upstream, while dialling
    struct deadline deadline;
    void *dial;
    struct flow_target *target; // NULL: the listener's, or none yet
    char *requested;            // NULL: nothing was named
    char *detail;               // of the reason; NULL: none
    struct tap tap;
    struct flow_facts facts;
    struct flow_sinks *sinks; // of the open tap
    struct secure *secure;    // from PEEK on, unless all passes; or NULL
    uint64_t id;
    int64_t accepted_us, dial_us; // monotonic: accepted, began to dial
    int64_t rested_us;            // when the last exchange was over
    int64_t secured_us;           // when the handshakes were over
    int64_t begun_us;             // wall clock: the first byte of the request at hand came
    uint64_t moved[2];            // relayed, by direction
    uint64_t answered;            // S2C bytes of this exchange
    uint8_t state, reason;
    bool fed;      // the front was called at least once
    bool begun;    // bytes of a request head or handshake have come
    bool blind;    // everything passes, the front is done
    bool opened;   // and the client was told so, before a look for TLS
    bool reused;   // this exchange goes over a kept upstream
    bool busy;     // within flow_input()
    bool spoken;   // the client was told something of our own
    bool parting;  // the exchange was the last one, the server will end by itself
    bool reset;    // in DRAIN: the side ends by a reset
    bool cut;      // in DRAIN: or without TLS's own end, as the other one did
    bool timed[2]; // the first bytes of the exchange were timed, by direction
};

// Where new taps lead. An older one lives until its last user is gone.
struct flow_sinks {
    struct tap_env tap;
    size_t users;
};

struct flow_limits { // microseconds; 0: without end
    int64_t handshake, head, connect, idle;
};

struct flow_list {
    struct flow *first;
    size_t count;
};

// What all flows of a worker share.
struct flow_env {
    struct event_base *base;
    struct wheel wheel;
    struct stats *stats;
    struct flow_sinks *sinks; // of taps that open from now on
    struct upstream *upstream;
    struct flow_limits limits;
    bool (*blocked)(void *arg); // NULL, or whether reading must pause for the journal's sake
    void *blocked_arg;
    int64_t (*clock)(void); // monotonic
    int64_t now, turn;      // of the event at hand; of the loop's turn, 0: not begun
    uint64_t turns;         // that are over
    int64_t wall_offset;    // wall clock less monotonic
    bool stalled;           // reading pauses until flow_env_resume()
    bool draining;          // no exchange begins any more
    uint64_t next_id;
    size_t kept; // bytes in all flows' buffers
    char *chunk; // what a read goes to
    char *room;  // what a socket gives, where that is not content; NULL: nowhere
    const struct secure_env *secure;
    size_t chunk_size, front_size;
    struct view input; // client bytes in front of the flow that is busy with them
    struct buf to_client, to_server;
    struct front_out out;
    struct flow_list live, dead, spare;
};

// 0 or E_NOMEM. What is not set up here is the caller's: base, stats, sinks, upstream, limits,
// blocked.
int flow_env_init(struct flow_env *env, int64_t (*clock)(void), int64_t wall_us) MUST_CHECK;
// Before any flow: TLS is begun here. secure outlives env. 0 or E_NOMEM.
int flow_env_secure(struct flow_env *env, const struct secure_env *secure) MUST_CHECK;
// Ends all flows at once, with reason drain, and frees everything.
void flow_env_clear(struct flow_env *env);

// Every event begins with this; it tells the time.
int64_t flow_env_touch(struct flow_env *env);
static inline int64_t flow_env_wall(const struct flow_env *env)
{
    return env->now + env->wall_offset;
}
// The wall clock may have been set: asked for now and then.
void flow_env_set_wall(struct flow_env *env, int64_t wall_us);
void flow_env_resume(struct flow_env *env);
// A flow that rests between two exchanges ends soon; the others behind the present exchange.
void flow_env_drain(struct flow_env *env);
void flow_env_end_all(struct flow_env *env);
// Frees the dead. Between two turns of the loop.
void flow_env_reap(struct flow_env *env);

// A client was accepted. Takes over fd. false: no memory, and fd is closed. local may be unset.
bool flow_accept(struct flow_env *env, struct listener *l, int fd, const struct addr *client,
                 const struct addr *local);

// The dial has ended; see upstream.h.
void flow_upstream_done(struct flow *f, const struct upstream_result *r);

// Ends the flow: its capture now, its sockets as the reason has it, perhaps after the last bytes.
// detail: NULL, or one line that is copied. Does nothing when it is ending already.
void flow_fail(struct flow *f, enum flow_reason reason, const char *detail);

const char *flow_reason_text(enum flow_reason reason);
const char *flow_state_text(enum flow_state state);

#endif
