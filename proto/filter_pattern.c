// filter_pattern: what a pattern would cost, then regcomp.
//
// The C library expands a{1,1000} by copying, so nested counts multiply. The walk below keeps, for
// each open group, the expanded size of what stands in it so far (sum) and of the last atom, which
// a repetition multiplies. It need not know the whole grammar: what it does not understand counts
// as one unit, and regcomp has the last word on what is right.
//
// An unlimited repetition of what may be empty makes the C library's automaton turn in circles, and
// the time to make it doubles with each of them: (a*|b*)* is refused, as is a**. Both say no more
// than (a|b)* and a*.
#include "proto/filter_pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct view in;
    size_t at;
    unsigned depth;
    uint64_t sum[FILTER_PATTERN_DEPTH + 1];
    uint64_t last[FILTER_PATTERN_DEPTH + 1];
    // Whether it may be empty: the last atom; the branch without it; one of the branches before.
    bool empty_last[FILTER_PATTERN_DEPTH + 1], empty_rest[FILTER_PATTERN_DEPTH + 1];
    bool empty_before[FILTER_PATTERN_DEPTH + 1];
};

static void begin_branch(struct walk *w)
{
    w->last[w->depth] = 0;
    w->empty_last[w->depth] = false; // none: there is nothing to repeat
    w->empty_rest[w->depth] = true;
}

static bool branch_may_be_empty(const struct walk *w)
{
    return w->empty_rest[w->depth] && (w->empty_last[w->depth] || w->last[w->depth] == 0);
}

static void add_atom(struct walk *w, uint64_t units, bool empty)
{
    w->empty_rest[w->depth] = branch_may_be_empty(w);
    w->sum[w->depth] += units;
    w->last[w->depth] = units;
    w->empty_last[w->depth] = empty;
}

static int endless(const struct walk *w, char why[128])
{
    if (!w->empty_last[w->depth])
        return 0;
    snprintf(why, 128,
             "what may be empty is repeated without end, as in (a*)*; (a)* says the same");
    return E_LIMIT;
}

static void repeat(struct walk *w, uint64_t times)
{
    uint64_t last = w->last[w->depth];
    w->sum[w->depth] += last * (times - 1);
    w->last[w->depth] = last * times;
}

// Passes over [...] with its classes; a ']' that comes first stands for itself.
static void pass_bracket(struct walk *w)
{
    const struct view in = w->in;
    size_t i = w->at + 1;
    if (i < in.n && in.p[i] == '^')
        i++;
    if (i < in.n && in.p[i] == ']')
        i++;
    while (i < in.n && in.p[i] != ']') {
        char kind = i + 1 < in.n ? in.p[i + 1] : 0;
        if (in.p[i] == '[' && (kind == ':' || kind == '.' || kind == '=')) {
            i += 2;
            while (i + 1 < in.n && !(in.p[i] == kind && in.p[i + 1] == ']'))
                i++;
            i++;
        }
        i++;
    }
    w->at = i < in.n ? i + 1 : in.n;
    add_atom(w, 1, false);
}

static unsigned take_count(struct walk *w)
{
    unsigned count = 0;
    while (w->at < w->in.n && w->in.p[w->at] >= '0' && w->in.p[w->at] <= '9') {
        if (count < 100000)
            count = count * 10 + (unsigned)(w->in.p[w->at] - '0');
        w->at++;
    }
    return count;
}

// {3} {3,} {3,5}; one that is not closed is left to regcomp.
static int pass_interval(struct walk *w, char why[128])
{
    w->at++;
    unsigned low = take_count(w), high = low;
    bool open = false;
    if (w->at < w->in.n && w->in.p[w->at] == ',') {
        size_t digits = ++w->at;
        high = take_count(w);
        open = w->at == digits;
    }
    unsigned most = high > low ? high : low + 1;
    int e = open ? endless(w, why) : 0;
    repeat(w, most);
    if (low == 0)
        w->empty_last[w->depth] = true;
    if (w->at < w->in.n && w->in.p[w->at] == '}')
        w->at++;
    return e;
}

// * + ?
static int pass_repetition(struct walk *w, char c, char why[128])
{
    int e = c == '?' ? 0 : endless(w, why);
    if (c == '+')
        repeat(w, 2);
    else
        w->empty_last[w->depth] = true;
    w->at++;
    return e;
}

