// tape_in: what the files of the mock's worker share; nobody else's business.
//
//   hear.c     what the sink tells of a flow: requests, until each is whole and decided upon
//   end.c      the far end: what is read and written, and in which order things are said
//   answer.c   one answer: out of a recording, or words of our own
//   talk.c     conversations in which no requests are told apart
//   forward.c  what the real server is asked, and says
//   kept.c     whole small answers in memory
//   tape.c     a worker: upstream and sink
#ifndef TAPEDECK_TOOLS_MOCK_TAPE_IN_H
#define TAPEDECK_TOOLS_MOCK_TAPE_IN_H

#include "proto/digest.h"
#include "proxy/flow.h"
#include "tools/mock/answer.h"
#include "tools/mock/far.h"
#include "tools/mock/forward.h"
#include "tools/mock/match.h"
#include "tools/mock/near.h"
#include "tools/mock/remember.h"
#include "tools/mock/talk.h"

#define TAPE_ASKS_MAX 1024 // requests of a flow that wait for their answers; decoders stop before
#define TAPE_ASKS_FEW 4    // of them without memory of their own
#define TAPE_SPARE    256  // far ends kept for the next dial
#define TAPE_EXPLAIN  16   // answers to misses that wait in a flow and say all; others are short
#define TAPE_WIRE_MAX (8u << 20) // bytes of a request that may be passed on

// What was done, by worker; read by anybody.
struct tape_counts {
    _Alignas(64) atomic_uint_fast64_t hits;
    atomic_uint_fast64_t misses, passed, faults;
};

struct mock {
    struct mock_conf conf;
    struct capture *captures;
    size_t n_captures;
    struct filter *filter;
    struct rules rules;
    struct match_conf match;
    struct index *index;
    struct remembered *remembered; // NULL: nothing is to be
    struct tape_counts counts[SETTINGS_WORKERS_MAX];
};

// What a worker has.
struct tape {
    struct upstream upstream; // first
    struct mock *mock;
    struct world_worker given;
    struct tape_counts *counts;
    struct match *match;
    struct recorded_reader *rows;
    struct kept_cache kept;
    struct end *spare, *dead;
    size_t spares;
    const struct flow *refusing; // whose dial is refused on purpose just now
    const struct fault_plan *refusal;
};

enum ask_kind {
    ASK_HEARD,   // it is not whole yet
    ASK_HIT,     // a recording answers
    ASK_OWN,     // words of our own
    ASK_LEARNED, // what the real server said earlier in this run
    ASK_FORWARD, // the real server
};

// A request, from its head on until it is answered.
struct ask {
    uint64_t n; // of its flow
    enum ask_kind kind;
    struct answer_to to;
    bool expects; // to be told to go on
    uint32_t entry;
    int64_t whole_us;
    unsigned prefer_status; // 0: none
    uint64_t from, until;   // of what the client said
    bool sent;              // ASK_FORWARD: it is on its way to the server
    size_t went_on;         // bytes of 100 that were said
    struct fault_plan *faults;
    struct buf own;     // ASK_OWN: the head, and behind it the content
    size_t own_head;    // bytes of the head in it
    struct kept *known; // ASK_LEARNED
    uint64_t key;       // ASK_FORWARD: under which its answer is learned; 0: it is not
};

// The request that is heard now.
struct heard {
    bool on;
    struct buf head, body;
    uint64_t size; // of its content
    bool sealed;   // which is not held: it has a digest
    struct digest_state digest;
    struct view method, scheme, host, path, query, version; // into head, or static
    int64_t at_us;
    struct view prefer; // value of the override, into head
};

// The far end of a flow.
struct end {
    struct io_far far; // first
    struct io io;      // until the flow takes it
    struct sink_flow tap;
    struct sink_flow *next; // behind our sink; NULL: the tap is not open
    struct tape *tape;
    struct flow *flow;
    struct end *after;        // of the spare and the dead
    char host[HOSTPORT_TEXT]; // that was dialled, with its port
    struct hostport target;
    struct fault_flow who; // for faults
    struct event *timer;
    bool broken;         // there was no memory for what was said
    bool client_ended;   // nothing more will be asked
    bool over, reset;    // nothing more will be said: the end, or a reset
    bool closed;         // by the flow
    bool http, foreign;  // requests were told apart; and then something else came
    bool raw;            // a conversation is open
    uint64_t raw_n;      // its number
    uint64_t told, came; // C2S bytes that the sink and the socket brought
    struct heard heard;
    struct match_flow match;
    struct ask few[TAPE_ASKS_FEW], *asks;
    size_t first, count, cap; // of asks, a ring
    bool answering;
    struct answer answer; // to asks[first]
    struct talk talk;
    struct forward forward;
    struct buf wire; // what the client said and may be passed on, from wire_at on
    uint64_t wire_at;
};

static inline struct end *end_of_far(struct io_far *far)
{
    return (struct end *)(void *)far;
}
static inline struct ask *end_ask(const struct end *e, size_t i)
{
    return &e->asks[(e->first + i) % e->cap];
}
// Whether what the client says belongs to a conversation.
static inline bool end_talks(const struct end *e)
{
    return e->talk.mode == TALK_BY_COUNT || (e->talk.mode == TALK_BY_STATE && !e->http);
}
static inline int64_t end_now(const struct end *e)
{
    return e->tape->given.env->now;
}

// end.c
extern const struct io_far_ops end_ops;
void end_set_up(struct end *e, struct tape *t);
void end_tear_down(struct end *e);
// There may be something to say now; or when it is that time.
void end_stir(struct end *e);
void end_wait(struct end *e, int64_t due_us);
// Behind all others; NULL: out of memory, or too many.
struct ask *end_ask_new(struct end *e, uint64_t n);
void ask_clear(struct ask *a);
// The first one is answered.
void end_ask_over(struct end *e);
// Forgets what of e->wire will not have to be passed on any more.
void end_trim_wire(struct end *e);

// hear.c
extern const struct sink_ops hear_ops;
// The recording that was to answer cannot be said: words of our own instead.
void hear_spoilt(struct end *e, struct ask *a, const char *why);
// So for a server that does not answer.
void hear_unreached(struct ask *a, const char *why);

// tape.c
struct tape *tape_new(struct mock *m, const struct world_worker *w, char why[WHY_MAX]);
void tape_free(struct tape *t);
struct upstream *tape_upstream(struct tape *t);
struct sink *tape_sink(struct tape *t, struct sink *next);
void tape_unsink(struct sink *s);
// The far end is closed and its tap too: freed when the turn is over.
void tape_bury(struct end *e);

#endif
