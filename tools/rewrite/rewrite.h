// rewrite: recorded requests made fit for the run in which they are sent again: changed by rules,
// and by what the run's own answers issued in place of what the recorded ones did.
//
//   rules (YAML)  ─┐                       ┌─ rewrite_request()   before a request is sent
//   edges         ─┼→ rewrite_begin() ─→ session
//   seed, time    ─┘                       └─ rewrite_answered()  when its answer has come
//
// A request is changed in this order, each step seeing what the one before made:
//
//   1. values that a recorded answer issued become those of the run's answer (edges)
//   2. cookies become those of the run, per recorded client
//   3. dates are shifted
//   4. set, remove, replace, in the order of the file
//   5. tokens are signed anew
//
// What is not named stays byte for byte, also within JSON. Content-Length follows the content;
// content in a coding is decoded, changed, and goes in gzip where it came in gzip, else without.
//
// It does no network and reads no clock; files that rules name are read by rewrite_begin() alone.
#ifndef TAPEDECK_TOOLS_REWRITE_H
#define TAPEDECK_TOOLS_REWRITE_H

#include "proto/base/buf.h"
#include "tools/capture.h"
#include "tools/compare/compare.h"

#define REWRITE_TEXT_MAX    (1u << 20)  // bytes of a file of rules
#define REWRITE_RULES_MAX   1000        // of a file
#define REWRITE_CONTENT_MAX (16u << 20) // bytes of a content that is changed, decoded
#define REWRITE_VALUE_MAX   (64u << 10) // bytes of a value: set, or learned from an answer
#define REWRITE_LEARNED_MAX (1u << 20)  // values and cookies learned and not yet forgotten

// ---- rules

struct rewrite;

// name: what stands for the text in messages; files that rules name are looked for beside it. 0, or
// E_SYNTAX, E_LIMIT, E_EXISTS, E_NOMEM with why: NAME:LINE:COLUMN, what is wrong, what is allowed.
// An empty text is no rules.
int rewrite_parse(struct rewrite **out, const char *name, struct view text,
                  char why[WHY_MAX]) MUST_CHECK;
// The file at path.
int rewrite_read(struct rewrite **out, const char *path, char why[WHY_MAX]) MUST_CHECK;
void rewrite_free(struct rewrite *r); // r may be NULL

// ---- one run

struct rewrite_session;
struct correlate; // tools/correlate/correlate.h

struct rewrite_setup {
    const struct rewrite *rules;   // NULL: none; outlives the session
    const struct correlate *edges; // NULL: no correlation; outlives the session
    const struct capture *capture; // the recording, for rules with a filter; NULL: they fail
    uint64_t seed;                 // of what is drawn; 0: that of the rules, else 1
    bool no_cookies;               // cookies stay as recorded, but for edges and rules
    int64_t recorded_us, now_us;   // when the recording began and when the run does: dates
};

// Reads what the rules name (environment, files, CSV) and finds the transactions of their filters.
// E_NOTFOUND, E_SYNTAX, E_LIMIT, E_NOMEM, E_IO with why in one line.
int rewrite_begin(struct rewrite_session **out, const struct rewrite_setup *setup,
                  char why[WHY_MAX]) MUST_CHECK;
void rewrite_end(struct rewrite_session *s); // s may be NULL

// A recorded transaction, played once.
struct rewrite_subject {
    int64_t id;      // of the recorded transaction
    uint64_t run;    // which play of the recording it belongs to (a round, a virtual user's turn):
                     // what an answer issued is carried by requests of the same run alone
    uint64_t client; // the recorded client: its address without the port, hashed; for cookies, CSV
    struct rules_subject about; // as recorded
};

// Whether anything at all could ever be done; false: no other call is needed.
bool rewrite_active(const struct rewrite_session *s);
// Whether rewrite_request() needs the content of the request; without, it gets an empty one.
bool rewrite_wants_content(const struct rewrite_session *s, const struct rewrite_subject *t);
// Whether rewrite_answered() needs the contents of the answers, recorded and live; without, heads
// are enough, since cookies are learned from any answer.
bool rewrite_wants_answer(const struct rewrite_session *s, const struct rewrite_subject *t);

// Whether all values that the request carries have come. Who is tired of waiting sends it all the
// same: what has not come stays as it was recorded, and nobody else waits for it.
bool rewrite_ready(struct rewrite_session *s, const struct rewrite_subject *t);

enum { REWRITE_HEAD = 1, REWRITE_CONTENT = 2 };
// head: the request's, as recorded (or as the caller has changed it: host). content: as on the wire
// without chunks, whole; none where it is too large: then it stays. Answers 0: nothing changes;
// else bits of what was written, whole, to new_head and new_content (made empty before; what is not
// told of stays the caller's own; when the content changes the head does). The new head keeps its
// framing: a Content-Length says the new length, Transfer-Encoding stays. E_LIMIT, E_NOMEM,
// E_SYNTAX with why: the request cannot be made as the rules say.
int rewrite_request(struct rewrite_session *s, const struct rewrite_subject *t, int64_t now_us,
                    struct view head, struct view content, struct buf *new_head,
                    struct buf *new_content, char why[WHY_MAX]) MUST_CHECK;

// The answer has come, and ended: learns from it. Contents have their codings undone, as for
// compare(). 0 or E_NOMEM.
int rewrite_answered(struct rewrite_session *s, const struct rewrite_subject *t, int64_t now_us,
                     const struct compare_half *recorded,
                     const struct compare_half *live) MUST_CHECK;
// There will be no answer, or the transaction is not played at all: nobody waits for it.
void rewrite_unanswered(struct rewrite_session *s, const struct rewrite_subject *t);
// A run is over: what it learned is forgotten.
void rewrite_forget(struct rewrite_session *s, uint64_t run);

// What was done so far.
struct rewrite_sums {
    uint64_t requests; // that were changed
    uint64_t values;   // places that got a value of the run by an edge, or by ${live:…}
    uint64_t cookies, dates, rules, signed_tokens; // places
    uint64_t missing; // values that had not come, or that the live answer had not: sent as recorded
    uint64_t full;    // values not learned since REWRITE_LEARNED_MAX were kept
};
const struct rewrite_sums *rewrite_sums(const struct rewrite_session *s);
// Rules that changed nothing at all so far, one after the other from *i = 0: "NAME:LINE set
// header x"; NULL: no more.
const char *rewrite_unused(const struct rewrite_session *s, size_t *i);

// ---- what redaction took

// Requests of the recording whose values were replaced before they were kept: they cannot be sent
// as they were unless rules (or edges) bring another value. For each place, "header authorization":
// how many requests carry it, one of them, and whether something brings another value in all of
// them. Errors of reading are told with cli_damage(). 0, E_NOMEM, or what found answered.
typedef int rewrite_redacted_found(void *arg, const char *place, uint64_t requests, int64_t example,
                                   bool mended);
int rewrite_redacted(const struct rewrite_session *s, const struct capture *capture,
                     const struct filter *filter, rewrite_redacted_found *found,
                     void *arg) MUST_CHECK;

#endif
