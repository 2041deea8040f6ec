// goals: parsed from left to right, judged one by one.
#include "tools/report/goals.h"

#include "proto/base/buf.h"
#include "tools/report/mend.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *text;
    enum goal_op op;
} ops[] = {
    {">=", GOAL_AT_LEAST}, {"<=", GOAL_AT_MOST}, {"!=", GOAL_OTHER}, {"==", GOAL_EQUAL},
    {">", GOAL_ABOVE},     {"<", GOAL_BELOW},    {"=", GOAL_EQUAL},
};
#define OPS (sizeof ops / sizeof *ops)

struct parse {
    struct view text;
    size_t at;
    char *why;
};

static void blanks(struct parse *p)
{
    while (p->at < p->text.n && (p->text.p[p->at] == ' ' || p->text.p[p->at] == '\t'))
        p->at++;
}

// The goal, where in it, and the message, which stands in why so far.
static int wrong(struct parse *p, int e)
{
    char message[WHY_MAX], goal[128];
    snprintf(message, sizeof message, "%s", p->why);
    mend(p->text, goal, sizeof goal);
    snprintf(p->why, WHY_MAX, "goal '%s', column %zu: %s", goal, p->at + 1, message);
    return e;
}

static bool of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

static int parse_measure(struct parse *p, struct goal *g)
{
    size_t from = p->at, at;
    while (p->at < p->text.n && of_name(p->text.p[p->at]))
        p->at++;
    struct view name = {p->text.p + from, p->at - from};
    size_t end = p->at;
    p->at = from;
    if (name.n == 0) {
        snprintf(p->why, WHY_MAX, "a measure is missing, as in 'latency.p95 > 50ms'");
        return wrong(p, E_SYNTAX);
    }
    int e = measure_find(name, &g->measure, &g->arg, &at, p->why);
    if (e) {
        p->at += at;
        return wrong(p, e);
    }
    p->at = end;
    return 0;
}

static int parse_scope(struct parse *p, struct goal *g)
{
    blanks(p);
    if (p->at == p->text.n || p->text.p[p->at] != '[')
        return 0;
    if (!g->measure->scoped) {
        snprintf(p->why, WHY_MAX, "%s is of the whole run: no endpoint may follow",
                 g->measure->name);
        return wrong(p, E_SYNTAX);
    }
    size_t from = p->at + 1, end = p->text.n;
    while (end > from && p->text.p[end - 1] != ']') // a path may hold one
        end--;
    if (end == from) {
        snprintf(p->why, WHY_MAX, "the ']' to this '[' is missing");
        return wrong(p, E_SYNTAX);
    }
    struct view scope = view_trim((struct view){p->text.p + from, end - 1 - from});
    if (scope.n == 0) {
        snprintf(p->why, WHY_MAX,
                 "an endpoint or a service belongs between the brackets, as in "
                 "[GET /items/{id}]");
        return wrong(p, E_SYNTAX);
    }
    snprintf(g->scope, sizeof g->scope, "%.*s", (int)scope.n, scope.p);
    p->at = end;
    return 0;
}

static int parse_limit(struct parse *p, struct goal *g)
{
    blanks(p);
    size_t i = 0;
    struct view rest = view_from(p->text, p->at);
    while (i < OPS && !view_starts(rest, view_of(ops[i].text)))
        i++;
    if (i == OPS) {
        snprintf(p->why, WHY_MAX, "one of > >= < <= = != is due%s%s",
                 g->measure->scoped && !g->scope[0] ? ", or an endpoint in brackets" : "",
                 rest.n == 0 ? "; here it ends" : "");
        return wrong(p, E_SYNTAX);
    }
    g->op = ops[i].op;
    p->at += strlen(ops[i].text);
    blanks(p);
    struct view limit = view_trim(view_from(p->text, p->at));
    int e = measure_limit(g->measure->unit, limit, &g->limit);
    if (e) {
        char text[64] = "nothing";
        if (limit.n > 0)
            mend(limit, text, sizeof text);
        snprintf(p->why, WHY_MAX, "%s takes %s, not %s%s%s", g->measure->name,
                 measure_allowed(g->measure->unit), limit.n ? "'" : "", text, limit.n ? "'" : "");
        return wrong(p, e);
    }
    return 0;
}

