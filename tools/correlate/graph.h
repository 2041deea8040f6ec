// graph: correlations as a person sees them: endpoint and place that issue, endpoint and place that
// carry, how often; with ids in paths and numbers of items left open.
#ifndef TAPEDECK_TOOLS_CORRELATE_GRAPH_H
#define TAPEDECK_TOOLS_CORRELATE_GRAPH_H

#include "tools/correlate/gathered.h"

#include <stdio.h>

struct graph_end {
    uint32_t endpoint, place; // indexes of texts
};
struct graph_edge {
    struct graph_end from, to;
    uint32_t value;         // one of them
    int64_t from_id, to_id; // of that value
    uint64_t times, values;
    bool assumed;
};
struct graph {
    const struct correlate *c;
    struct gathered texts;    // of endpoints and places
    struct graph_edge *edges; // by from, in the order of the recording; then by to
    size_t n;
};

// capture: what c was found in. Errors are told: CLI_OK, CLI_FAILED. To be cleared in any case.
int graph_make(struct graph *g, const struct correlate *c,
               const struct capture *capture) MUST_CHECK;
void graph_clear(struct graph *g);

const char *graph_text(const struct graph *g, uint32_t i);
// The pieces of an endpoint's text: "GET", "api.test:80", "/items/*".
void graph_endpoint(const struct graph *g, uint32_t i, struct view piece[3]);
// Whether the edge has the same beginning as the one before.
bool graph_same_from(const struct graph *g, size_t i);

// ---- the forms in which it is shown

void graph_show(const struct graph *g, FILE *out);
void graph_show_dot(const struct graph *g, FILE *out);
void graph_show_json(const struct graph *g, FILE *out);
// As rules for replay; *left: how many groups did not fit.
void graph_write_rules(const struct graph *g, FILE *out, size_t *left);

#endif
