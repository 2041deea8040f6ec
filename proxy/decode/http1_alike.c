// http1_alike: what is no HTTP/1 request, but made like one.
//
//   WORD … HTTP/anything      a version that is not ours, a control character in the line, a tab
//                             for a blank; but not the preface of HTTP/2, which has no such heads
//   METHOD /… or http(s)://…  HTTP/0.9, when the method is a known one
//   WORD /… without an end    the client went away before it told more
//   PROXY … and one of these  behind a balancer that tells the client's address in front
//
// Other protocols begin with a word as well ("SET a 0", "HELO me", a log's line that quotes a
// request): what they say is to be kept as it is, so none of them may look so.
#include "proxy/decode/http1_alike.h"

#include "proxy/http/head.h"

#include <ctype.h>

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

static struct view skip_blanks(struct view v)
{
    while (v.n > 0 && is_blank(v.p[0]))
        v = view_from(v, 1);
    return v;
}

// "HTTP/" and what may be a version end the line, behind a blank.
static bool ends_in_version(struct view line)
{
    while (line.n > 0 && is_blank(line.p[line.n - 1]))
        line.n--;
    size_t at = line.n;
    while (at > 0 && (isalnum((unsigned char)line.p[at - 1]) || line.p[at - 1] == '.'))
        at--;
    if (at < 6 || line.p[at - 1] != '/')
        return false;
    return view_ieq(view_n(line.p + at - 5, 4), VIEW_LIT("HTTP")) && is_blank(line.p[at - 6]);
}

static bool is_known(struct view method)
{
    static const struct view known[] = {
        VIEW_LIT("GET"),   VIEW_LIT("POST"),    VIEW_LIT("PUT"),
        VIEW_LIT("HEAD"),  VIEW_LIT("DELETE"),  VIEW_LIT("PATCH"),
        VIEW_LIT("TRACE"), VIEW_LIT("OPTIONS"), VIEW_LIT("CONNECT"),
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (view_ieq(method, known[i]))
            return true;
    }
    return false;
}

bool http1_alike(struct view first)
{
    struct view v = skip_blanks(first);

    if (view_starts(v, VIEW_LIT("PROXY ")))
        v = skip_blanks(view_from(v, view_find(v, '\n')));
    size_t end = view_find(v, '\n'), method = http_token_run(v);
    struct view line = view_head(v, end);

    if (method == 0 || method >= line.n || !is_blank(v.p[method]) ||
        view_starts(line, VIEW_LIT("PRI * HTTP/2.0")))
        return false;
    if (ends_in_version(line))
        return true;
    struct view target = skip_blanks(view_from(line, method));
    bool rooted = view_starts(target, VIEW_LIT("/")) || view_istarts(target, VIEW_LIT("http://")) ||
                  view_istarts(target, VIEW_LIT("https://"));
    return rooted && (end == v.n || is_known(view_head(v, method)));
}
