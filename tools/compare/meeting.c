// meeting: places and rules. For each step down, what every rule has matched so far goes one row
// further in states, so that a place costs a pass over the rules and no text is made of it until
// something is told.
#include "tools/compare/meeting.h"

#include "proto/filter_pattern.h"
#include "tools/compare/number.h"
#include "tools/compare/tag.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

int meeting_begin(struct meeting *m, const struct rules *rules, const struct rules_subject *subject,
                  struct differences *out)
{
    *m = (struct meeting){.out = out, .budget = MEETING_BUDGET};
    if (!rules || rules->n == 0)
        return 0;
    m->rules = calloc(rules->n, sizeof *m->rules);
    if (!m->rules)
        return E_NOMEM;
    for (size_t i = 0; i < rules->n; i++)
        if (rule_applies(&rules->items[i], subject))
            m->rules[m->n_rules++] = &rules->items[i];
    m->states = calloc(MEETING_STEPS * m->n_rules + 1, sizeof *m->states);
    return m->states ? 0 : E_NOMEM;
}

void meeting_end(struct meeting *m)
{
    free(m->rules);
    free(m->states);
}

static uint64_t *row(const struct meeting *m, size_t depth)
{
    return m->states + depth * m->n_rules;
}

void meeting_at(struct meeting *m, enum where_part part)
{
    m->part = part;
    m->depth = 0;
    for (size_t i = 0; i < m->n_rules; i++) {
        const struct where_pattern *p = &m->rules[i]->where;
        row(m, 0)[i] = p->part == part ? where_start(p) : 0;
    }
}

void meeting_down(struct meeting *m, const struct where_step *step)
{
    assert(m->depth + 1 < MEETING_STEPS);
    for (size_t i = 0; i < m->n_rules; i++) {
        uint64_t state = row(m, m->depth)[i];
        row(m, m->depth + 1)[i] = state ? where_next(&m->rules[i]->where, state, step) : 0;
    }
    m->steps[m->depth++] = *step;
}

void meeting_up(struct meeting *m)
{
    m->depth--;
}

static bool at_work(const struct meeting *m, size_t i, enum rule_kind kind)
{
    uint64_t state = row(m, m->depth)[i];
    return state && m->rules[i]->kind == kind && where_here(&m->rules[i]->where, state);
}

static bool any(const struct meeting *m, enum rule_kind kind)
{
    for (size_t i = 0; i < m->n_rules; i++)
        if (at_work(m, i, kind))
            return true;
    return false;
}

bool meeting_ignored(const struct meeting *m)
{
    return any(m, RULE_IGNORE);
}

bool meeting_has_bytes(const struct meeting *m)
{
    return any(m, RULE_BYTES);
}

bool meeting_allows_byte(const struct meeting *m, uint64_t at)
{
    for (size_t i = 0; i < m->n_rules; i++)
        for (size_t k = 0; at_work(m, i, RULE_BYTES) && k < m->rules[i]->n_ranges; k++)
            if (m->rules[i]->ranges[k].from <= at && at <= m->rules[i]->ranges[k].to)
                return true;
    return false;
}

bool meeting_unordered(const struct meeting *m)
{
    return any(m, RULE_UNORDERED);
}

bool meeting_masked(const struct meeting *m)
{
    return any(m, RULE_ANY);
}

bool meeting_found(const struct rule *r, struct view text)
{
    return text.n <= RULES_VALUE && filter_pattern_match(r->regex, text) == 1;
}

static bool within(const struct rule *r, struct view left, struct view right)
{
    int64_t a, b;
    if (r->number >= 0)
        return shape_is(SHAPE_NUMBER, left) && shape_is(SHAPE_NUMBER, right) &&
               (r->percent ? number_near_part(left, right, r->number / 100)
                           : number_near(left, right, r->number));
    if (r->us < 0 || shape_time(left, &a) || shape_time(right, &b))
        return false;
    return (a > b ? a - b : b - a) <= r->us;
}

bool meeting_allowed(const struct meeting *m, struct view left, struct view right)
{
    for (size_t i = 0; i < m->n_rules; i++) {
        if (at_work(m, i, RULE_SHAPE) && shape_both(m->rules[i]->shape, left, right))
            return true;
        if (at_work(m, i, RULE_TOLERANCE) && within(m->rules[i], left, right))
            return true;
        if (at_work(m, i, RULE_MATCH) && left.p && right.p && meeting_found(m->rules[i], left) &&
            meeting_found(m->rules[i], right))
            return true;
        if (at_work(m, i, RULE_ANY) && left.p && right.p)
            return true;
    }
    return tag_may_equal(left, right);
}

size_t meeting_values(const struct meeting *m, const struct rule **one)
{
    static const enum rule_kind kinds[] = {RULE_SHAPE, RULE_TOLERANCE, RULE_MATCH};
    size_t n = 0;
    for (size_t i = 0; i < m->n_rules; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (at_work(m, i, kinds[k])) {
                *one = m->rules[i];
                n++;
            }
    return n;
}

bool meeting_picks(const struct meeting *m, bool all)
{
    for (size_t i = 0; i < m->n_rules; i++) {
        const struct where_pattern *p = &m->rules[i]->where;
        uint64_t state = all || m->rules[i]->kind == RULE_IGNORE ? row(m, m->depth)[i] : 0;
        for (size_t t = 0; t < p->n && state >> t; t++)
            if (state >> t & 1 && (p->tokens[t].kind == WHERE_INDEX ||
                                   (p->tokens[t].kind == WHERE_KEY && p->tokens[t].number > 0)))
                return true;
    }
    return false;
}

bool meeting_over(const struct meeting *m)
{
    return m->error || (m->quiet && m->found);
}

static struct difference *tell(struct meeting *m, enum difference_kind kind, struct view left,
                               struct view right)
{
    if (m->quiet) {
        m->found = true;
        return NULL;
    }
    struct difference *d = differences_add(m->out, kind, &m->error);
    if (!d)
        return NULL;
    where_text(m->part, m->steps, m->depth, d->where, sizeof d->where);
    difference_text(d->left, left);
    difference_text(d->right, right);
    return d;
}

void meeting_tell(struct meeting *m, enum difference_kind kind, enum shape shape, struct view left,
                  struct view right)
{
    struct difference *d = tell(m, kind, left, right);
    if (d)
        d->shape = shape;
}

void meeting_tell_at(struct meeting *m, enum difference_kind kind, const char *what, uint64_t at,
                     struct view left, struct view right)
{
    struct difference *d = tell(m, kind, left, right);
    size_t n = d ? strlen(d->where) : 0;
    if (d)
        snprintf(d->where + n, sizeof d->where - n, " %s %llu", what, (unsigned long long)at);
}

void meeting_texts(struct meeting *m, struct view left, struct view right)
{
    if (view_eq(left, right) || meeting_over(m) || meeting_ignored(m) ||
        meeting_allowed(m, left, right))
        return;
    enum difference_kind kind = left.p == NULL    ? DIFFERENCE_EXTRA
                                : right.p == NULL ? DIFFERENCE_MISSING
                                                  : DIFFERENCE_VALUE;
    meeting_tell(m, kind, shape_of(left, right), left, right);
}
