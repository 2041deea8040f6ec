// near_tell: a miss as JSON and as text. What would make the document too large is left out step by
// step: first most of the differences, then the rules, then all but the nearest.
#include "tools/fields.h"
#include "tools/jsonw.h"
#include "tools/mock/near.h"

#include <stdio.h>
#include <stdlib.h>

#define SHOWN 512 // bytes of a text of the request

static void put_differences(struct jsonw *w, const struct near_one *one, size_t max)
{
    const struct differences *d = &one->differences;
    size_t n = d->n < max ? d->n : max;
    jsonw_array(w, "differences");
    for (size_t i = 0; i < n; i++) {
        const struct difference *item = &d->items[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "where", item->where);
        jsonw_string(w, "kind", difference_kinds[item->kind]);
        jsonw_string(w, "recorded", item->left);
        jsonw_string(w, "asked", item->right);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
    if (d->total > n)
        jsonw_int(w, "more", (int64_t)(d->total - n));
}

static void put_request(struct jsonw *w, const struct match_request *r)
{
    jsonw_object(w, "request");
    jsonw_text(w, "method", view_head(r->method, 64));
    jsonw_text(w, "host", view_head(r->host, SHOWN));
    jsonw_text(w, "path", view_head(r->path, SHOWN));
    jsonw_text(w, "query", view_head(r->query, SHOWN));
    jsonw_object_end(w);
}

struct measure {
    size_t nearest, differences;
    bool rules;
};

static void put(struct jsonw *w, const struct near_miss *n, const struct match_request *r,
                const struct measure *m)
{
    char id[FIELDS_ID];
    jsonw_object(w, NULL);
    jsonw_string(w, "error", "no recorded answer");
    jsonw_string(w, "cause", near_causes[n->cause]);
    put_request(w, r);
    jsonw_array(w, "nearest");
    for (size_t i = 0; i < n->n && i < m->nearest; i++) {
        const struct near_one *one = &n->one[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "id", fields_id(one->id, id));
        jsonw_string(w, "cause", near_causes[one->cause]);
        jsonw_text(w, "method", view_of(one->method));
        jsonw_text(w, "host", view_of(one->host));
        jsonw_text(w, "path", view_of(one->path));
        jsonw_text(w, "query", view_of(one->query));
        put_differences(w, one, m->differences);
        if (m->rules && buf_len(&one->rules) > 0)
            jsonw_text(w, "rules", buf_view(&one->rules));
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
    jsonw_object_end(w);
}

int near_json(const struct near_miss *n, const struct match_request *r, struct buf *out)
{
    static const struct measure measures[] = {
        {NEAR_MAX, NEAR_DIFFERENCES, true},
        {NEAR_MAX, 5, true},
        {NEAR_MAX, 2, false},
        {1, 1, false},
        {0, 0, false},
    };
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
        char *text = NULL;
        size_t size = 0;
        struct jsonw w;
        FILE *f = open_memstream(&text, &size);
        if (!f)
            return E_NOMEM;
        jsonw_init(&w, f);
        put(&w, n, r, &measures[i]);
        int e = fclose(f) ? E_NOMEM : size <= NEAR_JSON_MAX ? buf_add(out, text, size) : E_LIMIT;
        bool fits = size <= NEAR_JSON_MAX;
        free(text);
        if (e != E_LIMIT || fits)
            return e;
    }
    return E_LIMIT;
}

// ---- as text

// One line of it: what is no text is shown as '?'.
static int put_plain(struct buf *out, struct view v)
{
    int e = 0;
    for (size_t i = 0; i < v.n && !e; i++) {
        bool odd = (unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f;
        e = buf_add(out, odd ? "?" : v.p + i, 1);
    }
    return e;
}

static int put_value(struct buf *out, const char *text)
{
    return *text ? put_plain(out, view_of(text)) : buf_printf(out, "nothing");
}

static int put_difference(struct buf *out, const struct difference *d)
{
    int e = put_plain(out, view_of(d->where));
    e = e ? e : buf_printf(out, " is ");
    e = e ? e : put_value(out, d->right);
    e = e ? e : buf_printf(out, ", recorded is ");
    return e ? e : put_value(out, d->left);
}

static int put_one(struct buf *out, const struct near_one *one)
{
    char id[FIELDS_ID];
    int e = buf_printf(out, "  %s: ", fields_id(one->id, id));
    e = e ? e : put_plain(out, view_of(one->method));
    e = e ? e : buf_add(out, " ", 1);
    e = e ? e : put_plain(out, view_of(one->host));
    e = e ? e : put_plain(out, view_of(one->path));
    if (!e && one->query[0])
        e = buf_add(out, "?", 1);
    e = e ? e : put_plain(out, view_of(one->query));
    e = e ? e : buf_printf(out, ": %s\n", near_causes[one->cause]);
    for (size_t i = 0; i < one->differences.n && !e; i++) {
        e = buf_printf(out, "    ");
        e = e ? e : put_difference(out, &one->differences.items[i]);
        e = e ? e : buf_add(out, "\n", 1);
    }
    struct view rules = buf_view(&one->rules);
    while (rules.n > 0 && !e) {
        size_t n = view_find(rules, '\n');
        e = buf_printf(out, "    %.*s\n", (int)n, rules.p);
        rules = view_from(rules, n < rules.n ? n + 1 : n);
    }
    return e;
}

int near_text(const struct near_miss *n, struct buf *out)
{
    char id[FIELDS_ID];
    int e = buf_printf(out, "%s", near_causes[n->cause]);
    if (n->n > 0 && !e) {
        const struct near_one *one = &n->one[0];
        size_t first = 0;
        while (first < one->differences.n &&
               near_cause_of(one->differences.items[first].where) != one->cause)
            first++;
        if (first < one->differences.n) {
            e = buf_printf(out, ": ");
            e = e ? e : put_difference(out, &one->differences.items[first]);
        }
        e = e ? e : buf_printf(out, " (%s)", fields_id(one->id, id));
    }
    e = e ? e : buf_add(out, "\n", 1);
    for (size_t i = 0; i < n->n && !e; i++)
        e = put_one(out, &n->one[i]);
    return e;
}