int goals_add(struct goals *g, struct view text, char why[WHY_MAX])
{
    struct parse p = {.text = text, .why = why};
    struct goal *goal = &g->items[g->n];
    if (g->n == GOALS_MAX) {
        snprintf(why, WHY_MAX, "more than %d goals", GOALS_MAX);
        return E_LIMIT;
    }
    if (text.n >= GOAL_TEXT) {
        snprintf(why, WHY_MAX, "a goal has at most %d bytes, this one %zu", GOAL_TEXT - 1, text.n);
        return E_LIMIT;
    }
    *goal = (struct goal){0};
    blanks(&p);
    int e = parse_measure(&p, goal);
    e = e ? e : parse_scope(&p, goal);
    e = e ? e : parse_limit(&p, goal);
    if (e)
        return e;
    mend(view_trim(text), goal->text, sizeof goal->text);
    g->n++;
    return 0;
}

void goals_defaults(struct goals *g, const struct verdict *v)
{
    static const char *const texts[] = {"errors > 0", "unsent > 0", "mismatches > 0"};
    const struct sums_counts *c = &v->all.counts;
    bool blind = sums_compared(c) == 0 && c->uncompared > 0;
    char why[WHY_MAX];
    for (int i = 0; i < (blind ? 2 : 3); i++)
        if (goals_add(g, view_of(texts[i]), why))
            break;
}

// ---- judging

static bool is_so(enum goal_op op, double a, double b)
{
    switch (op) {
    case GOAL_ABOVE:
        return a > b;
    case GOAL_AT_LEAST:
        return a >= b;
    case GOAL_BELOW:
        return a < b;
    case GOAL_AT_MOST:
        return a <= b;
    case GOAL_EQUAL:
        return a == b;
    case GOAL_OTHER:
        break;
    }
    return a != b;
}

static void judge(struct goal *g, const struct measure_of *of)
{
    struct measure_value v = measure_get(g->measure, &g->arg, of);
    g->value = v.value;
    snprintf(g->unmeasured, sizeof g->unmeasured, "%s", v.unmeasured ? v.unmeasured : "");
    g->missed = v.unmeasured || is_so(g->op, v.value, g->limit);
}

static int judge_scoped(struct goal *g, const struct verdict *v, int64_t fresh)
{
    struct sums_group *some = calloc(1, sizeof *some);
    if (!some)
        return E_NOMEM;
    if (measure_scope(v, view_of(g->scope), some) > 0) {
        judge(g, &(struct measure_of){v, &some->counts, &some->times, fresh});
    } else {
        char scope[128];
        mend(view_of(g->scope), scope, sizeof scope);
        snprintf(g->unmeasured, sizeof g->unmeasured, "no request of the run was for '%s'%s", scope,
                 v->endpoints[VERDICT_ENDPOINTS] ? ", or it is among the others" : "");
        g->missed = true;
    }
    free(some);
    return 0;
}

int goals_judge(struct goals *g, const struct verdict *v, int64_t fresh)
{
    int missed = 0;
    for (size_t i = 0; i < g->n; i++) {
        struct goal *goal = &g->items[i];
        if (!goal->scope[0])
            judge(goal, &(struct measure_of){v, &v->all.counts, &v->all.times, fresh});
        else if (judge_scoped(goal, v, fresh))
            return -1;
        missed += goal->missed;
    }
    return missed;
}

const char *goals_list(void)
{
    static char text[4096];
    struct buf b = {.p = text, .cap = sizeof text, .max = sizeof text};
    int e = buf_printf(&b, "The measures; those with [] may be of an endpoint too:\n");
    for (const struct measure *m = measures; !e && m->name; m++)
        e = buf_printf(&b, " %-18s %s %s\n", m->name, m->scoped ? "[]" : "  ", m->sentence);
    e = e ? e : buf_add(&b, "", 1);
    return e ? NULL : text;
}
