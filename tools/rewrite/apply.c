// apply: set, remove, replace.
#include "tools/rewrite/session.h"

#include "proto/base/fnv.h"
#include "proto/filter_pattern.h"
#include "tools/head.h"

#include <stdio.h>

#define MATCHES_MAX 10000 // of an expression in one text

struct applying {
    struct work *w;
    const struct rewrite_rule *rule;
    struct view value;
    const char *last; // of what was set: its bytes
    uint64_t hits;
    struct buf out;
};

// ---- values

static bool live(void *arg, size_t name, struct view *value)
{
    struct work *w = arg;
    struct learned_key key = session_key(LEARNED_NAME, w->t, name, w->t->client + 1);
    const struct learned *l = learned_get(w->s->learned, &key);
    if (!l || l->missing) {
        key.b = 0;
        l = learned_get(w->s->learned, &key);
    }
    if (!l || l->missing)
        return false;
    *value = l->value;
    w->s->sums.values++;
    return true;
}

int apply_value(struct work *w, size_t rule, const struct template *t)
{
    const uint64_t words[] = {w->s->seed, rule, (uint64_t)w->t->id, w->t->run};
    struct template_world world = {.loaded = w->s->loaded,
                                   .draw = fnv_more(FNV_START, words, sizeof words),
                                   .counter = &w->s->counter,
                                   .now_us = w->now_us,
                                   .live = live,
                                   .arg = w};
    int e = 0;
    for (size_t i = 0; i < t->n && !e; i++)
        if (t->pieces[i].kind == TEMPLATE_RESOURCE)
            e = learn_row(w->s, w->t, &world.row);
    buf_reset(&w->text);
    e = e ? e : template_write(t, &world, &w->text);
    if (e == E_NOTFOUND)
        return e;
    return e ? work_fail(w, e, "%s: the value is too long, or there is no memory",
                         w->s->rules->rules[rule].text)
             : 0;
}

// ---- set

static int set_part(void *arg, const struct part *p)
{
    struct applying *a = arg;
    const struct place *place = &a->rule->place;
    int e = PARTS_ON;
    if (place_is(place, p)) {
        a->hits++;
        a->last = p->raw.p;
        if (!a->rule->json)
            return work_put(a->w, p, a->value);
        return edits_swap(&a->w->edits[p->content], a->w->content, p->raw, a->value);
    }
    if (!place_is_parent(place, p) || (a->last && a->last >= p->raw.p))
        return e;
    // A member that is missing stands first in its object.
    const struct where_token *t = &place->where.tokens[place->where.n - 1];
    buf_reset(&a->out);
    e = coding_write(CODING_TEXT, t->key, &a->out);
    e = e ? e : buf_add(&a->out, ":", 1);
    if (!e && (a->rule->json || work_is_bare(a->value)))
        e = buf_add_view(&a->out, a->value);
    else if (!e)
        e = coding_write(CODING_TEXT, a->value, &a->out);
    size_t blank = 1;
    while (strchr(" \t\r\n", p->raw.p[blank]))
        blank++;
    if (!e && p->raw.p[blank] != '}')
        e = buf_add(&a->out, ",", 1);
    a->hits += !e;
    return e ? e
             : edits_put(&a->w->edits[1], (size_t)(p->raw.p - a->w->content.p) + 1, 0,
                         buf_view(&a->out));
}

// The key of the place's one step, where it is plain.
static bool plain_key(const struct place *p, struct view *key)
{
    const struct where_token *t = &p->where.tokens[0];
    if (p->where.n != 1 || t->kind != WHERE_KEY || t->number > 1 ||
        (!t->exact && view_find(t->key, '*') < t->key.n))
        return false;
    *key = t->key;
    return true;
}

static int add_pair(struct applying *a, const char *before, struct view key, enum coding coding)
{
    buf_reset(&a->out);
    int e = buf_add(&a->out, before, strlen(before));
    e = e ? e : coding_write(coding, key, &a->out);
    e = e ? e : buf_add(&a->out, "=", 1);
    return e ? e : coding_write(coding, a->value, &a->out);
}

