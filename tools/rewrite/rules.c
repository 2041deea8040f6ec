// rules: the sections of a file of rules, and their rules; what stands in a rule is read by
// rules_fields.c.
//
//   section:                     every section
//     - {where: PLACE, …}        a list of mappings
//     - PLACE                    remove, dates: where nothing else is needed
//     PLACE: VALUE | {…}         set: a mapping of places instead
#include "tools/rewrite/rules.h"

#include "proto/base/whole_file.h"
#include "tools/rewrite/rules_fields.h"

#include <stdio.h>
#include <stdlib.h>

const char *const rewrite_sections[RULES_SECTIONS] = {"set", "remove", "replace",  "capture",
                                                      "jwt", "dates",  "correlate"};

#define SECTIONS_ALLOWED "set, remove, replace, capture, jwt, dates, correlate, seed"

// ---- limits

static bool glob(const char *pattern, struct view text, char stop, bool fold)
{
    return !pattern || where_glob(view_of(pattern), text, stop, fold);
}

bool rules_limits_take(const struct rules_limits *l, const struct rules_subject *s)
{
    return glob(l->method, s->method, 0, true) && glob(l->host, s->host, 0, true) &&
           glob(l->path, s->path, '/', false);
}

void rules_limits_clear(struct rules_limits *l)
{
    free(l->host);
    free(l->method);
    free(l->path);
    filter_free(l->filter);
    *l = (struct rules_limits){0};
}

// ---- a rule

static int new_rule(struct rules_reader *r, enum rules_section section)
{
    struct rewrite *w = r->rewrite;
    if (w->n == REWRITE_RULES_MAX)
        return yamlr_fail(r->y, E_LIMIT, "more than %d rules", REWRITE_RULES_MAX);
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 8;
        struct rewrite_rule *more = realloc(w->rules, cap * sizeof *more);
        if (!more)
            return yamlr_fail(r->y, E_NOMEM, "%s", err_text(E_NOMEM));
        w->rules = more;
        w->cap = cap;
    }
    w->rules[w->n] = (struct rewrite_rule){.section = section, .line = yamlr_mark(r->y).line};
    r->rule = &w->rules[w->n++];
    w->sections[section]++;
    r->seen = 0;
    return 0;
}

static int end_rule(struct rules_reader *r, struct yamlr_mark mark)
{
    struct rewrite_rule *rule = r->rule;
    int e = rules_fields_check(r, mark);
    if (e)
        return e;
    size_t n = strlen(r->rewrite->name) + sizeof r->place + 64;
    rule->text = malloc(n);
    if (!rule->text)
        return yamlr_fail_at(r->y, mark, E_NOMEM, "%s", err_text(E_NOMEM));
    snprintf(rule->text, n, "%s:%zu %s %s", r->rewrite->name, rule->line,
             rewrite_sections[rule->section], r->place);
    return 0;
}

// {where: …}, begun already.
static int mapping(struct rules_reader *r)
{
    enum yamlr_what what;
    for (;;) {
        int e = yamlr_next(r->y, &what);
        if (e || what == YAMLR_MAP_END)
            return e;
        e = rules_field(r);
        if (e)
            return e;
    }
}

static int list(struct rules_reader *r, enum rules_section section)
{
    bool plain_place = section == RULES_REMOVE || section == RULES_DATES;
    enum yamlr_what what;
    for (;;) {
        int e = yamlr_next(r->y, &what);
        if (e || what == YAMLR_LIST_END)
            return e;
        struct yamlr_mark mark = yamlr_mark(r->y);
        if (what != YAMLR_MAP && !(what == YAMLR_VALUE && plain_place))
            return yamlr_fail(
                r->y, E_SYNTAX, "%s takes %s here, such as %s", rewrite_sections[section],
                plain_place ? "a place or a mapping" : "a mapping", rules_example(section));
        e = new_rule(r, section);
        e = e ? e : what == YAMLR_VALUE ? rules_place(r) : mapping(r);
        e = e ? e : end_rule(r, mark);
        if (e)
            return e;
    }
}

// "header x: value", "header x: {value: …, host: …}".
static int places(struct rules_reader *r)
{
    enum yamlr_what what;
    for (;;) {
        int e = yamlr_next(r->y, &what);
        if (e || what == YAMLR_MAP_END)
            return e;
        if (what != YAMLR_VALUE)
            return yamlr_fail(r->y, E_SYNTAX, "a place is expected here: " PLACE_ALLOWED);
        struct yamlr_mark mark = yamlr_mark(r->y);
        e = new_rule(r, RULES_SET);
        e = e ? e : rules_place(r);
        e = e ? e : yamlr_next(r->y, &what);
        if (e)
            return e;
        if (what == YAMLR_MAP)
            e = mapping(r);
        else if (what == YAMLR_VALUE)
            e = rules_value(r);
        else
            e = yamlr_fail(r->y, E_SYNTAX,
                           "a value or a mapping is expected here, such as "
                           "{value: …, path: /x}");
        e = e ? e : end_rule(r, mark);
        if (e)
            return e;
    }
}

// ---- the file

static int seed(struct rules_reader *r)
{
    char shown[YAMLR_SHOWN];
    enum yamlr_what what;
    int e = yamlr_next(r->y, &what);
    if (e)
        return e;
    if (what == YAMLR_VALUE &&
        view_number(yamlr_value(r->y), 10, UINT64_MAX, &r->rewrite->seed) == 0)
        return 0;
    return yamlr_fail(r->y, E_SYNTAX, "seed: '%s' is no whole number", yamlr_shown(r->y, shown));
}

