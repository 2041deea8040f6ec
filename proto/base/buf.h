// buf: bytes that grow up to a ceiling given at birth; the owner is the struct it is a member of.
#ifndef TAPEDECK_BASE_BUF_H
#define TAPEDECK_BASE_BUF_H

#include "proto/base/view.h"

// Readable bytes are p[at .. n). Invariant: at <= n <= cap <= max; p is NULL while cap is 0, so an
// empty buffer costs no memory.
struct buf {
    char *p;
    size_t at, n, cap, max;
};

void buf_init(struct buf *b, size_t max);
void buf_clear(struct buf *b); // frees; the buffer may be used again with the same ceiling
void buf_reset(struct buf *b); // empty, memory kept

static inline size_t buf_len(const struct buf *b)
{
    return b->n - b->at;
}

static inline struct view buf_view(const struct buf *b)
{
    return (struct view){b->p ? b->p + b->at : NULL, b->n - b->at};
}

// Each appends whole or not at all: 0, E_LIMIT beyond the ceiling, E_NOMEM.
int buf_add(struct buf *b, const void *p, size_t n);
int buf_add_view(struct buf *b, struct view v);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Room for n more bytes behind the content, or NULL (as for buf_add); buf_grew() then takes what
// was written there, at most n.
char *buf_room(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);

// Forgets the first n readable bytes; frees the memory when it becomes empty and larger than keep.
void buf_drop(struct buf *b, size_t n, size_t keep);

#endif
