// filter_lex: the words of the filter language, taken from a text that may be changed behind the
// cursor: undoing an escape only ever makes a text shorter, so it happens in place.
#include "proto/filter_lex.h"

#include <stdarg.h>
#include <stdio.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool filter_lex_in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

void filter_lex_space(struct filter_lex *in)
{
    while (in->at < in->n && is_space(in->p[in->at]))
        in->at++;
}

bool filter_lex_at(const struct filter_lex *in, const char *text)
{
    size_t n = strlen(text);
    return in->n - in->at >= n && memcmp(in->p + in->at, text, n) == 0;
}

struct view filter_lex_name(const struct filter_lex *in)
{
    size_t n = in->at;
    while (n < in->n && filter_lex_in_name(in->p[n]))
        n++;
    return view_n(in->p + in->at, n - in->at);
}

bool filter_lex_take_keyword(struct filter_lex *in, const char *word, const char *sign)
{
    filter_lex_space(in);
    struct view name = filter_lex_name(in);
    if (view_ieq(name, view_of(word)))
        in->at += name.n;
    else if (sign && filter_lex_at(in, sign))
        in->at += strlen(sign);
    else
        return false;
    return true;
}

bool filter_lex_is_keyword(struct view v)
{
    static const char *const words[] = {"and", "or", "not", "in", "contains", "since", "until"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (view_ieq(v, view_of(words[i])))
            return true;
    return false;
}

struct view filter_lex_word(const struct filter_lex *in)
{
    size_t n = in->at;
    for (; n < in->n && !is_space(in->p[n]) && !strchr("\"'(),", in->p[n]); n++)
        if (n + 1 < in->n && in->p[n] == in->p[n + 1] && (in->p[n] == '&' || in->p[n] == '|'))
            break;
    return view_n(in->p + in->at, n - in->at);
}

int filter_lex_take_quoted(struct filter_lex *in, struct view *out)
{
    size_t open = in->at, to = open + 1, from = open + 1;
    char mark = in->p[open];
    for (; from < in->n && in->p[from] != mark; from++) {
        if (in->p[from] == '\\' && from + 1 < in->n && strchr("\\\"'", in->p[from + 1]))
            from++;
        in->p[to++] = in->p[from];
    }
    if (from >= in->n)
        return filter_lex_fail(in, open, E_SYNTAX,
                               "this quote is not closed: another %c is missing", mark);
    in->at = from + 1;
    *out = view_n(in->p + open + 1, to - open - 1);
    return 0;
}

void filter_lex_lower(struct view v, bool keep_escapes)
{
    char *p = (char *)(uintptr_t)v.p;
    for (size_t i = 0; i < v.n; i++) {
        if (keep_escapes && p[i] == '\\')
            i++; // \W is not \w
        else
            p[i] = view_lower(p[i]);
    }
}

struct filter_lex_quoted filter_lex_quote(struct view v)
{
    struct filter_lex_quoted q;
    size_t n = v.n < 30 ? v.n : 30;
    for (size_t i = 0; i < n; i++)
        q.text[i] = (unsigned char)v.p[i] < 32 || v.p[i] == 127 ? '?' : v.p[i];
    snprintf(q.text + n, sizeof q.text - n, "%s", n < v.n ? "..." : "");
    return q;
}

int filter_lex_fail(struct filter_lex *in, size_t column, int e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(in->why, WHY_MAX, format, args);
    va_end(args);
    *in->column = column;
    return e;
}
