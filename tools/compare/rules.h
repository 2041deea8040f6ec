// rules: what may differ between two messages, from a text that people write and edit (YAML). It is
// kept beside a capture, never in it.
//
//   # what may differ
//   ignore:
//     - header x-request-id
//     - {where: body.debug, path: "/orders/**", method: POST, host: "*.example"}
//   shape:
//     body.id: uuid
//     body.items[*].created: {is: time, path: /orders}
//   unordered:
//     - body.tags
//   tolerance:
//     body.price: 0.01
//     body.at: 1s
//   match:                      # both sides have this (POSIX extended regular expression)
//     body.number: '^[0-9]+$'
//     path[1]: {matches: '^[a-z]+$', path: '/users/*'}
//
//   bytes:                      # these bytes may differ, from 0; all others are compared as bytes
//     body: 4-7,16
//
// Where several rules name a place, each of them may make it equal. shape, tolerance, match and
// bytes may be lists of mappings as well: [{where: body.id, is: uuid}, …], [{where: body.price,
// within: 5%}, …], [{where: body.id, matches: '^[0-9]+$'}, …], [{where: body, at: 4-7}, …].
#ifndef TAPEDECK_TOOLS_COMPARE_RULES_H
#define TAPEDECK_TOOLS_COMPARE_RULES_H

#include "tools/compare/shape.h"
#include "tools/compare/where.h"

#include <regex.h>

#define RULES_MAX      1000
#define RULES_VALUE    (64u << 10) // bytes of a value in which an expression is looked for
#define RULES_RANGES   16          // of one rule
#define RULES_TEXT_MAX (1u << 20)  // bytes of a text

enum rule_kind {
    RULE_IGNORE,
    RULE_SHAPE,
    RULE_UNORDERED,
    RULE_TOLERANCE,
    RULE_MATCH,
    RULE_BYTES,
    RULE_KINDS,
    RULE_ANY = RULE_KINDS // whatever value is there, of whatever type; no text says it (masks.h)
};
extern const char *const rule_kinds[RULE_KINDS]; // "ignore"

struct rule {
    enum rule_kind kind;
    struct where_pattern where;
    enum shape shape;
    long double number; // a tolerance of numbers; < 0: it is none
    bool percent;       // number: of the larger of the two
    int64_t us;         // a tolerance of times; < 0: it is none
    regex_t *regex;     // of RULE_MATCH: found in both
    struct rule_range {
        uint64_t from, to;  // both included
    } ranges[RULES_RANGES]; // of RULE_BYTES
    size_t n_ranges;
    char *host, *method, *path; // only of these; NULL: of all. '*', and '**' over '/' in a path
    size_t line;
};

struct rules {
    struct rule *items;
    size_t n, cap;
};

// What a message belongs to: rules may be for some only.
struct rules_subject {
    struct view method, host, path;
};

// name: what stands for the text in messages. 0, or E_SYNTAX, E_LIMIT, E_EXISTS, E_NOMEM with why:
// NAME:LINE:COLUMN, what is wrong, what is allowed; there are no rules then. An empty text is none.
int rules_parse(struct rules *out, const char *name, struct view text,
                char why[WHY_MAX]) MUST_CHECK;
void rules_clear(struct rules *r);

// Lets all of them be for any host: where one stands for another, limits to one say nothing.
void rules_any_host(struct rules *r);

// Whether the rule is for such messages.
bool rule_applies(const struct rule *r, const struct rules_subject *s);

// Headers (and trailers) that never count, since they are of one connection or one moment, not of
// the message; each with the reason. NULL at the end.
struct rules_ignored {
    const char *name, *why;
};
extern const struct rules_ignored rules_ignored[];
bool rules_ignores(struct view header);

#endif
