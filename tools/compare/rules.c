// rules: YAML, read event by event: a mapping of kinds to lists or mappings, never deeper than two.
//
// A mistake is told at the value that it is in; within the text of a place, at its byte, as long as
// the value stands on one line without escapes.
#include "tools/compare/rules.h"

#include "proto/base/units.h"
#include "proto/filter_pattern.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#define SHOWN 60 // bytes of a wrong value in a message

const char *const rule_kinds[RULE_KINDS] = {"ignore",    "shape", "unordered",
                                            "tolerance", "match", "bytes"};

const struct rules_ignored rules_ignored[] = {
    {"age", "the moment"},
    {"connection", "one connection (RFC 9110, section 7.6.1), and so are the fields that it names"},
    {"date", "the moment"},
    {"keep-alive", "one connection"},
    {"proxy-authenticate", "one connection"},
    {"proxy-authentication-info", "one connection"},
    {"proxy-authorization", "one connection"},
    {"proxy-connection", "one connection"},
    {"te", "one connection"},
    {"trailer", "framing; the trailers themselves are compared"},
    {"transfer-encoding", "framing"},
    {"upgrade", "one connection"},
    {"via", "the way that a message took"},
    {NULL, NULL},
};

bool rules_ignores(struct view header)
{
    for (const struct rules_ignored *i = rules_ignored; i->name; i++)
        if (view_ieq(header, view_of(i->name)))
            return true;
    return false;
}

struct yaml {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    const char *name;
    char *why;
    struct rules *rules;
};

static int fail_at(struct yaml *y, const yaml_mark_t *mark, size_t behind, int e,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
static int fail_at(struct yaml *y, const yaml_mark_t *mark, size_t behind, int e,
                   const char *format, ...)
{
    va_list args;
    size_t shown = strlen(y->name) < 200 ? 0 : strlen(y->name) - 200;
    int n = snprintf(y->why, WHY_MAX, "%s:%zu:%zu: ", y->name + shown, mark->line + 1,
                     mark->column + behind + 1);
    va_start(args, format);
    vsnprintf(y->why + n, WHY_MAX - (size_t)n, format, args);
    va_end(args);
    return e;
}
#define fail(y, e, ...) fail_at(y, &(y)->event.start_mark, 0, e, __VA_ARGS__)

static int next(struct yaml *y)
{
    if (y->has_event)
        yaml_event_delete(&y->event);
    y->has_event = yaml_parser_parse(&y->parser, &y->event) != 0;
    if (y->has_event)
        return 0;
    y->event.start_mark = y->parser.problem_mark;
    if (y->parser.error == YAML_MEMORY_ERROR)
        return fail(y, E_NOMEM, "%s", err_text(E_NOMEM));
    return fail(y, E_SYNTAX, "this is no YAML: %.160s",
                y->parser.problem ? y->parser.problem : "bad syntax");
}

static struct view scalar(const struct yaml *y)
{
    return view_n(y->event.data.scalar.value, y->event.data.scalar.length);
}

// The scalar at hand as it is shown in a message.
static const char *shown(const struct yaml *y, char out[SHOWN + 8])
{
    struct view v = scalar(y);
    size_t n = v.n < SHOWN ? v.n : SHOWN;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f ? '?' : v.p[i];
    snprintf(out + n, 8, "%s", n < v.n ? "…" : "");
    return out;
}

static bool is_scalar(const struct yaml *y)
{
    return y->event.type == YAML_SCALAR_EVENT;
}

// ---- a rule

static struct rule *new_rule(struct yaml *y, enum rule_kind kind, int *e)
{
    struct rules *r = y->rules;
    *e = 0;
    if (r->n == RULES_MAX) {
        *e = fail(y, E_LIMIT, "more than %d rules", RULES_MAX);
        return NULL;
    }
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 8;
        struct rule *more = realloc(r->items, cap * sizeof *more);
        if (!more) {
            *e = fail(y, E_NOMEM, "%s", err_text(E_NOMEM));
            return NULL;
        }
        r->items = more;
        r->cap = cap;
    }
    struct rule *rule = &r->items[r->n++];
    *rule =
        (struct rule){.kind = kind, .number = -1, .us = -1, .line = y->event.start_mark.line + 1};
    return rule;
}

