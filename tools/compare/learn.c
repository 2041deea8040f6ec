// learn: each difference becomes a pattern of its place, with [*] for an index, and what to do
// there. Patterns that an ignored one covers are left out when the text is written. What every
// message has, a status or a whole body, is ignored in those alone that have the method and route
// of those that differed: anywhere else it is what a comparison is made for. Of conversations
// without a path it is ignored in those with that host; else a host is no limit, since the rules
// are to hold where a recording is replayed, too.
#include "tools/compare/learn.h"

#include "proto/base/utf8.h"
#include "schema/route.h"
#include "tools/compare/general.h"

#include <stdio.h>
#include <stdlib.h>

#define EXAMPLE 400 // bytes of the comment why
#define LIMIT   200 // bytes of a method, host or path that a rule is limited to

struct learned {
    enum rule_kind kind;
    enum shape shape;
    uint64_t count;
    char where[DIFFERENCE_WHERE];
    char method[LIMIT], host[LIMIT], path[LIMIT]; // patterns; empty: of all
    char example[EXAMPLE];
};
struct learn {
    struct learned *items;
    size_t n, cap;
    uint64_t left_out;
};

struct learn *learn_new(void)
{
    return calloc(1, sizeof(struct learn));
}

void learn_free(struct learn *l)
{
    if (l)
        free(l->items);
    free(l);
}

size_t learn_count(const struct learn *l)
{
    return l->n;
}

uint64_t learn_left_out(const struct learn *l)
{
    return l->left_out;
}

// ---- why

// Text within a comment: one line, and nothing that YAML has no letter for.
static size_t plain(char *out, size_t size, struct view v)
{
    size_t at = 0, n;
    for (; v.n > 0; v = view_from(v, n)) {
        int32_t c = utf8_next(v, &n);
        bool odd = c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
                   c == 0xfeff || c == 0xfffe || c == 0xffff;
        if (at + n + 1 > size)
            break;
        if (odd)
            out[at++] = '?';
        else
            memcpy(out + at, v.p, n);
        at += odd ? 0 : n;
    }
    out[at] = 0;
    return at;
}

static void why(char out[EXAMPLE], const struct rules_subject *s, const struct difference *d)
{
    const struct view parts[] = {
        s->method,      VIEW_LIT(" "),    s->host,           s->path,
        VIEW_LIT(": "), view_of(d->left), VIEW_LIT(" and "), view_of(d->right),
    };
    static const unsigned char most[] = {16, 1, 60, 100, 2, 80, 5, 80};
    size_t n = 0;
    for (int i = 0; i < 8; i++) {
        struct view v = view_head(parts[i], most[i]);
        if (v.n == 0 && i >= 5)
            v = VIEW_LIT("nothing");
        n += plain(out + n, EXAMPLE - n, v);
    }
}

// ---- the limits

static bool everywhere(const char *where)
{
    static const char *const places[] = {"status", "version", "method", "path",
                                         "size",   "digest",  "body",   "message"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strcmp(where, places[i]) == 0)
            return true;
    return false;
}

// A pattern that the text is of: what could not stand in quotes as it is may be any letters, and
// so may what there is no room for. rest: the pattern of that.
static void limit(char out[LIMIT], struct view v, const char *rest)
{
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (n + 4 > LIMIT) {
            snprintf(out + n, LIMIT - n, "%s", rest);
            return;
        }
        bool odd = v.p[i] <= ' ' || v.p[i] >= 0x7f || v.p[i] == '\'';
        if (!odd || n == 0 || out[n - 1] != '*')
            out[n++] = odd ? '*' : v.p[i];
    }
    out[n] = 0;
}

// The path with * in place of the segments that look like identifiers.
static int limit_path(char out[LIMIT], struct view path)
{
    struct buf route, pattern;
    buf_init(&route, path.n + path.n * 4 + 1);
    buf_init(&pattern, path.n + path.n * 4 + 1);
    route_of(path, &route);
    struct view left = buf_len(&route) ? buf_view(&route) : path;
    int e = 0;
    while (left.n > 0 && !e) {
        size_t n = view_find(left, '/');
        struct view segment = view_head(left, n);
        e = buf_add_view(&pattern, view_eq(segment, VIEW_LIT("{id}")) ? VIEW_LIT("*") : segment);
        if (n < left.n && !e)
            e = buf_add(&pattern, "/", 1);
        left = view_from(left, n < left.n ? n + 1 : n);
    }
    if (!e)
        limit(out, buf_view(&pattern), "**");
    buf_clear(&route);
    buf_clear(&pattern);
    return e;
}

// ---- gathering

static struct learned *find(struct learn *l, const struct learned *one)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].kind == one->kind && l->items[i].shape == one->shape &&
            strcmp(l->items[i].where, one->where) == 0 &&
            strcmp(l->items[i].method, one->method) == 0 &&
            strcmp(l->items[i].host, one->host) == 0 && strcmp(l->items[i].path, one->path) == 0)
            return &l->items[i];
    return NULL;
}

