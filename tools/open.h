// open: transactions that have begun and are not over, in the columns of a listing.
#ifndef TAPEDECK_TOOLS_OPEN_H
#define TAPEDECK_TOOLS_OPEN_H

#include "schema/store.h"

// Those that the filter takes (NULL: all) with ids from..to, the oldest first. Their duration runs
// until now_us; their sizes are what has come so far. 0 or E_….
int open_query(struct store *s, const struct filter *f, int64_t from, int64_t to, int64_t now_us,
               struct store_query **out) MUST_CHECK;

#endif
