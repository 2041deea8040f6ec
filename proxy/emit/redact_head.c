// redact_head: heads, trailers and queries.
//
// Whether a head is concerned is asked of its parsed form; what is replaced is found in the bytes
// themselves, since a head with faults may hold lines that its parsed form has not. So lines are
// cut where any reader might cut them, behind LF and behind a lone CR, while a secret value reaches
// to its LF, with all lines that continue it.
#include "proxy/emit/redact_state.h"

#include "proxy/http/head.h"

// Faults with which the parsed headers may not be all that there are.
#define ODD                                                                                        \
    (HTTP_BARE_LF | HTTP_OBS_FOLD | HTTP_NUL | HTTP_SPACE_BEFORE_COLON | HTTP_BAD_NAME |           \
     HTTP_TOO_MANY)

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static unsigned header_rule(const struct redact *r, struct view name)
{
    if (!(r->lengths & (uint64_t)1 << name.n % 64))
        return REDACT_NO_RULE;
    for (unsigned i = 0; i < r->rules; i++) {
        if (r->rule[i].kind == REDACT_HEADER && view_ieq(name, r->rule[i].name))
            return i;
    }
    return REDACT_NO_RULE;
}

static bool has(struct view v, char c)
{
    return view_find(v, c) < v.n;
}

static bool has_query(struct view v)
{
    return has(v, '?') || has(v, '#') || has(v, ';');
}

static bool holds_url(struct view name)
{
    return view_ieq(name, VIEW_LIT("referer")) || view_ieq(name, VIEW_LIT("location"));
}

bool redact_head_odd(const struct http_head *h)
{
    return h->faults & ODD;
}

bool redact_head_concerns(const struct redact *r, const struct sink_msg *m)
{
    const struct http_head *h = m->http;

    if (m->head.n == 0 || !(r->headers || r->queries))
        return false;
    if (!h || redact_head_odd(h))
        return true;
    if (r->queries && has_query(h->target))
        return true;
    bool userinfo = r->credentials != REDACT_NO_RULE;
    if (userinfo && ((h->faults & HTTP_BAD_HOST) ||
                     (h->target.n && h->target.p[0] != '/' && has(h->target, '@'))))
        return true;
    for (size_t i = 0; i < h->count; i++) {
        struct view name = h->headers[i].name;
        if (r->headers && header_rule(r, name) != REDACT_NO_RULE)
            return true;
        if (userinfo && (name.n == 7 || name.n == 8) && holds_url(name))
            return true;
        if (r->queries && has_query(h->headers[i].value))
            return true;
    }
    return false;
}

// ---- values

// The schemes of credentials: what is in front of a blank and is none of these may be a secret.
static bool is_scheme(struct view word)
{
    static const struct view known[] = {
        VIEW_LIT("basic"),       VIEW_LIT("bearer"),
        VIEW_LIT("digest"),      VIEW_LIT("dpop"),
        VIEW_LIT("gnap"),        VIEW_LIT("hawk"),
        VIEW_LIT("hoba"),        VIEW_LIT("mutual"),
        VIEW_LIT("negotiate"),   VIEW_LIT("ntlm"),
        VIEW_LIT("oauth"),       VIEW_LIT("privatetoken"),
        VIEW_LIT("token"),       VIEW_LIT("vapid"),
        VIEW_LIT("scram-sha-1"), VIEW_LIT("apikey"),
        VIEW_LIT("signature"),   VIEW_LIT("scram-sha-256"),
        VIEW_LIT("concealed"),   VIEW_LIT("aws4-hmac-sha256"),
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (view_ieq(word, known[i]))
            return true;
    }
    return false;
}

