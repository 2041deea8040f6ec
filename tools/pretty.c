// pretty: the JSON part is one scanner, run twice: first with no output to see whether all of it is
// JSON, then to write. It keeps what is open in a stack of bits, so depth costs no recursion.
#include "tools/pretty.h"

#include "proto/base/utf8.h"

#include <ctype.h>

#define DEPTH_MAX 256

struct scan {
    const struct term *t; // NULL: only looking
    struct view in;
    int depth;
    bool object[DEPTH_MAX]; // what is open at each level is an object
};

static void put(struct scan *s, enum style style, struct view v)
{
    if (!s->t)
        return;
    term_on(s->t, style);
    term_text(s->t, v, false, 0);
    term_off(s->t, style);
}

static void new_line(struct scan *s)
{
    if (s->t)
        fprintf(s->t->out, "\n%*s", 2 * s->depth, "");
}

static void space(struct scan *s)
{
    size_t n = 0;
    while (n < s->in.n && s->in.p[n] && strchr(" \t\r\n", s->in.p[n]))
        n++;
    s->in = view_from(s->in, n);
}

static int peek(const struct scan *s)
{
    return s->in.n ? (unsigned char)s->in.p[0] : -1;
}

static size_t string_length(struct view v)
{
    size_t i = 1;
    while (i < v.n && v.p[i] != '"') {
        unsigned char c = (unsigned char)v.p[i++];
        if (c < 0x20 || i == v.n)
            return 0;
        if (c != '\\')
            continue;
        char e = v.p[i++];
        if (!e || !strchr("\"\\/bfnrtu", e))
            return 0;
        for (int k = 0; e == 'u' && k < 4; k++, i++)
            if (i >= v.n || !isxdigit((unsigned char)v.p[i]))
                return 0;
    }
    return i < v.n ? i + 1 : 0;
}

static size_t digits(struct view v, size_t from)
{
    size_t n = from;
    while (n < v.n && v.p[n] >= '0' && v.p[n] <= '9')
        n++;
    return n - from;
}

static size_t number_length(struct view v)
{
    size_t i = v.p[0] == '-', n = digits(v, i);
    if (n == 0 || (n > 1 && v.p[i] == '0'))
        return 0;
    i += n;
    if (i < v.n && v.p[i] == '.') {
        n = digits(v, i + 1);
        if (n == 0)
            return 0;
        i += 1 + n;
    }
    if (i < v.n && (v.p[i] == 'e' || v.p[i] == 'E')) {
        i++;
        if (i < v.n && (v.p[i] == '+' || v.p[i] == '-'))
            i++;
        n = digits(v, i);
        if (n == 0)
            return 0;
        i += n;
    }
    return i;
}

static size_t word_length(struct view v)
{
    static const struct view words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    for (size_t i = 0; i < 3; i++)
        if (view_starts(v, words[i]))
            return words[i].n;
    return 0;
}

static bool scalar(struct scan *s)
{
    int c = peek(s);
    size_t n = 0;
    enum style style = STYLE_NOTE;
    if (c == '"') {
        n = string_length(s->in);
        style = STYLE_GOOD;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        n = number_length(s->in);
    } else if (c >= 0) {
        n = word_length(s->in);
        style = STYLE_WARN;
    }
    put(s, style, view_head(s->in, n));
    s->in = view_from(s->in, n);
    return n > 0;
}

// "name": in an object.
static bool key(struct scan *s)
{
    size_t n = peek(s) == '"' ? string_length(s->in) : 0;
    put(s, STYLE_NAME, view_head(s->in, n));
    s->in = view_from(s->in, n);
    space(s);
    if (n == 0 || peek(s) != ':')
        return false;
    put(s, STYLE_PLAIN, VIEW_LIT(": "));
    s->in = view_from(s->in, 1);
    space(s);
    return true;
}

