// store_earlier: the files before a reader's, for what began in them.
//
//   capture-000007.db   flow 5            part at 0, part at 65536        ← the first
//   capture-000008.db   flow 5, carried   part at 131072
//   capture.db          flow 5, carried   part at 196608, transaction     s
//
// The files are walked back while they have the flow from the one before, and then forth from the
// one that it, or the content that is asked for, began in.
//
// 1. One of them is open at a time, so neither memory nor descriptors depend on their number.
// 2. A file counts only as the one that comes before the next: the same capture, the number before.
//    Another one, or none, ends the walk: what began before it is gone.
#include "schema/store_impl.h"

#include "schema/identity.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

void store_set_earlier(struct store *s, char *const *paths, size_t n)
{
    s->earlier = paths;
    s->earlier_count = n;
}

bool store_is_carried(struct store *s, int64_t flow)
{
    return store_yes(s, "SELECT carried FROM flow WHERE id = %lld", (long long)flow);
}

int store_open_earlier(struct store *s, size_t i, struct store **out)
{
    struct store_identity id, is;
    char why[WHY_MAX];
    *out = NULL;
    int e = store_identity(s, &id);
    if (e != 0)
        return e;
    e = store_open(out, s->earlier[i], STORE_READ, why);
    if (e == 0 && (e = store_identity(*out, &is)) != 0)
        memcpy(why, (*out)->why, sizeof why);
    if (e == 0 && (memcmp(is.name, id.name, sizeof is.name) != 0 ||
                   is.number != id.number - (int64_t)(s->earlier_count - i)))
        e = E_GONE;
    if (e != 0) {
        store_close(*out);
        *out = NULL;
    }
    if (e == E_NOTFOUND || e == E_GONE)
        return E_GONE;
    return e == 0 ? 0 : store_refuse(s, e, "what came before it is asked for: %s", why);
}

// The content of these parts (flow, n, s2c) begins in this file.
static bool begins(struct store *s, const int64_t of[3])
{
    return store_yes(s,
                     "SELECT EXISTS (SELECT 1 FROM part"
                     " WHERE flow = %lld AND n = %lld AND s2c = %lld AND at = 0)",
                     (long long)of[0], (long long)of[1], (long long)of[2]);
}

// The transaction was told as begun in this file.
static bool opens(struct store *s, const int64_t of[3])
{
    return store_yes(s, "SELECT EXISTS (SELECT 1 FROM txn_open WHERE flow = %lld AND n = %lld)",
                     (long long)of[0], (long long)of[1]);
}

// oldest: the last one that could be asked.
static int refuse_gone(struct store *s, struct store *oldest)
{
    struct store_identity id;
    char path[PATH_MAX];
    int e = store_identity(oldest, &id);
    if (e != 0)
        return s == oldest ? e : store_refuse(s, e, "%s", oldest->why);
    const char *slash = strrchr(oldest->path, '/');
    int n = snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash - oldest->path) + 1 : 0,
                     oldest->path, id.previous);
    bool there = n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0;
    return store_refuse(s, E_GONE,
                        there ? "the content begins in an earlier file of the capture: name their"
                                " folder, to read %s as well"
                              : "the content began in an earlier file of the capture, and %s is"
                                " gone",
                        id.previous);
}

// *first: the file to begin with, of those before s; their count: s itself. of NULL: where the flow
// began. E_GONE: in none of them.
static int find_first(struct store *s, int64_t flow, const int64_t *of, size_t *first)
{
    struct store *at = s, *earlier;
    int e = 0;
    for (*first = s->earlier_count; store_is_carried(at, flow) && !(of && begins(at, of));) {
        e = *first > 0 ? store_open_earlier(s, *first - 1, &earlier) : E_GONE;
        if (e != 0)
            break;
        if (at != s)
            store_close(at);
        at = earlier;
        --*first;
    }
    if (e == E_GONE)
        e = of && opens(at, of) ? 0 : refuse_gone(s, at); // its first parts were lost
    if (at != s)
        store_close(at);
    return e;
}

int store_find_before(struct store *s, const int64_t of[3], size_t *first)
{
    *first = s->earlier_count;
    return s->mode != STORE_READ || begins(s, of) ? 0 : find_first(s, of[0], of, first);
}

int store_first_of_flow(struct store *s, int64_t flow, size_t *i)
{
    return find_first(s, flow, NULL, i) == E_NOMEM ? E_NOMEM : 0;
}

struct store *store_file_of_flow(struct store *s, size_t i)
{
    struct store *in;
    if (i >= s->earlier_count)
        return s;
    return store_open_earlier(s, i, &in) == 0 ? in : NULL;
}

int store_each_of_flow(struct store *s, int64_t flow, int (*take)(void *arg, struct store *in),
                       void *arg)
{
    size_t i;
    int taken = store_first_of_flow(s, flow, &i);
    for (struct store *in = NULL; in != s && taken == 0; i++) {
        in = store_file_of_flow(s, i);
        if (in)
            taken = take(arg, in);
        if (in && in != s)
            store_close(in);
    }
    return taken;
}
