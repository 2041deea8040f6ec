// body_cache: see body_cache.h. A set is kept in the order of use: what is found or added moves to
// its front, the last one falls out.
#include "schema/body_cache.h"

#include <stdlib.h>

void body_cache_init(struct body_cache *c)
{
    // calloc: pages that are never used never become memory.
    c->entries = calloc((size_t)BODY_CACHE_SETS * BODY_CACHE_WAYS, sizeof *c->entries);
    c->used = 0;
}

void body_cache_clear(struct body_cache *c)
{
    free(c->entries);
    c->entries = NULL;
}

void body_cache_forget(struct body_cache *c)
{
    if (c->entries && c->used > 0)
        memset(c->entries, 0, (size_t)BODY_CACHE_SETS * BODY_CACHE_WAYS * sizeof *c->entries);
    c->used = 0;
}

static struct body_cache_entry *set_of(struct body_cache *c, const unsigned char *digest)
{
    uint32_t bits;
    memcpy(&bits, digest, sizeof bits);
    return c->entries + (size_t)(bits % BODY_CACHE_SETS) * BODY_CACHE_WAYS;
}

static void to_front(struct body_cache_entry *set, int at, struct body_cache_entry entry)
{
    memmove(set + 1, set, (size_t)at * sizeof *set);
    set[0] = entry;
}

int64_t body_cache_find(struct body_cache *c, const unsigned char digest[DIGEST_SIZE],
                        int64_t stored)
{
    if (!c->entries)
        return 0;
    struct body_cache_entry *set = set_of(c, digest);
    for (int i = 0; i < BODY_CACHE_WAYS; i++) {
        if (set[i].id != 0 && set[i].stored == stored &&
            memcmp(set[i].digest, digest, DIGEST_SIZE) == 0) {
            struct body_cache_entry found = set[i];
            to_front(set, i, found);
            return found.id;
        }
    }
    return 0;
}

void body_cache_add(struct body_cache *c, const unsigned char digest[DIGEST_SIZE], int64_t stored,
                    int64_t id)
{
    if (!c->entries)
        return;
    struct body_cache_entry entry = {.stored = stored, .id = id};
    memcpy(entry.digest, digest, DIGEST_SIZE);
    to_front(set_of(c, digest), BODY_CACHE_WAYS - 1, entry);
    c->used++;
}
