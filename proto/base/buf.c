// buf: a byte queue in one piece of memory.
//
//   p ──┬─────────┬───────────────┬──────────┬╌╌╌╌╌╌╌
//       │ dropped │ readable      │ room     │ may still grow
//       0         at              n          cap      max
//
// 1. The ceiling holds for the readable bytes: dropped ones are given up before it is reached.
// 2. Memory at least doubles when it grows, so adding is linear in the bytes added.
#include "proto/base/buf.h"

#include "proto/base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SMALLEST 256 // bytes of a first allocation, where the ceiling allows it

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_clear(struct buf *b)
{
    free(b->p);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
    b->at = b->n = 0;
}

static void close_gap(struct buf *b)
{
    size_t len = buf_len(b);
    if (b->at == 0)
        return;
    if (len > 0)
        memmove(b->p, b->p + b->at, len);
    b->at = 0;
    b->n = len;
}

// Makes room for n more bytes: 0, E_LIMIT, E_NOMEM.
static int reserve(struct buf *b, size_t n)
{
    size_t len = buf_len(b);
    if (n > b->max - len)
        return E_LIMIT;
    if (n <= b->cap - b->n)
        return 0;
    // Moving costs len bytes of copying; where that is more than what was dropped, growing is
    // the cheaper way, as long as the ceiling allows it.
    if (len + n <= b->cap && (b->at >= len || b->cap == b->max)) {
        close_gap(b);
        return 0;
    }
    size_t cap = b->cap > b->max / 2 ? b->max : b->cap * 2;
    if (cap < SMALLEST)
        cap = SMALLEST;
    if (cap < len + n)
        cap = len + n;
    if (cap > b->max)
        cap = b->max;
    close_gap(b);
    char *p = realloc(b->p, cap);
    if (!p)
        return n <= b->cap - b->n ? 0 : E_NOMEM;
    b->p = p;
    b->cap = cap;
    return 0;
}

int buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return 0;
    int e = reserve(b, n);
    if (e)
        return e;
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

int buf_add_view(struct buf *b, struct view v)
{
    return buf_add(b, v.p, v.n);
}

int buf_printf(struct buf *b, const char *format, ...)
{
    char small[512];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int e = E_NOMEM;
    int n = vsnprintf(small, sizeof small, format, args);
    if (n >= 0 && (size_t)n < sizeof small) {
        e = buf_add(b, small, (size_t)n);
    } else if (n >= 0) {
        char *large = malloc((size_t)n + 1);
        if (large) {
            vsnprintf(large, (size_t)n + 1, format, again);
            e = buf_add(b, large, (size_t)n);
            free(large);
        }
    }
    va_end(again);
    va_end(args);
    return e;
}

char *buf_room(struct buf *b, size_t n)
{
    return n > 0 && reserve(b, n) == 0 ? b->p + b->n : NULL;
}

void buf_grew(struct buf *b, size_t n)
{
    assert(n <= b->cap - b->n);
    b->n += n;
}

void buf_drop(struct buf *b, size_t n, size_t keep)
{
    assert(n <= buf_len(b));
    b->at += n;
    if (b->at < b->n)
        return;
    if (b->cap > keep)
        buf_clear(b);
    else
        buf_reset(b);
}
