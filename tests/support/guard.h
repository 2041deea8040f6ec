// guard: input whose end lies right before a page that cannot be touched, so that reading one byte
// too many kills the test at the place of the mistake.
//
//   struct guard g;
//   for (size_t n = 0; n <= all.n; n++) {
//       struct view in = guard_fill(&g, view_head(all, n)); // the n bytes, then the abyss
//       … parse in …
//   }
//   guard_free(&g);
//
// With guard_init_front() the page stands before the first byte instead.
#ifndef TAPEDECK_TESTS_GUARD_H
#define TAPEDECK_TESTS_GUARD_H

#include "proto/base/view.h"

struct guard {
    char *map; // pages with content, between two that cannot be touched
    size_t size;
    bool front;
};

// Room for content of up to max bytes. Ends the test where memory is missing.
void guard_init(struct guard *g, size_t max);
void guard_init_front(struct guard *g, size_t max);
void guard_free(struct guard *g);

// A copy of v against the page; valid until the next call. An empty v gives a pointer to the page
// itself, not NULL.
struct view guard_fill(struct guard *g, struct view v);

#endif