// Offsets are into the edited bytes; [at, end) has no blanks at its ends.
static void put_credentials(struct redact_edit *e, size_t at, size_t end, unsigned rule)
{
    size_t word = at;

    while (word < end && !is_space(e->in.p[word]))
        word++;
    if (word < end && is_scheme(view_n(e->in.p + at, word - at))) {
        at = word;
        while (is_space(e->in.p[at]))
            at++;
    }
    redact_edit_put(e, at, end - at, rule);
}

static void trim(const struct redact_edit *e, size_t *at, size_t *end)
{
    while (*at < *end && is_space(e->in.p[*at]))
        (*at)++;
    while (*at < *end && is_space(e->in.p[*end - 1]))
        (*end)--;
}

// Where the next cookie begins that a gateway joined to this line of Set-Cookie: behind a comma
// stands "name=", as no date has it.
static size_t joined_cookie(const struct redact_edit *e, size_t at, size_t end)
{
    for (; at < end; at++) {
        if (e->in.p[at] != ',')
            continue;
        size_t name = at + 1;
        while (name < end && is_space(e->in.p[name]))
            name++;
        size_t n = http_token_run(view_n(e->in.p + name, end - name));
        if (n > 0 && name + n < end && e->in.p[name + n] == '=')
            return name;
    }
    return end;
}

// name=value; name=value … Of Set-Cookie only the first is a cookie, the others say how to keep it.
static void put_cookies(struct redact_edit *e, size_t at, size_t end, unsigned rule, bool set)
{
    while (at < end) {
        size_t stop = at + view_find(view_n(e->in.p + at, end - at), ';');
        size_t next = stop < end ? stop + 1 : stop;
        size_t equals = at + view_find(view_n(e->in.p + at, stop - at), '=');
        if (equals < stop)
            at = equals + 1;
        trim(e, &at, &stop);
        if (at < stop)
            redact_edit_put(e, at, stop - at, rule);
        at = set && at < stop ? joined_cookie(e, next, end) : next;
    }
}

static unsigned query_rule(const struct redact *r, struct view name)
{
    for (unsigned i = 0; i < r->rules; i++) {
        if (r->rule[i].kind == REDACT_QUERY && redact_name_is(name, &r->rule[i], true))
            return i;
    }
    return REDACT_NO_RULE;
}

// The first byte of [at, end) that is one of the set; end without.
static size_t find_any(const struct redact_edit *e, size_t at, size_t end, const char *set)
{
    while (at < end && !memchr(set, e->in.p[at], strlen(set)))
        at++;
    return at;
}

// The parameters in [at, end). A name may stand wherever some reader begins a parameter; a value
// reaches as far as any reader goes on with it, in a request even over '#', which means nothing
// there.
static void put_query(struct redact_edit *e, size_t at, size_t end, bool request)
{
    while (at < end) {
        size_t stop = find_any(e, at, end, "&;?#");
        size_t value = at + view_find(view_n(e->in.p + at, stop - at), '=') + 1;
        unsigned rule =
            value <= stop ? query_rule(e->r, view_n(e->in.p + at, value - 1 - at)) : REDACT_NO_RULE;
        if (rule != REDACT_NO_RULE) {
            stop = find_any(e, value, end, request ? "&" : "&#");
            if (value < stop)
                redact_edit_put(e, value, stop - value, rule);
        }
        at = stop + 1;
    }
}

// user:password in front of a host, in scheme://…, //… or where the authority itself begins: they
// are credentials as much as those in Authorization. Returns where they end.
static size_t put_userinfo(struct redact_edit *e, size_t at, size_t end, bool authority)
{
    const char *p = e->in.p;
    size_t scheme = at;

    if (e->r->credentials == REDACT_NO_RULE)
        return at;
    while (scheme < end && !memchr(":/?#@", p[scheme], 5))
        scheme++;
    if (view_starts(view_n(p + scheme, end - scheme), VIEW_LIT("://")))
        at = scheme + 3;
    else if (view_starts(view_n(p + at, end - at), VIEW_LIT("//")) && !authority)
        at += 2;
    else if (!authority)
        return at;
    size_t stop = find_any(e, at, end, "/?#");
    const char *sign = stop > at ? memrchr(p + at, '@', stop - at) : NULL;
    if (!sign || sign == p + at)
        return at;
    redact_edit_put(e, at, (size_t)(sign - (p + at)), e->r->credentials);
    return (size_t)(sign - p);
}

