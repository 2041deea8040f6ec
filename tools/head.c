// head: lines end with LF; a CR before it belongs to the end.
#include "tools/head.h"

static struct view take_line(struct view *rest)
{
    size_t n = view_find(*rest, '\n');
    struct view line = view_head(*rest, n);
    *rest = view_from(*rest, n < rest->n ? n + 1 : n);
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

struct view head_first(struct view head, struct view *rest)
{
    *rest = head;
    return take_line(rest);
}

bool head_next(struct view *rest, struct head_field *f)
{
    struct view line = take_line(rest);
    if (line.n == 0)
        return false;
    size_t n = view_find(line, ':');
    bool folded = line.p[0] == ' ' || line.p[0] == '\t';
    if (n == line.n || folded)
        *f = (struct head_field){{line.p, 0}, view_trim(line)};
    else
        *f = (struct head_field){view_head(line, n), view_trim(view_from(line, n + 1))};
    return true;
}

struct view head_split(struct view *rest)
{
    struct view from = *rest, line;
    do
        line = take_line(rest);
    while (line.n > 0);
    return (struct view){from.p, from.n - rest->n};
}

struct view head_get(struct view head, const char *name)
{
    struct view rest;
    struct head_field f;
    head_first(head, &rest);
    while (head_next(&rest, &f))
        if (view_ieq(f.name, view_of(name)))
            return f.value;
    return (struct view){0};
}

struct view head_joined(struct view head, const char *name, char out[HEAD_JOINED])
{
    struct view rest;
    struct head_field f;
    size_t n = 0;
    head_first(head, &rest);
    while (head_next(&rest, &f)) {
        size_t more = f.value.n + (n ? 2 : 0);
        if (!view_ieq(f.name, view_of(name)) || f.value.n == 0 || n + more >= HEAD_JOINED)
            continue;
        if (n) {
            memcpy(out + n, ", ", 2);
            n += 2;
        }
        memcpy(out + n, f.value.p, f.value.n);
        n += f.value.n;
    }
    out[n] = 0;
    return view_n(out, n);
}

void head_words(struct view line, struct view word[3])
{
    for (int i = 0; i < 3; i++) {
        size_t n = i < 2 ? view_find(line, ' ') : line.n;
        word[i] = view_head(line, n);
        line = view_from(line, n < line.n ? n + 1 : n);
    }
}
