// remember: what real servers answered while a mock runs, for the requests that no recording
// answers. All workers share it, under a lock: only misses come here.
#ifndef TAPEDECK_TOOLS_MOCK_REMEMBER_H
#define TAPEDECK_TOOLS_MOCK_REMEMBER_H

#include "tools/mock/kept.h"

#define REMEMBER_ONE_MAX (1u << 20)  // bytes of an answer; a larger one is asked for again
#define REMEMBER_MAX     (64u << 20) // of all; beyond it the oldest are forgotten

struct remembered;

struct remembered *remember_new(void);    // NULL: out of memory
void remember_free(struct remembered *l); // l may be NULL

// Copies it; in the place of what was learned under that key. Without memory it does nothing.
void remember_add(struct remembered *l, uint64_t key, const struct kept *k);
// A copy of it for its caller; NULL: there is none.
struct kept *remember_find(struct remembered *l, uint64_t key);

#endif