static int set_where(struct yaml *y, struct rule *r)
{
    char why[WHY_MAX], text[SHOWN + 8];
    size_t at = 0;
    int e = where_parse(&r->where, scalar(y), &at, why);
    bool quoted = y->event.data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
                  y->event.data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    bool one_line = y->event.start_mark.line == y->event.end_mark.line;
    if (e)
        return fail_at(y, &y->event.start_mark, one_line ? at + quoted : 0, e, "'%s': %.300s",
                       shown(y, text), why);
    enum where_part part = r->where.part;
    bool tree = part == WHERE_BODY || part == WHERE_QUERY;
    if (r->kind == RULE_BYTES && (part != WHERE_BODY || r->where.n > 0))
        return fail(y, E_SYNTAX, "'%s' has no bytes: bytes takes body", shown(y, text));
    if (r->kind == RULE_UNORDERED && !tree && part != WHERE_HEADER && part != WHERE_TRAILER)
        return fail(y, E_SYNTAX, "'%s' has no order: unordered takes body, query, header, trailer",
                    shown(y, text));
    return 0;
}

static int set_shape(struct yaml *y, struct rule *r)
{
    char text[SHOWN + 8], names[256];
    size_t n = 0;
    r->shape = shape_find(scalar(y));
    if (r->shape)
        return 0;
    for (int i = SHAPE_NONE + 1; i < SHAPE_COUNT; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i > 1 ? ", " : "",
                              shape_names[i]);
    return fail(y, E_SYNTAX, "there is no shape '%s'; there are %s", shown(y, text), names);
}

static int set_tolerance(struct yaml *y, struct rule *r)
{
    char text[SHOWN + 8];
    struct view v = scalar(y), number = v;
    r->percent = v.n > 0 && v.p[v.n - 1] == '%';
    number.n -= r->percent;
    if (shape_is(SHAPE_NUMBER, number) && number.n < SHOWN && number.p[0] != '-') {
        memcpy(text, number.p, number.n);
        text[number.n] = 0;
        r->number = strtold(text, NULL);
        return 0;
    }
    if (units_duration(v, &r->us) == 0 && r->us >= 0)
        return 0;
    return fail(y, E_SYNTAX,
                "'%s' is no tolerance: a number such as 0.01, a part such as 5%%, or a time such "
                "as 1s or 250ms",
                shown(y, text));
}

static int set_match(struct yaml *y, struct rule *r)
{
    char why[128], text[SHOWN + 8];
    size_t at = 0;
    regex_t *regex = malloc(sizeof *regex);
    int e = regex ? filter_pattern_compile(scalar(y), regex, &at, why) : E_NOMEM;
    if (!e) {
        r->regex = regex;
        return 0;
    }
    free(regex);
    if (e == E_NOMEM)
        return fail(y, E_NOMEM, "%s", err_text(E_NOMEM));
    return fail(y, e, "'%s' is no regular expression, at byte %zu: %s", shown(y, text), at + 1,
                why);
}

// "4-7,16".
static int set_ranges(struct yaml *y, struct rule *r)
{
    struct view rest = scalar(y);
    char text[SHOWN + 8];
    for (bool more = true; more;) {
        size_t comma = view_find(rest, ',');
        struct view one = view_trim(view_head(rest, comma));
        size_t dash = view_find(one, '-');
        struct rule_range range;
        if (r->n_ranges == RULES_RANGES)
            return fail(y, E_LIMIT, "more than %d ranges", RULES_RANGES);
        if (view_number(view_head(one, dash), 10, INT64_MAX, &range.from) ||
            view_number(dash < one.n ? view_from(one, dash + 1) : one, 10, INT64_MAX, &range.to) ||
            range.to < range.from)
            return fail(y, E_SYNTAX, "'%s' is no list of bytes such as 4-7,16", shown(y, text));
        r->ranges[r->n_ranges++] = range;
        more = comma < rest.n;
        rest = more ? view_from(rest, comma + 1) : rest;
    }
    return 0;
}

