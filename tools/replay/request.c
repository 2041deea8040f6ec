#include "tools/replay/request.h"

#include "proto/base/view.h"

#include <inttypes.h>
#include <stdio.h>

// The first line with its end.
static struct view line_of(struct view v)
{
    size_t n = view_find(v, '\n');
    return view_head(v, n < v.n ? n + 1 : n);
}

// Path and query of a target in absolute form; of any other the target itself.
static struct view origin_form(struct view target)
{
    for (int i = 0; i < 2; i++) {
        struct view scheme = i ? VIEW_LIT("https://") : VIEW_LIT("http://");
        if (!view_istarts(target, scheme))
            continue;
        struct view rest = view_from(target, scheme.n);
        size_t n = 0;
        while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
            n++;
        return view_from(rest, n);
    }
    return target;
}

static int start_line(struct view line, bool absolute, const char *prefix, struct buf *out)
{
    size_t first = view_find(line, ' ');
    if (first == line.n)
        return buf_add_view(out, line);
    struct view rest = view_from(line, first + 1);
    size_t n = view_find(rest, ' ');
    struct view target = view_head(rest, n), path = absolute ? target : origin_form(target);
    bool rooted = path.n > 0 && path.p[0] == '/', cut = path.n != target.n;
    int e = buf_add_view(out, view_head(line, first + 1));
    if (rooted || cut)
        e = e ? e : buf_add_view(out, view_of(prefix));
    if (cut && !rooted)
        e = e ? e : buf_add_view(out, VIEW_LIT("/"));
    e = e ? e : buf_add_view(out, path);
    return e ? e : buf_add_view(out, view_from(rest, n));
}

// A head's fields; those of the name get another value, unless it is NULL.
static int fields(struct view rest, struct view name, const char *value, struct buf *out)
{
    struct view line;
    int e = 0;
    for (; !e && rest.n > 0; rest = view_from(rest, line.n)) {
        line = line_of(rest);
        size_t colon = view_find(line, ':');
        if (!value || colon == line.n || !view_ieq(view_head(line, colon), name)) {
            e = buf_add_view(out, line);
            continue;
        }
        size_t end = line.n;
        while (end > 0 && (line.p[end - 1] == '\n' || line.p[end - 1] == '\r'))
            end--;
        e = buf_add_view(out, view_head(line, colon + 1));
        e = e ? e : buf_add_view(out, VIEW_LIT(" "));
        e = e ? e : buf_add_view(out, view_of(value));
        e = e ? e : buf_add_view(out, view_from(line, end));
    }
    return e;
}

int request_head(struct view head, const char *host, const char *prefix, struct buf *out)
{
    struct view line = line_of(head);
    int e = start_line(line, host == NULL, prefix, out);
    return e ? e : fields(view_from(head, line.n), VIEW_LIT("host"), host, out);
}

int request_length(struct view head, uint64_t length, struct buf *out)
{
    char text[24];
    struct view line = line_of(head);
    snprintf(text, sizeof text, "%" PRIu64, length);
    int e = buf_add_view(out, line);
    return e ? e : fields(view_from(head, line.n), VIEW_LIT("content-length"), text, out);
}
