// where: places as text, patterns from text, and their matching.
//
// A pattern is matched as a set of states, one bit for each token: bit i is set when the tokens
// before i have been matched by the steps so far. So a step costs a pass over the tokens whatever
// the pattern is.
#include "tools/compare/where.h"

#include "proto/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_SHOWN 200 // bytes of a header's name

const char *const where_parts[WHERE_PARTS] = {
    "message", "status", "version", "method", "host", "path",
    "query",   "header", "trailer", "body",   "size", "digest",
};

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (view_lower(c) >= 'a' && view_lower(c) <= 'z') || c == '_' ||
           c == '-' || c == '@' || c == '$' || c == ':' || c == '/' || (unsigned char)c >= 0x80;
}

// ---- text

struct text {
    char *p;
    size_t n, size;
};

static bool put(struct text *t, const char *p, size_t n)
{
    if (t->size - t->n <= n)
        return false;
    memcpy(t->p + t->n, p, n);
    t->n += n;
    t->p[t->n] = 0;
    return true;
}

// Whether text may stand in a line of YAML, and of a terminal, as it is.
static bool is_shown(struct view v)
{
    for (size_t n; v.n > 0; v = view_from(v, n)) {
        int32_t c = utf8_next(v, &n);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
            c == 0xfffe || c == 0xffff)
            return false;
    }
    return true;
}

static bool put_quoted(struct text *t, struct view key)
{
    bool ok = put(t, "[\"", 2), whole = is_shown(key);
    for (size_t i = 0; i < key.n && ok; i++) {
        unsigned char c = (unsigned char)key.p[i];
        char hex[5];
        if (c == '"' || c == '\\')
            ok = put(t, "\\", 1) && put(t, key.p + i, 1);
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !whole))
            ok = snprintf(hex, sizeof hex, "\\x%02x", c) == 4 && put(t, hex, 4);
        else
            ok = put(t, key.p + i, 1);
    }
    return ok && put(t, "\"]", 2);
}

// What a header's name may have; anything else is shown as a '*', so that what is shown is a
// pattern.
static bool is_name(char c)
{
    return (is_plain(c) && (unsigned char)c < 0x80) || (c && strchr("!$%&'*+-.^_`|~", c));
}

static bool put_name(struct text *t, struct view key)
{
    bool ok = put(t, " ", 1);
    for (size_t i = 0; i < key.n && i < NAME_SHOWN && ok; i++)
        ok = put(t, is_name(key.p[i]) ? key.p + i : "*", 1);
    return ok && ((key.n > 0 && key.n <= NAME_SHOWN) || put(t, "*", 1));
}

static bool put_step(struct text *t, enum where_part part, const struct where_step *s)
{
    char number[16];
    bool ok, plain = s->key.n > 0 && is_shown(s->key);
    if (s->index) {
        int n = snprintf(number, sizeof number, "[%u]", s->number);
        return put(t, number, (size_t)n);
    }
    for (size_t i = 0; i < s->key.n && plain; i++)
        plain = is_plain(s->key.p[i]) || (i == 0 && s->key.p[i] == '#');
    if (part == WHERE_HEADER || part == WHERE_TRAILER)
        ok = put_name(t, s->key);
    else
        ok = plain ? put(t, ".", 1) && put(t, s->key.p, s->key.n) : put_quoted(t, s->key);
    if (s->number == 0 || !ok)
        return ok;
    int n = snprintf(number, sizeof number, "#%u", s->number + 1);
    return put(t, number, (size_t)n);
}

void where_text(enum where_part part, const struct where_step *steps, size_t n, char *out,
                size_t size)
{
    static const char more[] = ".…";
    struct text t = {out, 0, size - sizeof more};
    out[0] = 0;
    put(&t, where_parts[part], strlen(where_parts[part]));
    for (size_t i = 0; i < n; i++) {
        size_t kept = t.n;
        if (put_step(&t, part, &steps[i]))
            continue;
        memcpy(out + kept, more, sizeof more);
        return;
    }
}

// ---- parsing

static bool has_star(struct view pattern)
{
    return view_find(pattern, '*') < pattern.n;
}

struct parser {
    struct where_pattern *p;
    struct view in;
    size_t at;
    char *keys; // where the next key is written
    char *why;
};

static int fail(struct parser *s, const char *what)
{
    snprintf(s->why, WHY_MAX, "%s", what);
    return E_SYNTAX;
}

static int peek(const struct parser *s)
{
    return s->at < s->in.n ? (unsigned char)s->in.p[s->at] : -1;
}