static void put_url(struct redact_edit *e, size_t at, size_t end, bool request)
{
    at = put_userinfo(e, at, end, request);
    put_query(e, find_any(e, at, end, "?#;") + 1, end, request);
}

// ---- lines

// Where the line ends that begins at `at`: at its CR or LF. *next: the line behind it.
static size_t line_end(struct view in, size_t at, size_t *next)
{
    while (at < in.n && in.p[at] != '\r' && in.p[at] != '\n')
        at++;
    *next = at + (at < in.n);
    if (*next < in.n && in.p[at] == '\r' && in.p[*next] == '\n')
        (*next)++;
    return at;
}

// The end of a secret value that begins at `at`: its LF, with the lines that continue it.
static size_t value_end(struct view in, size_t at, size_t *next)
{
    for (;;) {
        at += view_find(view_from(in, at), '\n');
        *next = at + (at < in.n);
        if (*next >= in.n || !is_space(in.p[*next]))
            break;
        at = *next;
    }
    while (at > 0 && (in.p[at - 1] == '\r' || in.p[at - 1] == '\n'))
        at--;
    return at;
}

static void put_value(struct redact_edit *e, struct view name, size_t at, size_t end, unsigned rule)
{
    struct view value = view_n(e->in.p + at, end - at);
    bool broken = view_find(value, '\n') < value.n || view_find(value, '\r') < value.n;

    if (broken)
        redact_edit_put(e, at, end - at, rule);
    else if (view_ieq(name, VIEW_LIT("cookie")) || view_ieq(name, VIEW_LIT("set-cookie")))
        put_cookies(e, at, end, rule, name.n == 10);
    else if (view_ieq(name, VIEW_LIT("authorization")) ||
             view_ieq(name, VIEW_LIT("proxy-authorization")))
        put_credentials(e, at, end, rule);
    else
        redact_edit_put(e, at, end - at, rule);
}

// Where the name ends that the line at the front of v begins with, for a reader that passes over
// all that no name may hold; 0: it begins with another.
static size_t scattered(struct view v, struct view name)
{
    size_t n = 0, i = 0;
    for (; i < v.n && n < name.n; i++) {
        if (view_lower(v.p[i]) == name.p[n])
            n++;
        else if (v.p[i] == '\n' || http_token_run(view_n(v.p + i, 1)))
            return 0;
    }
    return n == name.n ? i : 0;
}

// The rule whose name the line begins with, scattered; *at: behind the name.
static unsigned find_scattered(const struct redact *r, struct view v, size_t *at)
{
    for (unsigned rule = 0; rule < r->rules; rule++) {
        *at = r->rule[rule].kind == REDACT_HEADER ? scattered(v, r->rule[rule].name) : 0;
        if (*at)
            return rule;
    }
    return REDACT_NO_RULE;
}

// The rule whose name stands first in a line that is no plain header; *at: behind the name.
static unsigned find_name(const struct redact *r, struct view line, size_t *at)
{
    for (size_t i = 0; i < line.n; i++) {
        for (unsigned rule = 0; rule < r->rules; rule++) {
            struct view name = r->rule[rule].name;
            if (r->rule[rule].kind == REDACT_HEADER && view_istarts(view_from(line, i), name)) {
                *at = i + name.n;
                return rule;
            }
        }
    }
    return find_scattered(r, line, at);
}