static int add_query(struct applying *a, struct view key)
{
    struct view rest, word[3];
    head_words(head_first(a->w->head, &rest), word);
    struct view target = view_head(word[1], view_find(word[1], '#'));
    size_t mark = view_find(target, '?');
    int e = add_pair(a,
                     mark == target.n       ? "?"
                     : mark + 1 == target.n ? ""
                                            : "&",
                     key, CODING_QUERY);
    return e ? e
             : edits_put(&a->w->edits[0], (size_t)(target.p - a->w->head.p) + target.n, 0,
                         buf_view(&a->out));
}

static int add_line(struct applying *a, struct view name, const char *between, bool cookie)
{
    struct view head = a->w->head;
    size_t end = head.n >= 2 && head.p[head.n - 2] == '\r' ? head.n - 2 : head.n - (head.n > 0);
    buf_reset(&a->out);
    int e = buf_add(&a->out, "Cookie: ", cookie ? 8 : 0);
    e = e ? e : buf_add_view(&a->out, name);
    e = e ? e : buf_add(&a->out, between, strlen(between));
    e = e ? e : coding_write(cookie ? CODING_COOKIE : CODING_FIELD, a->value, &a->out);
    if (e == E_SYNTAX)
        return work_fail(a->w, e, "a value for a %s has a line end or another control character",
                         cookie ? "cookie" : "header");
    e = e ? e : buf_add(&a->out, "\r\n", 2);
    return e ? e : edits_put(&a->w->edits[0], end, 0, buf_view(&a->out));
}

static int add_cookie(struct applying *a, struct view name)
{
    struct view there = head_get(a->w->head, "cookie");
    if (there.n == 0)
        return add_line(a, name, "=", true);
    buf_reset(&a->out);
    int e = buf_add(&a->out, "; ", 2);
    e = e ? e : buf_add_view(&a->out, name);
    e = e ? e : buf_add(&a->out, "=", 1);
    e = e ? e : coding_write(CODING_COOKIE, a->value, &a->out);
    if (e == E_SYNTAX)
        return work_fail(a->w, e,
                         "a value for a cookie has a line end or another control "
                         "character");
    return e ? e
             : edits_put(&a->w->edits[0], (size_t)(there.p - a->w->head.p) + there.n, 0,
                         buf_view(&a->out));
}

// What is not there is put in, where the place says all of it.
static int set_missing(struct applying *a)
{
    const struct place *p = &a->rule->place;
    struct view key;
    int e;
    bool form = view_istarts(a->w->type, VIEW_LIT("application/x-www-form-urlencoded"));
    if (p->kind == PART_BODY && a->w->content.n == 0 && !a->w->unread) {
        e = edits_put(&a->w->edits[1], 0, 0, a->value);
    } else if (p->kind == PART_BODY || !plain_key(p, &key)) {
        return 0;
    } else if (p->kind == PART_HEADER) {
        e = add_line(a, key, ": ", false);
    } else if (p->kind == PART_COOKIE) {
        e = add_cookie(a, key);
    } else if (p->kind == PART_QUERY) {
        e = add_query(a, key);
    } else if (p->kind == PART_VALUE && form && !a->w->unread) {
        e = add_pair(a, a->w->content.n ? "&" : "", key, CODING_FORM);
        e = e ? e : edits_put(&a->w->edits[1], a->w->content.n, 0, buf_view(&a->out));
    } else {
        return 0;
    }
    a->hits += !e;
    return e ? e : work_apply(a->w);
}

// ---- remove

static int remove_part(void *arg, const struct part *p)
{
    struct applying *a = arg;
    if (!place_is(&a->rule->place, p) || (p->kind == PART_VALUE && p->depth == 0))
        return PARTS_ON;
    a->hits++;
    return PARTS_REMOVE;
}