static int number(struct parser *s, uint32_t least, uint32_t *out)
{
    uint64_t n;
    size_t from = s->at;
    for (int c; (c = peek(s)) >= '0' && c <= '9';)
        s->at++;
    int e = view_number((struct view){s->in.p + from, s->at - from}, 10, UINT32_MAX - 1, &n);
    if (e || n < least) {
        s->at = from;
        return fail(s,
                    least ? "a number from 1 is expected here" : "a number or * is expected here");
    }
    *out = (uint32_t)n;
    return 0;
}

// "#2" behind a key.
static int occurrence(struct parser *s, struct where_token *t)
{
    if (peek(s) != '#')
        return 0;
    s->at++;
    return number(s, 1, &t->number);
}

// Behind a '.', or a header's name.
static int key(struct parser *s, struct where_token *t)
{
    size_t from = s->at;
    if (peek(s) == '#')
        s->at++;
    for (int c; (c = peek(s)) >= 0 && (is_plain((char)c) || c == '*');)
        s->at++;
    t->key = (struct view){s->keys, s->at - from};
    memcpy(s->keys, s->in.p + from, t->key.n);
    s->keys += t->key.n;
    if (t->key.n == 0)
        return fail(s, "a key is expected here; an odd one stands in [\"…\"]");
    if (t->key.n > WHERE_GLOB_MAX && has_star(t->key)) {
        s->at = from;
        return fail(s, "a key with a * is too long");
    }
    if (view_eq(t->key, VIEW_LIT("**"))) {
        t->kind = WHERE_ANY_DEPTH;
        return 0;
    }
    return occurrence(s, t);
}

static int name(struct parser *s, struct where_token *t)
{
    size_t from = s->at;
    for (int c; (c = peek(s)) >= 0 && is_name((char)c);)
        s->at++;
    t->key = (struct view){s->keys, s->at - from};
    for (size_t i = from; i < s->at; i++)
        *s->keys++ = view_lower(s->in.p[i]);
    return t->key.n ? occurrence(s, t) : fail(s, "a name is expected here, such as header etag");
}

static int quoted(struct parser *s, struct where_token *t)
{
    int quote = peek(s);
    char *from = s->keys;
    for (s->at++; peek(s) != quote; s->at++) {
        int c = peek(s);
        if (c < 0)
            return fail(s, "the key has no end");
        if (c == '\\') {
            s->at++;
            c = peek(s);
            int high = -1, low = -1;
            if (c == 'x' && s->at + 2 < s->in.n) {
                high = view_digit(s->in.p[s->at + 1]);
                low = view_digit(s->in.p[s->at + 2]);
            }
            if (high >= 0 && low >= 0) {
                c = high * 16 + low;
                s->at += 2;
            } else if (c != quote && c != '\\' && c != '"') {
                return fail(s, "behind \\ a quote, \\ or x with two digits is expected");
            }
        }
        *s->keys++ = (char)c;
    }
    s->at++;
    t->exact = true;
    t->key = view_n(from, (size_t)(s->keys - from));
    return 0;
}

static int bracket(struct parser *s, struct where_token *t)
{
    int c = peek(s), e = 0;
    bool is_key = c == '"' || c == '\'';
    if (is_key && s->p->part == WHERE_PATH) {
        e = fail(s, "a number or * is expected here");
    } else if (is_key) {
        e = quoted(s, t);
    } else if (c == '*') {
        t->kind = WHERE_ANY_INDEX;
        s->at++;
    } else {
        t->kind = WHERE_INDEX;
        e = number(s, 0, &t->number);
    }
    if (e)
        return e;
    if (peek(s) != ']')
        return fail(s, "']' is expected here");
    s->at++;
    return is_key ? occurrence(s, t) : 0;
}

static int token(struct parser *s)
{
    if (s->p->n == WHERE_TOKENS) {
        snprintf(s->why, WHY_MAX, "more than %d steps", WHERE_TOKENS);
        return E_LIMIT;
    }
    struct where_token *t = &s->p->tokens[s->p->n++];
    int c = peek(s);
    s->at++;
    bool segments = s->p->part == WHERE_PATH;
    if (c == '.' && !segments)
        return key(s, t);
    if (c == '[')
        return bracket(s, t);
    s->at--;
    return fail(s,
                segments ? "a path has segments: path[0], path[*]" : "'.' or '[' is expected here");
}

