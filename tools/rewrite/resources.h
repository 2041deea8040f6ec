// resources: what rules take from outside: variables of the environment, files, columns of CSV.
// Named when rules are read, loaded when a run begins.
#ifndef TAPEDECK_TOOLS_REWRITE_RESOURCES_H
#define TAPEDECK_TOOLS_REWRITE_RESOURCES_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

#define RESOURCES_MAX      256        // of one file of rules
#define RESOURCES_FILE_MAX (1u << 20) // bytes of a ${file:…}
#define RESOURCES_CSV_MAX  (64u << 20)
#define RESOURCES_ROWS_MAX (4u << 20)

enum resource_kind { RESOURCE_ENV, RESOURCE_FILE, RESOURCE_CSV };

struct resource {
    enum resource_kind kind;
    char *name, *column; // of a CSV
    size_t line, at;     // where it is named, from 1
};
struct resources {
    struct resource *items;
    size_t n;
};

// The index of that resource, which is added when it is new; E_LIMIT, E_NOMEM.
int resources_add(struct resources *r, enum resource_kind kind, struct view name,
                  struct view column, size_t line, size_t at) MUST_CHECK;
void resources_clear(struct resources *r);

struct loaded;
// beside: the file of rules, in whose folder relative names are looked for. 0; E_NOTFOUND,
// E_SYNTAX, E_LIMIT, E_NOMEM, E_IO with why: BESIDE:LINE:COLUMN, what is wrong.
int resources_load(struct loaded **out, const struct resources *r, const char *beside,
                   char why[WHY_MAX]) MUST_CHECK;
void resources_unload(struct loaded *l); // l may be NULL
// The value; of a CSV that of the row, counted round and round.
struct view resources_value(const struct loaded *l, size_t i, uint64_t row);

#endif
