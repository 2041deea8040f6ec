// compare: a half, part by part: first line, fields, content, trailers. Fields, query and content
// become trees, where they have a structure, and trees.c compares these.
#include "tools/compare/compare.h"

#include "proto/base/utf8.h"
#include "tools/compare/meeting.h"
#include "tools/head.h"

#include <inttypes.h>
#include <stdio.h>

// ---- first lines

static void statuses(struct meeting *m, int64_t left, int64_t right)
{
    char text[2][24];
    snprintf(text[0], sizeof text[0], "%" PRId64, left);
    snprintf(text[1], sizeof text[1], "%" PRId64, right);
    meeting_at(m, WHERE_STATUS);
    if (left != right && !meeting_ignored(m))
        meeting_tell(m, DIFFERENCE_VALUE, SHAPE_NONE, view_of(left ? text[0] : "none"),
                     view_of(right ? text[1] : "none"));
}

static void texts(struct meeting *m, enum where_part part, struct view left, struct view right)
{
    meeting_at(m, part);
    meeting_texts(m, left.n ? left : VIEW_LIT(""), right.n ? right : VIEW_LIT(""));
}

// A request's target without scheme and authority, which are the connection's matter; and its
// query.
static struct view path_of(struct view target, struct view *query)
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

typedef int builder(struct tree *t, struct view in, char why[WHY_MAX]);

static void trees(struct meeting *m, builder *build, struct view left, struct view right)
{
    struct tree t[2] = {{0}, {0}};
    char why[WHY_MAX];
    int e = build(&t[0], left, why), f = build(&t[1], right, why);
    if (e == E_NOMEM || f == E_NOMEM)
        m->error = E_NOMEM;
    else if (e || f)
        text_compare(m, left, right);
    else
        trees_compare(m, &t[0], &t[1]);
    tree_clear(&t[0]);
    tree_clear(&t[1]);
}

