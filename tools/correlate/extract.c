// extract: goes over the parts of a message. In a request whatever may be a value counts; in an
// answer what is likely to have been issued.
#include "tools/correlate/extract.h"

#include "tools/correlate/correlate.h"
#include "tools/head.h"

#include <stdio.h>

#define TEXT_BODY_MAX 256 // bytes of a content that is one value

// Headers that say nothing of values.
static bool is_dull(struct view name, bool s2c)
{
    static const char *const request[] = {
        "host",      "user-agent", "accept",        "connection", "referer",     "origin",
        "date",      "expect",     "from",          "te",         "upgrade",     "via",
        "cookie",    "forwarded",  "priority",      "dnt",        "traceparent", "tracestate",
        "x-real-ip", "pragma",     "cache-control", NULL};
    static const char *const answer[] = {
        "server",      "date", "connection", "set-cookie",    "expires", "age",
        "vary",        "via",  "allow",      "alt-svc",       "pragma",  "keep-alive",
        "retry-after", "p3p",  "upgrade",    "cache-control", NULL};
    static const char *const begins[] = {
        "accept-",    "content-",     "access-control-", "sec-",     "x-forwarded-", "strict-",
        "x-content-", "x-ratelimit-", "transfer-",       "x-frame-", "x-powered-",   "proxy-",
        NULL};
    const char *const *list = s2c ? answer : request;
    for (size_t i = 0; list[i]; i++)
        if (view_eq(name, view_of(list[i])))
            return true;
    for (size_t i = 0; begins[i]; i++)
        if (view_starts(name, view_of(begins[i])) && !view_eq(name, VIEW_LIT("content-location")))
            return true;
    return false;
}

static int give(struct extract *x, struct view kind, struct view text, const struct part *part,
                const struct part *within, bool strong)
{
    struct extracted one = {
        .kind = kind, .text = text, .part = part, .within = within, .strong = strong};
    if (x->s2c && part->kind == PART_VALUE && part->depth && !part->steps[part->depth - 1].index) {
        static const char *const words[] = {"access_token", "accessToken", "token",      "id_token",
                                            "idToken",      "jwt",         "auth_token", NULL};
        for (size_t i = 0; words[i]; i++)
            one.bearer = one.bearer || view_eq(part->steps[part->depth - 1].key, view_of(words[i]));
    }
    return text.n > CORRELATE_TEXT_MAX ? 0 : x->take(x->arg, &one);
}

// ---- by rules

static bool end_takes(const struct place *place, const struct rules_limits *limits,
                      const struct extract *x, const struct part *p, const struct part *within)
{
    return place_is(place, p) && !place->within == !within &&
           (!within || place_is(place->within, within)) && rules_limits_take(limits, &x->about);
}

static int by_rules(struct extract *x, struct view text, const struct part *p,
                    const struct part *within)
{
    int e = 0;
    for (size_t i = 0; i < x->rules->n && !e; i++) {
        const struct rewrite_rule *rule = &x->rules->rules[i];
        bool takes = false;
        char kind[24];
        if (rule->section != RULES_CORRELATE)
            continue;
        if (x->s2c)
            takes = end_takes(&rule->place, &rule->limits, x, p, within);
        for (size_t k = 0; !x->s2c && k < rule->to_count && !takes; k++)
            takes = end_takes(&rule->to[k].place, &rule->to[k].limits, x, p, within);
        int n = snprintf(kind, sizeof kind, "#%zu", i);
        if (takes && text.n > 0)
            e = give(x, view_n(kind, (size_t)n), text, p, within, true);
    }
    return e;
}

// ---- by significance

// The name that a value stands under: its key, or that of the array that it is in.
static struct view name_of(const struct part *p)
{
    if (p->kind == PART_VALUE || p->kind == PART_QUERY || p->kind == PART_HTML ||
        p->kind == PART_COOKIE || p->kind == PART_HEADER)
        for (size_t i = p->depth; i > 0; i--)
            if (!p->steps[i - 1].index)
                return p->steps[i - 1].key;
    return (struct view){0};
}