static int set_filter(struct yaml *y, char **place, const char *key)
{
    struct view v = scalar(y);
    char text[SHOWN + 8];
    if (v.n == 0 || v.n > WHERE_GLOB_MAX || memchr(v.p, 0, v.n))
        return fail(y, E_SYNTAX, "%s: '%s' is not 1 to %d letters", key, shown(y, text),
                    WHERE_GLOB_MAX);
    *place = strndup(v.p, v.n);
    return *place ? 0 : fail(y, E_NOMEM, "%s", err_text(E_NOMEM));
}

static const char *value_key(enum rule_kind kind)
{
    return kind == RULE_SHAPE       ? "is"
           : kind == RULE_TOLERANCE ? "within"
           : kind == RULE_MATCH     ? "matches"
           : kind == RULE_BYTES     ? "at"
                                    : NULL;
}

// The value at hand, of one key of a rule's mapping.
static int set_pair(struct yaml *y, struct rule *r, const char *key)
{
    if (strcmp(key, "where") == 0)
        return set_where(y, r);
    if (strcmp(key, "is") == 0)
        return set_shape(y, r);
    if (strcmp(key, "within") == 0)
        return set_tolerance(y, r);
    if (strcmp(key, "matches") == 0)
        return set_match(y, r);
    if (strcmp(key, "at") == 0)
        return set_ranges(y, r);
    return set_filter(y, key[0] == 'h' ? &r->host : key[0] == 'm' ? &r->method : &r->path, key);
}

// {where: …, is: …, host: …}, begun already; placed: where is known.
static int mapping(struct yaml *y, struct rule *r, bool placed)
{
    const char *value = value_key(r->kind);
    const char *const keys[] = {"where", value ? value : "where", "host", "method", "path"};
    bool seen[5] = {placed};
    char text[SHOWN + 8];
    yaml_mark_t begin = y->event.start_mark;
    for (;;) {
        int e = next(y);
        if (e)
            return e;
        if (y->event.type == YAML_MAPPING_END_EVENT)
            break;
        int i = 0;
        while (i < 5 && is_scalar(y) && !view_eq(scalar(y), view_of(keys[i])))
            i++;
        if (!is_scalar(y) || i == 5)
            return fail(y, E_SYNTAX,
                        "'%s' is nothing of such a rule; it has %s%s%shost, method, path",
                        is_scalar(y) ? shown(y, text) : "…", placed ? "" : "where, ",
                        value ? value : "", value ? ", " : "");
        if (seen[i])
            return fail(y, E_EXISTS, "%s stands here for the second time", keys[i]);
        seen[i] = true;
        e = next(y);
        if (e)
            return e;
        if (!is_scalar(y))
            return fail(y, E_SYNTAX, "%s takes one plain value", keys[i]);
        e = set_pair(y, r, keys[i]);
        if (e)
            return e;
    }
    if (!seen[0] || (value && !seen[1]))
        return fail_at(y, &begin, 0, E_SYNTAX, "this rule lacks %s", seen[0] ? value : "where");
    return 0;
}

static int list(struct yaml *y, enum rule_kind kind)
{
    for (;;) {
        int e = next(y);
        if (e || y->event.type == YAML_SEQUENCE_END_EVENT)
            return e;
        bool plain = is_scalar(y) && !value_key(kind);
        if (!plain && y->event.type != YAML_MAPPING_START_EVENT)
            return fail(y, E_SYNTAX, "%s takes %s here, such as {where: body.id%s}",
                        rule_kinds[kind], value_key(kind) ? "a mapping" : "a place or a mapping",
                        kind == RULE_SHAPE       ? ", is: uuid"
                        : kind == RULE_TOLERANCE ? ", within: 0.01"
                        : kind == RULE_MATCH     ? ", matches: '^[0-9]+$'"
                        : kind == RULE_BYTES     ? ", at: 4-7"
                                                 : "");
        struct rule *r = new_rule(y, kind, &e);
        if (r)
            e = plain ? set_where(y, r) : mapping(y, r, false);
        if (e)
            return e;
    }
}

