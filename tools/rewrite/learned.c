// learned: a hash table with chains, the newest first; the entries of a run hang together, so that
// they go together. An entry is one piece of memory with its texts behind it.
#include "tools/rewrite/learned.h"

#include "proto/base/fnv.h"

#include <stdlib.h>

#define BUCKETS     65536
#define RUN_BUCKETS 1024

struct learned_table {
    size_t n, max;
    struct learned *buckets[BUCKETS];
    struct learned *runs[RUN_BUCKETS];
};

struct learned_table *learned_new(size_t max)
{
    struct learned_table *t = calloc(1, sizeof *t);
    if (t)
        t->max = max;
    return t;
}

static struct learned **bucket(const struct learned_table *t, const struct learned_key *k)
{
    const uint64_t words[] = {(uint64_t)k->kind, k->run, k->a, k->b};
    uint32_t at = fnv_fold(fnv_more(FNV_START, words, sizeof words)) % BUCKETS;
    return (struct learned **)(uintptr_t)&t->buckets[at];
}

static struct learned **run_of(struct learned_table *t, uint64_t run)
{
    return &t->runs[fnv_fold(fnv_more(FNV_START, &run, sizeof run)) % RUN_BUCKETS];
}

static bool same_key(const struct learned_key *a, const struct learned_key *b)
{
    return a->kind == b->kind && a->run == b->run && a->a == b->a && a->b == b->b;
}

static const struct learned *from(const struct learned *l, const struct learned_key *key)
{
    while (l && !same_key(&l->key, key))
        l = l->next;
    return l;
}

const struct learned *learned_get(const struct learned_table *t, const struct learned_key *key)
{
    return from(*bucket(t, key), key);
}

const struct learned *learned_before(const struct learned *l)
{
    return from(l->next, &l->key);
}

static struct learned *make(const struct learned *like)
{
    const struct view *texts[] = {&like->value, &like->was, &like->name, &like->host, &like->path};
    size_t n = sizeof *like;
    for (size_t i = 0; i < 5; i++)
        n += texts[i]->n;
    struct learned *l = malloc(n);
    if (!l)
        return NULL;
    *l = *like;
    char *at = (char *)(l + 1);
    struct view *copies[] = {&l->value, &l->was, &l->name, &l->host, &l->path};
    for (size_t i = 0; i < 5; i++) {
        if (texts[i]->n)
            memcpy(at, texts[i]->p, texts[i]->n);
        *copies[i] = view_n(at, texts[i]->n);
        at += texts[i]->n;
    }
    return l;
}

static void drop(struct learned_table *t, struct learned *l)
{
    struct learned **at = bucket(t, &l->key);
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    t->n--;
    free(l);
}

static void link_to_run(struct learned **at, struct learned *l)
{
    l->of_run = *at;
    l->of_run_at = at;
    if (l->of_run)
        l->of_run->of_run_at = &l->of_run;
    *at = l;
}

static void unlink_of_run(const struct learned *l)
{
    *l->of_run_at = l->of_run;
    if (l->of_run)
        l->of_run->of_run_at = l->of_run_at;
}

int learned_put(struct learned_table *t, const struct learned *like)
{
    struct learned *old = (struct learned *)(uintptr_t)learned_get(t, &like->key);
    while (old && !(view_eq(old->name, like->name) && view_eq(old->host, like->host) &&
                    view_eq(old->path, like->path) && view_eq(old->was, like->was)))
        old = (struct learned *)(uintptr_t)learned_before(old);
    if (old && old->missing == like->missing && old->gone == like->gone &&
        old->number == like->number && view_eq(old->value, like->value) &&
        learned_get(t, &like->key) == old)
        return 0;
    if (!old && t->n >= t->max)
        return E_LIMIT;
    struct learned *l = make(like);
    if (!l)
        return E_NOMEM;
    if (old) {
        unlink_of_run(old);
        drop(t, old);
    }
    struct learned **at = bucket(t, &l->key);
    l->next = *at;
    *at = l;
    link_to_run(run_of(t, l->key.run), l);
    t->n++;
    return 0;
}

void learned_forget(struct learned_table *t, uint64_t run)
{
    for (struct learned *l = *run_of(t, run), *next; l; l = next) {
        next = l->of_run;
        if (l->key.run == run) {
            unlink_of_run(l);
            drop(t, l);
        }
    }
}

void learned_free(struct learned_table *t)
{
    for (size_t i = 0; t && i < BUCKETS; i++)
        while (t->buckets[i]) {
            struct learned *l = t->buckets[i];
            t->buckets[i] = l->next;
            free(l);
        }
    free(t);
}
