// head: lines end with LF; a CR before it belongs to the end. A line that begins with a blank goes
// on with the field before it (obs-fold). The first empty line ends a head; what stands behind it
// is not looked at. Every view is a part of the bytes given, nothing is copied but by
// head_joined().
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

static bool is_fold(struct view lines)
{
    return lines.n > 0 && (lines.p[0] == ' ' || lines.p[0] == '\t');
}

bool head_next(struct view *rest, struct head_field *f)
{
    bool fold = is_fold(*rest); // of no field: the first line of all
    struct view line = take_line(rest);
    if (line.n == 0)
        return false;
    size_t n = view_find(line, ':');
    if (n == line.n || fold)
        *f = (struct head_field){.name = {line.p, 0}, .value = view_trim(line)};
    else
        *f = (struct head_field){.name = view_head(line, n),
                                 .value = view_trim(view_from(line, n + 1))};
    f->folds = *rest;
    while (is_fold(*rest))
        take_line(rest);
    f->folds.n -= rest->n;
    return true;
}

bool head_fold(struct view *folds, struct view *part)
{
    if (folds->n == 0)
        return false;
    *part = view_trim(take_line(folds));
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
