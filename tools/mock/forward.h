// forward: the real server behind a far end: dialled when a request is passed on, with TLS where
// the client's ended with us; kept for the next.
#ifndef TAPEDECK_TOOLS_MOCK_FORWARD_H
#define TAPEDECK_TOOLS_MOCK_FORWARD_H

#include "proxy/side.h"
#include "tools/mock/answer.h"

#define FORWARD_HELD_MAX (256u << 10) // bytes of the server's that wait to be read

struct end;
struct event;

struct forward {
    struct side server;
    size_t kept;          // for the side
    struct event *start;  // the dial begins when the turn's callbacks are over
    void *dial;           // under way
    bool wanted;          // it is to be dialled, or is being
    bool opened;          // and its handshake is over
    bool drained, broke;  // it ended, in order or not
    bool raw;             // everything passes
    bool switches;        // as it does behind the answer at hand
    uint64_t sent, until; // of the client's bytes, those that are to go
    uint64_t given;       // bytes of the answer at hand that were read
    struct buf came;      // what it said and was not read
    struct buf learning;  // the answer at hand, as it came
    bool learns;
    char why[WHY_MAX];
};

void forward_init(struct forward *w);
void forward_clear(struct end *e);

// The server is going to be asked.
void forward_dial(struct end *e);
// The client's bytes from there to there go to it, as they are in e->wire: the next request.
void forward_send(struct end *e, uint64_t from, uint64_t until);
// All of them do, and all that it says comes back.
void forward_all(struct end *e);
// More of the client's bytes are in e->wire, or its end came.
void forward_push(struct end *e);
// As answer_say(); ANSWER_OVER: the server has ended, or failed (why).
enum answer_said forward_say(struct end *e, char *p, size_t n, size_t *got);
// The answer to the first ask was heard to its end.
void forward_answered(struct end *e, bool whole);

#endif