static void first_lines(struct meeting *m, const struct compare_half *left,
                        const struct compare_half *right)
{
    struct view rest, l[3], r[3], query[2];
    head_words(head_first(left->head, &rest), l);
    head_words(head_first(right->head, &rest), r);
    if (left->status || right->status) {
        statuses(m, left->status, right->status);
        if (left->head.n && right->head.n)
            texts(m, WHERE_VERSION, l[0], r[0]);
        return;
    }
    if (left->head.n == 0 && right->head.n == 0)
        return;
    texts(m, WHERE_METHOD, l[0], r[0]);
    struct view lp = path_of(l[1], &query[0]), rp = path_of(r[1], &query[1]);
    texts(m, WHERE_PATH, lp, rp);
    meeting_at(m, WHERE_QUERY);
    if (!view_eq(query[0], query[1]))
        trees(m, tree_form, query[0], query[1]);
    texts(m, WHERE_VERSION, l[2], r[2]);
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

// fields: behind the first line. sized: Content-Length counts.
static int fields_tree(struct tree *t, struct view fields, bool sized)
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

static void fields(struct meeting *m, enum where_part part, struct view left, struct view right,
                   bool sized)
{
    struct tree t[2] = {{0}, {0}};
    meeting_at(m, part);
    if (view_eq(left, right))
        return;
    int e = fields_tree(&t[0], left, sized), f = fields_tree(&t[1], right, sized);
    if (e == E_NOMEM || f == E_NOMEM)
        m->error = E_NOMEM;
    else if (e || f)
        text_compare(m, left, right);
    else
        trees_compare(m, &t[0], &t[1]);
    tree_clear(&t[0]);
    tree_clear(&t[1]);
}

// ---- content

enum form { FORM_UNKNOWN, FORM_JSON, FORM_LINES, FORM_XML, FORM_PAIRS, FORM_TEXT };

static bool ends(struct view v, const char *tail)
{
    size_t n = strlen(tail);
    return v.n >= n && view_ieq(view_from(v, v.n - n), view_n(tail, n));
}

static enum form form_of(struct view type)
{
    type = view_trim(view_head(type, view_find(type, ';')));
    if (ends(type, "ndjson") || ends(type, "jsonl") || ends(type, "jsonlines"))
        return FORM_LINES;
    if (ends(type, "/json") || ends(type, "+json"))
        return FORM_JSON;
    if (ends(type, "/xml") || ends(type, "+xml"))
        return FORM_XML;
    if (view_ieq(type, VIEW_LIT("application/x-www-form-urlencoded")))
        return FORM_PAIRS;
    if (view_istarts(type, VIEW_LIT("text/")) || ends(type, "javascript"))
        return FORM_TEXT;
    return FORM_UNKNOWN;
}

// Whether content that nobody says the form of may be JSON.
static bool like_json(struct view v)
{
    size_t i = 0;
    while (i < v.n && memchr(" \t\r\n", v.p[i], 4))
        i++;
    return i < v.n && (v.p[i] == '{' || v.p[i] == '[');
}

static int build(enum form form, struct tree *t, struct view in, char why[WHY_MAX])
{
    return form == FORM_XML     ? tree_xml(t, in, why)
           : form == FORM_PAIRS ? tree_form(t, in, why)
                                : tree_json(t, in, form == FORM_LINES, why);
}

static void plain(struct meeting *m, struct view left, struct view right)
{
    if (utf8_valid(left) && utf8_valid(right) && !memchr(left.p, 0, left.n) &&
        !memchr(right.p, 0, right.n))
        text_compare(m, left, right);
    else
        bytes_compare(m, left, right);
}

// sure: the form was named, so that content that is not of it is a difference.
static void structured(struct meeting *m, enum form form, bool sure, struct view left,
                       struct view right)
{
    struct tree t[2] = {{0}, {0}};
    char why[2][WHY_MAX] = {"", ""};
    int e = build(form, &t[0], left, why[0]), f = build(form, &t[1], right, why[1]);
    if (e == E_NOMEM || f == E_NOMEM)
        m->error = E_NOMEM;
    else if (!e && !f)
        trees_compare(m, &t[0], &t[1]);
    else if (sure && (e == E_SYNTAX) != (f == E_SYNTAX) && (!e || !f)) {
        if (!meeting_ignored(m))
            meeting_tell(m, DIFFERENCE_MALFORMED, SHAPE_NONE,
                         e ? view_of(why[0]) : VIEW_LIT("well-formed"),
                         f ? view_of(why[1]) : VIEW_LIT("well-formed"));
    } else
        plain(m, left, right);
    tree_clear(&t[0]);
    tree_clear(&t[1]);
}

static void contents(struct meeting *m, struct view left, struct view left_type, struct view right,
                     struct view right_type)
{
    meeting_at(m, WHERE_BODY);
    if (view_eq(left, right) || meeting_ignored(m))
        return;
    enum form form = form_of(left_type);
    if (form == FORM_UNKNOWN)
        form = form_of(right_type);
    bool sure = form != FORM_UNKNOWN;
    if (form == FORM_UNKNOWN && like_json(left) && like_json(right))
        form = FORM_JSON;
    if (left.n == 0 || right.n == 0)
        meeting_tell(m, left.n ? DIFFERENCE_MISSING : DIFFERENCE_EXTRA, SHAPE_NONE, left, right);
    else if (form == FORM_UNKNOWN || form == FORM_TEXT)
        plain(m, left, right);
    else
        structured(m, form, sure, left, right);
}

// What is known of content that is not all here.
static void sizes(struct meeting *m, const struct compare_half *left,
                  const struct compare_half *right)
{
    char text[2][2 * 32 + 1];
    meeting_at(m, WHERE_BODY);
    bool ignored = meeting_ignored(m);
    meeting_at(m, WHERE_SIZE);
    if (ignored)
        return;
    if (left->size != right->size) {
        snprintf(text[0], sizeof text[0], "%" PRId64, left->size);
        snprintf(text[1], sizeof text[1], "%" PRId64, right->size);
        meeting_texts(m, view_of(text[0]), view_of(text[1]));
        return;
    }
    if (left->digest.n == 0 || right->digest.n == 0) {
        size_t n = left->content.n < right->content.n ? left->content.n : right->content.n;
        meeting_at(m, WHERE_BODY);
        bytes_compare(m, view_head(left->content, n), view_head(right->content, n));
        return;
    }
    meeting_at(m, WHERE_DIGEST);
    if (meeting_ignored(m))
        return;
    for (int side = 0; side < 2; side++) {
        struct view d = side ? right->digest : left->digest;
        for (size_t i = 0; i < d.n && i < 32; i++)
            snprintf(text[side] + 2 * i, 3, "%02x", (unsigned char)d.p[i]);
    }
    meeting_texts(m, view_of(text[0]), view_of(text[1]));
}

// ---- all

static void halves(struct meeting *m, const struct compare_half *left,
                   const struct compare_half *right)
{
    struct view lf, rf, l = head_first(left->head, &lf), r = head_first(right->head, &rf);
    meeting_at(m, WHERE_MESSAGE);
    if (left->absent || right->absent) {
        if (left->absent != right->absent && !meeting_ignored(m))
            meeting_tell(m, left->absent ? DIFFERENCE_EXTRA : DIFFERENCE_MISSING, SHAPE_NONE,
                         left->absent ? VIEW_LIT("")
                         : l.n        ? l
                                      : VIEW_LIT("is there"),
                         right->absent ? VIEW_LIT("")
                         : r.n         ? r
                                       : VIEW_LIT("is there"));
        return;
    }
    if (left->cut != right->cut && !meeting_ignored(m))
        meeting_tell(m, DIFFERENCE_VALUE, SHAPE_NONE, view_of(left->cut ? "cut off" : "complete"),
                     view_of(right->cut ? "cut off" : "complete"));
    bool sized = left->whole && right->whole && left->content.n + right->content.n == 0 &&
                 left->size + right->size == 0;
    first_lines(m, left, right);
    fields(m, WHERE_HEADER, lf, rf, sized);
    if (left->whole && right->whole)
        contents(m, left->content, left->type, right->content, right->type);
    else
        sizes(m, left, right);
    fields(m, WHERE_TRAILER, left->trailers, right->trailers, true);
}

int compare(const struct rules *rules, const struct rules_subject *subject,
            const struct compare_half *left, const struct compare_half *right,
            struct differences *out)
{
    struct meeting m;
    int e = meeting_begin(&m, rules, subject, out);
    if (!e)
        halves(&m, left, right);
    meeting_end(&m);
    return e ? e : m.error;
}

int compare_content(const struct rules *rules, const struct rules_subject *subject,
                    struct view left, struct view left_type, struct view right,
                    struct view right_type, struct differences *out)
{
    struct meeting m;
    int e = meeting_begin(&m, rules, subject, out);
    if (!e)
        contents(&m, left, left_type, right, right_type);
    meeting_end(&m);
    return e ? e : m.error;
}
