// redact_json: walks JSON texts (RFC 8259) and replaces the values that rules name.
//
// A path is followed as a set of positions: bit s of reached[depth][rule] says that the value at
// that depth lies behind the first s steps of the rule's path. A value is named when it lies behind
// all.
//
// 1. Strict: what is not in the grammar is refused, so nothing that another reader might find in
//    there stays unseen.
// 2. No recursion, no tree: a stack of the depth's kinds, and the keys as they come.
#include "proxy/emit/redact_state.h"

struct walk {
    struct redact_edit *e;
    const char *p, *start, *end;
    unsigned depth;
    char kind[REDACT_DEPTH_MAX + 1]; // '{' or '[' of the container around that depth's value
    uint64_t index[REDACT_DEPTH_MAX + 1];
    // The outermost named value that is being walked: its rule, depth and beginning.
    unsigned rule, at_depth;
    const char *at;
    struct buf key; // decoded
};

static void skip_space(struct walk *w)
{
    while (w->p < w->end && (*w->p == ' ' || *w->p == '\t' || *w->p == '\r' || *w->p == '\n'))
        w->p++;
}

static bool take(struct walk *w, struct view word)
{
    if ((size_t)(w->end - w->p) < word.n || memcmp(w->p, word.p, word.n) != 0)
        return false;
    w->p += word.n;
    return true;
}

// ---- strings

static int hex4(const char *p)
{
    uint64_t v;

    return view_number(view_n(p, 4), 16, UINT16_MAX, &v) == 0 ? (int)v : -1;
}

// Behind the opening quote; *inside is the raw content, *escaped whether it holds a backslash.
static bool take_string(struct walk *w, struct view *inside, bool *escaped)
{
    const char *from = w->p;

    *escaped = false;
    for (; w->p < w->end; w->p++) {
        unsigned char c = (unsigned char)*w->p;
        if (c == '"') {
            *inside = view_n(from, (size_t)(w->p++ - from));
            return true;
        }
        if (c < 0x20)
            return false;
        if (c != '\\')
            continue;
        *escaped = true;
        if (++w->p == w->end || !strchr("\"\\/bfnrtu", *w->p) || !*w->p)
            return false;
        if (*w->p == 'u') {
            if (w->end - w->p < 5 || hex4(w->p + 1) < 0)
                return false;
            w->p += 4;
        }
    }
    return false;
}

static size_t put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

// The content of a string as it is meant; with escapes it is put together in key. False: no memory.
static bool decode(struct walk *w, struct view raw, bool escaped, struct view *out)
{
    *out = raw;
    if (!escaped)
        return true;
    buf_reset(&w->key);
    char *room = buf_room(&w->key, raw.n); // escapes are never shorter than what they mean
    if (!room) {
        w->e->failed = true;
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] != '\\') {
            room[n++] = raw.p[i];
            continue;
        }
        const char *escape = strchr("\"\"\\\\//b\bf\fn\nr\rt\t", raw.p[++i]);
        if (raw.p[i] != 'u') {
            room[n++] = escape[1];
            continue;
        }
        unsigned c = (unsigned)hex4(raw.p + i + 1);
        i += 4;
        if (c >= 0xd800 && c < 0xdc00 && raw.n - i > 6 && raw.p[i + 1] == '\\' &&
            raw.p[i + 2] == 'u') {
            unsigned low = (unsigned)hex4(raw.p + i + 3);
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                i += 6;
            }
        }
        n += put_utf8(room + n, c);
    }
    buf_grew(&w->key, n);
    *out = view_n(room, n);
    return true;
}

// ---- paths

// Where the paths stand at the value that w->depth holds now. key: its name in an object.
static void follow(struct walk *w, struct view key)
{
    const struct redact *r = w->e->r;
    const uint32_t *from = w->e->r->reached[w->depth - 1];
    uint32_t *to = w->e->r->reached[w->depth];
    bool named = w->kind[w->depth] == '{';

    for (unsigned i = 0; i < r->rules; i++) {
        const struct redact_rule *rule = &r->rule[i];
        to[i] = 0;
        for (uint32_t left = rule->kind == REDACT_JSON ? from[i] : 0; left; left &= left - 1) {
            unsigned s = (unsigned)__builtin_ctz(left);
            if (s == rule->steps)
                continue;
            const struct redact_step *step = &rule->step[s];
            if (step->kind == STEP_DEEP)
                to[i] |= (uint32_t)1 << s;
            bool passes = step->kind == STEP_EACH    ? !named
                          : step->kind == STEP_INDEX ? !named && step->index == w->index[w->depth]
                                                     : named && view_eq(step->name, key);
            if (passes)
                to[i] |= (uint32_t)1 << (s + 1);
        }
    }
}

static void value_begins(struct walk *w)
{
    const struct redact *r = w->e->r;

    if (w->rule != REDACT_NO_RULE)
        return;
    for (unsigned i = 0; i < r->rules; i++) {
        const struct redact_rule *rule = &r->rule[i];
        if (rule->kind == REDACT_JSON && r->reached[w->depth][i] >> rule->steps & 1) {
            w->rule = i;
            w->at_depth = w->depth;
            w->at = w->p;
            return;
        }
    }
}

