// http1_alike: what is no HTTP/1, but made like it. A client's:
//
//   WORD … HTTP/anything      a version that is not ours, a control character in the line, a tab
//                             for a blank; but not the preface of HTTP/2, which has no such heads
//   METHOD /… or http(s)://…  HTTP/0.9, when the method is a known one
//   WORD /… without an end    the client went away before it told more
//   PROXY … and one of these  behind a balancer that tells the client's address in front
//   W@RD … HTTP/anything      no method, but there are servers that take it for one
//
// NULs and a byte order mark may stand before it. A server's:
//
//   HTTP/anything             a version that is not ours, in small letters, behind blanks
//   ICY …                     of the radios
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

size_t http1_word_run(struct view v)
{
    size_t n = http_token_run(v);
    while (n > 0 && n < v.n && !is_blank(v.p[n]))
        n++;
    return n;
}

size_t http1_junk_run(struct view v, bool *partly)
{
    struct view mark = VIEW_LIT("\xef\xbb\xbf");
    size_t n = 0;
    while (n < v.n && v.p[n] == '\0')
        n++;
    v = view_from(v, n);
    *partly = v.n > 0 && v.n < mark.n && view_starts(mark, v);
    return view_starts(v, mark) ? n + mark.n : n;
}

// To where a request may begin.
static struct view skip_front(struct view v)
{
    bool partly;
    v = skip_blanks(v);
    return skip_blanks(view_from(v, http1_junk_run(v, &partly)));
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

static bool request_alike(struct view first)
{
    struct view v = skip_front(first);

    if (view_starts(v, VIEW_LIT("PROXY ")))
        v = skip_front(view_from(v, view_find(v, '\n')));
    size_t end = view_find(v, '\n'), method = http1_word_run(v);
    struct view line = view_head(v, end);

    if (method == 0 || method >= line.n || view_starts(line, VIEW_LIT("PRI * HTTP/2.0")))
        return false;
    struct view target = skip_blanks(view_from(line, method));
    if (http_token_run(line) < method)
        return ends_in_version(target);
    if (ends_in_version(line))
        return true;
    bool rooted = view_starts(target, VIEW_LIT("/")) || view_istarts(target, VIEW_LIT("http://")) ||
                  view_istarts(target, VIEW_LIT("https://"));
    return rooted && (end == v.n || is_known(view_head(v, method)));
}

static bool answer_alike(struct view first)
{
    struct view v = skip_blanks(first);
    return view_istarts(v, VIEW_LIT("HTTP/")) || view_starts(v, VIEW_LIT("ICY "));
}

bool http1_alike(enum dir dir, struct view first)
{
    return dir == C2S ? request_alike(first) : answer_alike(first);
}
