// pool: memory for what is not finished yet, in blocks of a few sizes. Blocks that come back are
// kept for the next one, so the steady state allocates nothing; what was not needed for a while is
// freed.
#ifndef TAPEDECK_PROXY_EMIT_POOL_H
#define TAPEDECK_PROXY_EMIT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_BLOCK_MIN ((size_t)1 << 9)
#define POOL_BLOCK_MAX ((size_t)1 << 20)
#define POOL_CLASSES   12         // powers of two from MIN to MAX
#define POOL_IDLE_MAX  (4u << 20) // bytes of blocks kept for later

struct pool_idle; // a block on a list

struct pool {
    size_t used, idle; // bytes handed out; of blocks kept for later
    size_t max;        // of both
    bool full;         // why the last one found nothing: a ceiling, or no memory
    struct pool_class {
        struct pool_idle *first;
        size_t count, low; // blocks; the fewest since the last trim
    } classes[POOL_CLASSES];
};

void pool_init(struct pool *p, size_t max);
void pool_clear(struct pool *p); // what was handed out must have come back

// The size of the block that n bytes come in; 0: beyond POOL_BLOCK_MAX.
size_t pool_size(size_t n);

// A block of at least n bytes, not cleared; *size is what it has. NULL: over the ceiling, or out of
// memory. It goes back with that size.
void *pool_take(struct pool *p, size_t n, size_t *size);
void pool_give(struct pool *p, void *block, size_t size);

// Every now and then: frees half of what was idle all the time since the last call.
void pool_trim(struct pool *p);

// A growing piece of memory in a block. p is NULL while cap is 0.
struct pool_buf {
    char *p;
    size_t n, cap;
};

// Room for n more bytes behind its content; false: none, and nothing is changed.
bool pool_buf_room(struct pool *p, struct pool_buf *b, size_t n);
bool pool_buf_add(struct pool *p, struct pool_buf *b, const void *bytes, size_t n);
void pool_buf_free(struct pool *p, struct pool_buf *b);
// Moves what is left to a smaller block where there is one for it.
void pool_buf_shrink(struct pool *p, struct pool_buf *b);

#endif
