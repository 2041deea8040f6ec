// edit: a head with other fields: what is left is byte for byte as it was.
#ifndef TAPEDECK_TOOLS_MOCK_EDIT_H
#define TAPEDECK_TOOLS_MOCK_EDIT_H

#include "proto/base/buf.h"
#include "proto/base/err.h"

#define EDIT_NAMES 280 // of each: what all faults of a request may name, and our own

struct edit {
    struct view first; // in the place of the first line, without its end; empty: as it was
    const char *drop[EDIT_NAMES]; // every line of that name, in any case
    size_t drops;
    struct { // behind the others
        const char *name;
        struct view value;
    } add[EDIT_NAMES];
    size_t adds;
};

void edit_drop(struct edit *e, const char *name);
// Behind edit_drop() of the same name it replaces.
void edit_set(struct edit *e, const char *name, struct view value);
static inline bool edit_is_none(const struct edit *e)
{
    return e->first.n == 0 && e->drops == 0 && e->adds == 0;
}

// Appends the head, with its empty line. 0, E_LIMIT, E_NOMEM; out may hold a part then.
int edit_head(const struct edit *e, struct view head, struct buf *out) MUST_CHECK;

#endif
