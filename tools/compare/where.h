// where: a place within a message, as differences tell it and as rules name it:
//
//   status   version   method   host   path   size   digest   message
//   path[1] (the second of its segments: /users/{here})
//   header content-type         trailer x-sum          header set-cookie#2 (the second of them)
//   query.page                  body                   body.items[3].price
//   body.item#2.@id             body["odd key"].x      (elements: name, number, attribute, #text)
//
// In rules also:   [*]  any index     *  any run of letters within a key, or of a header's name
//                  **   any keys and indexes, or none: body.**.id
#ifndef TAPEDECK_TOOLS_COMPARE_WHERE_H
#define TAPEDECK_TOOLS_COMPARE_WHERE_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proto/base/view.h"

enum where_part {
    WHERE_MESSAGE, // whether it is there at all
    WHERE_STATUS,
    WHERE_VERSION,
    WHERE_METHOD,
    WHERE_HOST, // where a request goes to, with its port; compared by mock alone
    WHERE_PATH,
    WHERE_QUERY,
    WHERE_HEADER,
    WHERE_TRAILER,
    WHERE_BODY,
    WHERE_SIZE,
    WHERE_DIGEST,
    WHERE_PARTS
};
extern const char *const where_parts[WHERE_PARTS]; // "header"

// A step down from a value: to the member of that name (the number of those of the same name before
// it), or to an item of an array.
struct where_step {
    bool index;
    struct view key;
    uint32_t number; // an index; of a key: so many of the same stand before it
};

// Writes "body.items[3]" into out; what does not fit is left out by whole steps, with ".…" instead.
void where_text(enum where_part part, const struct where_step *steps, size_t n, char *out,
                size_t size);

// ---- patterns

#define WHERE_TOKENS 32 // steps of a pattern

struct where_token {
    enum { WHERE_KEY, WHERE_INDEX, WHERE_ANY_INDEX, WHERE_ANY_DEPTH } kind;
    bool exact; // key: a '*' in it is no wild card
    bool fold;  // key: its case does not count
    struct view key;
    uint32_t number; // index; of a key: which one of the same, from 1; 0: each
};
struct where_pattern {
    enum where_part part;
    size_t n;
    struct where_token tokens[WHERE_TOKENS];
    char *text; // of its keys; owned
};

// 0, or E_SYNTAX, E_LIMIT with why one phrase and *at the byte of text that it is about; E_NOMEM.
int where_parse(struct where_pattern *p, struct view text, size_t *at,
                char why[WHY_MAX]) MUST_CHECK;
void where_clear(struct where_pattern *p);

// How much of a pattern is matched, step by step: a set of places in it. The start is
// where_start(); where_next() is what remains after a step; 0: nothing can match below.
uint64_t where_start(const struct where_pattern *p);
uint64_t where_next(const struct where_pattern *p, uint64_t state, const struct where_step *step);
// Whether the pattern names just the place that was come to.
bool where_here(const struct where_pattern *p, uint64_t state);

// Whether text matches a pattern with '*': any run of bytes but stop (0: of any bytes), and "**":
// any run of bytes.
bool where_glob(struct view pattern, struct view text, char stop, bool fold);
#define WHERE_GLOB_MAX 256 // bytes of such a pattern; a longer one matches nothing

#endif
