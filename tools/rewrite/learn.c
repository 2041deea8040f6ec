// learn: named values out of a run's answers, and which row of CSV files a client has.
#include "tools/rewrite/session.h"

#include "proto/filter_pattern.h"
#include "tools/head.h"

int learn_row(struct rewrite_session *s, const struct rewrite_subject *t, uint64_t *row)
{
    struct learned like = {.key = session_key(LEARNED_ROW, t, t->client, 0)};
    const struct learned *l = learned_get(s->learned, &like.key);
    *row = l ? l->number : s->rows;
    if (l)
        return 0;
    like.number = s->rows++;
    return session_learn(s, &like);
}

// What match finds in text: its first group, or all of it.
static bool narrow(regex_t *match, struct view *text)
{
    regmatch_t m[FILTER_PATTERN_GROUPS];
    if (!match)
        return true;
    if (text->n > SESSION_MATCHED_MAX || filter_pattern_find(match, *text, 0, m) != 1)
        return false;
    size_t i = match->re_nsub > 0 && m[1].rm_so >= 0;
    *text = (struct view){text->p + m[i].rm_so, (size_t)(m[i].rm_eo - m[i].rm_so)};
    return true;
}

static int learn_name(struct rewrite_session *s, const struct rewrite_subject *t, size_t i,
                      const struct compare_half *live, struct parts *p, struct buf *text)
{
    const struct rewrite_rule *rule = &s->rules->rules[i];
    buf_reset(text);
    int e = place_find(&rule->place, p, live->head, live->whole ? live->content : (struct view){0},
                       head_get(live->head, "content-type"), text);
    struct view value = buf_view(text);
    if (e == E_NOTFOUND || e == E_LIMIT || (!e && !narrow(rule->match, &value)))
        return 0;
    if (e || value.n > REWRITE_VALUE_MAX)
        return e;
    s->hits[i]++;
    struct learned like = {.key = session_key(LEARNED_NAME, t, rule->name, t->client + 1),
                           .value = value};
    e = session_learn(s, &like);
    like.key.b = 0;
    return e ? e : session_learn(s, &like);
}

int learn_names(struct rewrite_session *s, const struct rewrite_subject *t,
                const struct compare_half *live)
{
    struct parts p;
    struct buf text;
    int e = 0;
    parts_init(&p, NULL, NULL);
    p.s2c = true;
    buf_init(&text, PARTS_TEXT_MAX);
    for (size_t i = 0; i < s->rules->n && !e; i++)
        if (s->rules->rules[i].section == RULES_CAPTURE && session_rule_applies(s, i, t))
            e = learn_name(s, t, i, live, &p, &text);
    parts_clear(&p);
    buf_clear(&text);
    return e;
}