static int pass_escape(struct walk *w, char why[128])
{
    char c = w->at + 1 < w->in.n ? w->in.p[w->at + 1] : 0;
    if (c >= '1' && c <= '9') {
        snprintf(why, 128, "back references such as \\%c are not offered", c);
        return E_SYNTAX;
    }
    w->at += w->at + 1 < w->in.n ? 2 : 1;
    add_atom(w, 1, c && strchr("bB<>`'", c)); // places between characters
    return 0;
}

static int pass_group(struct walk *w, char why[128])
{
    if (w->in.p[w->at] == '(') {
        if (w->depth == FILTER_PATTERN_DEPTH) {
            snprintf(why, 128, "groups stand in each other more than %d deep",
                     FILTER_PATTERN_DEPTH);
            return E_LIMIT;
        }
        w->depth++;
        w->sum[w->depth] = 0;
        w->empty_before[w->depth] = false;
        begin_branch(w);
    } else if (w->depth > 0) {
        uint64_t inner = w->sum[w->depth];
        bool empty = w->empty_before[w->depth] || branch_may_be_empty(w);
        w->depth--;
        add_atom(w, inner + 1, empty);
    }
    w->at++;
    return 0;
}

static int measure(struct view pattern, size_t *at, char why[128])
{
    struct walk w = {.in = pattern};
    int e = 0;
    begin_branch(&w);
    while (!e && w.at < pattern.n) {
        char c = pattern.p[w.at];
        *at = w.at;
        switch (c) {
        case '(':
        case ')':
            e = pass_group(&w, why);
            break;
        case '[':
            pass_bracket(&w);
            break;
        case '{':
            e = pass_interval(&w, why);
            break;
        case '\\':
            e = pass_escape(&w, why);
            break;
        case '*':
        case '+':
        case '?':
            e = pass_repetition(&w, c, why);
            break;
        case '|':
            w.empty_before[w.depth] |= branch_may_be_empty(&w);
            w.sum[w.depth]++;
            begin_branch(&w);
            w.at++;
            break;
        default:
            add_atom(&w, 1, c == '^' || c == '$');
            w.at++;
        }
        if (!e && w.sum[w.depth] > FILTER_PATTERN_UNITS) {
            snprintf(why, 128, "its repetitions come to more than %d units when written out",
                     FILTER_PATTERN_UNITS);
            e = E_LIMIT;
        }
    }
    return e;
}

static int compile(struct view pattern, int flags, regex_t *out, size_t *at, char why[128])
{
    char text[FILTER_PATTERN_MAX + 1];
    *at = 0;
    if (pattern.n > FILTER_PATTERN_MAX) {
        snprintf(why, 128, "it is longer than %d bytes", FILTER_PATTERN_MAX);
        return E_LIMIT;
    }
    int e = measure(pattern, at, why);
    if (e)
        return e;
    *at = 0;
    if (pattern.n > 0)
        memcpy(text, pattern.p, pattern.n);
    text[pattern.n] = 0;
    int failed = regcomp(out, text, REG_EXTENDED | flags);
    if (!failed)
        return 0;
    regerror(failed, out, why, 128);
    return failed == REG_ESPACE ? E_NOMEM : E_SYNTAX;
}

int filter_pattern_compile(struct view pattern, regex_t *out, size_t *at, char why[128])
{
    return compile(pattern, REG_NOSUB, out, at, why);
}

int filter_pattern_compile_groups(struct view pattern, regex_t *out, size_t *at, char why[128])
{
    return compile(pattern, 0, out, at, why);
}

int filter_pattern_match(regex_t *regex, struct view text)
{
    // regexec() wants a NUL behind the text; this is the same matcher, told where the text ends.
    regoff_t n = (regoff_t)text.n;
    regoff_t at = re_search(regex, text.p ? text.p : "", n, 0, n, NULL);
    return at >= 0 ? 1 : at == -1 ? 0 : E_NOMEM;
}

int filter_pattern_find(regex_t *regex, struct view text, size_t from,
                        regmatch_t m[FILTER_PATTERN_GROUPS])
{
    struct re_registers found = {0};
    regoff_t n = (regoff_t)text.n;
    regoff_t at =
        re_search(regex, text.p ? text.p : "", n, (regoff_t)from, n - (regoff_t)from, &found);
    for (size_t i = 0; i < FILTER_PATTERN_GROUPS; i++) {
        bool there = at >= 0 && i < found.num_regs;
        m[i] =
            (regmatch_t){.rm_so = there ? found.start[i] : -1, .rm_eo = there ? found.end[i] : -1};
    }
    free(found.start);
    free(found.end);
    return at >= 0 ? 1 : at == -1 ? 0 : E_NOMEM;
}
