// kept: a table of places; beyond the ceiling a hand goes round and empties them.
#include "tools/mock/kept.h"

#include <stdlib.h>

int kept_init(struct kept_cache *c, size_t max)
{
    *c = (struct kept_cache){.max = max};
    c->places = calloc(KEPT_PLACES, sizeof *c->places);
    return c->places ? 0 : E_NOMEM;
}

static size_t weight(const struct kept *k)
{
    return sizeof *k + k->n;
}

static void empty(struct kept_cache *c, size_t at)
{
    struct kept *k = c->places[at];
    if (!k)
        return;
    c->bytes -= weight(k);
    c->places[at] = NULL;
    kept_drop(k);
}

void kept_clear(struct kept_cache *c)
{
    for (size_t i = 0; c->places && i < KEPT_PLACES; i++)
        empty(c, i);
    free(c->places);
    c->places = NULL;
}

struct kept *kept_find(struct kept_cache *c, uint32_t entry)
{
    struct kept *k = c->places ? c->places[entry % KEPT_PLACES] : NULL;
    if (!k || k->entry != entry)
        return NULL;
    k->refs++;
    return k;
}

void kept_add(struct kept_cache *c, struct kept *k)
{
    if (!c->places || weight(k) > c->max)
        return;
    empty(c, k->entry % KEPT_PLACES);
    for (size_t i = 0; i < KEPT_PLACES && c->bytes > c->max - weight(k); i++) {
        empty(c, c->hand);
        c->hand = (c->hand + 1) % KEPT_PLACES;
    }
    c->places[k->entry % KEPT_PLACES] = k;
    c->bytes += weight(k);
    k->refs++;
}

void kept_drop(struct kept *k)
{
    if (k && --k->refs == 0)
        free(k);
}