// ---- replace

// with, and \1 … \9 in it.
static int add_with(struct buf *out, struct view with, struct view text, const regmatch_t *m)
{
    int e = 0;
    for (size_t i = 0; i < with.n && !e; i++) {
        char next = i + 1 < with.n ? with.p[i + 1] : 0;
        if (with.p[i] != '\\' || !((next >= '0' && next <= '9') || next == '\\')) {
            e = buf_add(out, with.p + i, 1);
            continue;
        }
        i++;
        const regmatch_t *group = &m[next == '\\' ? 0 : next - '0'];
        if (next == '\\')
            e = buf_add(out, "\\", 1);
        else if (group->rm_so >= 0)
            e = buf_add(out, text.p + group->rm_so, (size_t)(group->rm_eo - group->rm_so));
    }
    return e;
}

static int replace_all(struct applying *a, struct view text, size_t *count)
{
    size_t at = 0;
    int e = 0;
    regmatch_t m[FILTER_PATTERN_GROUPS];
    buf_reset(&a->out);
    for (*count = 0; at <= text.n && *count < MATCHES_MAX && !e;) {
        int found = filter_pattern_find(a->rule->match, text, at, m);
        if (found != 1) {
            e = found;
            break;
        }
        size_t from = (size_t)m[0].rm_so, to = (size_t)m[0].rm_eo;
        e = buf_add(&a->out, text.p + at, from - at);
        e = e ? e : add_with(&a->out, a->value, text, m);
        if (!e && to == from && from < text.n) // an empty match: on by one
            e = buf_add(&a->out, text.p + from, 1);
        at = to == from ? to + 1 : to;
        ++*count;
    }
    return e || at >= text.n ? e : buf_add(&a->out, text.p + at, text.n - at);
}

static int replace_part(void *arg, const struct part *p)
{
    struct applying *a = arg;
    size_t count;
    if (!place_is(&a->rule->place, p) || p->text.n > SESSION_MATCHED_MAX)
        return PARTS_ON;
    int e = replace_all(a, p->text, &count);
    if (e || count == 0 || view_eq(buf_view(&a->out), p->text))
        return e ? e : PARTS_ON;
    if (p->container && !work_is_json(buf_view(&a->out)))
        return work_fail(a->w, E_SYNTAX, "%s: the result would be no JSON", a->rule->text);
    a->hits++;
    return work_put(a->w, p, buf_view(&a->out));
}

// ---- a rule

int apply_rule(struct work *w, size_t i)
{
    const struct rewrite_rule *rule = &w->s->rules->rules[i];
    struct applying a = {.w = w, .rule = rule};
    unsigned wants = place_in_content(&rule->place) ? PARTS_CONTENT : PARTS_HEAD;
    int e = rule->section == RULES_REMOVE ? 0 : apply_value(w, i, &rule->value);
    if (e == E_NOTFOUND) {
        w->s->sums.missing++;
        return 0;
    }
    if (e)
        return e;
    // The value outlives the steps, which use the scratch.
    struct buf value = w->text;
    buf_init(&w->text, REWRITE_VALUE_MAX);
    buf_init(&a.out, REWRITE_CONTENT_MAX);
    a.value = buf_view(&value);
    if (rule->json && !work_is_json(a.value))
        e = work_fail(w, E_SYNTAX, "%s: the value is no JSON", rule->text);
    if (!e)
        e = work_step(w, wants,
                      rule->section == RULES_SET      ? set_part
                      : rule->section == RULES_REMOVE ? remove_part
                                                      : replace_part,
                      &a);
    if (!e && rule->section == RULES_SET && a.hits == 0)
        e = set_missing(&a);
    if (e && !w->why[0])
        work_fail(w, e, "%s: %s", rule->text, err_text(e));
    buf_clear(&a.out);
    buf_clear(&value);
    w->s->hits[i] += a.hits;
    w->s->sums.rules += a.hits;
    return e;
}
