// session: what the files of a run share, and nobody else sees.
//
//   session.c   the calls of rewrite.h            work.c     a request while it is changed
//   apply.c     set, remove, replace              dates.c    times shifted
//   jar.c       cookies                           tokens.c   tokens signed anew
//   edges.c     values that answers issued        learn.c    named values, rows of CSV
//   filters.c   which transactions filters take
#ifndef TAPEDECK_TOOLS_REWRITE_SESSION_H
#define TAPEDECK_TOOLS_REWRITE_SESSION_H

#include "tools/correlate/correlate.h"
#include "tools/rewrite/learned.h"
#include "tools/rewrite/rules.h"

#define SESSION_MATCHED_MAX (1u << 20) // bytes of a text that an expression is looked for in
#define SESSION_SPARED_MAX  64         // cookies of a request that edges gave their values

// The transactions that a filter takes, sorted.
struct filtered {
    int64_t *ids;
    size_t n, cap;
};

struct rewrite_session {
    struct rewrite_setup setup;
    const struct rewrite *rules; // never NULL
    struct rewrite *none;        // owned: what rules is where there are none
    struct loaded *loaded;
    struct filtered *filtered; // of each rule
    struct sign_key **keys;    // of each rule of jwt
    uint64_t *hits;            // of each rule
    struct edges *edges;       // NULL: there are none
    struct learned_table *learned;
    size_t cookies; // learned so far
    uint64_t seed, counter, rows;
    struct rewrite_sums sums;
};

bool session_rule_applies(const struct rewrite_session *s, size_t rule,
                          const struct rewrite_subject *t);
// Learns; what does not fit is counted. 0, E_NOMEM.
int session_learn(struct rewrite_session *s, const struct learned *like) MUST_CHECK;
struct learned_key session_key(enum learned_kind kind, const struct rewrite_subject *t, uint64_t a,
                               uint64_t b);
// ---- work.c: a request while it is changed, step by step.

struct work {
    struct rewrite_session *s;
    const struct rewrite_subject *t;
    int64_t now_us;
    struct view head, content, type; // as they are now; content decoded
    struct view raw;                 // of the content, as it came
    bool gzip, coded;                // it came so
    bool unread;                     // its coding cannot be undone
    struct buf heads[2], contents[2], decoded;
    unsigned now[2];  // which of the two holds the head, the content; 2: neither
    unsigned changed; // REWRITE_…
    struct edits edits[2];
    struct parts parts;
    uint64_t spared[SESSION_SPARED_MAX]; // hashes of names (jar_spare())
    size_t spared_n;
    struct buf text, encoded; // scratch
    char *why;
};
void work_begin(struct work *w);
void work_clear(struct work *w);
// One step: walks the parts, and does to the message what was told to the edits. wants: PARTS_…
int work_step(struct work *w, unsigned wants, parts_take *take, void *arg) MUST_CHECK;
// What was told to the edits since the last step.
int work_apply(struct work *w) MUST_CHECK;
// A part's new text: its coding and its JSON type are kept where that can be.
int work_put(struct work *w, const struct part *p, struct view text) MUST_CHECK;
// The content in the end, coded again, and the head to it.
int work_finish(struct work *w) MUST_CHECK;
// Whether it is one JSON value; whether it is neither text nor container.
bool work_is_json(struct view text);
bool work_is_bare(struct view text);
int work_fail(struct work *w, int e, const char *format, ...) __attribute__((format(printf, 3, 4)));

// ---- the steps: 0, or E_… with w->why told.

int apply_rule(struct work *w, size_t rule) MUST_CHECK;
int dates_rule(struct work *w, size_t rule) MUST_CHECK;
int tokens_rule(struct work *w, size_t rule) MUST_CHECK;
int jar_step(struct work *w) MUST_CHECK;
// What a template stands for in this request, into w->text. E_NOTFOUND: a live value has not come.
int apply_value(struct work *w, size_t rule, const struct template *t) MUST_CHECK;
// A time moved by us, in the form it has: appended to out. E_NOTFOUND: it is none.
int dates_shift(struct view text, int64_t us, struct buf *out) MUST_CHECK;

// ---- learn.c, jar.c

int jar_learn(struct rewrite_session *s, const struct rewrite_subject *t, int64_t now_us,
              struct view recorded_head, struct view live_head) MUST_CHECK;
// The cookie of that name has its value from an edge: the jar leaves it alone.
void jar_spare(struct work *w, struct view name);
// What rules of capture take from an answer.
int learn_names(struct rewrite_session *s, const struct rewrite_subject *t,
                const struct compare_half *live) MUST_CHECK;
// The row of CSV files that belongs to the client.
int learn_row(struct rewrite_session *s, const struct rewrite_subject *t, uint64_t *row) MUST_CHECK;

// ---- edges.c

struct edges;
// 0 with NULL where there are none; E_NOMEM.
int edges_new(struct edges **out, const struct correlate *c) MUST_CHECK;
void edges_free(struct edges *e); // e may be NULL
// Whether the transaction issues, or carries, a value in its content, or at all.
bool edges_any(const struct edges *e, int64_t id, bool issues, bool in_content);
// Whether it carries one at the place of that text.
bool edges_at(const struct edges *e, int64_t id, const char *place);
// Whether all values that it carries have come, or will not.
bool edges_ready(const struct rewrite_session *s, const struct rewrite_subject *t);
// Nobody waits for what has not come: of those that it carries, or would issue.
int edges_give_up(struct rewrite_session *s, const struct rewrite_subject *t,
                  bool issues) MUST_CHECK;
int edges_step(struct work *w) MUST_CHECK;
int edges_learn(struct rewrite_session *s, const struct rewrite_subject *t,
                const struct compare_half *live) MUST_CHECK;

// ---- filters.c

int filters_find(struct rewrite_session *s, char why[WHY_MAX]) MUST_CHECK;

#endif
