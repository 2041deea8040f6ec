// talk: a conversation in which no requests are told apart, answered from recorded ones.
//
//   by state   the server's words follow what the client said, whichever recording that leads to
//              (index.h): what it says comes in any pieces
//   by count   behind an answer that ended HTTP (101, CONNECT): what follows in that recording;
//   what
//              the client says is counted alone, since WebSocket's frames are masked anew each time
#ifndef TAPEDECK_TOOLS_MOCK_TALK_H
#define TAPEDECK_TOOLS_MOCK_TALK_H

#include "tools/chunks.h"
#include "tools/mock/answer.h"

#define TALK_HELD_MAX (2 * INDEX_TURN_MAX) // bytes of the client's that wait for their turn

struct end;

struct talk {
    enum { TALK_OFF, TALK_BY_STATE, TALK_BY_COUNT } mode;
    uint64_t state;
    uint32_t talk; // the recording at hand, or INDEX_NONE
    int64_t id;    // of its transaction; 0: none was used yet
    bool missed;   // nobody said this
    bool last;     // of its turns
    bool secured;  // it began within TLS, or TLS began in its middle
    bool server_ended;
    bool asked;       // for faults
    struct buf heard; // by state: what the client said in this turn so far
    uint64_t owed;    // bytes that it has still to say before the server goes on
    uint64_t early;   // by count: bytes that it said before
    uint64_t at, to;  // by state: of the server's bytes, what is to be said now
    uint64_t said;    // S2C bytes in all
    struct chunks *chunks;
    struct view piece; // what of a chunk is still to be said
    uint64_t piece_at; // where it begins in the server's direction
    int64_t before_us; // when the chunk before was recorded; 0: there was none
    int64_t due_us;    // when the next piece goes
    bool stalled;
    struct fault_plan *faults; // NULL: none
};

void talk_init(struct talk *t);
void talk_clear(struct talk *t);

// The flow is there: whether conversations with that host are recorded.
void talk_start(struct end *e, const char *host);
// Behind transaction n of that recording.
void talk_follow(struct end *e, uint32_t file, int64_t flow, int64_t n);
// Whether the conversation goes on; what to do when not is the caller's business.
static inline bool talk_is_on(const struct talk *t)
{
    return t->mode != TALK_OFF;
}
// Bytes of the client's, as many as it takes. *stir: there may be something to say.
size_t talk_hear(struct end *e, struct view bytes);
// The client says nothing more.
void talk_client_end(struct end *e);
// As answer_say(); ANSWER_OVER: nothing more will be said, see missed and the flow's reset.
enum answer_said talk_say(struct end *e, char *p, size_t n, size_t *got);

#endif
