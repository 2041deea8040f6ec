// index: the recorded answers of one or several captures in memory, to be found by what was asked;
// and recorded conversations, to be found by what the client says.
//
// Built once, then only read, by any number of threads, but for counters of use, which are atomics:
// there is no lock. About 90 bytes a transaction, with rules 125; contents stay in the
// files.
//
// Of HTTP those transactions are there that have an answer of which the head was seen, recorded
// from the server (by_proxy is not) or cut within the answer; of raw, those of which any byte was
// kept. All others are counted.
//
// Conversations are known by turns: what the client said until the server spoke. What was said
// before a turn, on both sides, and the turn itself are a state, a hash; a live flow goes from
// state to state, and all recorded flows that went the same way are candidates:
//
//   uint64_t state; index_talk_start(ix, host, &state)      server-first: its words are said first
//   ──→ index_talk_hear(ix, state, bytes so far of this turn) ──→ TALK_MORE   wait for more
//                                                             ──→ TALK_NONE   nobody said this
//                                                             ──→ TALK_FOUND  which, how many bytes
//                                                                 of it were the turn; what is to
//                                                                 be said now; the state after it
#ifndef TAPEDECK_TOOLS_MOCK_INDEX_H
#define TAPEDECK_TOOLS_MOCK_INDEX_H

#include "tools/capture.h"

#define INDEX_MAX        5000000     // transactions and conversations together
#define INDEX_TURNS_MAX  5000000     // of all conversations
#define INDEX_TALK_TURNS 1024        // turns of a conversation that are told apart
#define INDEX_TURN_MAX   (64u << 10) // bytes by which a turn is known; a longer one by its first
// Different sets of what redaction replaced; requests of more are found when they are equal.
#define INDEX_MASKS_MAX 32
#define INDEX_NONE      UINT32_MAX

struct match_conf;
struct index;

struct index_conf {
    const struct capture *captures; // loans, like match, for as long as the index is there
    size_t n;
    const struct filter *filter; // NULL: all; a loan until return
    const struct match_conf *match;
};

// Errors are told: CLI_OK or CLI_FAILED (nothing can be read, too many, no memory). What cannot be
// read is told with cli_damage() and left out. A capture that is being written is read as it is
// now.
int index_build(struct index **out, const struct index_conf *conf) MUST_CHECK;
void index_free(struct index *ix); // ix may be NULL

struct index_sums {
    uint64_t transactions;                // of HTTP that can answer
    uint64_t talks;                       // raw conversations
    uint64_t unanswered, by_proxy, other; // left out: without an answer, answered by the proxy, of
                                          // a protocol that is not mocked (tls)
    uint64_t memory;                      // bytes, about
};
void index_sums(const struct index *ix, struct index_sums *out);

// ---- transactions: entries 0 to transactions - 1, in no order that means anything

struct index_entry {
    int64_t id, start_us;
    uint32_t flow;     // numbered from 1; the same for all entries of a recorded flow
    uint32_t n;        // its number within the flow
    uint32_t file;     // see index_file()
    uint32_t endpoint; // see index_endpoint()
    uint32_t path;     // hash
    uint32_t query;    // hash
    uint16_t mask;     // which set of what redaction replaced; 0: none
    uint8_t known;     // INDEX_WHOLE…
    uint8_t vague;     // bit 0, 1: equal, alike says that it may be equal, not that it is
};
enum { INDEX_WHOLE, INDEX_SEALED, INDEX_SIZED }; // content by value, by digest, by size alone

const struct index_entry *index_entry(const struct index *ix, uint32_t entry);
uint32_t index_uses(const struct index *ix, uint32_t entry); // how often it answered
// The entry of that id (of that capture first where several have it), or INDEX_NONE. Looks through
// all of them.
uint32_t index_find_id(const struct index *ix, int64_t id);
// Which capture of the conf, and which file of it.
void index_file(const struct index *ix, uint32_t file, size_t *capture, size_t *file_of_it);

// What near.c searches: method, host and route (a path with {id} for what looks like one), each
// once, the most frequent first; and their entries. So many at most are kept with their names.
#define INDEX_ENDPOINTS_MAX 50000
struct index_endpoint {
    struct view method, host, route;
    uint32_t n;
};
size_t index_endpoints(const struct index *ix);
const struct index_endpoint *index_endpoint(const struct index *ix, size_t i);
uint32_t index_endpoint_entry(const struct index *ix, size_t i, uint32_t k); // k < n; by age

// ---- conversations

struct index_talk {
    int64_t id, flow; // of its transaction, and of the flow in the capture
    int64_t n;        // number of the transaction within the flow
    int64_t start_us;
    uint32_t file;
    uint32_t turns;       // that are told apart
    uint32_t first;       // of its turns
    bool server_first;    // the server spoke before the client did
    uint64_t greeting;    // bytes of it
    uint64_t destination; // hash
};
const struct index_talk *index_talk(const struct index *ix, uint32_t talk);
uint32_t index_talk_uses(const struct index *ix, uint32_t talk);

// Whom the client wants to reach: host as in match_request, with its port. 1: there are recordings;
// *talk is the one whose server spoke first, to be begun with (the oldest that was used least), or
// INDEX_NONE where the client has the first word. 0: nothing is recorded for it.
int index_talk_start(const struct index *ix, struct view host, uint64_t *state, uint32_t *talk);

enum talk_heard { TALK_MORE, TALK_NONE, TALK_FOUND };
struct talk_turn {
    uint32_t talk; // the conversation: `now` where it is one of those, else the oldest least used
    uint64_t c2s;  // bytes that the client says in this turn
    uint64_t from, s2c; // where in the server's direction its answer begins, and how long it is
    bool last;          // no turn that is told apart follows
    uint64_t state;     // after it, for the next turn
};
// said: what the client said in this turn so far, as much of it as is there, at most INDEX_TURN_MAX
// count. now: the conversation at hand, or INDEX_NONE. ended: nothing will follow. Of several turns
// that fit, the longest.
enum talk_heard index_talk_hear(const struct index *ix, uint64_t state, struct view said,
                                bool ended, uint32_t now, struct talk_turn *out);
// Counts a conversation as used: once a live flow, when it is first answered from.
void index_talk_take(struct index *ix, uint32_t talk);

#endif
