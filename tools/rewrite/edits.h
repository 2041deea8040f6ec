// edits: changes to some bytes: pieces of them replaced by others, all at once.
#ifndef TAPEDECK_TOOLS_REWRITE_EDITS_H
#define TAPEDECK_TOOLS_REWRITE_EDITS_H

#include "proto/base/buf.h"
#include "proto/base/err.h"

struct edit {
    size_t at, n;        // of the bytes; n 0: something is put in before them
    size_t text, text_n; // in texts
    size_t order;
};
struct edits {
    struct edit *items;
    size_t n, cap;
    struct buf texts;
};

void edits_init(struct edits *e, size_t max_text);
void edits_clear(struct edits *e);
void edits_reset(struct edits *e); // none; memory kept

// In place of the n bytes at `at` of the whole stands text. One that covers those told before it
// takes their place; of others that overlap the first stands. 0, E_LIMIT, E_NOMEM.
int edits_put(struct edits *e, size_t at, size_t n, struct view text) MUST_CHECK;
// The same of a piece of whole.
int edits_swap(struct edits *e, struct view whole, struct view piece, struct view text) MUST_CHECK;

// Appends what in becomes to out. 0, E_LIMIT, E_NOMEM.
int edits_apply(struct edits *e, struct view in, struct buf *out) MUST_CHECK;

#endif