// "body.id: uuid", "body.id: {is: uuid, path: /x}".
static int places(struct yaml *y, enum rule_kind kind)
{
    for (;;) {
        int e = next(y);
        if (e || y->event.type == YAML_MAPPING_END_EVENT)
            return e;
        if (!is_scalar(y))
            return fail(y, E_SYNTAX, "a place is expected here, such as body.id");
        struct rule *r = new_rule(y, kind, &e);
        e = r ? set_where(y, r) : e;
        e = e ? e : next(y);
        if (e)
            return e;
        if (y->event.type == YAML_MAPPING_START_EVENT)
            e = mapping(y, r, true);
        else if (!is_scalar(y))
            e = fail(y, E_SYNTAX, "a value or a mapping is expected here, such as {%s: …}",
                     value_key(kind));
        else
            e = set_pair(y, r, value_key(kind));
        if (e)
            return e;
    }
}

static int section(struct yaml *y, bool seen[RULE_KINDS])
{
    char text[SHOWN + 8];
    int kind = 0;
    while (kind < RULE_KINDS && is_scalar(y) && !view_eq(scalar(y), view_of(rule_kinds[kind])))
        kind++;
    if (!is_scalar(y) || kind == RULE_KINDS)
        return fail(y, E_SYNTAX,
                    "'%s' is no kind of rule: ignore, shape, unordered, tolerance, match, "
                    "bytes",
                    is_scalar(y) ? shown(y, text) : "…");
    if (seen[kind])
        return fail(y, E_EXISTS, "%s stands here for the second time", rule_kinds[kind]);
    seen[kind] = true;
    int e = next(y);
    if (e)
        return e;
    if (y->event.type == YAML_SEQUENCE_START_EVENT)
        return list(y, (enum rule_kind)kind);
    if (y->event.type == YAML_MAPPING_START_EVENT && value_key((enum rule_kind)kind))
        return places(y, (enum rule_kind)kind);
    if (is_scalar(y) && scalar(y).n == 0)
        return 0;
    return fail(y, E_SYNTAX, "%s takes a list%s", rule_kinds[kind],
                value_key((enum rule_kind)kind) ? ", or a mapping of places" : " of places");
}

static int document(struct yaml *y)
{
    bool seen[RULE_KINDS] = {0};
    int e = next(y); // the stream's start
    e = e ? e : next(y);
    if (e || y->event.type == YAML_STREAM_END_EVENT)
        return e;
    e = next(y);
    if (!e && y->event.type == YAML_MAPPING_START_EVENT) {
        while (!(e = next(y)) && y->event.type != YAML_MAPPING_END_EVENT && !(e = section(y, seen)))
            ;
    } else if (!e && !(is_scalar(y) && scalar(y).n == 0)) {
        e = fail(y, E_SYNTAX,
                 "rules are a mapping with ignore, shape, unordered, tolerance, match, bytes");
    }
    e = e ? e : next(y); // the document's end
    e = e ? e : next(y);
    if (!e && y->event.type != YAML_STREAM_END_EVENT)
        e = fail(y, E_SYNTAX, "a second document begins here; one is expected");
    return e;
}

int rules_parse(struct rules *out, const char *name, struct view text, char why[WHY_MAX])
{
    struct yaml y = {.name = name, .why = why, .rules = out};
    *out = (struct rules){0};
    if (text.n > RULES_TEXT_MAX)
        return fail(&y, E_LIMIT, "larger than %u bytes", RULES_TEXT_MAX);
    if (!yaml_parser_initialize(&y.parser))
        return fail(&y, E_NOMEM, "%s", err_text(E_NOMEM));
    yaml_parser_set_input_string(&y.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    int e = document(&y);
    if (y.has_event)
        yaml_event_delete(&y.event);
    yaml_parser_delete(&y.parser);
    if (e)
        rules_clear(out);
    return e;
}

void rules_any_host(struct rules *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->items[i].host);
        r->items[i].host = NULL;
    }
}

void rules_clear(struct rules *r)
{
    for (size_t i = 0; i < r->n; i++) {
        where_clear(&r->items[i].where);
        if (r->items[i].regex)
            regfree(r->items[i].regex);
        free(r->items[i].regex);
        free(r->items[i].host);
        free(r->items[i].method);
        free(r->items[i].path);
    }
    free(r->items);
    *r = (struct rules){0};
}

bool rule_applies(const struct rule *r, const struct rules_subject *s)
{
    return (!r->method || where_glob(view_of(r->method), s->method, 0, true)) &&
           (!r->host || where_glob(view_of(r->host), s->host, 0, true)) &&
           (!r->path || where_glob(view_of(r->path), s->path, '/', false));
}
