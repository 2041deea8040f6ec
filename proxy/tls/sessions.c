// sessions: a table of chains, and one list of all by age.
//
//   heads[hash] ─▶ newest of the chain ─▶ … ─▶ oldest
//   newest ⇄ … ⇄ oldest                        (all keys)
//
// 1. Chains and list have the same entries, both newest first: so the first entry of a chain with
//    the key is the newest of that key.
// 2. A session of TLS 1.3 is given out once (RFC 8446 C.4); of TLS 1.2 a key has one, and keeps it.
#include "proxy/tls/sessions.h"

#include "proto/base/fnv.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEADS 1024

struct entry {
    struct entry *next;          // of the chain
    struct entry *newer, *older; // of all
    SSL_SESSION *session;
    char *verify; // NULL: fine
    uint32_t hash;
    char key[];
};

struct tls_sessions {
    struct entry *heads[HEADS];
    struct entry *newest, *oldest;
    size_t count, max;
};

struct tls_sessions *tls_sessions_new(size_t max)
{
    struct tls_sessions *s = calloc(1, sizeof *s);
    if (s)
        s->max = max;
    return s;
}

static uint32_t hash_of(const char *key)
{
    return fnv_fold(fnv_more(FNV_START, key, strlen(key)));
}

static void drop(struct tls_sessions *s, struct entry *x)
{
    struct entry **at = &s->heads[x->hash % HEADS];
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    *(x->newer ? &x->newer->older : &s->newest) = x->older;
    *(x->older ? &x->older->newer : &s->oldest) = x->newer;
    s->count--;
    SSL_SESSION_free(x->session);
    free(x->verify);
    free(x);
}

void tls_sessions_free(struct tls_sessions *s)
{
    while (s && s->oldest)
        drop(s, s->oldest);
    free(s);
}

static bool is_of(const struct entry *x, uint32_t hash, const char *key)
{
    return x->hash == hash && strcmp(x->key, key) == 0;
}

// Room for one more of that key, which has that version.
static void make_room(struct tls_sessions *s, uint32_t hash, const char *key, int version)
{
    struct entry *last = NULL, *next;
    size_t n = 0;
    for (struct entry *x = s->heads[hash % HEADS]; x; x = next) {
        next = x->next;
        if (!is_of(x, hash, key))
            continue;
        if (version < TLS1_3_VERSION && SSL_SESSION_get_protocol_version(x->session) == version) {
            drop(s, x);
            continue;
        }
        last = x;
        n++;
    }
    if (n >= SESSIONS_A_KEY)
        drop(s, last);
    if (s->count >= s->max)
        drop(s, s->oldest);
}

int tls_sessions_put(struct tls_sessions *s, const char *key, SSL_SESSION *session,
                     const char *verify)
{
    size_t n = strlen(key) + 1;
    struct entry *x = calloc(1, sizeof *x + n);
    if (!x)
        return E_NOMEM;
    if (*verify && !(x->verify = strdup(verify))) {
        free(x);
        return E_NOMEM;
    }
    memcpy(x->key, key, n);
    x->hash = hash_of(key);
    x->session = session;
    make_room(s, x->hash, key, SSL_SESSION_get_protocol_version(session));
    x->next = s->heads[x->hash % HEADS];
    s->heads[x->hash % HEADS] = x;
    x->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = x;
    s->newest = x;
    s->count++;
    return 0;
}

SSL_SESSION *tls_sessions_take(struct tls_sessions *s, const char *key, int least, int most,
                               char **verify)
{
    uint32_t hash = hash_of(key);
    struct entry *next, *best = NULL;
    int best_version = 0;
    *verify = NULL;
    for (struct entry *x = s->heads[hash % HEADS]; x; x = next) {
        next = x->next;
        if (!is_of(x, hash, key))
            continue;
        int version = SSL_SESSION_get_protocol_version(x->session);
        if (!SSL_SESSION_is_resumable(x->session)) {
            drop(s, x);
        } else if (version >= least && version <= most && version > best_version) {
            best = x;
            best_version = version;
        }
    }
    if (!best || (best->verify && !(*verify = strdup(best->verify))))
        return NULL;
    SSL_SESSION *session = best->session;
    SSL_SESSION_up_ref(session);
    if (best_version >= TLS1_3_VERSION)
        drop(s, best);
    return session;
}

void tls_sessions_forget(struct tls_sessions *s, const char *key)
{
    uint32_t hash = hash_of(key);
    struct entry *next;
    for (struct entry *x = s->heads[hash % HEADS]; x; x = next) {
        next = x->next;
        if (is_of(x, hash, key))
            drop(s, x);
    }
}
