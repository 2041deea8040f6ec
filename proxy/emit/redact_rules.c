// redact_rules: rules from their text, and names that meet them.
//
//   RULE, RULE, …    each "none", "default", "header:NAME", "query:NAME" or "json:PATH"
//
// A rule that is there already is no second one; a text with a bad rule is refused as a whole, in
// one line that says which one and what rules are.
#include "proxy/emit/redact_state.h"

#include "proxy/http/head.h"

#include <stdlib.h>

static int bad(char why[WHY_MAX], struct view rule, const char *what)
{
    snprintf(why, WHY_MAX,
             "redact: \"%.*s\": %s; rules are none, default, header:NAME, query:NAME and json:PATH "
             "(PATH: $ and .name, ..name, [*], [N])",
             (int)(rule.n < 100 ? rule.n : 100), rule.p ? rule.p : "", what);
    return E_SYNTAX;
}

static const char *step_from(struct view *in, struct redact_step *out)
{
    struct view v = *in;
    size_t skip = 1;

    if (v.p[0] == '[') {
        size_t end = view_find(v, ']');
        struct view inside = view_n(v.p + 1, end < v.n ? end - 1 : 0);
        if (view_eq(inside, VIEW_LIT("*")))
            out->kind = STEP_EACH;
        else if (end < v.n && view_number(inside, 10, UINT32_MAX, &out->index) == 0)
            out->kind = STEP_INDEX;
        else
            return "brackets hold * or a number";
        *in = view_from(v, end + 1);
        return NULL;
    }
    if (v.p[0] != '.')
        return "a step begins with . or [";
    out->kind = STEP_NAME;
    if (v.n > 1 && v.p[1] == '.') {
        out->kind = STEP_DEEP;
        skip = 2;
    }
    v = view_from(v, skip);
    size_t n = 0;
    while (n < v.n && v.p[n] != '.' && v.p[n] != '[' && v.p[n] != ']')
        n++;
    if (n == 0)
        return "a name is missing behind .";
    out->name = view_head(v, n);
    *in = view_from(v, n);
    return NULL;
}

static int path_from(struct redact_rule *rule, struct view text, char why[WHY_MAX])
{
    struct view path = rule->name;

    if (path.p[0] != '$' || path.n == 1)
        return bad(why, text, "a path is $ and at least one step");
    rule->step = calloc(REDACT_STEPS_MAX, sizeof *rule->step);
    if (!rule->step) {
        snprintf(why, WHY_MAX, "redact: %s", err_text(E_NOMEM));
        return E_NOMEM;
    }
    path = view_from(path, 1);
    while (path.n) {
        if (rule->steps == REDACT_STEPS_MAX)
            return bad(why, text, "it has more than 31 steps");
        const char *wrong = step_from(&path, &rule->step[rule->steps++]);
        if (wrong)
            return bad(why, text, wrong);
    }
    return 0;
}

static int add_rule(struct redact *r, struct view text, char why[WHY_MAX])
{
    static const struct {
        struct view prefix;
        enum redact_kind kind;
    } kinds[] = {{VIEW_LIT("header:"), REDACT_HEADER},
                 {VIEW_LIT("query:"), REDACT_QUERY},
                 {VIEW_LIT("json:"), REDACT_JSON}};
    struct redact_rule *rule = &r->rule[r->rules];
    size_t k = 0;

    while (k < 3 && !view_istarts(text, kinds[k].prefix))
        k++;
    if (k == 3)
        return bad(why, text, "no such rule");
    if (text.n == kinds[k].prefix.n)
        return bad(why, text, "a name is missing");
    for (unsigned i = 0; i < r->rules; i++) {
        struct view known = view_of(r->rule[i].what);
        if (kinds[k].kind == REDACT_JSON ? view_eq(known, text) : view_ieq(known, text))
            return 0;
    }
    if (r->rules == REDACT_RULES_MAX)
        return bad(why, text, "there are more than 64 rules");
    char *what = malloc(text.n + 1);
    if (!what) {
        snprintf(why, WHY_MAX, "redact: %s", err_text(E_NOMEM));
        return E_NOMEM;
    }
    r->rules++;
    memcpy(what, text.p, text.n);
    what[text.n] = '\0';
    *rule = (struct redact_rule){.kind = kinds[k].kind, .what = what};
    for (char *c = what; *c && (c < what + kinds[k].prefix.n || rule->kind == REDACT_HEADER); c++)
        *c = view_lower(*c);
    rule->name = view_from(view_of(what), kinds[k].prefix.n);
    if (rule->kind == REDACT_HEADER && http_token_run(rule->name) != rule->name.n)
        return bad(why, text, "no header has that name");
    if (rule->kind == REDACT_HEADER && (view_eq(rule->name, VIEW_LIT("authorization")) ||
                                        view_eq(rule->name, VIEW_LIT("proxy-authorization"))))
        r->credentials = r->rules - 1;
    r->headers |= rule->kind == REDACT_HEADER;
    r->queries |= rule->kind == REDACT_QUERY;
    r->jsons |= rule->kind == REDACT_JSON;
    if (rule->kind == REDACT_HEADER)
        r->lengths |= (uint64_t)1 << rule->name.n % 64;
    return rule->kind == REDACT_JSON ? path_from(rule, text, why) : 0;
}

int redact_parse(struct redact *r, const char *rules, char why[WHY_MAX])
{
    static const char *const usual[] = {"header:authorization", "header:proxy-authorization",
                                        "header:cookie", "header:set-cookie"};
    struct view rest = view_of(rules);
    int e = 0;

    for (;;) {
        size_t comma = view_find(rest, ',');
        struct view text = view_trim(view_head(rest, comma));
        if (view_ieq(text, VIEW_LIT("default"))) {
            for (size_t i = 0; i < 4 && e == 0; i++)
                e = add_rule(r, view_of(usual[i]), why);
        } else if (!view_ieq(text, VIEW_LIT("none"))) {
            e = text.n ? add_rule(r, text, why) : bad(why, text, "a rule is missing");
        }
        if (e < 0 || comma == rest.n)
            return e;
        rest = view_from(rest, comma + 1);
    }
}

void redact_forget(struct redact *r)
{
    for (unsigned i = 0; i < r->rules; i++) {
        free(r->rule[i].what);
        free(r->rule[i].step);
    }
}

// The next character of a name in a query, decoded and in lower case.
static char next_char(struct view *v, bool percent)
{
    char c = v->p[0];
    size_t used = 1;
    uint64_t code;

    if (percent && c == '%' && v->n >= 3 &&
        view_number(view_n(v->p + 1, 2), 16, UINT8_MAX, &code) == 0) {
        c = (char)code;
        used = 3;
    } else if (percent && c == '+') {
        c = ' ';
    }
    *v = view_from(*v, used);
    return view_lower(c);
}

// As the frameworks see names: blanks in front do not count; "name[]" and "name[key]" are values of
// name, and for some a NUL ends it.
bool redact_name_is(struct view name, const struct redact_rule *rule, bool percent)
{
    struct view wanted = rule->name, from = name;

    while (percent && from.n && next_char(&from, percent) == ' ' && wanted.p[0] != ' ')
        name = from;
    while (name.n && wanted.n) {
        if (next_char(&name, percent) != next_char(&wanted, percent))
            return false;
    }
    if (wanted.n || name.n == 0)
        return wanted.n == 0;
    char c = next_char(&name, percent);
    return percent && (c == '[' || c == '\0');
}