// A bracket opens; true when something stands in it.
static bool opens(struct scan *s, bool *wrong)
{
    bool object = peek(s) == '{';
    put(s, STYLE_PLAIN, view_head(s->in, 1));
    s->in = view_from(s->in, 1);
    space(s);
    if (peek(s) == (object ? '}' : ']')) {
        put(s, STYLE_PLAIN, view_head(s->in, 1));
        s->in = view_from(s->in, 1);
        return false;
    }
    if (s->depth == DEPTH_MAX) {
        *wrong = true;
        return false;
    }
    s->object[s->depth++] = object;
    new_line(s);
    if (object && !key(s))
        *wrong = true;
    return true;
}

// Behind a value: closing brackets, then a comma. true when another value must follow.
static bool goes_on(struct scan *s, bool *wrong)
{
    for (;;) {
        space(s);
        if (s->depth == 0)
            return false;
        int c = peek(s);
        bool object = s->object[s->depth - 1];
        struct view one = view_head(s->in, 1);
        s->in = view_from(s->in, one.n);
        if (c == ',') {
            put(s, STYLE_PLAIN, one);
            new_line(s);
            space(s);
            if (object && !key(s))
                *wrong = true;
            return true;
        }
        if (c != (object ? '}' : ']')) {
            *wrong = true;
            return false;
        }
        s->depth--;
        new_line(s);
        put(s, STYLE_PLAIN, one);
    }
}

static bool scan(struct scan *s)
{
    bool wrong = false, more = true;
    space(s);
    while (more && !wrong) {
        int c = peek(s);
        if (c == '{' || c == '[') {
            if (opens(s, &wrong))
                continue;
        } else if (!scalar(s)) {
            return false;
        }
        if (!wrong)
            more = goes_on(s, &wrong);
    }
    return !wrong && s->in.n == 0;
}

bool pretty_json(const struct term *t, struct view text)
{
    struct scan look = {.in = text};
    if (!utf8_valid(text) || !scan(&look))
        return false;
    struct scan write = {.t = t, .in = text};
    scan(&write);
    putc_unlocked('\n', t->out);
    return true;
}

void pretty_hex(const struct term *t, struct view v, uint64_t at)
{
    while (v.n > 0) {
        struct view row = view_head(v, 16);
        term_on(t, STYLE_DIM);
        fprintf(t->out, "%08llx ", (unsigned long long)at);
        term_off(t, STYLE_DIM);
        for (size_t i = 0; i < 16; i++) {
            if (i == 8)
                putc_unlocked(' ', t->out);
            if (i < row.n)
                fprintf(t->out, " %02x", (unsigned char)row.p[i]);
            else
                fputs_unlocked("   ", t->out);
        }
        fputs_unlocked("  |", t->out);
        for (size_t i = 0; i < row.n; i++)
            putc_unlocked(row.p[i] >= 0x20 && row.p[i] < 0x7f ? row.p[i] : '.', t->out);
        fputs_unlocked("|\n", t->out);
        at += row.n;
        v = view_from(v, row.n);
    }
}

bool pretty_is_text(struct view v)
{
    size_t controls = 0;
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c == 0)
            return false;
        controls += (c < 0x20 && !strchr("\t\n\r\f\033", c)) || c == 0x7f;
    }
    return controls <= v.n / 64 && utf8_valid(v);
}

// Text line by line, so that CRLF does not show as \x0d.
static void text(const struct term *t, struct view v)
{
    while (v.n > 0) {
        size_t n = view_find(v, '\n');
        struct view line = view_head(v, n);
        v = view_from(v, n < v.n ? n + 1 : n);
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        term_text(t, line, true, 0);
        putc_unlocked('\n', t->out);
    }
}

void pretty_any(const struct term *t, struct view v)
{
    if (!pretty_is_text(v)) {
        pretty_hex(t, v, 0);
        return;
    }
    size_t at = 0;
    while (at < v.n && v.p[at] && strchr(" \t\r\n", v.p[at]))
        at++;
    bool json = at < v.n && (v.p[at] == '{' || v.p[at] == '[');
    if (!json || !pretty_json(t, v))
        text(t, v);
}