// The last segment of the path that names things: "/api/items/17" → "items".
static struct view path_noun(struct view path, size_t segments, char out[SIGNIFICANCE_NOUN])
{
    struct view noun = {out, 0}, found = {0};
    for (size_t i = 0; path.n > 0 && i < segments; i++) {
        path = view_from(path, path.p[0] == '/');
        struct view one = view_head(path, view_find(path, '/'));
        path = view_from(path, one.n);
        if (one.n > 0 && !significance_counted(one) && !significance_strong(one))
            found = one;
        else if (one.n > 0 && i + 1 == segments)
            found = (struct view){0};
    }
    return found.n ? significance_noun(found, out) : noun;
}

// What a short number is the id of; empty: of nothing that is known.
static struct view counted_kind(struct extract *x, const struct part *p, const struct part *within,
                                char out[SIGNIFICANCE_NOUN])
{
    const struct part *at = within ? within : p;
    if (at->kind == PART_SEGMENT) {
        // Its path is that of the request, or that of the URL which begins where its text does.
        struct view path =
            within ? x->text.p ? buf_view(&x->text) : (struct view){0} : x->about.path;
        return at->index > 0 ? path_noun(path, at->index, out) : (struct view){out, 0};
    }
    struct view name = name_of(at);
    if (!significance_id(name))
        return (struct view){out, 0};
    struct view noun = significance_noun(name, out);
    for (size_t i = p->depth; noun.n == 0 && !within && p->kind == PART_VALUE && i > 1; i--)
        if (!p->steps[i - 2].index)
            noun = significance_noun(p->steps[i - 2].key, out);
    return noun.n ? noun : path_noun(x->about.path, SIZE_MAX, out);
}

static int one_text(struct extract *x, struct view text, const struct part *p,
                    const struct part *within)
{
    const struct part *at = within ? within : p;
    char noun[SIGNIFICANCE_NOUN];
    if (x->rules)
        return by_rules(x, text, p, within);
    if (significance_counted(text)) {
        struct view kind = counted_kind(x, p, within, noun);
        return kind.n ? give(x, kind, text, p, within, false) : 0;
    }
    bool strong = significance_strong(text);
    if (!strong && !significance_possible(text))
        return 0;
    if (!x->s2c || strong)
        return give(x, (struct view){0}, text, p, within, strong);
    struct view name = name_of(at);
    bool digit = false;
    for (size_t i = 0; i < text.n; i++)
        digit = digit || (text.p[i] >= '0' && text.p[i] <= '9');
    bool created = within && at->kind == PART_SEGMENT && digit &&
                   p->kind == PART_HEADER; // Location: /orders/ord-1042
    if (created || significance_token(name) || (digit && significance_name(name)))
        return give(x, (struct view){0}, text, p, within, false);
    return 0;
}

static int url_part(void *arg, const struct part *p)
{
    struct extract *x = arg;
    if (p->kind != PART_SEGMENT && p->kind != PART_QUERY)
        return PARTS_ON;
    return one_text(x, p->text, x->outer, p);
}

// The pieces of a URL that an answer gives.
static int url(struct extract *x, struct view text, const struct part *p)
{
    size_t scheme = view_find(text, ':'), from = 0;
    if (text.p[0] != '/') // its path, for the kinds of numbers
        from = scheme + 3 + view_find(view_from(text, scheme + 3), '/');
    from = from < text.n ? from : text.n;
    struct view path = view_from(text, from);
    buf_reset(&x->text);
    int e = buf_add_view(&x->text, view_head(path, view_find(path, '?')));
    x->outer = p;
    return e ? e : parts_of_url(&x->inner, text);
}

// ---- headers

