// parts_multipart: multipart/form-data (RFC 7578): the values of fields; files are passed over.
#include "tools/rewrite/parts.h"

#include "tools/head.h"

#define BOUNDARY_MAX 72 // bytes, "--" included (RFC 2046: at most 70 without)

// The value of a parameter of a header's value.
static struct view parameter(struct view v, const char *name)
{
    while (v.n > 0) {
        struct view item = view_trim(view_head(v, view_find(v, ';')));
        size_t n = view_find(item, '=');
        v = view_from(v, view_find(v, ';'));
        v = view_from(v, v.n > 0);
        if (!view_ieq(view_trim(view_head(item, n)), view_of(name)) || n == item.n)
            continue;
        item = view_trim(view_from(item, n + 1));
        if (item.n > 1 && item.p[0] == '"' && item.p[item.n - 1] == '"')
            item = (struct view){item.p + 1, item.n - 2};
        return item;
    }
    return (struct view){0};
}

// Where the next delimiter begins, at the front or behind a line end; in.n: nowhere.
static size_t next_delimiter(struct view in, struct view delimiter)
{
    for (size_t i = 0; i + delimiter.n <= in.n; i++)
        if ((i == 0 || in.p[i - 1] == '\n') && memcmp(in.p + i, delimiter.p, delimiter.n) == 0)
            return i;
    return in.n;
}

// One piece, from behind its delimiter's line to the next one.
static int piece(struct parts *p, struct view in, size_t known)
{
    size_t end = 0;
    while (end + 4 <= in.n && memcmp(in.p + end, "\r\n\r\n", 4) != 0)
        end++;
    if (end + 4 > in.n)
        return PARTS_ON;
    // head_get() passes over a first line: the rest of the delimiter's.
    struct view about = head_get(view_head(in, end + 4), "content-disposition");
    struct where_step step = {.key = parameter(about, "name")};
    struct part one = {.kind = PART_VALUE,
                       .steps = &step,
                       .depth = 1,
                       .raw = view_from(in, end + 4),
                       .coding = CODING_PLAIN,
                       .content = true};
    if (!step.key.p || parameter(about, "filename").p || one.raw.n < 2)
        return PARTS_ON;
    one.raw.n -= 2; // the line end before the delimiter
    step.number = parts_number(p, known, step.key);
    return parts_give(p, &one);
}

int parts_multipart(struct parts *p, struct view in, struct view type)
{
    struct view boundary = parameter(type, "boundary");
    char text[BOUNDARY_MAX];
    int e = 0;
    if (boundary.n == 0 || boundary.n + 2 > sizeof text)
        return E_SYNTAX;
    memcpy(text, "--", 2);
    memcpy(text + 2, boundary.p, boundary.n);
    struct view delimiter = {text, boundary.n + 2}, whole = in;
    in = view_from(in, next_delimiter(in, delimiter));
    for (size_t known = 0; in.n > delimiter.n && e >= 0; known++) {
        struct view inside = view_from(in, delimiter.n);
        size_t n = next_delimiter(inside, delimiter);
        if (n == inside.n)
            break; // the last one's, or it has no end
        e = piece(p, view_head(inside, n), known);
        if (e == PARTS_REMOVE && p->edits[1])
            e = edits_put(p->edits[1], (size_t)(in.p - whole.p), delimiter.n + n, (struct view){0});
        in = view_from(inside, n);
    }
    return e < 0 ? e : 0;
}
