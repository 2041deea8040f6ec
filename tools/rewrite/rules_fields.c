// rules_fields: a table of keys, of which each section has some.
#include "tools/rewrite/rules_fields.h"

#include "proto/base/clock.h"
#include "proto/base/units.h"
#include "proto/filter_pattern.h"

#include <stdlib.h>

enum field {
    WHERE,
    VALUE,
    JSON,
    MATCH,
    WITH,
    NAME,
    KEY,
    ALG,
    BY,
    CLAIMS, // "set" of a jwt
    FROM,
    TO,
    HOST,
    METHOD,
    PATH,
    FILTER,
    FIELDS
};
static const char *const field_names[FIELDS] = {"where", "value",  "json", "match", "with", "name",
                                                "key",   "alg",    "by",   "set",   "from", "to",
                                                "host",  "method", "path", "filter"};

#define BIT(field) (1u << (field))
#define LIMITS     (BIT(HOST) | BIT(METHOD) | BIT(PATH) | BIT(FILTER))
#define END        (BIT(WHERE) | BIT(HOST) | BIT(METHOD) | BIT(PATH))

static const struct {
    unsigned may, must;
    const char *example;
} sections[RULES_SECTIONS] = {
    {BIT(WHERE) | BIT(VALUE) | BIT(JSON) | LIMITS, BIT(WHERE), "{where: header x, value: y}"},
    {BIT(WHERE) | LIMITS, BIT(WHERE), "{where: header x}"},
    {BIT(WHERE) | BIT(MATCH) | BIT(WITH) | LIMITS, BIT(WHERE) | BIT(MATCH) | BIT(WITH),
     "{where: path, match: ^/v1/, with: /v2/}"},
    {BIT(WHERE) | BIT(NAME) | BIT(MATCH) | LIMITS, BIT(WHERE) | BIT(NAME),
     "{where: body.token, name: token, path: /login}"},
    {BIT(WHERE) | BIT(KEY) | BIT(ALG) | BIT(CLAIMS) | LIMITS, BIT(WHERE) | BIT(KEY) | BIT(ALG),
     "{where: header authorization, alg: HS256, key: \"${env:KEY}\"}"},
    {BIT(WHERE) | BIT(BY) | LIMITS, BIT(WHERE), "{where: body.from, by: 7d}"},
    {BIT(FROM) | BIT(TO), BIT(FROM) | BIT(TO),
     "{from: {where: body.token, path: /login}, to: [header authorization]}"},
};

const char *rules_example(enum rules_section section)
{
    return sections[section].example;
}

static int no_memory(struct rules_reader *r)
{
    return yamlr_fail(r->y, E_NOMEM, "%s", err_text(E_NOMEM));
}

// ---- places

static int parse_place(struct rules_reader *r, struct place *p)
{
    char why[WHY_MAX], shown[YAMLR_SHOWN];
    size_t at = 0;
    int e = place_parse(p, yamlr_value(r->y), &at, why);
    if (e)
        return yamlr_fail_at(r->y, yamlr_mark_in(r->y, at), e, "'%s': %.300s",
                             yamlr_shown(r->y, shown), why);
    return 0;
}

static int refuse(struct rules_reader *r, const char *what)
{
    char shown[YAMLR_SHOWN];
    return yamlr_fail(r->y, E_SYNTAX, "'%s': %s", yamlr_shown(r->y, shown), what);
}

int rules_place(struct rules_reader *r)
{
    struct rewrite_rule *rule = r->rule;
    struct view text = yamlr_value(r->y);
    snprintf(r->place, sizeof r->place, "%.*s", (int)(text.n < 200 ? text.n : 200), text.p);
    r->seen |= BIT(WHERE);
    if (rule->section == RULES_DATES && view_eq(text, VIEW_LIT("all"))) {
        rule->all_times = rule->by_recording = true;
        return 0;
    }
    rule->by_recording = true; // until by says otherwise
    int e = parse_place(r, &rule->place);
    if (e)
        return e;
    enum part_kind kind = rule->place.kind;
    bool answer = rule->section == RULES_CAPTURE;
    if (!answer && kind == PART_HTML)
        return refuse(r, "a request has no such place; it is one of an answer");
    if (!answer && rule->place.within)
        return refuse(r, "what stands in a URL is taken from answers only");
    if (answer && (kind == PART_HOST || kind == PART_METHOD || kind == PART_PATH ||
                   kind == PART_SEGMENT || kind == PART_QUERY))
        return refuse(r, "an answer has no such place; it has header NAME, cookie NAME, body, "
                         "body.KEY, html NAME");
    if (rule->section == RULES_REMOVE &&
        (kind == PART_HOST || kind == PART_METHOD || kind == PART_PATH || kind == PART_SEGMENT))
        return refuse(r, "a request cannot be without it");
    return 0;
}