static int add(struct learn *l, const struct rules_subject *subject, const struct difference *d)
{
    struct learned one = {.kind = RULE_IGNORE};
    bool exact = general_place(view_of(d->where), one.where);
    if (exact && d->kind == DIFFERENCE_ORDER) {
        one.kind = RULE_UNORDERED;
    } else if (exact && d->kind == DIFFERENCE_VALUE && d->shape) {
        one.kind = RULE_SHAPE;
        one.shape = d->shape;
    } else if (everywhere(one.where)) {
        int e = limit_path(one.path, subject->path);
        if (e)
            return e;
        limit(one.method, subject->method, "*");
        if (subject->path.n == 0)
            limit(one.host, subject->host, "*");
    }
    struct learned *known = find(l, &one);
    if (known) {
        known->count++;
        return 0;
    }
    if (l->n == LEARN_MAX) {
        l->left_out++;
        return 0;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 8;
        struct learned *more = realloc(l->items, cap * sizeof *more);
        if (!more)
            return E_NOMEM;
        l->items = more;
        l->cap = cap;
    }
    one.count = 1;
    why(one.example, subject, d);
    l->items[l->n++] = one;
    return 0;
}

int learn_add(struct learn *l, const struct rules_subject *subject, const struct differences *d)
{
    int e = 0;
    for (size_t i = 0; i < d->n && !e; i++)
        e = add(l, subject, &d->items[i]);
    return e;
}

// ---- writing

// Whether what is ignored at a makes a rule at b needless.
static bool covers(const struct learned *a, const struct learned *b)
{
    size_t n = strlen(a->where);
    if (a->kind != RULE_IGNORE || a->method[0] || a->host[0] || a->path[0] ||
        strncmp(a->where, b->where, n) != 0)
        return false;
    char after = b->where[n];
    return after == 0 ? b->kind != RULE_IGNORE : after == '.' || after == '[';
}

static bool needed(const struct learn *l, const struct learned *one)
{
    for (size_t i = 0; i < l->n; i++)
        if (covers(&l->items[i], one))
            return false;
    return true;
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (!((*text >= '0' && *text <= '9') ||
              (view_lower(*text) >= 'a' && view_lower(*text) <= 'z') ||
              strchr("_.@$[]*/- ", *text)))
            return false;
    return true;
}

static int put_where(struct buf *out, const char *where)
{
    if (is_plain(where) && !strchr(where, '"'))
        return buf_printf(out, "%s", where);
    int e = buf_add(out, "'", 1);
    for (; *where && !e; where++)
        e = buf_add(out, *where == '\'' ? "''" : where, *where == '\'' ? 2 : 1);
    return e ? e : buf_add(out, "'", 1);
}

// ", path: '/orders/*'"
static int put_limit(struct buf *out, const char *name, const char *pattern)
{
    return pattern[0] ? buf_printf(out, ", %s: '%s'", name, pattern) : 0;
}

// Whether a place has several shapes: a mapping cannot have it twice.
static bool repeats(const struct learn *l)
{
    for (size_t i = 0; i < l->n; i++)
        for (size_t j = 0; j < i; j++)
            if (l->items[i].kind == RULE_SHAPE && l->items[j].kind == RULE_SHAPE &&
                strcmp(l->items[i].where, l->items[j].where) == 0)
                return true;
    return false;
}

static int put_rule(struct buf *out, const struct learned *one, bool list)
{
    const char *is = one->kind == RULE_SHAPE       ? shape_sentences[one->shape]
                     : one->kind == RULE_UNORDERED ? "another order"
                                                   : "differed";
    int e = buf_printf(out, "  # %s, %llu %s: %s\n", is, (unsigned long long)one->count,
                       one->count == 1 ? "time" : "times", one->example);
    if (one->method[0] || one->host[0] || one->path[0]) {
        e = e ? e : buf_printf(out, "  - {where: %s", one->where);
        e = e ? e : put_limit(out, "method", one->method);
        e = e ? e : put_limit(out, "host", one->host);
        e = e ? e : put_limit(out, "path", one->path);
        return e ? e : buf_printf(out, "}\n");
    }
    bool mapping = one->kind == RULE_SHAPE && list;
    e = e ? e
          : buf_printf(out, "  %s%s", mapping || one->kind != RULE_SHAPE ? "- " : "",
                       mapping ? "where: " : "");
    e = e ? e : put_where(out, one->where);
    if (one->kind == RULE_SHAPE && !e)
        e = buf_printf(out, mapping ? "\n    is: %s" : ": %s", shape_names[one->shape]);
    return e ? e : buf_add(out, "\n", 1);
}

int learn_write(const struct learn *l, struct buf *out)
{
    static const char *const heads[RULE_KINDS] = {
        [RULE_IGNORE] = "\n# Never compared. Narrow one with {where: …, host: …, method: …, "
                        "path: …}.\nignore:\n",
        [RULE_SHAPE] = "\n# May have another value of the same shape.\nshape:\n",
        [RULE_UNORDERED] = "\n# May stand in any order.\nunordered:\n",
        [RULE_TOLERANCE] = "",
    };
    bool list = repeats(l);
    int e = buf_printf(out, "# What differed between two runs that ought to be equal. Go over it: "
                            "a rule hides\n# a mistake in its place, too.\n");
    for (int kind = 0; kind < RULE_KINDS && !e; kind++) {
        bool begun = false;
        for (size_t i = 0; i < l->n && !e; i++) {
            if (l->items[i].kind != (enum rule_kind)kind || !needed(l, &l->items[i]))
                continue;
            if (!begun)
                e = buf_printf(out, "%s", heads[kind]);
            begun = true;
            e = e ? e : put_rule(out, &l->items[i], list);
        }
    }
    if (l->left_out && !e)
        e = buf_printf(out, "\n# There was no room for rules of %llu differences more.\n",
                       (unsigned long long)l->left_out);
    return e;
}
