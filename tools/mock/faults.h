// faults: what goes wrong on purpose in the answers of a mock: rules in YAML, and what they say
// about one connection or one request.
//
//   - {fault: latency, delay: 200ms, percent: 20}
//   - {fault: latency, delay: {from: 10ms, to: 1s}, when: 'path ~ "^/orders"'}
//   - {fault: latency, delay: {mean: 100ms, deviation: 20ms}}
//   - {fault: status, status: 503, reason: Busy, body: '{"busy":true}', type: application/json}
//   - {fault: header, set: {retry-after: 5}, remove: [etag, last-modified]}
//   - {fault: truncate, at: 50%}
//   - {fault: corrupt, bytes: 3}
//   - {fault: dribble, bytes: 16, every: 100ms}
//   - {fault: refused, when: 'target ~ "^db"', times: 3}
//   - {fault: reset, at: 100, after: 2}
//   - {fault: stall, at: 10%, for: 30s}
//
// when: the filter language, over what is known before there is an answer; refused is decided when
// a connection is opened, over fewer fields. A rule that matches is done with that percentage, but
// not for the first `after` matches and no more than `times` times. Rules are gone through in their
// order; of several of one kind that are to be done for one request the first is, but of header
// all.
//
// Whether a rule is done, and how (which delay, which bytes), follows from the seed, the rule's
// place in the list and how often it has matched: the same seed and the same requests give the same
// faults, whatever else happens. Where several workers ask at once, who asks first is chance.
#ifndef TAPEDECK_TOOLS_MOCK_FAULTS_H
#define TAPEDECK_TOOLS_MOCK_FAULTS_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proxy/emit/sink.h"

#define FAULTS_MAX         200        // rules
#define FAULTS_TEXT_MAX    (1u << 20) // bytes of a document
#define FAULTS_BODY_MAX    (64u << 10)
#define FAULTS_HEADERS_MAX 32                 // names that one rule sets or removes
#define FAULTS_AT_ONCE     8                  // header rules done for one request
#define FAULTS_DELAY_MAX   (3600 * 1000000LL) // µs

enum fault_kind {
    FAULT_LATENCY,  // the answer's first byte comes delay_us later than it would
    FAULT_STATUS,   // another status line; with a body also other content and Content-Type
    FAULT_HEADER,   // fields of the answer's head are set or removed
    FAULT_TRUNCATE, // content ends at a place, the head as it was, and the connection with it
    FAULT_CORRUPT,  // bytes of the content are others
    FAULT_DRIBBLE,  // content goes out in pieces, one an interval
    FAULT_REFUSED,  // the connection is refused, as by a server that does not listen
    FAULT_RESET,    // the connection is reset, at a place of the content or before the answer
    FAULT_STALL,    // nothing more comes from a place on, for a time or for ever
    FAULT_KINDS
};
extern const char *const fault_names[FAULT_KINDS]; // "latency"

#define FAULT_BIT(kind) (1u << (kind))

// A place in an answer.
struct fault_place {
    enum {
        FAULT_BEFORE, // before its first byte, that of the head
        FAULT_AT,     // behind so many bytes of the content
        FAULT_PART    // behind such a part of it
    } how;
    uint64_t bytes;
    double part; // 0 to 1
};

// How many bytes of a content of size bytes come before the place; size is UINT64_MAX where it is
// not known, and a part of it then nothing. With FAULT_BEFORE 0.
uint64_t fault_place_of(const struct fault_place *p, uint64_t size);

struct fault_header {
    char *name, *value; // value NULL: it is removed, every line of it; else it replaces all
};
struct fault_headers {
    const struct fault_header *items;
    size_t n;
};

struct fault_set;

// What is to be done to one request's answer, or to one connection. Whose bit is not set does not
// count.
struct fault_plan {
    struct fault_set *set; // keeps what is pointed to below; NULL: no fault
    unsigned kinds;        // FAULT_BIT() of each that is to be done

    int64_t delay_us;
    unsigned status;
    const char *reason; // NULL: the usual one
    bool has_body;      // of FAULT_STATUS
    struct view body;   // of FAULT_STATUS
    const char *type;   // its Content-Type; NULL: none
    struct fault_headers headers[FAULTS_AT_ONCE];
    size_t header_count;
    struct fault_place truncate, reset, stall;
    int64_t stall_us;       // INT64_MAX: for ever
    uint64_t corrupt_bytes; // at most so many are others
    uint64_t corrupt_seed;
    uint64_t dribble_bytes; // of the content, an interval
    int64_t dribble_us;
};

struct faults;

// No rules at first. NULL: out of memory.
struct faults *faults_new(uint64_t seed);
void faults_free(struct faults *f); // f may be NULL; all plans have been cleared

// Puts those rules, counted from nothing, in the place of all there are. name: what stands for the
// text in messages. 0, or E_SYNTAX, E_RANGE, E_LIMIT, E_EXISTS, E_NOMEM with why: NAME:LINE:COLUMN,
// what is wrong, what is allowed; the rules are then as they were. An empty text is none. What
// becomes of the old ones is told as by faults_log(). May be called while others ask.
int faults_set(struct faults *f, const char *name, struct view text, char why[WHY_MAX]) MUST_CHECK;

// Whether there are any. The answer may be old when it comes.
bool faults_any(const struct faults *f);

// What is known of a connection. Texts are "" where unknown.
struct fault_flow {
    enum direction direction;
    const char *front;
    struct addr client;
    const char *requested, *target; // as in flow_facts
};

// What is known of a request once it is whole; for a conversation in which no requests are told
// apart (raw): protocol, scheme and host, once, when the server is to say its first.
struct fault_request {
    const char *protocol;
    int64_t at_us; // of its first byte
    uint64_t n;    // of its flow
    struct view method, scheme, host, path, query, version, head;
    uint64_t size;    // of the content
    struct view body; // the content where it is held whole; p NULL where it is not, and then no
                      // rule that asks for it matches
};

// What is to be done: kinds is 0 for nothing. For the connection FAULT_REFUSED alone, asked where
// its target is dialled; for a request all others. Any thread. fault_plan_clear() in any case.
void faults_of_flow(struct faults *f, const struct fault_flow *flow, struct fault_plan *out);
void faults_of_request(struct faults *f, const struct fault_flow *flow,
                       const struct fault_request *request, struct fault_plan *out);
void fault_plan_clear(struct fault_plan *p);

// Makes the bytes others that a plan with FAULT_CORRUPT says, in a piece of the content, of size
// bytes, that begins at offset; where size is not known (UINT64_MAX) in its first 4096 bytes.
// Which, does not depend on how the content comes in pieces.
void fault_corrupt(const struct fault_plan *p, uint64_t size, uint64_t offset, char *bytes,
                   size_t n);

// " fault=latency,status", for the outcome of a transaction; "" for none. Returns out.
#define FAULTS_NAMES 96
const char *fault_plan_text(const struct fault_plan *p, char out[FAULTS_NAMES]);

// The rules and how often each matched and was done, as JSON: {"seed":1,"rules":[{"line":1,
// "fault":"latency","matched":5,"done":1},…]}, appended to out. 0, E_LIMIT, E_NOMEM.
int faults_json(struct faults *f, struct buf *out) MUST_CHECK;

// The same in a line of the log for each rule; a warning for those that never matched.
void faults_log(struct faults *f);

#endif
