// parts: first lines, fields and forms of content, leniently.
#include "tools/compare/parts.h"

#include "proto/base/utf8.h"
#include "tools/compare/rules.h"
#include "tools/head.h"

// ---- first lines

struct view parts_target(struct view target, struct view *query)
{
    for (int i = 0; i < 2; i++) {
        struct view scheme = i ? VIEW_LIT("https://") : VIEW_LIT("http://");
        if (!view_istarts(target, scheme))
            continue;
        target = view_from(target, scheme.n);
        size_t n = 0;
        while (n < target.n && target.p[n] != '/' && target.p[n] != '?')
            n++;
        target = view_from(target, n);
        break;
    }
    size_t n = view_find(target, '?');
    *query = view_from(target, n < target.n ? n + 1 : n);
    return n ? view_head(target, n) : VIEW_LIT("/");
}

bool parts_segment(struct view *path, struct view *out)
{
    if (path->n == 0 || path->p[0] != '/')
        return false;
    *path = view_from(*path, 1);
    *out = view_head(*path, view_find(*path, '/'));
    *path = view_from(*path, out->n);
    return true;
}

// ---- fields

// Whether a list such as Connection's names it.
static bool names(struct view list, struct view name)
{
    while (list.n > 0) {
        size_t n = view_find(list, ',');
        if (view_ieq(view_trim(view_head(list, n)), name))
            return true;
        list = view_from(list, n < list.n ? n + 1 : n);
    }
    return false;
}

static int lower(struct tree *t, struct view v, struct view *out)
{
    char *room = tree_room(t, v.n + 1);
    if (!room)
        return E_NOMEM;
    for (size_t i = 0; i < v.n; i++)
        room[i] = view_lower(v.p[i]);
    *out = view_n(room, v.n);
    return 0;
}

// The lines that continue a value, a blank for each break.
static int unfold(struct tree *t, const struct head_field *f, struct view *out)
{
    struct view folds = f->folds, part;
    *out = f->value.p ? f->value : VIEW_LIT("");
    if (folds.n == 0)
        return 0;
    char *room = tree_room(t, f->value.n + folds.n + 1), *to = room;
    if (!room)
        return E_NOMEM;
    memcpy(to, f->value.p, f->value.n);
    to += f->value.n;
    while (head_fold(&folds, &part)) {
        *to++ = ' ';
        memcpy(to, part.p, part.n);
        to += part.n;
    }
    *out = view_n(room, (size_t)(to - room));
    return 0;
}

int parts_fields(struct tree *t, struct view fields, bool sized)
{
    struct head_field f;
    struct view key, text, rest = fields, connection = {0};
    *t = (struct tree){0};
    for (struct view r = fields; head_next(&r, &f);)
        if (view_ieq(f.name, VIEW_LIT("connection")))
            connection = f.value;
    int64_t node = tree_add(t, UINT32_MAX, TREE_OBJECT, (struct view){0});
    int e = node < 0 ? (int)node : 0;
    while (!e && head_next(&rest, &f)) {
        if (rules_ignores(f.name) || names(connection, f.name) ||
            (!sized && view_ieq(f.name, VIEW_LIT("content-length"))))
            continue;
        e = lower(t, f.name, &key);
        e = e ? e : unfold(t, &f, &text);
        node = e ? 0 : tree_add(t, 0, TREE_TEXT, key);
        e = node < 0 ? (int)node : e;
        if (!e)
            t->nodes[node].text = text;
    }
    tree_finish(t);
    return e;
}

// ---- content

static bool ends(struct view v, const char *tail)
{
    size_t n = strlen(tail);
    return v.n >= n && view_ieq(view_from(v, v.n - n), view_n(tail, n));
}

enum parts_form parts_form_of(struct view type)
{
    type = view_trim(view_head(type, view_find(type, ';')));
    if (ends(type, "ndjson") || ends(type, "jsonl") || ends(type, "jsonlines"))
        return PARTS_LINES;
    if (ends(type, "/json") || ends(type, "+json"))
        return PARTS_JSON;
    if (ends(type, "/xml") || ends(type, "+xml"))
        return PARTS_XML;
    if (view_ieq(type, VIEW_LIT("application/x-www-form-urlencoded")))
        return PARTS_PAIRS;
    if (view_istarts(type, VIEW_LIT("text/")) || ends(type, "javascript"))
        return PARTS_TEXT;
    return PARTS_UNKNOWN;
}

bool parts_like_json(struct view v)
{
    size_t i = 0;
    while (i < v.n && memchr(" \t\r\n", v.p[i], 4))
        i++;
    return i < v.n && (v.p[i] == '{' || v.p[i] == '[');
}

bool parts_is_text(struct view v)
{
    return utf8_valid(v) && (v.n == 0 || !memchr(v.p, 0, v.n));
}

int parts_tree(enum parts_form form, struct tree *t, struct view in, char why[WHY_MAX])
{
    return form == PARTS_XML     ? tree_xml(t, in, why)
           : form == PARTS_PAIRS ? tree_form(t, in, why)
                                 : tree_json(t, in, form == PARTS_LINES, why);
}
