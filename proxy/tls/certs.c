// certs: sets of pairs, one at a time.
//
//   tls_certs ──▶ set ──▶ pair, pair, …     find: count the set, look, count the pair, let go
//                                           reload: read a new set, swap, let go of the old one
//
// 1. now is the one thing that changes, under the mutex; a set is never changed once it is there.
// 2. A set lives as long as a finder looks into it; a pair as long as anybody has it.
// 3. The marks of files are taken before they are read: what changes meanwhile is seen next time.
//    stat() follows links, so a folder that is exchanged behind a link, as Kubernetes does it with
//    secrets, is another file. The times of both content and rights count.
//
// Elsewhere: what stands in the files (pair.c), and when to look at them again.
#include "proxy/tls/certs.h"

#include "proxy/tls/pattern.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

// What tells one content of a file from another; zeroes: not there.
struct mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct set_pair {
    struct tls_pair *pair;
    struct mark cert, key;
};

struct set {
    atomic_uint users;
    size_t n;
    struct set_pair pairs[];
};

struct files {
    char *cert, *key;
    bool by_pattern;
    struct host_pattern pattern;
};

struct tls_certs {
    pthread_mutex_t lock, reloading;
    struct set *now; // under lock
    size_t n;
    struct files files[];
};

static void mark_take(struct mark *m, const char *path)
{
    struct stat st;
    memset(m, 0, sizeof *m);
    if (stat(path, &st))
        return;
    m->device = st.st_dev;
    m->inode = st.st_ino;
    m->size = st.st_size;
    m->modified = st.st_mtim;
    m->changed = st.st_ctim;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool mark_holds(const struct mark *m, const char *path)
{
    struct mark now;
    mark_take(&now, path);
    return now.device == m->device && now.inode == m->inode && now.size == m->size &&
           same_time(now.modified, m->modified) && same_time(now.changed, m->changed);
}

static void set_drop(struct set *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->users, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < s->n; i++)
        tls_pair_free(s->pairs[i].pair);
    free(s);
}

static int set_read(struct set **out, const struct tls_certs *c, char why[WHY_MAX])
{
    struct set *s = calloc(1, sizeof *s + c->n * sizeof *s->pairs);
    *out = NULL;
    if (!s)
        return err_no_memory(why, WHY_MAX);
    atomic_init(&s->users, 1);
    for (; s->n < c->n; s->n++) {
        struct set_pair *p = &s->pairs[s->n];
        const struct files *f = &c->files[s->n];
        mark_take(&p->cert, f->cert);
        mark_take(&p->key, f->key);
        int r = tls_pair_load(&p->pair, f->cert, f->key, why);
        if (r) {
            set_drop(s);
            return r;
        }
    }
    *out = s;
    return 0;
}

// The set there is, counted.
static struct set *set_keep(struct tls_certs *c)
{
    pthread_mutex_lock(&c->lock);
    struct set *s = c->now;
    atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);
    pthread_mutex_unlock(&c->lock);
    return s;
}

static int files_copy(struct files *to, const struct tls_cert_files *from, char why[WHY_MAX])
{
    to->by_pattern = from->pattern != NULL;
    if (from->pattern && host_pattern_parse(&to->pattern, view_of(from->pattern))) {
        snprintf(why, WHY_MAX, "\"%.200s\" is no host for %.200s; allowed is " PATTERN_ALLOWED,
                 from->pattern, from->cert);
        return E_SYNTAX;
    }
    to->cert = strdup(from->cert);
    to->key = strdup(from->key);
    return to->cert && to->key ? 0 : err_no_memory(why, WHY_MAX);
}

int tls_certs_new(struct tls_certs **out, const struct tls_cert_files *files, char why[WHY_MAX])
{
    size_t n = 0;
    int r = 0;
    *out = NULL;
    while (files[n].cert)
        n++;
    if (n > CERTS_MAX) {
        snprintf(why, WHY_MAX, "%zu certificates; at most %d are allowed", n, CERTS_MAX);
        return E_LIMIT;
    }
    struct tls_certs *c = calloc(1, sizeof *c + n * sizeof *c->files);
    if (!c)
        return err_no_memory(why, WHY_MAX);
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->reloading, NULL);
    c->n = n;
    for (size_t i = 0; !r && i < n; i++)
        r = files_copy(&c->files[i], &files[i], why);
    if (!r)
        r = set_read(&c->now, c, why);
    if (r) {
        tls_certs_free(c);
        return r;
    }
    *out = c;
    return 0;
}

void tls_certs_free(struct tls_certs *c)
{
    if (!c)
        return;
    set_drop(c->now);
    for (size_t i = 0; i < c->n; i++) {
        free(c->files[i].cert);
        free(c->files[i].key);
    }
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->reloading);
    free(c);
}

struct tls_pair *tls_certs_find(struct tls_certs *c, const char *host)
{
    char plain[HOST_MAX + 1];
    struct set *s = set_keep(c);
    struct tls_pair *found = NULL, *first = NULL;
    host_plain(view_of(host), plain);
    for (size_t i = 0; !found && i < s->n; i++) {
        const struct files *f = &c->files[i];
        struct tls_pair *pair = s->pairs[i].pair;
        if (f->by_pattern ? host_pattern_fits(&f->pattern, plain)
                          : *plain && tls_pair_is_for(pair, plain))
            found = pair;
        if (!f->by_pattern && !first)
            first = pair;
    }
    found = found ? found : first;
    found = found ? tls_pair_keep(found) : NULL;
    set_drop(s);
    return found;
}

static bool is_changed(const struct tls_certs *c, const struct set *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!mark_holds(&s->pairs[i].cert, c->files[i].cert) ||
            !mark_holds(&s->pairs[i].key, c->files[i].key))
            return true;
    return false;
}

int tls_certs_reload(struct tls_certs *c, bool *changed, char why[WHY_MAX])
{
    struct set *fresh = NULL, *old = NULL;
    int r = 0;
    // Only reloads change it, so it may be looked at without the other lock.
    pthread_mutex_lock(&c->reloading);
    *changed = is_changed(c, c->now);
    if (*changed)
        r = set_read(&fresh, c, why);
    if (fresh) {
        pthread_mutex_lock(&c->lock);
        old = c->now;
        c->now = fresh;
        pthread_mutex_unlock(&c->lock);
    }
    pthread_mutex_unlock(&c->reloading);
    set_drop(old);
    return r;
}
