// jar: cookies of a run, per recorded client (RFC 6265, as far as a replay needs it).
//
// A live cookie stands for the recorded one that the same answer set; where the recording set none
// of that name, for whatever the client sends under it that no other one stands for. One that an
// answer took away, or that is over, is not sent; one that an edge gave its value stays. Hosts are
// the recorded ones: the run's may be another.
#include "tools/rewrite/session.h"

#include "proto/base/clock.h"
#include "proto/base/fnv.h"
#include "tools/compare/shape.h"
#include "tools/head.h"

#define COOKIES_MAX 64 // of one answer

struct set_cookie {
    struct view name, value, domain, path;
    bool gone;
};

static struct view unquoted(struct view v)
{
    if (v.n > 1 && v.p[0] == '"' && v.p[v.n - 1] == '"')
        return (struct view){v.p + 1, v.n - 2};
    return v;
}

static void attribute(struct set_cookie *c, struct view item, int64_t now_us)
{
    size_t n = view_find(item, '=');
    struct view name = view_trim(view_head(item, n));
    struct view value = view_trim(view_from(item, n < item.n ? n + 1 : n));
    int64_t at;
    if (view_ieq(name, VIEW_LIT("domain"))) {
        c->domain = value.n > 0 && value.p[0] == '.' ? view_from(value, 1) : value;
    } else if (view_ieq(name, VIEW_LIT("path"))) {
        c->path = value.n > 0 && value.p[0] == '/' ? value : (struct view){0};
    } else if (view_ieq(name, VIEW_LIT("max-age"))) {
        c->gone = value.n > 0 && (value.p[0] == '-' || view_eq(value, VIEW_LIT("0")));
    } else if (view_ieq(name, VIEW_LIT("expires"))) {
        c->gone = c->gone || (shape_time(value, &at) == 0 && at <= now_us);
    }
}

static bool parse(struct view in, int64_t now_us, struct set_cookie *c)
{
    struct view pair = view_head(in, view_find(in, ';'));
    size_t n = view_find(pair, '=');
    *c = (struct set_cookie){.name = view_trim(view_head(pair, n))};
    if (n == pair.n || c->name.n == 0)
        return false;
    c->value = unquoted(view_trim(view_from(pair, n + 1)));
    while (pair.n < in.n) {
        in = view_from(in, pair.n + 1);
        pair = view_head(in, view_find(in, ';'));
        attribute(c, view_trim(pair), now_us);
    }
    return true;
}

static size_t read_all(struct view head, int64_t now_us, struct set_cookie out[COOKIES_MAX])
{
    struct view rest;
    struct head_field f;
    size_t n = 0;
    if (head.n == 0)
        return 0;
    head_first(head, &rest);
    while (n < COOKIES_MAX && head_next(&rest, &f))
        if (view_ieq(f.name, VIEW_LIT("set-cookie")) && parse(f.value, now_us, &out[n]))
            n++;
    return n;
}

static uint64_t name_hash(struct view name)
{
    return fnv_more(FNV_START, name.p, name.n);
}

// was: the recorded value, or nothing: any.
static struct learned_key key_of(const struct rewrite_subject *t, struct view name, struct view was)
{
    uint64_t hash = fnv_more(name_hash(name), "", 1);
    return session_key(LEARNED_COOKIE, t, t->client, fnv_more(hash, was.p, was.n));
}

int jar_learn(struct rewrite_session *s, const struct rewrite_subject *t, int64_t now_us,
              struct view recorded_head, struct view live_head)
{
    struct set_cookie live[COOKIES_MAX], recorded[COOKIES_MAX];
    size_t n = read_all(live_head, now_us, live);
    size_t m = n ? read_all(recorded_head, INT64_MIN, recorded) : 0;
    int e = 0;
    for (size_t i = 0; i < n && !e; i++) {
        const struct set_cookie *c = &live[i];
        struct learned like = {.gone = c->gone,
                               .value = view_head(c->value, REWRITE_VALUE_MAX),
                               .name = c->name,
                               .host = c->domain.n ? c->domain : t->about.host,
                               .path = c->path.n ? c->path : VIEW_LIT("/")};
        for (size_t k = 0; k < m; k++)
            if (view_eq(recorded[k].name, c->name)) {
                like.was = recorded[k].value;
                like.gone = c->gone && !recorded[k].gone;
            }
        if (c->gone && !like.gone)
            continue; // gone in both: the recording does without it as well
        like.key = key_of(t, c->name, like.was);
        s->cookies++;
        e = session_learn(s, &like);
    }
    return e;
}

// ---- sending

static bool host_takes(const struct learned *l, struct view host)
{
    struct view name = view_head(host, view_find(host, ':'));
    struct view domain = view_head(l->host, view_find(l->host, ':'));
    if (view_ieq(name, domain))
        return true;
    return domain.n > 0 && name.n > domain.n && name.p[name.n - domain.n - 1] == '.' &&
           view_ieq(view_from(name, name.n - domain.n), domain);
}

static bool path_takes(const struct learned *l, struct view path)
{
    return view_starts(path, l->path) &&
           (path.n == l->path.n || l->path.p[l->path.n - 1] == '/' || path.p[l->path.n] == '/');
}

static const struct learned *find_was(const struct work *w, struct view name, struct view was)
{
    const struct rewrite_subject *t = w->t;
    struct learned_key key = key_of(t, name, was);
    const struct learned *l = learned_get(w->s->learned, &key);
    while (l && !(view_eq(l->name, name) && view_eq(l->was, was) && host_takes(l, t->about.host) &&
                  path_takes(l, t->about.path)))
        l = learned_before(l);
    return l;
}

void jar_spare(struct work *w, struct view name)
{
    if (w->spared_n < SESSION_SPARED_MAX)
        w->spared[w->spared_n++] = name_hash(name);
}

// What stands for the cookie; NULL: it stays as it is.
static const struct learned *find(const struct work *w, struct view name, struct view value)
{
    for (size_t i = 0; i < w->spared_n; i++)
        if (w->spared[i] == name_hash(name))
            return NULL;
    const struct learned *l = find_was(w, name, value);
    l = l ? l : find_was(w, name, (struct view){0});
    return l && (l->gone || !view_eq(l->value, value)) ? l : NULL;
}

static int cookie_part(void *arg, const struct part *p)
{
    struct work *w = arg;
    if (p->kind != PART_COOKIE)
        return PARTS_ON;
    const struct learned *l = find(w, p->steps->key, p->text);
    if (!l)
        return PARTS_ON;
    w->s->sums.cookies++;
    return l->gone ? PARTS_REMOVE : work_put(w, p, l->value);
}

int jar_step(struct work *w)
{
    if (w->s->cookies == 0 || head_get(w->head, "cookie").n == 0)
        return 0;
    return work_step(w, PARTS_HEAD, cookie_part, w);
}
