// answer: one answer on its way out of a far end: a recording, or words that are given, with its
// timing and its faults.
//
//   answer_recorded ─┐             ┌─ ANSWER_MORE   there was no more room
//   answer_given ────┴─ answer_say ┼─ ANSWER_WAIT   nothing before due_us
//                                  └─ ANSWER_OVER   said, and how the connection goes on
//
// Content comes straight from the file into the caller's room, a piece at a time; an answer holds
// its head, and one piece.
#ifndef TAPEDECK_TOOLS_MOCK_ANSWER_H
#define TAPEDECK_TOOLS_MOCK_ANSWER_H

#include "tools/mock/faults.h"
#include "tools/mock/index.h"
#include "tools/mock/kept.h"
#include "tools/mock/recorded.h"

#define ANSWER_TEXT_MAX (1u << 20) // bytes of head, interim answers and trailers

// Whom it goes to.
struct answer_to {
    char method[8]; // HEAD or CONNECT, which decide about content; "" for others
    bool old;       // HTTP/1.0
    bool keeps;     // the client wants to keep the connection
    bool continued; // it was told to go on already
};

enum answer_after { AFTER_NEXT, AFTER_CLOSE, AFTER_RESET, AFTER_SWITCH };
enum answer_said { ANSWER_MORE, ANSWER_WAIT, ANSWER_OVER };

// When pieces of the content go, as it was recorded.
struct answer_pace {
    struct view rest; // pairs of the rhythm that are still to come
    uint64_t left;    // bytes of the content of the piece at hand; UINT64_MAX: all
    uint64_t gone;    // wire bytes of the head that are still to be found in pieces
    int64_t at_us;    // when the piece at hand was to go
    bool chunked;
};

struct answer {
    int64_t id, flow, n; // of the recording; id 0: none
    struct answer_to to;
    const struct fault_plan *faults; // NULL: none; a loan
    double speed;                    // 0: no timing
    enum answer_after after;
    enum { ANSWER_NONE, ANSWER_HEAD, ANSWER_CONTENT, ANSWER_END } phase;
    int64_t due_us; // when the next of it goes
    // being said
    struct speak_out out;
    size_t view, at; // the view of out, and the byte in it
    struct kept *kept;
    // piece by piece
    struct speaker speaker;
    struct speak_out begun; // the first to go
    enum speak_then then;
    bool stays[2];
    struct buf text;             // interim answers, head, trailers, rhythm
    struct view memory;          // content that is given
    struct store_reader *reader; // or that is read
    struct view piece;           // of it, what was not said yet
    struct buf spoilt;           // the piece with other bytes
    uint64_t size, said;         // of the content; size SPEAK_SIZE_UNKNOWN: not known
    bool stalled;                // the stall is behind it
    bool resets;                 // where the recording ended within it, by a reset
    struct answer_pace pace;
};

void answer_init(struct answer *a);
void answer_clear(struct answer *a); // may be begun again

struct answer_conf {
    struct kept_cache *cache;
    struct recorded_reader *reader;
    const struct index *index;
    double speed;
};

// From a recording. whole_us: when the request was whole, monotonic. status: another one, without
// content; 0: its own. 0; or an error with a line in why: it cannot be said.
int answer_recorded(struct answer *a, const struct answer_conf *conf, uint32_t entry,
                    const struct answer_to *to, const struct fault_plan *faults, unsigned status,
                    int64_t whole_us, char why[WHY_MAX]) MUST_CHECK;
// A head and a content, loans until it is over. 0, E_NOMEM, E_….
int answer_given(struct answer *a, struct view head, struct view content,
                 const struct answer_to *to, const struct fault_plan *faults, int64_t whole_us,
                 char why[WHY_MAX]) MUST_CHECK;
// A whole one, which it takes over.
void answer_kept(struct answer *a, struct kept *k, const struct answer_to *to, double speed,
                 int64_t whole_us);

// Whether a connection may go on behind an answer, by its bytes: for a client of 1.1, of 1.0.
void answer_stays(struct view bytes, bool stays[2]);

// Says up to n bytes into p. With ANSWER_WAIT a->due_us is when to ask again.
enum answer_said answer_say(struct answer *a, int64_t now_us, char *p, size_t n, size_t *got);

#endif
