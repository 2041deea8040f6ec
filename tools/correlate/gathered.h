// gathered: what the passes over a recording keep: hashes of what requests carry, values that were
// issued, places, edges; all with a ceiling (correlate.h).
#ifndef TAPEDECK_TOOLS_CORRELATE_GATHERED_H
#define TAPEDECK_TOOLS_CORRELATE_GATHERED_H

#include "tools/correlate/correlate.h"
#include "tools/correlate/extract.h"

#define GATHERED_MANY UINT32_MAX // clients

// A text that requests carry.
struct carried {
    uint64_t hash;  // 0: a free place
    uint32_t value; // index + 1; 0: nobody issued it so far
    uint32_t early; // the client that carried it before it was issued; 0: none; GATHERED_MANY
};

struct issued {
    struct view text;
    int64_t end_us; // when the first answer that issued it was whole
    uint32_t issues, uses;
    uint32_t places[4], place_count; // different ones that issued it
    bool strong, assumed;
};

struct gathered_edge {
    uint32_t value, place, order;
    bool use;
    int64_t id;
};

struct gathered {
    struct carried *carried;
    size_t slots, carried_n;
    struct issued *values;
    size_t n, cap;
    struct gathered_edge *edges;
    size_t edge_n, edge_cap;
    const char **places;
    size_t place_n, place_cap;
    uint32_t *place_slots;
    size_t place_slot_n;
    struct correlate_memory *memory;
    struct correlate *out; // for what did not fit
};

uint64_t gathered_hash(struct view kind, struct view text); // never 0

// Each: 0, E_NOMEM; what does not fit is counted in out.
int gathered_carry(struct gathered *g, uint64_t hash) MUST_CHECK;
struct carried *gathered_find(struct gathered *g, uint64_t hash); // NULL: no request carries it
int gathered_value(struct gathered *g, struct carried *c, struct view text,
                   struct issued **out) MUST_CHECK; // *out NULL: there is no room
int gathered_place(struct gathered *g, const char *text, uint32_t *out) MUST_CHECK;
int gathered_edge(struct gathered *g, uint32_t value, uint32_t place, int64_t id,
                  bool use) MUST_CHECK;

// Gives what was gathered to out, values that are carried alone. 0, E_NOMEM.
int gathered_end(struct gathered *g) MUST_CHECK;
void gathered_clear(struct gathered *g);
void gathered_free_memory(struct correlate_memory *m);

#endif
