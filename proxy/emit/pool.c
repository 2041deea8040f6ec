// pool: one list of idle blocks a size.
//
//   take ──idle one of the class──→ handed out ──give──→ idle, while idle <= POOL_IDLE_MAX
//     └──────── malloc ──────────────→   ↑ └───────────→ free
//
// 1. used counts what is handed out, by the sizes of the blocks; idle what lies in the lists.
// 2. used + idle <= max, but for a block that takes a larger one's place: idle ones are freed where
//    a new one needs their room.
// 3. low of a class is the fewest idle blocks since the last trim: nobody needed those.
#include "proxy/emit/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct pool_idle {
    struct pool_idle *next;
};

// The index of the class that holds n bytes; POOL_CLASSES: none does.
static size_t class_of(size_t n)
{
    if (n <= POOL_BLOCK_MIN)
        return 0;
    if (n > POOL_BLOCK_MAX)
        return POOL_CLASSES;
    return (size_t)(64 - __builtin_clzll((unsigned long long)n - 1)) - 9;
}

static size_t class_size(size_t class)
{
    return POOL_BLOCK_MIN << class;
}

size_t pool_size(size_t n)
{
    size_t class = class_of(n);
    return class < POOL_CLASSES ? class_size(class) : 0;
}

void pool_init(struct pool *p, size_t max)
{
    _Static_assert(POOL_BLOCK_MIN << (POOL_CLASSES - 1) == POOL_BLOCK_MAX,
                   "classes reach the maximum");
    *p = (struct pool){.max = max};
}

static void free_idle(struct pool *p, size_t class, size_t count)
{
    struct pool_class *c = &p->classes[class];

    while (count-- && c->first) {
        struct pool_idle *block = c->first;
        c->first = block->next;
        c->count--;
        p->idle -= class_size(class);
        free(block);
    }
    if (c->low > c->count)
        c->low = c->count;
}

void pool_clear(struct pool *p)
{
    assert(p->used == 0);
    for (size_t i = 0; i < POOL_CLASSES; i++)
        free_idle(p, i, SIZE_MAX);
}

static size_t left(const struct pool *p)
{
    size_t held = p->used + p->idle;
    return p->max - (held < p->max ? held : p->max);
}

// Largest first: few are enough.
static void make_room(struct pool *p, size_t n)
{
    for (size_t i = POOL_CLASSES; i-- > 0;)
        while (p->classes[i].count > 0 && left(p) < n)
            free_idle(p, i, 1);
}

static void *take(struct pool *p, size_t n, size_t *size, size_t max)
{
    size_t class = class_of(n);

    p->full = true;
    if (class == POOL_CLASSES)
        return NULL;
    *size = class_size(class);
    if (*size > max - (p->used < max ? p->used : max))
        return NULL;
    struct pool_class *c = &p->classes[class];
    struct pool_idle *block = c->first;
    if (block) {
        c->first = block->next;
        p->idle -= *size;
        if (--c->count < c->low)
            c->low = c->count;
    } else {
        make_room(p, *size);
        block = malloc(*size);
        if (!block) {
            p->full = false;
            return NULL;
        }
    }
    p->used += *size;
    return block;
}

void *pool_take(struct pool *p, size_t n, size_t *size)
{
    return take(p, n, size, p->max);
}

void pool_give(struct pool *p, void *block, size_t size)
{
    size_t class = class_of(size);

    if (!block)
        return;
    assert(size == class_size(class) && p->used >= size);
    p->used -= size;
    if (p->idle + size > POOL_IDLE_MAX || size > left(p)) {
        free(block);
        return;
    }
    struct pool_idle *idle = block;
    idle->next = p->classes[class].first;
    p->classes[class].first = idle;
    p->classes[class].count++;
    p->idle += size;
}

void pool_trim(struct pool *p)
{
    for (size_t i = 0; i < POOL_CLASSES; i++) {
        free_idle(p, i, (p->classes[i].low + 1) / 2);
        p->classes[i].low = p->classes[i].count;
    }
}

bool pool_buf_room(struct pool *p, struct pool_buf *b, size_t n)
{
    size_t size;

    if (n <= b->cap - b->n)
        return true;
    if (n > POOL_BLOCK_MAX) {
        p->full = true;
        return false;
    }
    char *grown = pool_take(p, b->n + n, &size);
    if (!grown)
        return false;
    if (b->n)
        memcpy(grown, b->p, b->n);
    pool_give(p, b->p, b->cap);
    b->p = grown;
    b->cap = size;
    return true;
}

bool pool_buf_add(struct pool *p, struct pool_buf *b, const void *bytes, size_t n)
{
    if (!pool_buf_room(p, b, n))
        return false;
    if (n)
        memcpy(b->p + b->n, bytes, n);
    b->n += n;
    return true;
}

void pool_buf_free(struct pool *p, struct pool_buf *b)
{
    pool_give(p, b->p, b->cap);
    *b = (struct pool_buf){0};
}

void pool_buf_shrink(struct pool *p, struct pool_buf *b)
{
    size_t size;

    if (b->n == 0) {
        pool_buf_free(p, b);
    } else if (pool_size(b->n) < b->cap) {
        // Over the ceiling for a moment, so that a full pool can be relieved.
        char *smaller = take(p, b->n, &size, SIZE_MAX);
        if (!smaller)
            return;
        memcpy(smaller, b->p, b->n);
        pool_give(p, b->p, b->cap);
        b->p = smaller;
        b->cap = size;
    }
}
