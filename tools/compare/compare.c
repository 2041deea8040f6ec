// compare: a half, part by part (parts.c): first line, fields, content, trailers. Fields, query and
// content become trees, where they have a structure, and trees.c compares these.
#include "tools/compare/compare.h"

#include "tools/compare/meeting.h"
#include "tools/compare/parts.h"
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

static size_t segments(struct view path)
{
    size_t n = 0;
    for (size_t i = 0; i < path.n; i++)
        n += path.p[i] == '/';
    return n;
}

// Segment by segment where there are as many on both sides.
static void paths(struct meeting *m, struct view left, struct view right)
{
    struct view part[2];
    meeting_at(m, WHERE_PATH);
    size_t n = segments(left);
    if (n != segments(right) || n == 0 || left.p[0] != '/' || right.p[0] != '/') {
        meeting_texts(m, left, right);
        return;
    }
    if (view_eq(left, right) || meeting_ignored(m) || meeting_allowed(m, left, right))
        return;
    for (uint32_t i = 0; parts_segment(&left, &part[0]) && parts_segment(&right, &part[1]); i++) {
        meeting_down(m, &(struct where_step){.index = true, .number = i});
        meeting_texts(m, part[0], part[1]);
        meeting_up(m);
    }
}

static void asked(struct meeting *m, const struct compare_named *left,
                  const struct compare_named *right)
{
    texts(m, WHERE_METHOD, left->method, right->method);
    texts(m, WHERE_HOST, left->host, right->host);
    paths(m, left->path, right->path);
    meeting_at(m, WHERE_QUERY);
    if (!view_eq(left->query, right->query))
        trees(m, tree_form, left->query, right->query);
}

static void first_lines(struct meeting *m, const struct compare_half *left,
                        const struct compare_half *right)
{
    struct view rest, l[3], r[3];
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
    struct compare_named a = {.method = l[0]}, b = {.method = r[0]};
    a.path = parts_target(l[1], &a.query);
    b.path = parts_target(r[1], &b.query);
    asked(m, &a, &b);
    texts(m, WHERE_VERSION, l[2], r[2]);
}

// ---- fields

static void fields(struct meeting *m, enum where_part part, struct view left, struct view right,
                   bool sized)
{
    struct tree t[2] = {{0}, {0}};
    meeting_at(m, part);
    if (view_eq(left, right))
        return;
    int e = parts_fields(&t[0], left, sized), f = parts_fields(&t[1], right, sized);
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

static void plain(struct meeting *m, struct view left, struct view right)
{
    if (parts_is_text(left) && parts_is_text(right))
        text_compare(m, left, right);
    else
        bytes_compare(m, left, right);
}

// sure: the form was named, so that content that is not of it is a difference.
static void structured(struct meeting *m, enum parts_form form, bool sure, struct view left,
                       struct view right)
{
    struct tree t[2] = {{0}, {0}};
    char why[2][WHY_MAX] = {"", ""};
    int e = parts_tree(form, &t[0], left, why[0]), f = parts_tree(form, &t[1], right, why[1]);
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
    if (meeting_has_bytes(m)) {
        bytes_compare(m, left, right);
        return;
    }
    enum parts_form form = parts_form_of(left_type);
    if (form == PARTS_UNKNOWN)
        form = parts_form_of(right_type);
    bool sure = form != PARTS_UNKNOWN;
    if (form == PARTS_UNKNOWN && parts_like_json(left) && parts_like_json(right))
        form = PARTS_JSON;
    if (left.n == 0 || right.n == 0)
        meeting_tell(m, left.n ? DIFFERENCE_MISSING : DIFFERENCE_EXTRA, SHAPE_NONE, left, right);
    else if (form == PARTS_UNKNOWN || form == PARTS_TEXT)
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
    struct view lf = left->head, rf = right->head, l = {0}, r = {0};
    bool named = left->named && right->named;
    if (!named) {
        l = head_first(left->head, &lf);
        r = head_first(right->head, &rf);
    }
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
    if (named)
        asked(m, left->named, right->named);
    else
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
