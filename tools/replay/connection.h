// connection: one connection of a replay to its target: dialled, secured, spoken on, heard.
//
//   CLOSED ─connection_open─→ DIALLING ─→ SECURING (https) ─→ OPEN ─→ CLOSED
//                                 └────────────┴───────────────┴─ what goes wrong ─┘
//
//   connection_send ─ speak ─┬─→ tap ─→ hear ─→ (the replay's own capture)
//                            └─→ side ─→ socket
//   socket ─→ side ─→ tap ─→ hear: the answer's parts go to their exchange
//
// 1. The decoder that names what comes is the one of the recording; what it cannot read is garbage.
// 2. Exchanges are answered in the order in which they were sent. Each that was given to
//    connection_send() comes back once, by answered(); then the connection knows it no more.
// 3. Nothing calls back from within connection_send() or connection_close() (answered() excepted,
//    which may come from the latter): events tell, once a turn of the loop for each connection.
#ifndef TAPEDECK_TOOLS_REPLAY_CONNECTION_H
#define TAPEDECK_TOOLS_REPLAY_CONNECTION_H

#include "proxy/flow.h"
#include "tools/replay/alarm.h"
#include "tools/replay/exchange.h"

#define CONNECTION_PENDING_MAX 128            // requests without an answer on one connection
#define CONNECTION_EXPECT_US   (1 * US_PER_S) // for a 100, before content goes without it
#define CONNECTION_EARLY_MAX   (256 * 1024)   // bytes that came before they were asked for
#define CONNECTION_QUIET_US    (1 * US_PER_S) // for bytes that a conversation waits for

enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_DIALLING,
    CONNECTION_SECURING,
    CONNECTION_OPEN
};

struct connection;

struct connection_ops {
    // It is open: requests may be sent.
    void (*opened)(struct connection *c);
    // An exchange is over; its kind says how. It is the callee's.
    void (*answered)(struct connection *c, struct exchange *x);
    // Something went on: a request is said, an answer has come. More may be sent perhaps.
    void (*moved)(struct connection *c);
    // It is closed, all its exchanges were given back; it may be opened again. failed: NULL, or why
    // it never opened.
    void (*closed)(struct connection *c, const char *failed);
    // Before an exchange is forgotten by the tap: how it ended, in a word or two, for the capture.
    const char *(*outcome)(struct connection *c, struct exchange *x);
    // An answer that nobody asked for.
    void (*unasked)(struct connection *c);
};

// What all connections of a run share.
struct connections {
    struct event_base *base;
    struct flow_env *env; // clock, wheel, room for reads
    struct alarms *alarms;
    struct exchanges *exchanges;
    struct materials *materials;
    struct tap_env *tap;            // its sink is a struct hear
    struct tls_context *tls;        // NULL: no target has TLS
    bool verify;                    // names of certificates
    int64_t connect_us, timeout_us; // 0: without end
    int64_t answer_us; // for an answer as a whole, beyond what the recorded one took; the same
    double pace; // of pauses within a request and between the pieces of a conversation: recorded
                 // time divided by it; 0: none are made
    size_t kept; // bytes in all sides' buffers
    struct connection *spare;
    size_t spares, open, made;
    const struct connection_ops *ops;
    // Whether nothing more may be read or said for now: connection_resume() tells when. NULL:
    // never.
    bool (*full)(void *arg);
    void *arg;
};

struct talk; // a conversation under way

struct connection {
    struct side side; // first: an io's events find it
    struct connections *all;
    struct connection *next; // of the spare ones
    const struct target *target;
    const char *sni;
    void *owner; // the caller's
    enum connection_state state;
    bool stalled;    // until connection_resume()
    bool closing;    // within connection_close()
    bool inbound;    // as the recording had it
    bool raw;        // no HTTP is expected on it
    bool switched;   // what comes is a conversation
    bool spoke;      // and has begun without us: early
    bool garbage;    // what came cannot be read
    bool final;      // nothing can be sent any more: an answer said so, or ends with the connection
    bool busy;       // within an event
    unsigned served; // exchanges that were answered on it
    struct tap tap;
    struct flow_facts facts;
    char requested[HOSTPORT_TEXT], to[HOSTPORT_TEXT];
    struct deadline deadline;
    struct alarm pause;            // within what is being said
    struct exchange *first, *last; // without an answer, in their order
    size_t pending;
    int64_t began_us; // of the dial
    char why[128];

    // what is being said: the request of last
    struct speaker speaker;
    struct store_reader *reader;
    struct view left;    // of a content that is in memory
    struct view rhythm;  // pairs that are left
    uint64_t rhythm_due; // bytes of the wire until the next pause
    bool saying, waits_for_100, pausing;
    struct talk *talk;
    // What a server said before the conversation has begun here.
    struct buf early;
    uint64_t early_n; // in the tap
};

// A new one, closed. NULL: out of memory.
struct connection *connection_new(struct connections *all);
void connection_free(struct connection *c); // is closed
void connections_clear(struct connections *all);

// Dials; opened() or closed() follows, perhaps at once behind this call's return by an event. raw:
// of what will be sent first. sni: NULL or a name in place of the target's.
void connection_open(struct connection *c, const struct target *t, const char *sni, bool raw,
                     bool inbound);

// Whether another request could be sent now: the one before is said, and not too many wait.
bool connection_takes(const struct connection *c);
// Sends; x->material is there. What cannot be said ends x at once: E_UNSUPPORTED with why, and x
// stays the caller's. 0: it is the connection's.
int connection_send(struct connection *c, struct exchange *x, char why[WHY_MAX]) MUST_CHECK;
// Nothing more will be sent: the target reads the end, and closed() comes with its own, or soon.
void connection_finish(struct connection *c);
// Closes it; what has no answer ends with that kind and reason (static).
void connection_close(struct connection *c, enum result_kind kind, const char *reason);

// What comes may be read again, what is being said goes on.
void connection_resume(struct connection *c);

// ---- between its parts

// Whether c has to wait for connection_resume().
bool connection_stalls(struct connection *c);

// talk.c: a conversation. Pieces go when the bytes that came before them in the recording have
// come.
int talk_begin(struct connection *c, struct exchange *x, char why[WHY_MAX]) MUST_CHECK;
void talk_go_on(struct connection *c);         // bytes came, or may go
void talk_paused(struct connection *c);        // its pause is over
void talk_end(struct connection *c);           // frees it
bool talk_is_over(const struct connection *c); // all was said, and as much came as recorded

// say.c: a request of HTTP.
int say_begin(struct connection *c, struct exchange *x, char why[WHY_MAX]) MUST_CHECK;
void say_go_on(struct connection *c); // the socket takes more, or a pause is over
void say_end(struct connection *c);   // frees what it holds

// Bytes of the request at hand: heard by the tap, then sent. false: the connection breaks.
bool connection_put(struct connection *c, struct view bytes);

#endif