// ---- values

static int parse_template(struct rules_reader *r, struct template *t)
{
    char why[WHY_MAX];
    size_t at = 0, known = r->rewrite->names.n;
    struct yamlr_mark mark = yamlr_mark_in(r->y, 0);
    int e = template_parse(t, yamlr_value(r->y), &r->rewrite->resources, &r->rewrite->names,
                           mark.line, mark.column, &at, why);
    if (e)
        return yamlr_fail_at(r->y, yamlr_mark_in(r->y, at), e, "%.300s", why);
    for (; known < r->rewrite->names.n; known++)
        r->named[known] = mark;
    return 0;
}

int rules_value(struct rules_reader *r)
{
    r->seen |= BIT(VALUE);
    return parse_template(r, &r->rule->value);
}

static int parse_match(struct rules_reader *r)
{
    char why[128], shown[YAMLR_SHOWN];
    size_t at = 0;
    regex_t *match = malloc(sizeof *match);
    int e = match ? filter_pattern_compile_groups(yamlr_value(r->y), match, &at, why) : E_NOMEM;
    if (e == E_NOMEM) {
        free(match);
        return no_memory(r);
    }
    if (e) {
        free(match);
        return yamlr_fail_at(r->y, yamlr_mark_in(r->y, at), e, "'%s': %s", yamlr_shown(r->y, shown),
                             why);
    }
    r->rule->match = match;
    return 0;
}

static int parse_name(struct rules_reader *r)
{
    struct view v = yamlr_value(r->y);
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] == '}' || v.p[i] == ':' || (unsigned char)v.p[i] <= ' ')
            return refuse(r, "a name has letters, digits, '_', '-' and '.'");
    if (v.n == 0 || v.n > 128)
        return refuse(r, "a name has 1 to 128 letters");
    size_t known = r->rewrite->names.n;
    int i = template_name(&r->rewrite->names, v);
    if (i < 0)
        return yamlr_fail(r->y, i, "%s",
                          i == E_LIMIT ? "more than 256 names of live values" : err_text(i));
    if (known < r->rewrite->names.n)
        r->named[known] = yamlr_mark(r->y);
    r->rule->name = (size_t)i;
    return 0;
}

static int parse_algorithm(struct rules_reader *r)
{
    for (int i = 0; i < SIGN_ALGORITHMS; i++)
        if (view_ieq(yamlr_value(r->y), view_of(sign_algorithms[i]))) {
            r->rule->algorithm = (enum sign_algorithm)i;
            return 0;
        }
    return refuse(r, "there are HS256, HS384, HS512, RS256, ES256");
}

static int parse_by(struct rules_reader *r)
{
    struct view v = yamlr_value(r->y);
    bool back = v.n > 0 && v.p[0] == '-';
    bool sign = back || (v.n > 0 && v.p[0] == '+');
    if (view_eq(v, VIEW_LIT("recording"))) {
        r->rule->by_recording = true;
        return 0;
    }
    if (units_duration(view_from(v, sign), &r->rule->shift_us) ||
        r->rule->shift_us > TEMPLATE_SPAN_MAX)
        return refuse(r, "a span such as 7d or -12h is expected, or recording");
    if (back)
        r->rule->shift_us = -r->rule->shift_us;
    r->rule->by_recording = false;
    return 0;
}

