// session: the calls of rewrite.h.
#include "tools/rewrite/session.h"

#include "proto/base/fnv.h"

#include <stdio.h>
#include <stdlib.h>

struct learned_key session_key(enum learned_kind kind, const struct rewrite_subject *t, uint64_t a,
                               uint64_t b)
{
    return (struct learned_key){kind, t->run, a, b};
}

int session_learn(struct rewrite_session *s, const struct learned *like)
{
    int e = learned_put(s->learned, like);
    s->sums.full += e == E_LIMIT;
    return e == E_LIMIT ? 0 : e;
}

bool session_rule_applies(const struct rewrite_session *s, size_t i,
                          const struct rewrite_subject *t)
{
    const struct rewrite_rule *rule = &s->rules->rules[i];
    if (!rules_limits_take(&rule->limits, &t->about))
        return false;
    if (!rule->limits.filter)
        return true;
    const struct filtered *f = &s->filtered[i];
    size_t low = 0, high = f->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->ids[middle] < t->id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->n && f->ids[low] == t->id;
}

// ---- begin and end

static int make_keys(struct rewrite_session *s, char why[WHY_MAX])
{
    char what[WHY_MAX];
    uint64_t counter = 0;
    struct template_world world = {.loaded = s->loaded, .counter = &counter};
    struct buf key;
    int e = 0;
    buf_init(&key, REWRITE_VALUE_MAX);
    for (size_t i = 0; i < s->rules->n && !e; i++) {
        const struct rewrite_rule *rule = &s->rules->rules[i];
        if (rule->section != RULES_JWT)
            continue;
        buf_reset(&key);
        e = template_write(&rule->value, &world, &key);
        if (e)
            snprintf(what, sizeof what, "%s",
                     e == E_NOTFOUND ? "a key cannot come from an answer" : err_text(e));
        else
            e = sign_key_new(&s->keys[i], rule->algorithm, buf_view(&key), what);
        if (e)
            snprintf(why, WHY_MAX, "%.200s: the key: %.200s", rule->text, what);
    }
    buf_clear(&key);
    return e;
}

static int begin(struct rewrite_session *s, char why[WHY_MAX])
{
    s->rules = s->setup.rules;
    if (!s->rules) {
        int e = rewrite_parse(&s->none, "", (struct view){0}, why);
        if (e)
            return e;
        s->rules = s->none;
    }
    s->seed = s->setup.seed ? s->setup.seed : s->rules->seed ? s->rules->seed : 1;
    s->filtered = calloc(s->rules->n + 1, sizeof *s->filtered);
    s->keys = calloc(s->rules->n + 1, sizeof *s->keys);
    s->hits = calloc(s->rules->n + 1, sizeof *s->hits);
    s->learned = learned_new(REWRITE_LEARNED_MAX);
    if (!s->filtered || !s->keys || !s->hits || !s->learned || edges_new(&s->edges, s->setup.edges))
        return err_no_memory(why, WHY_MAX);
    int e = resources_load(&s->loaded, &s->rules->resources, s->rules->name, why);
    e = e ? e : filters_find(s, why);
    return e ? e : make_keys(s, why);
}

int rewrite_begin(struct rewrite_session **out, const struct rewrite_setup *setup,
                  char why[WHY_MAX])
{
    struct rewrite_session *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return err_no_memory(why, WHY_MAX);
    s->setup = *setup;
    int e = begin(s, why);
    if (e)
        rewrite_end(s);
    else
        *out = s;
    return e;
}

void rewrite_end(struct rewrite_session *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->rules && i < s->rules->n; i++) {
        if (s->filtered)
            free(s->filtered[i].ids);
        if (s->keys)
            sign_key_free(s->keys[i]);
    }
    free(s->filtered);
    free(s->keys);
    free(s->hits);
    edges_free(s->edges);
    learned_free(s->learned);
    resources_unload(s->loaded);
    rewrite_free(s->none);
    free(s);
}

// ---- questions

static size_t doing(const struct rewrite_session *s)
{
    return s->rules->n - s->rules->sections[RULES_CORRELATE];
}

bool rewrite_active(const struct rewrite_session *s)
{
    return doing(s) > 0 || s->edges || !s->setup.no_cookies;
}

static bool changes(const struct rewrite_rule *rule)
{
    return rule->section != RULES_CAPTURE && rule->section != RULES_CORRELATE;
}

bool rewrite_wants_content(const struct rewrite_session *s, const struct rewrite_subject *t)
{
    if (edges_any(s->edges, t->id, false, true))
        return true;
    for (size_t i = 0; i < s->rules->n; i++) {
        const struct rewrite_rule *rule = &s->rules->rules[i];
        if (changes(rule) && (rule->all_times || place_in_content(&rule->place)) &&
            session_rule_applies(s, i, t))
            return true;
    }
    return false;
}

bool rewrite_wants_answer(const struct rewrite_session *s, const struct rewrite_subject *t)
{
    if (edges_any(s->edges, t->id, true, true))
        return true;
    for (size_t i = 0; i < s->rules->n; i++) {
        const struct rewrite_rule *rule = &s->rules->rules[i];
        if (rule->section == RULES_CAPTURE && place_in_content(&rule->place) &&
            session_rule_applies(s, i, t))
            return true;
    }
    return false;
}

