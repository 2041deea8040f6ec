// correlate: which values of later requests an earlier answer issued: tokens, ids, cursors,
// cookies.
//
//   POST /login ──answer body.token──▶ "eyJ…" ──header authorization──▶ GET /orders, GET /orders/7
//
// Two passes over the recording. The first gathers what requests carry, as hashes; the second, in
// the order of time, meets them in answers, and again in the requests behind these; bytes decide,
// not hashes. A value is told of only where it is likely to have been issued: see significance.h.
//
// Memory is bounded: beyond a ceiling values are not followed, which is counted and told.
#ifndef TAPEDECK_TOOLS_CORRELATE_H
#define TAPEDECK_TOOLS_CORRELATE_H

#include "tools/capture.h"
#include "tools/rewrite/rewrite.h"

#define CORRELATE_CARRIED_MAX (4u << 20) // different texts that requests carry: 24 bytes each
#define CORRELATE_VALUES_MAX  (1u << 20) // values that answers issued
#define CORRELATE_EDGES_MAX   (4u << 20) // places that issue or carry one
#define CORRELATE_ISSUES_MAX  4          // answers of a value that are kept, its first ones
#define CORRELATE_TEXT_MAX    4096       // bytes of a value
#define CORRELATE_BODY_MAX    (1u << 20) // bytes of a content that is looked at, decoded

// A place within a message, as rules write it (tools/rewrite/place.h), once for all that are equal.
struct correlate_place {
    const char *text;
};

// A value, in the order of the answers that issued it first.
struct correlate_value {
    struct view text;       // as recorded
    uint32_t issue, issues; // indexes into edges: answers that issued it, the earliest first
    uint32_t use, uses;     // requests that carry it, the earliest first
    bool assumed;           // redaction hid it in the requests: it is what was issued before them
};
struct correlate_edge {
    int64_t id; // of the transaction
    uint32_t value, place;
};

struct correlate {
    struct correlate_value *values;
    size_t n;
    struct correlate_edge *edges;
    size_t edge_count;
    struct correlate_place *places;
    size_t place_count;
    // What did not fit.
    uint64_t carried_left, values_left, edges_left, bodies_left;
    struct correlate_memory *memory; // of all texts
};

// capture and filter (NULL: all) as for rows_open(). rules: where they have a section correlate,
// what it names is correlated and nothing else. progress, which may be NULL, is called with 0..1000
// and answers 0 to go on; its other answers are returned. What cannot be read is told with
// cli_damage(). 0; E_IO: nothing at all can be read; E_NOMEM.
int correlate_find(struct correlate **out, const struct capture *capture,
                   const struct filter *filter, const struct rewrite *rules,
                   int (*progress)(void *arg, int permille), void *arg) MUST_CHECK;
void correlate_free(struct correlate *c); // c may be NULL

#endif