static int section(struct rules_reader *r, unsigned *seen)
{
    char shown[YAMLR_SHOWN];
    enum yamlr_what what;
    unsigned i = 0;
    struct view word = yamlr_value(r->y);
    bool is_seed = view_eq(word, VIEW_LIT("seed"));
    while (i < RULES_SECTIONS && !view_eq(word, view_of(rewrite_sections[i])))
        i++;
    if (i == RULES_SECTIONS && !is_seed)
        return yamlr_fail(r->y, E_SYNTAX, "'%s' is no kind of rule; there are " SECTIONS_ALLOWED,
                          yamlr_shown(r->y, shown));
    if (*seen >> i & 1)
        return yamlr_fail(r->y, E_EXISTS, "%s stands here for the second time",
                          yamlr_shown(r->y, shown));
    *seen |= 1u << i;
    if (is_seed)
        return seed(r);
    int e = yamlr_next(r->y, &what);
    if (e || (what == YAMLR_VALUE && yamlr_is_null(r->y)))
        return e;
    if (what == YAMLR_LIST)
        return list(r, (enum rules_section)i);
    if (what == YAMLR_MAP && i == RULES_SET)
        return places(r);
    if (what != YAMLR_VALUE || i != RULES_DATES || !view_eq(yamlr_value(r->y), VIEW_LIT("all")))
        return yamlr_fail(r->y, E_SYNTAX, "%s takes a list%s, such as %s", rewrite_sections[i],
                          i == RULES_SET ? " or a mapping of places" : "",
                          rules_example((enum rules_section)i));
    struct yamlr_mark mark = yamlr_mark(r->y); // dates: all
    e = new_rule(r, RULES_DATES);
    e = e ? e : rules_place(r);
    return e ? e : end_rule(r, mark);
}

static int document(struct rules_reader *r)
{
    enum yamlr_what what;
    unsigned seen = 0;
    int e = yamlr_next(r->y, &what);
    if (e || what == YAMLR_DONE)
        return e;
    if (what == YAMLR_VALUE && yamlr_is_null(r->y))
        return yamlr_next(r->y, &what);
    if (what != YAMLR_MAP)
        return yamlr_fail(r->y, E_SYNTAX, "rules are a mapping with " SECTIONS_ALLOWED);
    while (!(e = yamlr_next(r->y, &what)) && what == YAMLR_VALUE)
        if ((e = section(r, &seen)))
            return e;
    if (e)
        return e;
    if (what != YAMLR_MAP_END)
        return yamlr_fail(r->y, E_SYNTAX, "rules are a mapping with " SECTIONS_ALLOWED);
    return yamlr_next(r->y, &what);
}

// A live value that no rule gives would be waited for in vain.
static int check_names(struct rules_reader *r, char why[WHY_MAX])
{
    struct rewrite *w = r->rewrite;
    w->captured = calloc(w->names.n + 1, sizeof *w->captured);
    if (!w->captured)
        return err_no_memory(why, WHY_MAX);
    for (size_t i = 0; i < w->n; i++)
        if (w->rules[i].section == RULES_CAPTURE)
            w->captured[w->rules[i].name] = true;
    for (size_t i = 0; i < w->names.n; i++)
        if (!w->captured[i])
            return yamlr_fail_at(r->y, r->named[i], E_SYNTAX,
                                 "no rule of capture gives the value '%.60s'", w->names.items[i]);
    return 0;
}

int rewrite_parse(struct rewrite **out, const char *name, struct view text, char why[WHY_MAX])
{
    struct rewrite *w = calloc(1, sizeof *w);
    struct rules_reader r = {.rewrite = w, .name = name};
    *out = NULL;
    if (!w || !(w->name = strdup(name))) {
        free(w);
        return err_no_memory(why, WHY_MAX);
    }
    r.y = yamlr_new(name, text, REWRITE_TEXT_MAX, why);
    int e = r.y ? 0 : text.n > REWRITE_TEXT_MAX ? E_LIMIT : E_NOMEM;
    r.why = why;
    e = e ? e : document(&r);
    e = e ? e : check_names(&r, why);
    yamlr_free(r.y);
    if (e)
        rewrite_free(w);
    else
        *out = w;
    return e;
}

int rewrite_read(struct rewrite **out, const char *path, char why[WHY_MAX])
{
    struct buf text;
    buf_init(&text, REWRITE_TEXT_MAX);
    *out = NULL;
    int e = whole_file_read(path, REWRITE_TEXT_MAX, &text, why);
    e = e ? e : rewrite_parse(out, path, buf_view(&text), why);
    buf_clear(&text);
    return e;
}

static void clear_rule(struct rewrite_rule *rule)
{
    place_clear(&rule->place);
    rules_limits_clear(&rule->limits);
    template_clear(&rule->value);
    if (rule->match)
        regfree(rule->match);
    free(rule->match);
    for (size_t i = 0; i < rule->claim_count; i++) {
        free(rule->claims[i].name);
        template_clear(&rule->claims[i].value);
    }
    free(rule->claims);
    for (size_t i = 0; i < rule->to_count; i++) {
        place_clear(&rule->to[i].place);
        rules_limits_clear(&rule->to[i].limits);
    }
    free(rule->to);
    free(rule->text);
}

void rewrite_free(struct rewrite *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n; i++)
        clear_rule(&w->rules[i]);
    free(w->rules);
    resources_clear(&w->resources);
    template_names_clear(&w->names);
    free(w->captured);
    free(w->name);
    free(w);
}