// Calls take for each live name that rules put into the request; false when one answer was.
static bool each_name(struct rewrite_session *s, const struct rewrite_subject *t,
                      bool (*take)(struct rewrite_session *, const struct rewrite_subject *,
                                   size_t))
{
    if (s->rules->names.n == 0)
        return true;
    for (size_t i = 0; i < s->rules->n; i++) {
        const struct rewrite_rule *rule = &s->rules->rules[i];
        if (!changes(rule) || !session_rule_applies(s, i, t))
            continue;
        for (size_t c = 0; c <= rule->claim_count; c++) {
            const struct template *value = c ? &rule->claims[c - 1].value : &rule->value;
            for (size_t k = 0; k < value->n; k++)
                if (value->pieces[k].kind == TEMPLATE_LIVE && !take(s, t, value->pieces[k].index))
                    return false;
        }
    }
    return true;
}

static bool has_name(struct rewrite_session *s, const struct rewrite_subject *t, size_t name)
{
    struct learned_key own = session_key(LEARNED_NAME, t, name, t->client + 1), any = own;
    any.b = 0;
    return learned_get(s->learned, &own) || learned_get(s->learned, &any);
}

static bool give_up_name(struct rewrite_session *s, const struct rewrite_subject *t, size_t name)
{
    struct learned like = {.key = session_key(LEARNED_NAME, t, name, t->client + 1),
                           .missing = true};
    return has_name(s, t, name) || session_learn(s, &like) == 0;
}

bool rewrite_ready(struct rewrite_session *s, const struct rewrite_subject *t)
{
    return edges_ready(s, t) && each_name(s, t, has_name);
}

// ---- a request

static bool concerns(const struct rewrite_session *s, const struct rewrite_subject *t)
{
    if (edges_any(s->edges, t->id, false, false) || (s->cookies > 0 && !s->setup.no_cookies))
        return true;
    for (size_t i = 0; i < s->rules->n; i++)
        if (changes(&s->rules->rules[i]) && session_rule_applies(s, i, t))
            return true;
    return false;
}

// The rules of some sections, in the order of the file.
static int rules_step(struct work *w, unsigned sections, int (*rule)(struct work *w, size_t i))
{
    int e = 0;
    for (size_t i = 0; i < w->s->rules->n && !e; i++)
        if (sections >> w->s->rules->rules[i].section & 1 && session_rule_applies(w->s, i, w->t))
            e = rule(w, i);
    return e;
}

static int give(const struct work *w, unsigned bit, struct view v, struct buf *out)
{
    return w->changed & bit ? buf_add_view(out, v) : 0;
}

int rewrite_request(struct rewrite_session *s, const struct rewrite_subject *t, int64_t now_us,
                    struct view head, struct view content, struct buf *new_head,
                    struct buf *new_content, char why[WHY_MAX])
{
    buf_reset(new_head);
    buf_reset(new_content);
    why[0] = 0;
    if (head.n == 0 || !concerns(s, t))
        return 0;
    struct work w = {
        .s = s, .t = t, .now_us = now_us, .head = head, .content = content, .why = why};
    work_begin(&w);
    int e = edges_give_up(s, t, false);
    if (!e && !each_name(s, t, give_up_name))
        e = E_NOMEM;
    e = e ? e : edges_step(&w);
    e = e || s->setup.no_cookies ? e : jar_step(&w);
    e = e ? e : rules_step(&w, 1u << RULES_DATES, dates_rule);
    e = e ? e
          : rules_step(&w, 1u << RULES_SET | 1u << RULES_REMOVE | 1u << RULES_REPLACE, apply_rule);
    e = e ? e : rules_step(&w, 1u << RULES_JWT, tokens_rule);
    e = e ? e : work_finish(&w);
    e = e ? e : give(&w, REWRITE_HEAD, w.head, new_head);
    e = e ? e : give(&w, REWRITE_CONTENT, w.content, new_content);
    if (e && !why[0])
        snprintf(why, WHY_MAX, "%s", err_text(e));
    unsigned changed = w.changed;
    work_clear(&w);
    if (e)
        return e;
    s->sums.requests += changed != 0;
    return (int)changed;
}

// ---- an answer

int rewrite_answered(struct rewrite_session *s, const struct rewrite_subject *t, int64_t now_us,
                     const struct compare_half *recorded, const struct compare_half *live)
{
    int e = 0;
    if (live->absent || live->head.n == 0) {
        rewrite_unanswered(s, t);
        return 0;
    }
    if (!s->setup.no_cookies)
        e = jar_learn(s, t, now_us, recorded->head, live->head);
    e = e ? e : edges_learn(s, t, live);
    if (!e && s->rules->sections[RULES_CAPTURE] > 0)
        e = learn_names(s, t, live);
    return e;
}

void rewrite_unanswered(struct rewrite_session *s, const struct rewrite_subject *t)
{
    if (edges_give_up(s, t, true))
        s->sums.full++; // without memory, those who wait are tired one after the other
}

void rewrite_forget(struct rewrite_session *s, uint64_t run)
{
    learned_forget(s->learned, run);
}

const struct rewrite_sums *rewrite_sums(const struct rewrite_session *s)
{
    return &s->sums;
}

const char *rewrite_unused(const struct rewrite_session *s, size_t *i)
{
    for (; *i < s->rules->n; ++*i)
        if (s->rules->rules[*i].section != RULES_CORRELATE && s->hits[*i] == 0)
            return s->rules->rules[(*i)++].text;
    return NULL;
}
