// masks: each item of the list becomes one rule, or two: a parameter is meant as name[…], too, and
// a path of JSON in each of several values behind each other.
#include "tools/compare/masks.h"

#include <stdlib.h>

static struct rule *add(struct rules *out, enum rule_kind kind, enum where_part part,
                        struct view text, int *e)
{
    *e = 0;
    if (out->n == RULES_MAX) {
        *e = E_LIMIT;
        return NULL;
    }
    if (out->n == out->cap) {
        size_t cap = out->cap ? 2 * out->cap : 8;
        struct rule *more = realloc(out->items, cap * sizeof *more);
        if (!more) {
            *e = E_NOMEM;
            return NULL;
        }
        out->items = more;
        out->cap = cap;
    }
    char *own = malloc(text.n + 4);
    if (!own) {
        *e = E_NOMEM;
        return NULL;
    }
    memcpy(own, text.p, text.n);
    struct rule *r = &out->items[out->n++];
    *r = (struct rule){.kind = kind, .number = -1, .us = -1};
    r->where.part = part;
    r->where.text = own;
    return r;
}

static int name(struct rules *out, enum where_part part, struct view text)
{
    int e;
    struct rule *r = add(out, RULE_ANY, part, text, &e);
    if (!r)
        return e;
    r->where.n = 1;
    r->where.tokens[0] = (struct where_token){
        .kind = WHERE_KEY, .exact = true, .fold = true, .key = view_n(r->where.text, text.n)};
    if (part != WHERE_QUERY || text.n + 3 > WHERE_GLOB_MAX || view_find(text, '*') < text.n)
        return 0;
    r = add(out, RULE_ANY, part, text, &e);
    if (!r)
        return e;
    memcpy(r->where.text + text.n, "[*]", 3);
    r->where.n = 1;
    r->where.tokens[0] = (struct where_token){
        .kind = WHERE_KEY, .fold = true, .key = view_n(r->where.text, text.n + 3)};
    return 0;
}

// "[*]" or "[3]", ".name", "..name": the next token or two of a pattern; false: it is none.
static bool step(struct where_pattern *p, struct view *path)
{
    struct where_token *t = &p->tokens[p->n];
    uint64_t number = 0;
    if (p->n + 2 > WHERE_TOKENS)
        return false;
    if (path->p[0] == '[') {
        size_t end = view_find(*path, ']');
        struct view inside = view_n(path->p + 1, end < path->n ? end - 1 : 0);
        bool each = view_eq(inside, VIEW_LIT("*"));
        if (end == path->n || (!each && view_number(inside, 10, UINT32_MAX - 1, &number)))
            return false;
        *t = (struct where_token){.kind = each ? WHERE_ANY_INDEX : WHERE_INDEX,
                                  .number = (uint32_t)number};
        *path = view_from(*path, end + 1);
        p->n++;
        return true;
    }
    if (path->p[0] != '.')
        return false;
    *path = view_from(*path, 1);
    if (path->n > 0 && path->p[0] == '.') {
        *path = view_from(*path, 1);
        *t++ = (struct where_token){.kind = WHERE_ANY_DEPTH};
        p->n++;
    }
    size_t n = 0;
    while (n < path->n && path->p[n] != '.' && path->p[n] != '[')
        n++;
    *t = (struct where_token){.kind = WHERE_KEY, .exact = true, .key = view_head(*path, n)};
    *path = view_from(*path, n);
    p->n++;
    return n > 0;
}

static int json(struct rules *out, struct view text, bool several)
{
    int e;
    struct rule *r = add(out, RULE_ANY, WHERE_BODY, text, &e);
    if (!r)
        return e;
    struct view path = {r->where.text + 1, text.n - 1}; // behind '$'
    if (several)
        r->where.tokens[r->where.n++] = (struct where_token){.kind = WHERE_ANY_INDEX};
    while (path.n > 0)
        if (!step(&r->where, &path)) {
            where_clear(&r->where);
            out->n--;
            return 0;
        }
    return 0;
}

static int item(struct rules *out, struct view text)
{
    int e = 0;
    if (view_starts(text, VIEW_LIT("query:")) && text.n > 6)
        return name(out, WHERE_QUERY, view_from(text, 6));
    if (view_starts(text, VIEW_LIT("header:")) && text.n > 7)
        return name(out, WHERE_HEADER, view_from(text, 7));
    if (view_starts(text, VIEW_LIT("json:$")) && text.n > 6) {
        e = json(out, view_from(text, 5), false);
        return e ? e : json(out, view_from(text, 5), true);
    }
    if (view_starts(text, VIEW_LIT("json (")) || view_starts(text, VIEW_LIT("http (")))
        (void)add(out, RULE_IGNORE, WHERE_BODY, text, &e);
    return e;
}

int masks_add(struct rules *out, struct view redacted)
{
    size_t before = out->n;
    int e = 0;
    while (redacted.n > 0 && !e) {
        size_t n = view_find(redacted, ',');
        e = item(out, view_trim(view_head(redacted, n)));
        redacted = view_from(redacted, n < redacted.n ? n + 1 : n);
    }
    while (e && out->n > before)
        where_clear(&out->items[--out->n].where);
    return e;
}
