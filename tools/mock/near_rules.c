// near_rules: each difference becomes a rule for its place, limited to such requests. Then they are
// tried; where something still differs, more is taken: first any index instead of one, then the
// whole part.
#include "proto/base/utf8.h"
#include "tools/mock/near_in.h"

#include <stdio.h>
#include <stdlib.h>

#define PROPOSED 60 // rules for one recording
#define ROUNDS   3

struct proposal {
    enum rule_kind kind; // ignore, shape, unordered
    enum shape shape;
    char where[DIFFERENCE_WHERE];
};
struct proposals {
    struct proposal items[PROPOSED];
    size_t n;
};

// ---- places

// "body line 3", "body byte 3" and "body.a.…" as places that a rule can name.
static void place_of(const char *where, char out[DIFFERENCE_WHERE])
{
    static const char *const tails[] = {"body line ", "body byte "};
    snprintf(out, DIFFERENCE_WHERE, "%s", where);
    for (int i = 0; i < 2; i++)
        if (strncmp(where, tails[i], strlen(tails[i])) == 0)
            out[4] = 0;
    char *more = strstr(out, ".…");
    if (more)
        *more = 0;
}

// "body.items[3].id" to "body.items[*].id", "query.a#2" to "query.a".
static void widen(char where[DIFFERENCE_WHERE])
{
    char out[DIFFERENCE_WHERE];
    size_t n = 0;
    bool quoted = false;
    for (const char *c = where; *c && n + 4 < sizeof out; c++) {
        quoted = *c == '"' && (c == where || c[-1] != '\\') ? !quoted : quoted;
        size_t digits = (*c == '[' || *c == '#') && !quoted ? strspn(c + 1, "0123456789") : 0;
        if (digits && *c == '[') {
            memcpy(out + n, "[*]", 3);
            n += 3;
            c += digits + 1;
        } else if (digits) {
            c += digits;
        } else {
            out[n++] = *c;
        }
    }
    out[n] = 0;
    memcpy(where, out, n + 1);
}

// "body.items[3]" to "body"; a header's name stays.
static void whole_part(char where[DIFFERENCE_WHERE])
{
    static const char *const names[] = {"header ", "trailer "};
    for (int i = 0; i < 2; i++)
        if (strncmp(where, names[i], strlen(names[i])) == 0) {
            where[strcspn(where, "#")] = 0;
            return;
        }
    where[strcspn(where, ".[ ")] = 0;
}

static void propose(struct proposals *p, const struct difference *d, int round)
{
    struct proposal one = {.kind = RULE_IGNORE};
    place_of(d->where, one.where);
    if (round == 1)
        widen(one.where);
    if (round == 2)
        whole_part(one.where);
    if (round == 0 && d->kind == DIFFERENCE_ORDER)
        one.kind = RULE_UNORDERED;
    if (round == 0 && d->kind == DIFFERENCE_VALUE && d->shape) {
        one.kind = RULE_SHAPE;
        one.shape = d->shape;
    }
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) { // what is wider takes the place of what was tried here
        const struct proposal *q = &p->items[i];
        size_t n = strlen(one.where);
        bool below = strncmp(q->where, one.where, n) == 0 &&
                     (q->where[n] == 0 || q->where[n] == '.' || q->where[n] == '[');
        if (round == 0 && q->kind == one.kind && strcmp(q->where, one.where) == 0)
            return;
        if (round == 0 || !below)
            p->items[kept++] = *q;
    }
    p->n = kept;
    if (p->n < PROPOSED)
        p->items[p->n++] = one;
}

// ---- as text

// Whether it may stand within quotes in a line of YAML.
static bool is_clean(struct view v)
{
    for (size_t n; v.n > 0; v = view_from(v, n)) {
        int32_t c = utf8_next(v, &n);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
            c == 0xfffe || c == 0xffff)
            return false;
    }
    return true;
}

static int put_quoted(struct buf *out, const char *key, struct view v)
{
    int e = buf_printf(out, "%s: '", key);
    for (size_t i = 0; i < v.n && !e; i++)
        e = buf_add(out, v.p[i] == '\'' ? "''" : v.p + i, v.p[i] == '\'' ? 2 : 1);
    return e ? e : buf_add(out, "'", 1);
}

static bool is_limit(struct view v)
{
    return v.n > 0 && v.n <= WHERE_GLOB_MAX && is_clean(v);
}

