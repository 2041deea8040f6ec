// json: RFC 8259 to a tree, with a stack of its own, so that the depth costs no C stack. Numbers
// stay text.
#include "tools/compare/tree.h"

#include <stdio.h>

struct parser {
    struct tree *t;
    struct view in;
    size_t at;
    uint32_t stack[TREE_DEPTH_MAX];
    int depth;
    char *why;
};

static int fail(struct parser *p, const char *what)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < p->at && i < p->in.n; i++) {
        bool end = p->in.p[i] == '\n';
        line += end;
        column = end ? 1 : column + 1;
    }
    snprintf(p->why, WHY_MAX, "line %zu, column %zu: %s", line, column, what);
    return E_SYNTAX;
}

static int peek(const struct parser *p)
{
    return p->at < p->in.n ? (unsigned char)p->in.p[p->at] : -1;
}

static void blanks(struct parser *p)
{
    for (int c; (c = peek(p)) == ' ' || c == '\t' || c == '\n' || c == '\r';)
        p->at++;
}

// ---- strings

static int32_t hex4(struct view v, size_t at)
{
    int32_t out = 0;
    if (v.n < 4 || at > v.n - 4)
        return -1;
    for (size_t i = at; i < at + 4; i++) {
        int d = view_digit(v.p[i]);
        if (d < 0)
            return -1;
        out = 16 * out + d;
    }
    return out;
}

