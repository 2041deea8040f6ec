// tree: nodes in one array, changed text in blocks; hashes from the last node to the first, so that
// nothing here depends on the depth.
#include "tools/compare/tree.h"

#include "tools/compare/number.h"

#include <stdlib.h>

#define BLOCK (64u << 10)

struct tree_block {
    struct tree_block *before;
    size_t n, size;
    char bytes[];
};

char *tree_room(struct tree *t, size_t n)
{
    struct tree_block *b = t->blocks;
    if (!b || b->size - b->n < n) {
        size_t size = n > BLOCK ? n : BLOCK;
        b = malloc(sizeof *b + size);
        if (!b)
            return NULL;
        b->before = t->blocks;
        b->n = 0;
        b->size = size;
        t->blocks = b;
    }
    char *room = b->bytes + b->n;
    b->n += n;
    return room;
}

int64_t tree_add(struct tree *t, uint32_t parent, enum tree_type type, struct view key)
{
    if (t->n == TREE_NODES_MAX)
        return E_LIMIT;
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 64;
        struct tree_node *more = realloc(t->nodes, cap * sizeof *more);
        if (!more)
            return E_NOMEM;
        t->nodes = more;
        t->cap = cap;
    }
    uint32_t i = (uint32_t)t->n++;
    t->nodes[i] = (struct tree_node){.type = type, .key = key};
    if (parent == UINT32_MAX)
        return i;
    struct tree_node *p = &t->nodes[parent];
    if (p->last)
        t->nodes[p->last].next = i;
    else
        p->first = i;
    p->last = i;
    p->count++;
    return i;
}

struct view tree_local(struct view key)
{
    size_t at = key.n;
    while (at > 0 && key.p[at - 1] != ' ')
        at--;
    return view_from(key, at);
}

void tree_clear(struct tree *t)
{
    free(t->nodes);
    for (struct tree_block *b = t->blocks, *before; b; b = before) {
        before = b->before;
        free(b);
    }
    *t = (struct tree){0};
}

// FNV-1a, with a last stir so that sums of hashes spread as well.
static uint64_t hash_bytes(uint64_t h, struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        h = (h ^ (unsigned char)v.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t stir(uint64_t h)
{
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

static uint64_t hash_of(const struct tree *t, const struct tree_node *node)
{
    uint64_t h = stir(UINT64_C(0xcbf29ce484222325) + node->type);
    if (node->type == TREE_NUMBER)
        return stir(h ^ number_hash(node->text));
    if (node->type == TREE_TEXT)
        return stir(hash_bytes(h, node->text));
    for (uint32_t i = node->first; i; i = t->nodes[i].next) {
        const struct tree_node *child = &t->nodes[i];
        if (node->type == TREE_ARRAY)
            h = stir(h * 31 + child->hash);
        else
            h += stir(hash_bytes(child->hash, child->key)); // in any order
    }
    return stir(h);
}

void tree_finish(struct tree *t)
{
    for (size_t i = t->n; i-- > 0;)
        t->nodes[i].hash = hash_of(t, &t->nodes[i]);
}
