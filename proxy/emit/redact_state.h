// redact_state: what the files of redact share, and nobody else sees.
//
//   redact.c        flows and messages       redact_rules.c   rules from their text
//   redact_head.c   heads, trailers, queries redact_body.c    bodies that may be JSON
//   redact_json.c   values in them
#ifndef TAPEDECK_PROXY_EMIT_REDACT_STATE_H
#define TAPEDECK_PROXY_EMIT_REDACT_STATE_H

#include "proto/base/buf.h"
#include "proxy/emit/redact.h"

#define REDACT_STEPS_MAX 31
#define REDACT_SPARE_MAX 32 // messages kept for later
#define REDACT_TAG       25 // "redacted:" and 16 digits
#define REDACT_NO_RULE   REDACT_RULES_MAX

enum redact_kind { REDACT_HEADER, REDACT_QUERY, REDACT_JSON };

struct redact_step {
    enum { STEP_NAME, STEP_DEEP, STEP_EACH, STEP_INDEX } kind;
    struct view name;
    uint64_t index;
};

struct redact_rule {
    enum redact_kind kind;
    char *what;       // "header:cookie"
    struct view name; // behind the colon
    struct redact_step *step;
    unsigned steps;
};

// A message whose body may have to be changed.
struct redact_msg {
    struct redact_msg *next;
    uint64_t n;
    enum dir dir;
    enum { BODY_SNIFF, BODY_GATHER, BODY_OUT } mode;
    struct buf body;
    uint64_t wire; // that body stands for
    int64_t at_us;
    const char *why; // it is left out
    bool by_rule;    // so it is no loss
};

struct redact {
    struct sink sink;
    struct sink *next;
    unsigned char key[32];
    struct redact_rule rule[REDACT_RULES_MAX];
    unsigned rules;
    uint64_t lengths; // of the header rules' names: bit n % 64
    bool headers, queries, jsons;
    unsigned credentials; // a rule for (Proxy-)Authorization, and so for userinfo in URLs
    uint64_t touched;     // bits of rules that replaced something in the message at hand
    uint64_t omitted[REDACT_RULES_MAX];       // bytes, where touched
    struct buf head, host, path, query, text; // what is made of the message at hand
    char host_tag[REDACT_TAG];
    struct http_head parsed; // of the changed head
    size_t held;             // bytes of all bodies
    size_t *used, used_max;  // the memory that they, and others, take; NULL: nobody counts it
    struct stats *stats;
    struct redact_msg *spare;
    size_t spares;
    uint32_t reached[REDACT_DEPTH_MAX + 1][REDACT_RULES_MAX]; // redact_json.c
};

struct redact_flow {
    struct sink_flow base;
    struct redact *r;
    struct sink_flow *next;
    struct redact_msg *msgs;
    bool all_out; // without memory to know which bodies to look at, none passes
};

// Changes to some bytes: in is copied to out with pieces replaced.
struct redact_edit {
    struct redact *r;
    struct buf *out;
    struct view in;
    size_t done; // of in
    bool changed, failed;
    bool again; // the same bytes were changed, and counted, elsewhere
};

// ---- redact_rules.c
int redact_parse(struct redact *r, const char *rules, char why[WHY_MAX]);
void redact_forget(struct redact *r);
bool redact_name_is(struct view name, const struct redact_rule *rule, bool percent);

// ---- redact.c
void redact_tag(const struct redact *r, struct view secret, char out[REDACT_TAG]);
void redact_edit_begin(struct redact_edit *e, struct redact *r, struct buf *out, struct view in);
// The n bytes at `at`, behind all that was replaced before, are the secret itself, or stand for it.
void redact_edit_put(struct redact_edit *e, size_t at, size_t n, unsigned rule);
void redact_edit_put_json(struct redact_edit *e, size_t at, size_t n, unsigned rule,
                          struct view secret);
// What came out: in itself when nothing was replaced, nothing at all when memory failed.
struct view redact_edit_end(struct redact_edit *e);
void redact_tell_omitted(struct redact_flow *f, uint64_t n, enum dir dir);

// ---- redact_head.c
// Whether the head's parsed form may lack lines that its text has.
bool redact_head_odd(const struct http_head *h);
// Whether anything in the message may have to be replaced.
bool redact_head_concerns(const struct redact *r, const struct sink_msg *m);
struct view redact_head(struct redact *r, struct view head, bool request, bool *failed);
struct view redact_trailers(struct redact *r, struct view trailers, bool *failed);
// The message's parts of the target: in place. False: no memory.
bool redact_target(struct redact *r, struct sink_msg *m);

// ---- redact_body.c
void redact_body_begin(struct redact_flow *f, const struct sink_msg *m);
void redact_body_withhold(struct redact_flow *f, const struct sink_msg *m); // whatever it holds
// False: it is no concern of ours.
bool redact_body_hear(struct redact_flow *f, uint64_t n, enum dir dir, struct view content,
                      uint64_t wire, int64_t at_us);
void redact_body_end(struct redact_flow *f, uint64_t n, enum dir dir, bool whole);
void redact_body_clear(struct redact_flow *f); // all of the flow

// ---- redact_json.c
// Replaces what the rules name; false: this is no JSON. Also when there is no memory (e->failed).
bool redact_json(struct redact_edit *e);

#endif