static char *put_utf8(char *to, int32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) { // half a pair too: it stays what it is
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

// raw: what stands between the quotes, found to be right; no longer than that without escapes.
static int unescape(struct tree *t, struct view raw, struct view *out)
{
    static const char letters[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    char *room = tree_room(t, raw.n), *to = room;
    if (!room)
        return E_NOMEM;
    for (size_t i = 0; i < raw.n;) {
        if (raw.p[i] != '\\') {
            *to++ = raw.p[i++];
        } else if (raw.p[i + 1] != 'u') {
            *to++ = meaning[strchr(letters, raw.p[i + 1]) - letters];
            i += 2;
        } else {
            int32_t c = hex4(raw, i + 2), low = -1;
            i += 6;
            if (c >= 0xd800 && c < 0xdc00 && i + 6 <= raw.n && raw.p[i] == '\\' &&
                raw.p[i + 1] == 'u')
                low = hex4(raw, i + 2);
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                i += 6;
            }
            to = put_utf8(to, c);
        }
    }
    *out = view_n(room, (size_t)(to - room));
    return 0;
}

static int string(struct parser *p, struct view *out)
{
    size_t from = ++p->at;
    bool escaped = false;
    for (;; p->at++) {
        int c = peek(p);
        if (c < 0)
            return fail(p, "a string has no end");
        if (c == '"')
            break;
        if (c < 0x20)
            return fail(p, "a control character stands in a string");
        if (c != '\\')
            continue;
        escaped = true;
        p->at++;
        c = peek(p);
        if (c == 'u' && hex4(p->in, p->at + 1) < 0)
            return fail(p, "behind \\u four hexadecimal digits are expected");
        if (c <= 0 || !strchr("\"\\/bfnrtu", c))
            return fail(p, "there is no such escape");
    }
    *out = (struct view){p->in.p + from, p->at++ - from};
    return escaped ? unescape(p->t, *out, out) : 0;
}

// ---- values

static size_t digits(struct parser *p)
{
    size_t from = p->at;
    for (int c; (c = peek(p)) >= '0' && c <= '9';)
        p->at++;
    return p->at - from;
}

static int number(struct parser *p, struct view *out)
{
    size_t from = p->at;
    p->at += peek(p) == '-';
    bool zero = peek(p) == '0';
    size_t n = digits(p);
    if (n == 0)
        return fail(p, "a value is expected");
    if (zero && n > 1)
        return fail(p, "a number begins with 0");
    if (peek(p) == '.') {
        p->at++;
        if (digits(p) == 0)
            return fail(p, "a digit is expected behind the point");
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        p->at += peek(p) == '+' || peek(p) == '-';
        if (digits(p) == 0)
            return fail(p, "a digit is expected in the exponent");
    }
    *out = (struct view){p->in.p + from, p->at - from};
    return 0;
}

// Adds the value at hand, a container as an empty one that is now the top of the stack.
static int value(struct parser *p, struct view key)
{
    static const struct {
        struct view word;
        enum tree_type type;
    } words[] = {{{"null", 4}, TREE_NULL}, {{"false", 5}, TREE_FALSE}, {{"true", 4}, TREE_TRUE}};
    struct view text = {0};
    enum tree_type type = TREE_NUMBER;
    int c = peek(p), e = 0;
    bool container = c == '{' || c == '[';
    if (container) {
        type = c == '{' ? TREE_OBJECT : TREE_ARRAY;
        p->at++;
    } else if (c == '"') {
        type = TREE_TEXT;
        e = string(p, &text);
    } else if (c == 'n' || c == 'f' || c == 't') {
        size_t i = c == 'n' ? 0 : c == 'f' ? 1 : 2;
        if (!view_starts(view_from(p->in, p->at), words[i].word))
            return fail(p, "a value is expected");
        type = words[i].type;
        p->at += words[i].word.n;
    } else {
        e = number(p, &text);
    }
    if (!e && container && p->depth == TREE_DEPTH_MAX)
        e = E_LIMIT;
    if (e)
        return e;
    int64_t node = tree_add(p->t, p->depth ? p->stack[p->depth - 1] : UINT32_MAX, type, key);
    if (node < 0)
        return (int)node;
    p->t->nodes[node].text = text;
    if (container)
        p->stack[p->depth++] = (uint32_t)node;
    return 0;
}

// One item of the container on top, or its end.
static int item(struct parser *p)
{
    struct tree_node *top = &p->t->nodes[p->stack[p->depth - 1]];
    bool object = top->type == TREE_OBJECT;
    char close = object ? '}' : ']';
    struct view key = {0};
    blanks(p);
    if (peek(p) == close) {
        p->at++;
        p->depth--;
        return 0;
    }
    if (top->count > 0) {
        if (peek(p) != ',')
            return fail(p, object ? "',' or '}' is expected" : "',' or ']' is expected");
        p->at++;
        blanks(p);
    }
    if (object) {
        if (peek(p) != '"')
            return fail(p, "a name in quotes is expected");
        int e = string(p, &key);
        if (e)
            return e;
        blanks(p);
        if (peek(p) != ':')
            return fail(p, "':' is expected");
        p->at++;
        blanks(p);
    }
    return value(p, key);
}

static int whole_value(struct parser *p)
{
    int floor = p->depth, e = value(p, (struct view){0});
    while (!e && p->depth > floor)
        e = item(p);
    blanks(p);
    return e;
}

int tree_json(struct tree *t, struct view in, bool lines, char why[WHY_MAX])
{
    struct parser p = {.t = t, .in = in, .why = why};
    int e = 0;
    *t = (struct tree){0};
    if (view_starts(in, VIEW_LIT("\xef\xbb\xbf")))
        p.at = 3;
    blanks(&p);
    if (lines) {
        int64_t root = tree_add(t, UINT32_MAX, TREE_ARRAY, (struct view){0});
        e = root < 0 ? (int)root : 0;
        p.stack[p.depth++] = 0;
        while (!e && p.at < in.n)
            e = whole_value(&p);
    } else {
        e = whole_value(&p);
        if (!e && p.at < in.n)
            e = fail(&p, "something stands behind the value");
    }
    if (e == E_LIMIT)
        snprintf(why, WHY_MAX, "deeper or larger than is compared by value");
    if (e == E_NOMEM)
        snprintf(why, WHY_MAX, "%s", err_text(e));
    tree_finish(t);
    return e;
}
