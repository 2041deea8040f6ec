// forge: the cache of leaves.
//
//   buckets: hash of (kind, host, names) ─▶ leaf ─▶ leaf        in no order
//   order:   used last ◀─▶ … ◀─▶ used longest ago               the last one goes at the ceiling
//
// 1. At most leaves are kept; one that is pushed out lives on with those who hold its pair.
// 2. One name has one leaf of a kind: when it is about to expire another takes its place.
// 3. Names are compared whole; the hash only leads to them.
#include "proxy/tls/forge_impl.h"

#include "proto/base/addr.h"
#include "proto/base/clock.h"
#include "proto/base/fnv.h"
#include "proto/digest.h"
#include "proxy/tls/pem_impl.h"

#include <assert.h>
#include <stdlib.h>

struct leaf {
    struct leaf *next;          // in its bucket
    struct leaf *newer, *older; // in order of use
    struct tls_pair *pair;
    int64_t from_us, renew_us; // used from … until, by the wall clock
    uint32_t hash;
    size_t n;
    char key[]; // kind, host, 0, names
};

struct tls_forge {
    const struct tls_ca *ca;
    struct tls_keys *keys;
    int64_t valid_us;
    uint64_t seed;
    struct leaf **buckets;
    size_t mask, n, max;
    struct leaf *newest, *oldest;
    uint64_t minted;
};

int tls_forge_new(struct tls_forge **out, const struct tls_ca *ca, struct tls_keys *keys, int days,
                  size_t leaves)
{
    assert(ca->key && days >= 1 && days <= FORGE_DAYS_MAX && leaves >= 1);
    struct tls_forge *f = calloc(1, sizeof *f);
    size_t buckets = 16;
    *out = NULL;
    while (buckets < leaves && buckets < SIZE_MAX / 2 / sizeof *f->buckets)
        buckets *= 2;
    if (f)
        f->buckets = calloc(buckets, sizeof *f->buckets);
    if (!f || !f->buckets) {
        free(f);
        return E_NOMEM;
    }
    f->ca = ca;
    f->keys = keys;
    f->valid_us = days * US_PER_DAY;
    f->mask = buckets - 1;
    f->max = leaves;
    digest_random(&f->seed, sizeof f->seed); // so that nobody can choose names of one bucket
    *out = f;
    return 0;
}

static void leaf_free(struct leaf *l)
{
    tls_pair_free(l->pair);
    free(l);
}

void tls_forge_free(struct tls_forge *f)
{
    if (!f)
        return;
    for (struct leaf *l = f->newest, *older; l; l = older) {
        older = l->older;
        leaf_free(l);
    }
    free(f->buckets);
    free(f);
}

static void order_remove(struct tls_forge *f, struct leaf *l)
{
    *(l->newer ? &l->newer->older : &f->newest) = l->older;
    *(l->older ? &l->older->newer : &f->oldest) = l->newer;
}

static void order_push(struct tls_forge *f, struct leaf *l)
{
    l->newer = NULL;
    l->older = f->newest;
    *(f->newest ? &f->newest->newer : &f->oldest) = l;
    f->newest = l;
}

static struct leaf *find(const struct tls_forge *f, uint32_t hash, const char *key, size_t n)
{
    struct leaf *l = f->buckets[hash & f->mask];
    while (l && (l->hash != hash || l->n != n || memcmp(l->key, key, n) != 0))
        l = l->next;
    return l;
}

static void take_out(struct tls_forge *f, struct leaf *l)
{
    struct leaf **at = &f->buckets[l->hash & f->mask];
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    order_remove(f, l);
    f->n--;
    leaf_free(l);
}

static void put_in(struct tls_forge *f, struct leaf *l)
{
    if (f->n == f->max)
        take_out(f, f->oldest);
    struct leaf **bucket = &f->buckets[l->hash & f->mask];
    l->next = *bucket;
    *bucket = l;
    order_push(f, l);
    f->n++;
}

// A leaf with its pair, that is in no list yet.
static int mint(struct tls_forge *f, const char *host, const char *names, bool rsa, int64_t now_us,
                struct leaf *l)
{
    int64_t back = f->valid_us / 2 < US_PER_DAY ? f->valid_us / 2 : US_PER_DAY;
    struct forge_order o = {.ca = f->ca,
                            .key = forge_key(f->keys, rsa),
                            .rsa = rsa,
                            .host = host,
                            .names = names,
                            .from_us = now_us - back};
    o.until_us = o.from_us + f->valid_us;
    if (o.until_us > f->ca->not_after_us)
        o.until_us = f->ca->not_after_us;
    if (o.until_us <= now_us)
        return E_DAMAGED;
    if (!o.key)
        return pem_failed("key", NULL);
    int64_t left = o.until_us - now_us;
    l->from_us = o.from_us;
    l->renew_us = o.until_us - (left / 2 < US_PER_DAY ? left / 2 : US_PER_DAY);
    return forge_mint(&o, &l->pair);
}

static int make(struct tls_forge *f, const char *key, size_t n, uint32_t hash, int64_t now_us,
                struct leaf **out)
{
    struct leaf *l = calloc(1, sizeof *l + n);
    if (!l)
        return E_NOMEM;
    const char *host = key + 1, *names = host + strlen(host) + 1;
    int e = mint(f, host, names, key[0] == 'r', now_us, l);
    if (e) {
        leaf_free(l);
        return e;
    }
    memcpy(l->key, key, n);
    l->n = n;
    l->hash = hash;
    *out = l;
    return 0;
}

int tls_forge_leaf(struct tls_forge *f, const char *host, bool sni, const char *names, bool rsa,
                   int64_t now_us, struct tls_pair **out)
{
    char key[1 + HOST_MAX + 1 + FORGE_NAMES_TEXT + 2];
    *out = NULL;
    int e = forge_name_check(view_of(host));
    if (e)
        return e;
    // One byte more than is read of the names tells the mint that the last one is cut.
    int n = snprintf(key, sizeof key, "%c%s%c%.*s", rsa ? 'r' : 'e', host, 0, FORGE_NAMES_TEXT + 1,
                     sni ? "" : names) +
            1;
    uint32_t hash = fnv_fold(fnv_more(f->seed, key, (size_t)n));
    struct leaf *l = find(f, hash, key, (size_t)n);
    if (l && l->from_us <= now_us && now_us < l->renew_us) {
        order_remove(f, l);
        order_push(f, l);
    } else {
        struct leaf *fresh;
        e = make(f, key, (size_t)n, hash, now_us, &fresh);
        if (e)
            return e;
        f->minted++;
        if (l)
            take_out(f, l);
        put_in(f, l = fresh);
    }
    *out = tls_pair_keep(l->pair);
    return 0;
}

uint64_t tls_forge_minted(const struct tls_forge *f)
{
    return f->minted;
}
