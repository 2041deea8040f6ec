// misses_rules: the rules of all misses as one text: kind by kind, each rule once, behind a comment
// that says for which request it is. The texts of near.c have a rule a line, below their kinds.
#include "tools/compare/rules.h"
#include "tools/mock/misses.h"

#include <stdio.h>

static struct view next_line(struct view *rest)
{
    struct view line = view_head(*rest, view_find(*rest, '\n'));
    *rest = view_from(*rest, line.n < rest->n ? line.n + 1 : line.n);
    return line;
}

// Whether the line stands in the text already.
static bool has_line(struct view text, struct view line)
{
    while (text.n > 0)
        if (view_eq(next_line(&text), line))
            return true;
    return false;
}

// The request, in a comment of one line.
static int put_comment(struct buf *out, const struct miss *miss)
{
    char text[160];
    int n = snprintf(text, sizeof text, "%s %s%s", miss->method, miss->host, miss->path);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            *c = '?';
    return buf_printf(out, "  # %s%s: %s\n", text, n >= (int)sizeof text ? "..." : "", miss->cause);
}

// Those of one kind, of one miss.
static int put_rules(struct buf *out, const struct miss *miss, const char *kind, size_t from)
{
    struct view rest = view_of(miss->rules);
    bool here = false, said = false;
    int e = 0;
    while (rest.n > 0 && !e) {
        struct view line = next_line(&rest);
        if (line.n > 0 && line.p[0] != ' ') {
            here = line.n == strlen(kind) + 1 && view_starts(line, view_of(kind));
            continue;
        }
        if (!here || has_line(view_from(buf_view(out), from), line))
            continue;
        e = said ? 0 : put_comment(out, miss);
        said = true;
        e = e ? e : buf_add_view(out, line);
        e = e ? e : buf_add(out, "\n", 1);
    }
    return e;
}

int misses_rules(const struct misses *m, struct buf *out)
{
    int without = 0, e = 0;
    for (size_t i = 0; i < m->n; i++)
        without += m->all[i].rules == NULL;
    for (int kind = 0; kind < RULE_KINDS && !e; kind++) {
        size_t begin = buf_len(out);
        e = buf_printf(out, "%s:\n", rule_kinds[kind]);
        size_t from = buf_len(out);
        for (size_t i = 0; i < m->n && !e; i++)
            if (m->all[i].rules)
                e = put_rules(out, &m->all[i], rule_kinds[kind], from);
        if (!e && buf_len(out) == from)
            out->n -= from - begin; // there are none
    }
    return e ? e : without;
}