static void value_ends(struct walk *w)
{
    struct view raw, secret;

    if (w->rule == REDACT_NO_RULE || w->at_depth != w->depth)
        return;
    raw = secret = view_n(w->at, (size_t)(w->p - w->at));
    if (raw.p[0] == '"') {
        struct view inside = view_n(raw.p + 1, raw.n - 2);
        if (!decode(w, inside, view_find(inside, '\\') < inside.n, &secret))
            return;
    }
    if (!view_eq(raw, VIEW_LIT("null")))
        redact_edit_put_json(w->e, (size_t)(raw.p - w->start), raw.n, w->rule, secret);
    w->rule = REDACT_NO_RULE;
}

// ---- the grammar

static bool take_digits(struct walk *w)
{
    const char *from = w->p;

    while (w->p < w->end && *w->p >= '0' && *w->p <= '9')
        w->p++;
    return w->p > from;
}

static bool take_number(struct walk *w)
{
    if (*w->p == '-')
        w->p++;
    if (w->p < w->end && *w->p == '0')
        w->p++;
    else if (!take_digits(w))
        return false;
    if (w->p < w->end && *w->p == '.') {
        w->p++;
        if (!take_digits(w))
            return false;
    }
    if (w->p < w->end && (*w->p == 'e' || *w->p == 'E')) {
        w->p++;
        if (w->p < w->end && (*w->p == '+' || *w->p == '-'))
            w->p++;
        return take_digits(w);
    }
    return true;
}

// The name in front of an object's value, up to behind its colon.
static bool take_key(struct walk *w)
{
    struct view raw, key;
    bool escaped;

    skip_space(w);
    if (!take(w, VIEW_LIT("\"")) || !take_string(w, &raw, &escaped) ||
        !decode(w, raw, escaped, &key))
        return false;
    follow(w, key);
    skip_space(w);
    return take(w, VIEW_LIT(":"));
}

// A container opens: the walk goes to its first value, or stays when it is empty (*empty).
static bool enter(struct walk *w, bool *empty)
{
    char kind = *w->p++;

    skip_space(w);
    *empty = take(w, kind == '{' ? VIEW_LIT("}") : VIEW_LIT("]"));
    if (*empty)
        return true;
    if (w->depth == REDACT_DEPTH_MAX)
        return false;
    w->depth++;
    w->kind[w->depth] = kind;
    w->index[w->depth] = 0;
    if (kind == '{')
        return take_key(w);
    follow(w, view_n(NULL, 0));
    return true;
}

// Behind a value: on to the next one, or out of containers that end. *more: there is a next one.
static bool leave(struct walk *w, bool *more)
{
    *more = false;
    value_ends(w);
    while (w->depth > 0) {
        char kind = w->kind[w->depth];
        skip_space(w);
        if (take(w, VIEW_LIT(","))) {
            *more = true;
            w->index[w->depth]++;
            if (kind == '{')
                return take_key(w);
            follow(w, view_n(NULL, 0));
            return true;
        }
        if (!take(w, kind == '{' ? VIEW_LIT("}") : VIEW_LIT("]")))
            return false;
        w->depth--;
        value_ends(w);
    }
    return true;
}

// One text, from its first value to its end.
static bool take_text(struct walk *w)
{
    bool more = true, inside, escaped;
    struct view raw;

    while (more) {
        skip_space(w);
        if (w->p == w->end)
            return false;
        value_begins(w);
        switch (*w->p) {
        case '{':
        case '[':
            if (!enter(w, &inside))
                return false;
            if (!inside)
                continue;
            break;
        case '"':
            w->p++;
            if (!take_string(w, &raw, &escaped))
                return false;
            break;
        case 't':
        case 'f':
        case 'n':
            if (!take(w, VIEW_LIT("true")) && !take(w, VIEW_LIT("false")) &&
                !take(w, VIEW_LIT("null")))
                return false;
            break;
        default:
            if (!take_number(w))
                return false;
        }
        if (!leave(w, &more))
            return false;
    }
    return true;
}

bool redact_json(struct redact_edit *e)
{
    struct view in = e->in;
    struct walk w = {.e = e, .start = in.p, .rule = REDACT_NO_RULE};
    bool fine = true;

    if (in.n == 0)
        return true;
    w.p = in.p;
    w.end = in.p + in.n;
    take(&w, VIEW_LIT("\xef\xbb\xbf"));
    buf_init(&w.key, REDACT_BODY_MAX);
    for (unsigned i = 0; i < e->r->rules; i++)
        e->r->reached[0][i] = 1;
    skip_space(&w);
    while (fine && w.p < w.end) {
        fine = take_text(&w);
        const char *behind = w.p;
        skip_space(&w);
        fine = fine && (w.p > behind || w.p == w.end); // white space parts two texts
    }
    buf_clear(&w.key);
    return fine || e->failed;
}
