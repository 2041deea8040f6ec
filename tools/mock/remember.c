// remember: a table of chains by key, and a line by age.
#include "tools/mock/remember.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS 4096

struct one {
    struct one *next;            // of the chain
    struct one *older, *younger; // of the line
    uint64_t key;
    struct kept *kept;
};

struct remembered {
    pthread_mutex_t lock;
    struct one *chains[CHAINS];
    struct one *oldest, *youngest;
    size_t bytes;
};

struct remembered *remember_new(void)
{
    struct remembered *l = calloc(1, sizeof *l);
    if (l)
        pthread_mutex_init(&l->lock, NULL);
    return l;
}

static struct one **place(struct remembered *l, uint64_t key)
{
    struct one **at = &l->chains[key % CHAINS];
    while (*at && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

static void forget(struct remembered *l, struct one **at)
{
    struct one *o = *at;
    *at = o->next;
    *(o->older ? &o->older->younger : &l->oldest) = o->younger;
    *(o->younger ? &o->younger->older : &l->youngest) = o->older;
    l->bytes -= o->kept->n;
    kept_drop(o->kept);
    free(o);
}

void remember_free(struct remembered *l)
{
    if (!l)
        return;
    while (l->oldest)
        forget(l, place(l, l->oldest->key));
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static struct kept *copy(const struct kept *k)
{
    struct kept *c = malloc(sizeof *k + k->n);
    if (!c)
        return NULL;
    memcpy(c, k, sizeof *k + k->n);
    c->refs = 1;
    return c;
}

void remember_add(struct remembered *l, uint64_t key, const struct kept *k)
{
    struct one *o = malloc(sizeof *o);
    struct kept *c = k->n <= REMEMBER_ONE_MAX ? copy(k) : NULL;
    if (!o || !c) {
        free(o);
        kept_drop(c);
        return;
    }
    pthread_mutex_lock(&l->lock);
    struct one **at = place(l, key);
    if (*at)
        forget(l, at);
    while (l->oldest && l->bytes > REMEMBER_MAX - c->n)
        forget(l, place(l, l->oldest->key));
    at = place(l, key);
    *o = (struct one){.next = *at, .older = l->youngest, .key = key, .kept = c};
    *at = o;
    *(l->youngest ? &l->youngest->younger : &l->oldest) = o;
    l->youngest = o;
    l->bytes += c->n;
    pthread_mutex_unlock(&l->lock);
}

struct kept *remember_find(struct remembered *l, uint64_t key)
{
    pthread_mutex_lock(&l->lock);
    struct one *o = *place(l, key);
    struct kept *k = o ? copy(o->kept) : NULL;
    pthread_mutex_unlock(&l->lock);
    return k;
}