// The value that begins at `at` is a secret of the rule. *next: the line behind it.
static void put_secret(struct redact_edit *e, struct view name, size_t at, unsigned rule,
                       size_t *next)
{
    struct view in = e->in;
    size_t end = value_end(in, at, next);

    while (at < end && (is_space(in.p[at]) || in.p[at] == '\r' || in.p[at] == '\n'))
        at++;
    trim(e, &at, &end);
    if (at < end)
        put_value(e, name, at, end, rule);
}

// So that no byte is looked at by more lines than a name has characters.
static bool has_token(struct view line)
{
    size_t i = 0;
    while (i < line.n && http_token_run(view_n(line.p + i, 1)) == 0)
        i++;
    return i < line.n;
}

static void put_lines(struct redact_edit *e, size_t at)
{
    struct view in = e->in;

    for (size_t next; at < in.n; at = next) {
        size_t end = line_end(in, at, &next);
        struct view line = view_n(in.p + at, end - at);
        size_t colon = view_find(line, ':'), behind = 0;
        struct view name = view_trim(view_head(line, colon));
        unsigned rule = header_rule(e->r, name);
        if (colon < line.n && rule != REDACT_NO_RULE) {
            put_secret(e, name, at + colon + 1, rule, &next);
        } else if (colon == line.n || name.n == 0 || http_token_run(name) < name.n) {
            // Some reader may still see a header in it, and one that passes over a lone CR in more.
            rule = find_name(e->r, line, &behind);
            if (rule == REDACT_NO_RULE && has_token(line) && in.p[next - 1] == '\r')
                rule = find_scattered(e->r, view_from(in, at), &behind);
            if (rule != REDACT_NO_RULE)
                put_secret(e, view_n(NULL, 0), at + behind, rule, &next);
        } else {
            size_t value = at + colon + 1;
            bool host = view_ieq(name, VIEW_LIT("host"));
            trim(e, &value, &end);
            if (host || holds_url(name))
                value = put_userinfo(e, value, end, host);
            put_query(e, find_any(e, value, end, "?#;") + 1, end, false);
        }
    }
}

struct view redact_head(struct redact *r, struct view head, bool request, bool *failed)
{
    struct redact_edit e;
    size_t at = 0, next = 0, end = 0;

    redact_edit_begin(&e, r, &r->head, head);
    while (next < head.n && end == at) { // empty lines may stand before it
        at = next;
        end = line_end(head, at, &next);
    }
    if (request) {
        // What is behind the last blank is the version.
        const char *blank = end > at ? memrchr(head.p + at, ' ', end - at) : NULL;
        while (at < end && !is_space(head.p[at]))
            at++;
        while (at < end && is_space(head.p[at]))
            at++;
        size_t stop = blank ? (size_t)(blank - head.p) : end;
        put_url(&e, at, stop > at ? stop : end, true);
    }
    put_lines(&e, next);
    struct view out = redact_edit_end(&e);
    *failed |= e.failed;
    return out;
}

struct view redact_trailers(struct redact *r, struct view trailers, bool *failed)
{
    struct redact_edit e;

    redact_edit_begin(&e, r, &r->head, trailers);
    put_lines(&e, 0);
    struct view out = redact_edit_end(&e);
    *failed |= e.failed;
    return out;
}

// What the head has too.
static struct view redact_part(struct redact *r, struct buf *out, struct view part, bool query)
{
    struct redact_edit e;

    redact_edit_begin(&e, r, out, part);
    e.again = true;
    if (query)
        put_query(&e, 0, part.n, true);
    else
        put_url(&e, 0, part.n, true);
    return redact_edit_end(&e);
}

bool redact_target(struct redact *r, struct sink_msg *m)
{
    struct view host = m->host, path = m->path, query = m->query;

    if (!r->queries)
        return true;
    m->host = redact_part(r, &r->host, host, false);
    m->path = redact_part(r, &r->path, path, false);
    m->query = redact_part(r, &r->query, query, true);
    return (m->host.n || !host.n) && (m->path.n || !path.n) && (m->query.n || !query.n);
}
