// general: steps that are indexes become [*], numbers of the same key are left out.
#include "tools/compare/general.h"

// "body line 3" and "body byte 3" are the body.
static struct view without_line(struct view v)
{
    size_t n = v.n;
    while (n > 0 && v.p[n - 1] >= '0' && v.p[n - 1] <= '9')
        n--;
    for (int i = 0; i < 2; i++) {
        struct view word = i ? VIEW_LIT(" line ") : VIEW_LIT(" byte ");
        if (n < v.n && n >= word.n && view_eq(view_from(view_head(v, n), n - word.n), word))
            return view_head(v, n - word.n);
    }
    return v;
}

// One step at v.p[at]: where it ends.
static size_t step_end(struct view v, size_t at)
{
    size_t i = at + 1;
    if (v.p[at] == '[') {
        bool quoted = i < v.n && v.p[i] == '"';
        for (i += quoted; i < v.n && v.p[i] != (quoted ? '"' : ']'); i++)
            i += quoted && v.p[i] == '\\';
        i = i + quoted < v.n ? i + quoted + 1 : v.n;
    } else {
        while (i < v.n && v.p[i] != '.' && v.p[i] != '[' && (i == at + 1 || v.p[i] != '#'))
            i++;
    }
    return i;
}

bool general_place(struct view v, char out[DIFFERENCE_WHERE])
{
    size_t n = 0, at = 0, steps = 0;
    v = without_line(v);
    bool segments = view_starts(v, VIEW_LIT("path[")); // each has a meaning of its own
    bool header = view_starts(v, VIEW_LIT("header ")) || view_starts(v, VIEW_LIT("trailer "));
    while (at < v.n && (header ? v.p[at] != '#' : v.p[at] != '.' && v.p[at] != '['))
        out[n++] = v.p[at++];
    while (!header && at < v.n && steps < WHERE_TOKENS) {
        size_t end = step_end(v, at);
        struct view step = {v.p + at, end - at};
        if (view_starts(step, VIEW_LIT(".…")))
            break;
        bool index = step.p[0] == '[' && step.n > 1 && step.p[1] != '"' && !segments;
        if (index)
            step = VIEW_LIT("[*]");
        if (n + step.n >= DIFFERENCE_WHERE)
            break;
        memcpy(out + n, step.p, step.n);
        n += step.n;
        at = end;
        if (at < v.n && v.p[at] == '#') // which one of the same
            for (at++; at < v.n && v.p[at] >= '0' && v.p[at] <= '9';)
                at++;
        steps++;
    }
    out[n] = 0;
    return header || at == v.n;
}
