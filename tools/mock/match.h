// match: which recorded transaction answers a request. No socket, no clock.
//
// What is compared: destination, method, path, query (in any order of keys), content (JSON, forms
// and XML by value, anything else by its bytes, its codings undone), and of the headers those that
// were chosen. What redaction replaced in the recording matches whatever stands there now.
//
//   destination   the host in any case, and the port, or where none is named that of the scheme:
//                 http 80, https 443; the scheme itself does not count
//   large         content of more than body_max bytes, or kept in part, by its size and digest
//
// Which of those that match answers, the same at every run:
//
//   1. an equal one that was not used yet:
//      a. of the recorded flow that this live flow was answered from last, behind that answer
//      b. else the oldest
//   2. one that is equal under the rules or but for what was redacted, not used yet, as 1a alone
//   3. with repeat last or cycle, an equal one again
//   4. one that is equal under the rules, not used yet, as 1b
//   5. with repeat last or cycle, one that is equal under the rules again
//
// So the third equal request gets the third answer. Again: with `last` the one that 1a would give
// had none been used, so that a client that says a whole recorded flow once more hears it once
// more; else the newest; with `cycle` all of them from the oldest on, once each, and so on.
#ifndef TAPEDECK_TOOLS_MOCK_MATCH_H
#define TAPEDECK_TOOLS_MOCK_MATCH_H

#include "proto/digest.h"
#include "tools/compare/rules.h"
#include "tools/mock/index.h"

#define MATCH_BODY_MAX    (1u << 20) // bytes of content compared by value, coded and decoded
#define MATCH_HEADERS_MAX 32         // chosen ones
#define MATCH_LOOKS_MAX   256        // rows read for one request

enum match_repeat { MATCH_LAST, MATCH_CYCLE, MATCH_FAIL };

// All of it is a loan for as long as the index is there. Zeroed, it is the usual one.
struct match_conf {
    const struct rules *rules;  // NULL: none
    const char *const *headers; // names of those that are compared, in any case
    size_t n_headers;           // at most MATCH_HEADERS_MAX
    bool any_host;              // the destination is not compared, and rules have no limits to one
    enum match_repeat repeat;
    uint64_t body_max; // 0: MATCH_BODY_MAX, which it may not exceed
};

// A request; all are loans until return. What does not apply is empty.
struct match_request {
    struct view method, scheme, path, query; // as struct sink_msg has them
    struct view host; // as struct sink_msg has it; where that names none, the flow's target
    struct view head; // first line and fields
    struct view content;
    bool sealed;   // content is not held: these are known of it (size > body_max)
    uint64_t size; // on the wire
    unsigned char digest[DIGEST_SIZE];
};

// What a live flow was answered from last; zeroed when the flow begins. The caller's.
struct match_flow {
    uint32_t flow; // 0: nothing yet; opaque
    uint32_t n;
};

struct match_found {
    uint32_t entry; // see index_entry()
    bool equal;     // not under rules alone
    bool again;     // it had been used before
};

// A worker's handle: its own reader of rows, and room. Not for several threads at once.
struct match;

// NULL: out of memory. ix outlives it.
struct match *match_new(struct index *ix);
void match_free(struct match *m); // m may be NULL

// Finds and takes: 1 with out set and *flow brought up to date, 0 (none answers: near.h says why),
// or E_NOMEM. Nothing is allocated where bytes, query and chosen headers are as they were recorded.
int match_take(struct match *m, const struct match_request *r, struct match_flow *flow,
               struct match_found *out) MUST_CHECK;
// Takes this one, whatever is asked for (an override): brings *flow up to date and counts the use.
void match_take_this(struct match *m, uint32_t entry, struct match_flow *flow);

// Equal for requests that are equal without rules (but for one chance in 2^64): for what is learned
// while running. 0 or E_NOMEM.
int match_key(struct match *m, const struct match_request *r, uint64_t *key) MUST_CHECK;

#endif
