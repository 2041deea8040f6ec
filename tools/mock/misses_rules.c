// misses_rules: the rules of all misses as one text: kind by kind, each rule once, behind a comment
// that says for which request it is; and before them those that were there already, line by line
// as they stood. The texts of near.c have a rule a line, below their kinds.
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

static int put_line(struct buf *out, struct view line)
{
    int e = buf_add_view(out, line);
    return e ? e : buf_add(out, "\n", 1);
}

// "shape:", and perhaps a comment behind it: whether a section of that kind begins. A heading that
// has more behind it is none that lines can be added to.
static bool is_heading(struct view line, const char *kind)
{
    size_t n = strlen(kind);
    if (!view_starts(line, view_of(kind)) || line.n == n || line.p[n] != ':')
        return false;
    line = view_trim(view_from(line, n + 1));
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line.n == 0 || line.p[0] == '#';
}

static bool is_below(struct view line)
{
    return line.n == 0 || line.p[0] == ' ' || line.p[0] == '\t' || line.p[0] == '\r' ||
           line.p[0] == '-' || line.p[0] == '#';
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
static int put_rules(struct buf *out, const struct miss *miss, const char *kind, size_t from,
                     size_t *count)
{
    struct view rest = view_of(miss->rules);
    bool here = false, said = false;
    int e = 0;
    while (rest.n > 0 && !e) {
        struct view line = next_line(&rest);
        if (!is_below(line)) {
            here = is_heading(line, kind);
            continue;
        }
        if (!here || has_line(view_from(buf_view(out), from), line))
            continue;
        e = said ? 0 : put_comment(out, miss);
        said = true;
        ++*count;
        e = e ? e : put_line(out, line);
    }
    return e;
}

// What stood below the heading of that kind; kind NULL: before the first.
static int put_old(struct buf *out, struct view old, const char *kind)
{
    bool here = !kind;
    int e = 0;
    while (old.n > 0 && !e) {
        struct view line = next_line(&old);
        if (!is_below(line))
            here = kind && is_heading(line, kind);
        else if (here)
            e = put_line(out, line);
    }
    return e;
}

// It reads as rules: those of old, and so many more.
static int check(struct view old, size_t more, struct view all)
{
    char why[WHY_MAX];
    struct rules before, after;
    int e = rules_parse(&before, "rules", old, why);
    if (e)
        return e;
    e = rules_parse(&after, "rules", all, why);
    if (!e && after.n != before.n + more)
        e = E_UNSUPPORTED;
    rules_clear(&before);
    rules_clear(&after); // none, where they could not be read
    return e && e != E_NOMEM ? E_UNSUPPORTED : e;
}

int misses_rules(const struct misses *m, struct view old, struct buf *out)
{
    int without = 0, e = put_old(out, old, NULL);
    size_t more = 0;
    for (size_t i = 0; i < m->n; i++)
        without += m->all[i].rules == NULL;
    for (int kind = 0; kind < RULE_KINDS && !e; kind++) {
        size_t begin = buf_len(out);
        e = buf_printf(out, "%s:\n", rule_kinds[kind]);
        size_t from = buf_len(out);
        e = e ? e : put_old(out, old, rule_kinds[kind]);
        for (size_t i = 0; i < m->n && !e; i++)
            if (m->all[i].rules)
                e = put_rules(out, &m->all[i], rule_kinds[kind], from, &more);
        if (!e && buf_len(out) == from)
            out->n -= from - begin; // there are none
    }
    e = e ? e : check(old, more, buf_view(out));
    return e ? e : without;
}
