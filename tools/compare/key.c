// key: the walk that the comparers take, over one message alone.
//
// What rules make equal has the same hash: what is ignored has none; a value that a shape or an
// expression takes has that of the rule; an array in any order has the sum of its items. That is
// exact as long as "equal" is transitive. Where it is not (a tolerance, two rules for one place, an
// item or a repetition that a rule picks by its number), or where the order of elements counts, the
// hash leaves the place out and says so: vague.
#include "tools/compare/key.h"

#include "tools/compare/meeting.h"
#include "tools/compare/number.h"
#include "tools/compare/parts.h"

#include <stdlib.h>

enum tag { TAG_CLASS = 16, TAG_ANY, TAG_VAGUE, TAG_EMPTY, TAG_TEXT, TAG_BYTES, TAG_SIZE };

struct walk {
    struct meeting m;
    const struct tree *t;
    bool vague;
};

static uint64_t stir(uint64_t h)
{
    h += UINT64_C(0x9e3779b97f4a7c15); // else 0 stays 0
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

uint64_t key_mix(uint64_t hash, struct view v)
{
    hash ^= v.n * UINT64_C(0x9e3779b97f4a7c15);
    for (; v.n >= 8; v = view_from(v, 8)) {
        uint64_t word;
        memcpy(&word, v.p, 8);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    for (size_t i = 0; i < v.n; i++)
        hash = (hash ^ (unsigned char)v.p[i]) * UINT64_C(0x100000001b3);
    return stir(hash);
}

static uint64_t vague(struct walk *w)
{
    w->vague = true;
    return stir(TAG_VAGUE);
}

// ---- values

static uint64_t text_key(struct walk *w, uint64_t tag, struct view text)
{
    const struct rule *rule = NULL;
    size_t n = meeting_values(&w->m, &rule);
    if (n > 1 || (n == 1 && rule->kind == RULE_TOLERANCE))
        return vague(w);
    if (n == 1 && rule->kind == RULE_SHAPE && shape_is(rule->shape, text))
        return stir(TAG_CLASS + rule->shape * 256 + (rule->shape == SHAPE_HEX ? text.n << 16 : 0));
    if (n == 1 && rule->kind == RULE_MATCH && meeting_found(rule, text))
        return stir(TAG_CLASS + (uint64_t)RULE_MATCH * 65536);
    return key_mix(tag, text);
}

// One number may be written in several ways, of which a rule may take some.
static uint64_t number_key(struct walk *w, struct view text)
{
    const struct rule *rule = NULL;
    return meeting_values(&w->m, &rule) ? vague(w) : stir(TREE_NUMBER + number_hash(text));
}

static bool node_key(struct walk *w, uint32_t i, uint64_t *out);

// ---- containers

static uint64_t items_key(struct walk *w, uint32_t i)
{
    bool any_order = meeting_unordered(&w->m);
    uint64_t h = stir(TREE_ARRAY), one;
    struct where_step step = {.index = true};
    if (meeting_picks(&w->m, any_order))
        return vague(w);
    for (uint32_t c = w->t->nodes[i].first; c; c = w->t->nodes[c].next, step.number++) {
        meeting_down(&w->m, &step);
        if (node_key(w, c, &one))
            h = any_order ? h + stir(one) : stir(h * 31 + one);
        meeting_up(&w->m);
    }
    return stir(h);
}

static int by_key(const void *a, const void *b, void *arg)
{
    const struct tree *t = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    struct view k = t->nodes[x].key, l = t->nodes[y].key;
    int c = memcmp(k.n ? k.p : "", l.n ? l.p : "", k.n < l.n ? k.n : l.n);
    return c ? c : k.n < l.n ? -1 : k.n > l.n ? 1 : x < y ? -1 : x > y;
}

// The members of one key, n of them: false when all are ignored.
static bool run_key(struct walk *w, const uint32_t *members, size_t n, bool element, uint64_t *out)
{
    const struct tree_node *first = &w->t->nodes[members[0]];
    struct where_step step = {.key = first->key};
    bool any_order = false, some = false;
    uint64_t h = key_mix(TREE_OBJECT, first->key), one;
    if (element || first->type == TREE_ELEMENT)
        step.key = tree_local(first->key);
    for (size_t i = 0; i < n; i++, step.number++) {
        meeting_down(&w->m, &step);
        any_order = i == 0 ? meeting_unordered(&w->m) : any_order;
        if (node_key(w, members[i], &one)) {
            h = any_order ? h + stir(one) : stir(h * 31 + one);
            some = true;
        }
        meeting_up(&w->m);
    }
    *out = stir(h);
    return some;
}

static uint64_t members_key(struct walk *w, uint32_t i)
{
    const struct tree_node *node = &w->t->nodes[i];
    bool element = node->type == TREE_ELEMENT;
    uint64_t h = stir(node->type), one;
    size_t n = 0;
    if (meeting_picks(&w->m, true))
        return vague(w);
    w->vague = w->vague || element; // the order of its children counts, too
    uint32_t *sorted = malloc((node->count + 1) * sizeof *sorted);
    if (!sorted) {
        w->m.error = E_NOMEM;
        return 0;
    }
    for (uint32_t c = node->first; c; c = w->t->nodes[c].next)
        sorted[n++] = c;
    qsort_r(sorted, n, sizeof *sorted, by_key, (void *)(uintptr_t)w->t);
    for (size_t from = 0, to; from < n; from = to) {
        struct view key = w->t->nodes[sorted[from]].key;
        for (to = from + 1; to < n && view_eq(w->t->nodes[sorted[to]].key, key);)
            to++;
        if (run_key(w, sorted + from, to - from, element, &one))
            h += stir(one);
    }
    free(sorted);
    return stir(h);
}

// false: it is ignored.
static bool node_key(struct walk *w, uint32_t i, uint64_t *out)
{
    const struct tree_node *node = &w->t->nodes[i];
    *out = 0;
    if (w->m.error || meeting_ignored(&w->m))
        return false;
    if (meeting_masked(&w->m)) {
        *out = stir(TAG_ANY);
        return true;
    }
    switch (node->type) {
    case TREE_NULL:
    case TREE_FALSE:
    case TREE_TRUE:
        *out = stir(node->type);
        break;
    case TREE_NUMBER:
        *out = number_key(w, node->text);
        break;
    case TREE_TEXT:
        *out = text_key(w, TREE_TEXT, node->text);
        break;
    case TREE_ARRAY:
        *out = items_key(w, i);
        break;
    case TREE_OBJECT:
    case TREE_ELEMENT:
        *out = members_key(w, i);
    }
    return true;
}

// ---- parts

static uint64_t tree_key(struct walk *w, const struct tree *t)
{
    uint64_t h;
    w->t = t;
    return node_key(w, 0, &h) ? h : 0;
}

static uint64_t part_key(struct walk *w, enum where_part part, struct view text)
{
    meeting_at(&w->m, part);
    return meeting_ignored(&w->m) ? 0 : text_key(w, TAG_TEXT + 256u * part, text);
}

static uint64_t path_key(struct walk *w, struct view path)
{
    const struct rule *rule = NULL;
    uint64_t h = stir(WHERE_PATH);
    struct view part;
    meeting_at(&w->m, WHERE_PATH);
    if (meeting_ignored(&w->m))
        return 0;
    if (meeting_values(&w->m, &rule))
        return vague(w);
    if (path.n == 0 || path.p[0] != '/')
        return key_mix(TAG_BYTES, path);
    for (struct where_step s = {.index = true}; parts_segment(&path, &part); s.number++) {
        meeting_down(&w->m, &s);
        h = stir(h * 31 + (meeting_ignored(&w->m) ? 0 : text_key(w, TAG_TEXT, part)));
        meeting_up(&w->m);
    }
    return h;
}

static uint64_t query_key(struct walk *w, struct view query)
{
    struct tree t;
    char why[WHY_MAX];
    meeting_at(&w->m, WHERE_QUERY);
    int e = tree_form(&t, query, why);
    w->m.error = e == E_NOMEM ? e : w->m.error;
    uint64_t h = e ? key_mix(TAG_BYTES, query) : tree_key(w, &t);
    tree_clear(&t);
    return h;
}

static uint64_t fields_key(struct walk *w, const struct compare_half *h)
{
    struct tree t;
    meeting_at(&w->m, WHERE_HEADER);
    int e = parts_fields(&t, h->head, h->whole && h->content.n == 0 && h->size == 0);
    w->m.error = e == E_NOMEM ? e : w->m.error;
    uint64_t key = e ? key_mix(TAG_BYTES, h->head) : tree_key(w, &t);
    tree_clear(&t);
    return key;
}

static uint64_t content_key(struct walk *w, struct view content, struct view type)
{
    const struct rule *rule = NULL;
    enum parts_form form = parts_form_of(type);
    uint64_t key = 0;
    struct tree t;
    char why[WHY_MAX];
    meeting_at(&w->m, WHERE_BODY);
    if (meeting_ignored(&w->m))
        return 0;
    if (content.n == 0)
        return stir(TAG_EMPTY);
    if (meeting_has_bytes(&w->m) || meeting_values(&w->m, &rule))
        return vague(w);
    if (form == PARTS_UNKNOWN && parts_like_json(content))
        form = PARTS_JSON;
    if (form != PARTS_UNKNOWN && form != PARTS_TEXT) {
        int e = parts_tree(form, &t, content, why);
        if (e == E_NOMEM)
            w->m.error = E_NOMEM;
        if (!e)
            key = tree_key(w, &t) + stir(form == PARTS_LINES ? PARTS_JSON : form);
        tree_clear(&t);
        if (!e || e == E_NOMEM)
            return key;
    }
    return key_mix(parts_is_text(content) ? TAG_TEXT : TAG_BYTES, content);
}

static uint64_t size_key(struct walk *w, const struct compare_half *h)
{
    const struct rule *rule = NULL;
    meeting_at(&w->m, WHERE_BODY);
    if (meeting_ignored(&w->m))
        return 0;
    meeting_at(&w->m, WHERE_SIZE);
    if (meeting_ignored(&w->m) || meeting_values(&w->m, &rule))
        return vague(w); // then the digest counts as long as the sizes are equal
    uint64_t key = stir(TAG_SIZE + (uint64_t)h->size * 256);
    if (h->digest.n == 0) {
        w->vague = true;
        return key;
    }
    meeting_at(&w->m, WHERE_DIGEST);
    if (meeting_ignored(&w->m))
        return key;
    return meeting_values(&w->m, &rule) ? vague(w) : key_mix(key, h->digest);
}

int key_half(const struct rules *rules, const struct rules_subject *subject,
             const struct compare_half *h, struct key *out)
{
    struct walk w = {0};
    int e = meeting_begin(&w.m, rules, subject, NULL);
    uint64_t key = 0;
    if (!e) {
        key = part_key(&w, WHERE_METHOD, h->named->method);
        key = stir(key * 31 + part_key(&w, WHERE_HOST, h->named->host));
        key = stir(key * 31 + path_key(&w, h->named->path));
        key = stir(key * 31 + query_key(&w, h->named->query));
        key = stir(key * 31 + fields_key(&w, h));
        key = stir(key * 31 + (h->whole ? content_key(&w, h->content, h->type) : size_key(&w, h)));
    }
    meeting_end(&w.m);
    *out = (struct key){key, w.vague};
    return e ? e : w.m.error;
}
