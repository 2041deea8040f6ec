// head_lines: see head_lines.h. What is stored may be any bytes: a line ends at LF, a CR before it
// goes with it.
#include "schema/head_lines.h"

static bool take_line(struct view *rest, struct view *line)
{
    if (rest->n == 0)
        return false;
    size_t n = view_find(*rest, '\n');
    *line = view_head(*rest, n);
    *rest = view_from(*rest, n < rest->n ? n + 1 : n);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

bool head_line(struct view *rest, struct view *name, struct view *value)
{
    struct view line;
    do {
        if (!take_line(rest, &line))
            return false;
    } while (line.n == 0);
    size_t colon = view_find(line, ':');
    bool named = colon < line.n;
    *name = named ? view_head(line, colon) : view_n(line.p, 0);
    *value = view_trim(named ? view_from(line, colon + 1) : line);
    return true;
}

struct view head_fields(struct view head)
{
    struct view line;
    take_line(&head, &line);
    return head;
}

bool head_find(struct view head, struct view name, struct view *value)
{
    struct view rest = head_fields(head), is;
    while (head_line(&rest, &is, value)) {
        if (view_ieq(is, name))
            return true;
    }
    return false;
}