// A pattern of both paths: their segments, with '*' for one that differs. false: they have none.
static bool path_limit(struct view a, struct view b, struct buf *out)
{
    buf_reset(out);
    while (a.n > 0 && b.n > 0) {
        size_t n = view_find(view_from(a, 1), '/') + 1, k = view_find(view_from(b, 1), '/') + 1;
        struct view x = view_head(a, n), y = view_head(b, k);
        if (x.p[0] != '/' || y.p[0] != '/' || buf_add_view(out, view_eq(x, y) ? x : VIEW_LIT("/*")))
            return false;
        a = view_from(a, n);
        b = view_from(b, k);
    }
    return a.n == 0 && b.n == 0 && is_limit(buf_view(out));
}

static int put_limits(struct buf *out, const struct near_pair *p, struct buf *path)
{
    const struct rules_subject *l = &p->live->subject, *r = &p->recorded;
    int e = 0;
    if (view_ieq(l->host, r->host) && is_limit(l->host))
        e = put_quoted(out, ", host", l->host);
    if (!e && view_eq(l->method, r->method) && is_limit(l->method))
        e = put_quoted(out, ", method", l->method);
    if (!e && path_limit(l->path, r->path, path))
        e = put_quoted(out, ", path", buf_view(path));
    return e;
}

static int write_rules(const struct near_pair *p, const struct proposals *all, struct buf *out)
{
    static const enum rule_kind kinds[] = {RULE_IGNORE, RULE_SHAPE, RULE_UNORDERED};
    struct buf path;
    int e = 0;
    buf_init(&path, WHERE_GLOB_MAX);
    for (int k = 0; k < 3 && !e; k++) {
        bool begun = false;
        for (size_t i = 0; i < all->n && !e; i++) {
            const struct proposal *one = &all->items[i];
            if (one->kind != kinds[k])
                continue;
            e = begun ? 0 : buf_printf(out, "%s:\n", rule_kinds[kinds[k]]);
            begun = true;
            e = e ? e : put_quoted(out, "  - {where", view_of(one->where));
            if (!e && one->kind == RULE_SHAPE)
                e = buf_printf(out, ", is: %s", shape_names[one->shape]);
            e = e ? e : put_limits(out, p, &path);
            e = e ? e : buf_add(out, "}\n", 2);
        }
    }
    buf_clear(&path);
    return e;
}

// ---- trying

// What differs still with the rules of the text besides those at work. 1, 0 (cannot be told),
// E_NOMEM.
static int try(const struct near_pair *p, struct view text, struct differences *d)
{
    char why[WHY_MAX];
    struct rules more, both;
    int e = rules_parse(&more, "rules", text, why);
    if (e)
        return e == E_NOMEM ? e : 0;
    size_t n = p->rules ? p->rules->n : 0;
    both = (struct rules){calloc(n + more.n + 1, sizeof *both.items), n + more.n, n + more.n};
    if (both.items) {
        if (n > 0)
            memcpy(both.items, p->rules->items, n * sizeof *both.items);
        if (more.n > 0)
            memcpy(both.items + n, more.items, more.n * sizeof *both.items);
        e = match_compare(p->m, p->entry, &both, p->live, p->half, d);
    } else {
        e = E_NOMEM;
    }
    free(both.items);
    rules_clear(&more);
    return e;
}

int near_rules(const struct near_pair *p, struct buf *out)
{
    struct proposals *all = calloc(1, sizeof *all);
    struct differences d;
    const struct differences *now = p->differs;
    int e = all ? 1 : E_NOMEM;
    bool done = p->differs->total == 0;
    differences_init(&d, NEAR_DIFFERENCES);
    for (int round = 0; round < ROUNDS && e == 1 && !done; round++) {
        for (size_t i = 0; i < now->n; i++)
            propose(all, &now->items[i], round);
        buf_reset(out);
        e = write_rules(p, all, out);
        differences_clear(&d);
        e = e == E_NOMEM ? e : e ? 0 : try(p, buf_view(out), &d);
        now = &d;
        done = e == 1 && d.total == 0;
        if (d.total > d.n && round == 0) // there are more than can be named: whole parts
            round = 1;
    }
    if (!done)
        buf_reset(out);
    differences_clear(&d);
    free(all);
    return e == E_NOMEM ? e : 0;
}
