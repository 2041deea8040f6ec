// yamlr: see yamlr.h. libyaml's events, of which those that say nothing are passed over.
#include "tools/yamlr.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#define NAME_SHOWN 200 // bytes of the name in messages, its last
#define SHOWN      60  // bytes of a value, its first

struct yamlr {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    enum yamlr_what what;
    struct yamlr_mark mark;
    unsigned documents;
    const char *name;
    char *why;
};

static int fail(struct yamlr *y, struct yamlr_mark at, int e, const char *format, va_list args)
{
    size_t n = strlen(y->name), from = n > NAME_SHOWN ? n - NAME_SHOWN : 0;
    int used = snprintf(y->why, WHY_MAX, "%s:%zu:%zu: ", y->name + from, at.line, at.column);
    vsnprintf(y->why + used, WHY_MAX - (size_t)used, format, args);
    return e;
}

int yamlr_fail_at(struct yamlr *y, struct yamlr_mark at, int e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(y, at, e, format, args);
    va_end(args);
    return e;
}

int yamlr_fail(struct yamlr *y, int e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(y, y->mark, e, format, args);
    va_end(args);
    return e;
}

struct yamlr *yamlr_new(const char *name, struct view text, size_t max, char why[WHY_MAX])
{
    struct yamlr *y = text.n > max ? NULL : calloc(1, sizeof *y);
    if (text.n > max) {
        snprintf(why, WHY_MAX, "%.*s:1:1: larger than %zu bytes", NAME_SHOWN, name, max);
        return NULL;
    }
    if (!y || !yaml_parser_initialize(&y->parser)) {
        free(y);
        snprintf(why, WHY_MAX, "%.*s:1:1: %s", NAME_SHOWN, name, err_text(E_NOMEM));
        return NULL;
    }
    y->name = name;
    y->why = why;
    y->mark = (struct yamlr_mark){1, 1};
    yaml_parser_set_input_string(&y->parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    return y;
}

void yamlr_free(struct yamlr *y)
{
    if (!y)
        return;
    if (y->has_event)
        yaml_event_delete(&y->event);
    yaml_parser_delete(&y->parser);
    free(y);
}

static void take_mark(struct yamlr *y, const yaml_mark_t *m)
{
    y->mark = (struct yamlr_mark){m->line + 1, m->column + 1};
}

static int read_event(struct yamlr *y)
{
    if (y->has_event)
        yaml_event_delete(&y->event);
    y->has_event = yaml_parser_parse(&y->parser, &y->event) != 0;
    if (y->has_event) {
        take_mark(y, &y->event.start_mark);
        return 0;
    }
    take_mark(y, &y->parser.problem_mark);
    if (y->parser.error == YAML_MEMORY_ERROR)
        return yamlr_fail(y, E_NOMEM, "%s", err_text(E_NOMEM));
    return yamlr_fail(y, E_SYNTAX, "this is no YAML: %.160s",
                      y->parser.problem ? y->parser.problem : "bad syntax");
}

// Whether the event says something. 1, 0, or an error.
static int take_event(struct yamlr *y)
{
    switch (y->event.type) {
    case YAML_SCALAR_EVENT:
        y->what = YAMLR_VALUE;
        return 1;
    case YAML_SEQUENCE_START_EVENT:
        y->what = YAMLR_LIST;
        return 1;
    case YAML_SEQUENCE_END_EVENT:
        y->what = YAMLR_LIST_END;
        return 1;
    case YAML_MAPPING_START_EVENT:
        y->what = YAMLR_MAP;
        return 1;
    case YAML_MAPPING_END_EVENT:
        y->what = YAMLR_MAP_END;
        return 1;
    case YAML_STREAM_END_EVENT:
        y->what = YAMLR_DONE;
        return 1;
    case YAML_ALIAS_EVENT:
        return yamlr_fail(y, E_SYNTAX, "aliases are not taken here");
    case YAML_DOCUMENT_START_EVENT:
        if (y->documents++)
            return yamlr_fail(y, E_SYNTAX, "a second document begins here; one is expected");
        return 0;
    default:
        return 0;
    }
}

int yamlr_next(struct yamlr *y, enum yamlr_what *what)
{
    int e = y->has_event && y->event.type == YAML_STREAM_END_EVENT ? 1 : 0;
    while (e == 0) {
        e = read_event(y);
        if (!e)
            e = take_event(y);
    }
    *what = y->what;
    return e < 0 ? e : 0;
}

enum yamlr_what yamlr_what(const struct yamlr *y)
{
    return y->what;
}

struct view yamlr_value(const struct yamlr *y)
{
    if (y->what != YAMLR_VALUE || !y->has_event)
        return (struct view){NULL, 0};
    return view_n(y->event.data.scalar.value, y->event.data.scalar.length);
}

const char *yamlr_shown(const struct yamlr *y, char out[YAMLR_SHOWN])
{
    struct view v = yamlr_value(y);
    size_t n = v.n < SHOWN ? v.n : SHOWN;
    while (n < v.n && n > 0 && ((unsigned char)v.p[n] & 0xc0) == 0x80) // not within a letter
        n--;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f ? '?' : v.p[i];
    snprintf(out + n, YAMLR_SHOWN - n, "%s", y->what != YAMLR_VALUE || n < v.n ? "…" : "");
    return out;
}

bool yamlr_is_null(const struct yamlr *y)
{
    struct view v = yamlr_value(y);
    return y->what == YAMLR_VALUE && y->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (v.n == 0 || view_eq(v, VIEW_LIT("~")) || view_ieq(v, VIEW_LIT("null")));
}

struct yamlr_mark yamlr_mark(const struct yamlr *y)
{
    return y->mark;
}

struct yamlr_mark yamlr_mark_in(const struct yamlr *y, size_t n)
{
    struct yamlr_mark at = y->mark;
    if (y->what != YAMLR_VALUE || y->event.start_mark.line != y->event.end_mark.line)
        return at;
    size_t columns = y->event.end_mark.column - y->event.start_mark.column, letters = 0, all = 0;
    bool plain = y->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct view v = yamlr_value(y);
    for (size_t i = 0; i < v.n; i++) {
        bool begins = ((unsigned char)v.p[i] & 0xc0) != 0x80;
        all += begins;
        letters += begins && i < n;
    }
    if (all + (plain ? 0 : 2) == columns) // else there are escapes
        at.column += letters + !plain;
    return at;
}

int yamlr_copy(struct yamlr *y, const char *what, size_t max, char **out)
{
    struct view v = yamlr_value(y);
    char text[YAMLR_SHOWN];
    if (y->what != YAMLR_VALUE)
        return yamlr_fail(y, E_SYNTAX, "%s takes one plain value", what);
    if (v.n == 0 || v.n > max || memchr(v.p, 0, v.n))
        return yamlr_fail(y, E_SYNTAX, "%s: '%s' is not 1 to %zu letters", what,
                          yamlr_shown(y, text), max);
    *out = strndup(v.p, v.n);
    return *out ? 0 : yamlr_fail(y, E_NOMEM, "%s", err_text(E_NOMEM));
}