static int parse_filter(struct rules_reader *r)
{
    char why[WHY_MAX];
    size_t column = 0;
    int e = filter_parse(yamlr_value(r->y), clock_wall_us(), &r->rule->limits.filter, &column, why);
    if (e)
        return yamlr_fail_at(r->y, yamlr_mark_in(r->y, column), e, "filter: %.300s", why);
    r->rewrite->has_filter = true;
    return 0;
}

// ---- claims, ends

static int claims(struct rules_reader *r)
{
    struct rewrite_rule *rule = r->rule;
    enum yamlr_what what;
    if (yamlr_what(r->y) != YAMLR_MAP)
        return yamlr_fail(r->y, E_SYNTAX,
                          "set takes a mapping of claims, such as "
                          "{exp: \"${now+1h:s}\"}");
    for (;;) {
        int e = yamlr_next(r->y, &what);
        if (e || what == YAMLR_MAP_END)
            return e;
        if (rule->claim_count == RULES_CLAIMS_MAX)
            return yamlr_fail(r->y, E_LIMIT, "more than %d claims", RULES_CLAIMS_MAX);
        struct rules_claim *more =
            realloc(rule->claims, (rule->claim_count + 1) * sizeof *rule->claims);
        if (!more)
            return no_memory(r);
        rule->claims = more;
        more[rule->claim_count] = (struct rules_claim){0};
        e = what == YAMLR_VALUE
                ? yamlr_copy(r->y, "a claim's name", 256, &more[rule->claim_count].name)
                : yamlr_fail(r->y, E_SYNTAX, "the name of a claim is expected here");
        if (e)
            return e;
        rule->claim_count++;
        e = yamlr_next(r->y, &what);
        if (!e && what != YAMLR_VALUE)
            e = yamlr_fail(r->y, E_SYNTAX, "a claim takes one plain value");
        e = e ? e : parse_template(r, &more[rule->claim_count - 1].value);
        if (e)
            return e;
    }
}

static int limit(struct rules_reader *r, struct rules_limits *l, enum field field)
{
    return yamlr_copy(r->y, field_names[field], WHERE_GLOB_MAX,
                      field == HOST     ? &l->host
                      : field == METHOD ? &l->method
                                        : &l->path);
}

static int find_field(struct rules_reader *r, unsigned may, unsigned *seen, enum field *out)
{
    char names[200] = "", shown[YAMLR_SHOWN];
    size_t n = 0;
    unsigned i = 0;
    bool plain = yamlr_what(r->y) == YAMLR_VALUE;
    while (i < FIELDS && plain &&
           !(may >> i & 1 && view_eq(yamlr_value(r->y), view_of(field_names[i]))))
        i++;
    if (plain && i < FIELDS && *seen >> i & 1)
        return yamlr_fail(r->y, E_EXISTS, "%s stands here for the second time", field_names[i]);
    *seen |= i < FIELDS ? BIT(i) : 0;
    *out = (enum field)i;
    if (plain && i < FIELDS)
        return 0;
    for (i = 0; i < FIELDS; i++)
        if (may >> i & 1)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "",
                                  field_names[i]);
    return yamlr_fail(r->y, E_SYNTAX, "'%s' is nothing of such a rule; it has %s",
                      plain ? yamlr_shown(r->y, shown) : "…", names);
}

// An end of an edge, at hand: a place, or {where: …, path: …}. from: where it is issued.
static int end(struct rules_reader *r, struct place *p, struct rules_limits *l, bool from)
{
    struct yamlr_mark mark = yamlr_mark(r->y);
    enum yamlr_what what = yamlr_what(r->y);
    unsigned seen = what == YAMLR_VALUE ? BIT(WHERE) : 0;
    int e = what == YAMLR_VALUE ? parse_place(r, p) : 0;
    if (what != YAMLR_VALUE && what != YAMLR_MAP)
        return yamlr_fail(r->y, E_SYNTAX, "a place or a mapping is expected here");
    while (!e && what != YAMLR_VALUE) {
        enum field field;
        enum yamlr_what now;
        e = yamlr_next(r->y, &now);
        if (e || now == YAMLR_MAP_END)
            break;
        e = find_field(r, END, &seen, &field);
        e = e ? e : yamlr_next(r->y, &now);
        if (!e && now != YAMLR_VALUE)
            e = yamlr_fail(r->y, E_SYNTAX, "%s takes one plain value", field_names[field]);
        e = e ? e : field == WHERE ? parse_place(r, p) : limit(r, l, field);
    }
    if (!e && !(seen & BIT(WHERE)))
        return yamlr_fail_at(r->y, mark, E_SYNTAX, "this lacks where");
    if (!e && !from && (p->kind == PART_HTML || p->within))
        return yamlr_fail_at(r->y, mark, E_SYNTAX, "a request has no such place");
    return e;
}