static int basic(struct extract *x, struct view text, const struct part *p)
{
    struct buf plain;
    buf_init(&plain, 8192);
    int e = coding_base64_read(view_trim(text), false, &plain);
    if (!e) {
        struct view v = buf_view(&plain);
        size_t n = view_find(v, ':');
        e = one_text(x, view_head(v, n), p, NULL);
        if (!e && n < v.n)
            e = one_text(x, view_from(v, n + 1), p, NULL);
    }
    buf_clear(&plain);
    return e == E_SYNTAX || e == E_LIMIT ? 0 : e;
}

// "a", W/"b"
static int tags(struct extract *x, struct view list, const struct part *p)
{
    int e = 0;
    while (list.n > 0 && !e) {
        struct view one = view_head(list, view_find(list, ','));
        list = view_from(list, one.n < list.n ? one.n + 1 : one.n);
        one = view_trim(one);
        if (x->rules)
            e = one_text(x, one, p, NULL);
        else if (one.n > 2)
            e = give(x, VIEW_LIT("etag"), one, p, NULL, true);
    }
    return e;
}

static int header(struct extract *x, const struct part *p)
{
    struct view name = p->steps[0].key, v = p->text;
    if (is_dull(name, x->s2c))
        return 0;
    if (view_eq(name, VIEW_LIT("last-modified")) || view_eq(name, VIEW_LIT("if-modified-since")) ||
        view_eq(name, VIEW_LIT("if-unmodified-since")))
        return x->rules ? one_text(x, v, p, NULL)
                        : give(x, VIEW_LIT("last-modified"), v, p, NULL, true);
    if (view_eq(name, VIEW_LIT("authorization"))) {
        size_t n = view_find(v, ' ');
        if (view_ieq(view_head(v, n), VIEW_LIT("basic")))
            return basic(x, view_from(v, n < v.n ? n + 1 : n), p);
        return one_text(x, view_trim(view_from(v, n < v.n ? n + 1 : 0)), p, NULL);
    }
    struct view target = place_url(v);
    if (x->s2c && parts_is_url(target))
        return url(x, target, p);
    if (view_eq(name, VIEW_LIT("etag")))
        return x->rules ? one_text(x, v, p, NULL) : give(x, VIEW_LIT("etag"), v, p, NULL, true);
    if (view_eq(name, VIEW_LIT("if-none-match")) || view_eq(name, VIEW_LIT("if-match")) ||
        view_eq(name, VIEW_LIT("if-range")))
        return tags(x, v, p);
    return one_text(x, v, p, NULL);
}

// ---- all

static int one_part(void *arg, const struct part *p)
{
    struct extract *x = arg;
    if (p->container || p->text.n == 0 || p->text.n > CORRELATE_TEXT_MAX)
        return PARTS_ON;
    switch (p->kind) {
    case PART_HEADER:
        return header(x, p);
    case PART_SEGMENT:
    case PART_QUERY:
    case PART_COOKIE:
        return one_text(x, p->text, p, NULL);
    case PART_HTML:
    case PART_VALUE:
        if (x->s2c && parts_is_url(p->text)) {
            int e = url(x, p->text, p);
            return e || !x->rules ? e : one_text(x, p->text, p, NULL);
        }
        return one_text(x, p->text, p, NULL);
    case PART_BODY:
        return p->text.n <= TEXT_BODY_MAX ? one_text(x, p->text, p, NULL) : PARTS_ON;
    default:
        return PARTS_ON;
    }
}

void extract_init(struct extract *x, const struct rewrite *rules, extract_take *take, void *arg)
{
    *x = (struct extract){.take = take, .arg = arg};
    x->rules = rules && rules->sections[RULES_CORRELATE] ? rules : NULL;
    parts_init(&x->parts, one_part, x);
    parts_init(&x->inner, url_part, x);
    buf_init(&x->text, 8192);
}

void extract_clear(struct extract *x)
{
    parts_clear(&x->parts);
    parts_clear(&x->inner);
    buf_clear(&x->text);
}

int extract_each(struct extract *x, bool s2c, const struct rules_subject *about, struct view head,
                 struct view content)
{
    x->s2c = x->parts.s2c = s2c;
    x->about = *about;
    return parts_each(&x->parts, head, content, head_get(head, "content-type"));
}