static int part(struct parser *s)
{
    size_t from = s->at;
    for (int c; (c = peek(s)) >= 'a' && c <= 'z';)
        s->at++;
    struct view word = {s->in.p + from, s->at - from};
    for (int i = 0; i < WHERE_PARTS; i++)
        if (view_eq(word, view_of(where_parts[i]))) {
            s->p->part = (enum where_part)i;
            return 0;
        }
    s->at = from;
    return fail(s, "a place begins with status, version, method, host, path, query, header "
                   "NAME, trailer NAME, body, size, digest or message");
}

int where_parse(struct where_pattern *p, struct view text, size_t *at, char why[WHY_MAX])
{
    struct parser s = {.p = p, .in = text, .why = why};
    *p = (struct where_pattern){.text = malloc(text.n + 1)};
    s.keys = p->text;
    if (!p->text)
        return err_no_memory(why, WHY_MAX);
    int e = part(&s);
    bool tree = p->part == WHERE_BODY || p->part == WHERE_QUERY;
    if (!e && (p->part == WHERE_HEADER || p->part == WHERE_TRAILER)) {
        if (peek(&s) != ' ')
            e = fail(&s, "a blank and a name are expected here, such as header etag");
        while (peek(&s) == ' ')
            s.at++;
        if (!e) {
            p->n = 1;
            e = name(&s, &p->tokens[0]);
        }
    }
    while (!e && s.at < text.n && (tree || (p->part == WHERE_PATH && p->n == 0)))
        e = token(&s);
    if (!e && s.at < text.n)
        e = fail(&s, "the place has ended here; something stands behind it");
    *at = s.at;
    if (e) {
        free(p->text);
        p->text = NULL;
    }
    return e;
}

void where_clear(struct where_pattern *p)
{
    free(p->text);
    *p = (struct where_pattern){0};
}

// ---- matching

static uint64_t spread(const struct where_pattern *p, uint64_t state)
{
    for (size_t i = 0; i < p->n; i++)
        if (state >> i & 1 && p->tokens[i].kind == WHERE_ANY_DEPTH)
            state |= UINT64_C(2) << i;
    return state;
}

uint64_t where_start(const struct where_pattern *p)
{
    return spread(p, 1);
}

static bool takes(const struct where_token *t, const struct where_step *s)
{
    switch (t->kind) {
    case WHERE_INDEX:
        return s->index && s->number == t->number;
    case WHERE_ANY_INDEX:
        return s->index;
    case WHERE_KEY:
        return !s->index && (t->number == 0 || t->number == s->number + 1) &&
               (!t->exact ? where_glob(t->key, s->key, 0, t->fold)
                : t->fold ? view_ieq(t->key, s->key)
                          : view_eq(t->key, s->key));
    case WHERE_ANY_DEPTH:
        break;
    }
    return true;
}

uint64_t where_next(const struct where_pattern *p, uint64_t state, const struct where_step *step)
{
    uint64_t next = 0;
    for (size_t i = 0; i < p->n && state >> i; i++) {
        if (!(state >> i & 1) || !takes(&p->tokens[i], step))
            continue;
        next |= p->tokens[i].kind == WHERE_ANY_DEPTH ? UINT64_C(1) << i : UINT64_C(2) << i;
    }
    return spread(p, next);
}

bool where_here(const struct where_pattern *p, uint64_t state)
{
    return state >> p->n & 1;
}

bool where_glob(struct view pattern, struct view text, char stop, bool fold)
{
    bool now[WHERE_GLOB_MAX + 1], next[WHERE_GLOB_MAX + 1];
    if (!has_star(pattern))
        return fold ? view_ieq(pattern, text) : view_eq(pattern, text);
    if (pattern.n > WHERE_GLOB_MAX)
        return false;
    memset(now, 0, sizeof now);
    now[0] = true;
    for (size_t at = 0; at <= text.n; at++) {
        memset(next, 0, pattern.n + 1);
        for (size_t i = 0; i < pattern.n; i++) { // a star may stand for nothing
            if (!now[i] || pattern.p[i] != '*')
                continue;
            now[i + 1] = true;
        }
        if (at == text.n)
            break;
        for (size_t i = 0; i < pattern.n; i++) {
            char c = text.p[at], want = pattern.p[i];
            if (!now[i])
                continue;
            if (want == '*') {
                bool two = (i > 0 && pattern.p[i - 1] == '*') ||
                           (i + 1 < pattern.n && pattern.p[i + 1] == '*');
                next[i] = two || !stop || c != stop;
            } else if (c == want || (fold && view_lower(c) == view_lower(want))) {
                next[i + 1] = true;
            }
        }
        memcpy(now, next, pattern.n + 1);
    }
    return now[pattern.n];
}