static int ends(struct rules_reader *r)
{
    struct rewrite_rule *rule = r->rule;
    bool many = yamlr_what(r->y) == YAMLR_LIST;
    for (int e;;) {
        enum yamlr_what what = YAMLR_VALUE;
        e = many ? yamlr_next(r->y, &what) : 0;
        if (e || (many && what == YAMLR_LIST_END))
            return e;
        if (rule->to_count == RULES_TO_MAX)
            return yamlr_fail(r->y, E_LIMIT, "more than %d places", RULES_TO_MAX);
        struct rules_end *more = realloc(rule->to, (rule->to_count + 1) * sizeof *more);
        if (!more)
            return no_memory(r);
        rule->to = more;
        more[rule->to_count] = (struct rules_end){0};
        rule->to_count++;
        e = end(r, &more[rule->to_count - 1].place, &more[rule->to_count - 1].limits, false);
        if (e || !many)
            return e;
    }
}

// ---- a rule

static int take(struct rules_reader *r, enum field field)
{
    switch (field) {
    case WHERE:
        return rules_place(r);
    case JSON:
        r->rule->json = true;
        return rules_value(r);
    case MATCH:
        return parse_match(r);
    case NAME:
        return parse_name(r);
    case ALG:
        return parse_algorithm(r);
    case BY:
        return parse_by(r);
    case HOST:
    case METHOD:
    case PATH:
        return limit(r, &r->rule->limits, field);
    case FILTER:
        return parse_filter(r);
    default: // value, with, key
        return rules_value(r);
    }
}

int rules_field(struct rules_reader *r)
{
    enum field field;
    enum yamlr_what what;
    unsigned seen = r->seen;
    int e = find_field(r, sections[r->rule->section].may, &seen, &field);
    e = e ? e : yamlr_next(r->y, &what);
    if (e)
        return e;
    r->seen = seen;
    if (field == CLAIMS)
        return claims(r);
    if (field == FROM) {
        snprintf(r->place, sizeof r->place, "from");
        return end(r, &r->rule->place, &r->rule->limits, true);
    }
    if (field == TO)
        return ends(r);
    if (what != YAMLR_VALUE)
        return yamlr_fail(r->y, E_SYNTAX, "%s takes one plain value", field_names[field]);
    if ((field == VALUE || field == JSON) && r->seen & BIT(field == VALUE ? JSON : VALUE) &&
        r->rule->value.text)
        return yamlr_fail(r->y, E_EXISTS, "either value or json, not both");
    bool said = r->rule->section == RULES_DATES && seen & BIT(BY);
    int64_t shift = r->rule->shift_us;
    bool recording = r->rule->by_recording;
    e = take(r, field);
    if (field == WHERE && said) { // by stood before it
        r->rule->shift_us = shift;
        r->rule->by_recording = recording;
    }
    return e;
}

int rules_fields_check(struct rules_reader *r, struct yamlr_mark mark)
{
    enum rules_section s = r->rule->section;
    unsigned lacks = sections[s].must & ~r->seen;
    for (unsigned i = 0; i < FIELDS; i++)
        if (lacks >> i & 1)
            return yamlr_fail_at(r->y, mark, E_SYNTAX, "this rule lacks %s, such as %s",
                                 field_names[i], sections[s].example);
    if (s == RULES_SET && !r->rule->value.text)
        return yamlr_fail_at(r->y, mark, E_SYNTAX, "this rule lacks value, such as %s",
                             sections[s].example);
    if (s == RULES_SET && r->rule->json && r->rule->place.kind != PART_VALUE)
        return yamlr_fail_at(r->y, mark, E_SYNTAX, "json goes with a place such as body.id");
    return 0;
}
