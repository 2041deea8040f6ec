// http_named: what a request's target names, and its head rewritten.
//
//   GET http://user@Host:80/a?b HTTP/1.1   →   GET /a?b HTTP/1.1
//   hOst:  other                           →   hOst:  Host:80
//   Proxy-Connection: keep-alive           →
//   X: y                                   →   X: y
//
// 1. Of a head without faults, header line i is the bytes from its name to the next line's name;
//    so what is kept is copied in long runs, byte for byte.
// 2. The room for the whole head is taken at once: it is appended whole or not at all.
#include "proxy/front/http_named.h"

#include "proxy/http/target.h"

// HOST[:PORT] as a URI has it: an IPv6 address only in brackets. 0 or E_SYNTAX.
static int authority_parse(struct view text, uint16_t default_port, struct hostport *out)
{
    size_t colon = view_find(text, ':');
    bool colons = colon < text.n && view_find(view_from(text, colon + 1), ':') + colon + 1 < text.n;
    if (text.n == 0 || (colons && text.p[0] != '['))
        return E_SYNTAX;
    return hostport_parse(out, text, default_port) || out->port == 0 ? E_SYNTAX : 0;
}

int http_named_parse(const struct http_head *h, struct http_named *out)
{
    struct view target = h->target;
    out->scheme = out->authority = out->path = (struct view){NULL, 0};
    if (view_eq(h->method, VIEW_LIT("CONNECT"))) {
        out->form = HTTP_FORM_AUTHORITY;
        out->authority = target;
        return authority_parse(target, 0, &out->host);
    }
    out->form = HTTP_FORM_PATH;
    size_t scheme = target.p[0] == '/' ? 0 : http_scheme_run(target);
    if (scheme == 0)
        return 0;
    out->scheme = view_head(target, scheme);
    bool https = view_ieq(out->scheme, VIEW_LIT("https"));
    if (!https && !view_ieq(out->scheme, VIEW_LIT("http"))) {
        out->form = HTTP_FORM_FOREIGN;
        return 0;
    }
    out->form = HTTP_FORM_ABSOLUTE;
    struct view rest = view_from(target, scheme + 3);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
        end++;
    out->path = view_from(rest, end);
    struct view authority = view_head(rest, end);
    size_t at = view_find(authority, '@');
    if (at < authority.n)
        authority = view_from(authority, at + 1);
    int e = authority_parse(authority, https ? 443 : 80, &out->host);
    if (authority.n > 0 && authority.p[authority.n - 1] == ':')
        authority.n--;
    out->authority = authority;
    return e;
}

static char *put(char *p, struct view v)
{
    if (v.n > 0)
        memcpy(p, v.p, v.n);
    return p + v.n;
}

static char *put_request_line(char *p, const struct http_head *h, const struct http_named *named)
{
    struct view version = view_n(h->target.p + h->target.n, sizeof " HTTP/1.x\r\n" - 1);
    p = put(p, view_n(h->method.p, h->method.n + 1));
    if (named->path.n == 0 && view_eq(h->method, VIEW_LIT("OPTIONS")))
        p = put(p, VIEW_LIT("*"));
    else if (named->path.n == 0 || named->path.p[0] == '?')
        p = put(p, VIEW_LIT("/"));
    p = put(p, named->path);
    return put(p, version);
}

int http_named_rewrite(struct view head, const struct http_head *h, const struct http_named *named,
                       struct buf *out)
{
    const struct http_header *host = http_head_find(h, VIEW_LIT("Host"));
    // The header lines stand between the request line and the empty line.
    const char *run = h->target.p + h->target.n + sizeof " HTTP/1.x\r\n" - 1;
    const char *end = head.p + head.n - 2;
    size_t most = head.n + named->authority.n + sizeof "/Host: \r\n";
    char *room = buf_room(out, most), *p = room;
    if (!room)
        return out->max - buf_len(out) < most ? E_LIMIT : E_NOMEM;
    p = put_request_line(p, h, named);
    if (!host) {
        p = put(p, VIEW_LIT("Host: "));
        p = put(p, named->authority);
        p = put(p, VIEW_LIT("\r\n"));
    }
    for (size_t i = 0; i < h->count; i++) {
        const struct http_header *line = &h->headers[i];
        if (line == host && !view_eq(line->value, named->authority)) {
            p = put(p, view_n(run, (size_t)(line->value.p - run)));
            p = put(p, named->authority);
            run = line->value.p + line->value.n;
        } else if (view_istarts(line->name, VIEW_LIT("Proxy-"))) {
            p = put(p, view_n(run, (size_t)(line->name.p - run)));
            run = i + 1 < h->count ? h->headers[i + 1].name.p : end;
        }
    }
    p = put(p, view_n(run, (size_t)(head.p + head.n - run)));
    buf_grew(out, (size_t)(p - room));
    return 0;
}
