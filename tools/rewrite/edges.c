// edges: values that an answer issued and later requests carry. A place is known by its text, so
// that an answer of thousands of values is walked once.
#include "tools/rewrite/session.h"

#include "proto/base/fnv.h"
#include "tools/head.h"

#include <stdlib.h>

#define NO_PLACE UINT32_MAX

struct edges {
    const struct correlate *c;
    struct correlate_edge *of[2]; // uses, issues: by transaction, place, value
    size_t n[2];
    uint32_t *table; // of places, by the hash of their texts; NO_PLACE: empty
    size_t slots;    // a power of two
    bool *in_content, *in_url;
};

// ---- the index

static int by_id(const void *a, const void *b)
{
    const struct correlate_edge *l = a, *r = b;
    if (l->id != r->id)
        return l->id < r->id ? -1 : 1;
    if (l->place != r->place)
        return l->place < r->place ? -1 : 1;
    return l->value < r->value ? -1 : l->value > r->value;
}

static size_t slot_of(const struct edges *e, struct view text)
{
    size_t i = fnv_fold(fnv_more(FNV_START, text.p, text.n)) & (e->slots - 1);
    while (e->table[i] != NO_PLACE && !view_eq(view_of(e->c->places[e->table[i]].text), text))
        i = (i + 1) & (e->slots - 1);
    return i;
}

int edges_new(struct edges **out, const struct correlate *c)
{
    *out = NULL;
    if (!c || c->n == 0)
        return 0;
    struct edges *e = calloc(1, sizeof *e);
    if (!e)
        return E_NOMEM;
    e->c = c;
    for (e->slots = 16; e->slots < 2 * c->place_count;)
        e->slots *= 2;
    for (int i = 0; i < 2; i++)
        e->of[i] = malloc((c->edge_count + 1) * sizeof *e->of[i]);
    e->table = malloc(e->slots * sizeof *e->table);
    e->in_content = calloc(c->place_count + 1, sizeof *e->in_content);
    e->in_url = calloc(c->place_count + 1, sizeof *e->in_url);
    if (!e->of[0] || !e->of[1] || !e->table || !e->in_content || !e->in_url) {
        edges_free(e);
        return E_NOMEM;
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct correlate_value *v = &c->values[i];
        for (uint32_t k = 0; k < v->issues; k++)
            e->of[1][e->n[1]++] = c->edges[v->issue + k];
        for (uint32_t k = 0; k < v->uses; k++)
            e->of[0][e->n[0]++] = c->edges[v->use + k];
    }
    for (int i = 0; i < 2; i++)
        qsort(e->of[i], e->n[i], sizeof *e->of[i], by_id);
    memset(e->table, 0xff, e->slots * sizeof *e->table);
    for (size_t i = 0; i < c->place_count; i++) {
        struct view text = view_of(c->places[i].text);
        e->table[slot_of(e, text)] = (uint32_t)i;
        e->in_content[i] =
            view_starts(text, VIEW_LIT("body")) || view_starts(text, VIEW_LIT("html "));
        e->in_url[i] = strstr(c->places[i].text, " > ") != NULL;
    }
    *out = e;
    return 0;
}

void edges_free(struct edges *e)
{
    if (!e)
        return;
    free(e->of[0]);
    free(e->of[1]);
    free(e->table);
    free(e->in_content);
    free(e->in_url);
    free(e);
}

static const struct correlate_edge *find(const struct edges *e, int64_t id, bool issues, size_t *n)
{
    const struct correlate_edge *all = e->of[issues];
    size_t low = 0, high = e->n[issues];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    for (*n = 0; low + *n < e->n[issues] && all[low + *n].id == id;)
        ++*n;
    return all + low;
}

bool edges_any(const struct edges *e, int64_t id, bool issues, bool in_content)
{
    size_t n = 0;
    const struct correlate_edge *one = e ? find(e, id, issues, &n) : NULL;
    for (size_t i = 0; i < n; i++)
        if (!in_content || e->in_content[one[i].place])
            return true;
    return false;
}

bool edges_at(const struct edges *e, int64_t id, const char *place)
{
    size_t n = 0;
    const struct correlate_edge *one = e ? find(e, id, false, &n) : NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(e->c->places[one[i].place].text, place) == 0)
            return true;
    return false;
}

// ---- what has come

static const struct learned *learned(const struct rewrite_session *s,
                                     const struct rewrite_subject *t, uint32_t value)
{
    struct learned_key key = session_key(LEARNED_VALUE, t, value, 0);
    return learned_get(s->learned, &key);
}

bool edges_ready(const struct rewrite_session *s, const struct rewrite_subject *t)
{
    size_t n = 0;
    const struct correlate_edge *one = s->edges ? find(s->edges, t->id, false, &n) : NULL;
    for (size_t i = 0; i < n; i++)
        if (!learned(s, t, one[i].value))
            return false;
    return true;
}

int edges_give_up(struct rewrite_session *s, const struct rewrite_subject *t, bool issues)
{
    size_t n = 0;
    const struct correlate_edge *one = s->edges ? find(s->edges, t->id, issues, &n) : NULL;
    int e = 0;
    for (size_t i = 0; i < n && !e; i++) {
        struct learned like = {.key = session_key(LEARNED_VALUE, t, one[i].value, 0),
                               .missing = true};
        if (!learned(s, t, one[i].value))
            e = session_learn(s, &like);
    }
    return e;
}

// ---- both walks

struct walking {
    struct rewrite_session *s;
    const struct rewrite_subject *t;
    struct work *w; // of a request
    const struct correlate_edge *edges;
    size_t n;
    bool urls;
    const struct part *outer; // of a URL
    struct buf text, next;
};

// The first of the transaction's edges at that place; NULL.
static const struct correlate_edge *at_place(const struct walking *k, const struct part *p,
                                             const struct part *within)
{
    char text[PLACE_TEXT];
    const struct edges *e = k->s->edges;
    if (!place_text(p, within, text))
        return NULL;
    uint32_t place = e->table[slot_of(e, view_of(text))];
    if (place == NO_PLACE)
        return NULL;
    size_t low = 0, high = k->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (k->edges[middle].place < place)
            low = middle + 1;
        else
            high = middle;
    }
    return low < k->n && k->edges[low].place == place ? &k->edges[low] : NULL;
}

static bool is_of(const struct walking *k, const struct correlate_edge *one,
                  const struct correlate_edge *first)
{
    return one < k->edges + k->n && one->place == first->place;
}

// ---- requests

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (view_lower(c) >= 'a' && view_lower(c) <= 'z');
}

// Appends text to out with value in place of was, where that stands by itself. *count: how often.
static int swap(struct view text, struct view was, struct view value, struct buf *out,
                size_t *count)
{
    size_t from = 0;
    int e = 0;
    *count = 0;
    for (size_t i = 0; was.n > 0 && i + was.n <= text.n && !e;) {
        size_t end = i + was.n;
        bool here = memcmp(text.p + i, was.p, was.n) == 0 &&
                    !(i > 0 && is_word(text.p[i - 1]) && is_word(was.p[0])) &&
                    !(end < text.n && is_word(text.p[end]) && is_word(was.p[was.n - 1]));
        if (!here) {
            i++;
            continue;
        }
        e = buf_add(out, text.p + from, i - from);
        e = e ? e : buf_add_view(out, value);
        from = i = end;
        ++*count;
    }
    return e ? e : buf_add(out, from < text.n ? text.p + from : NULL, text.n - from);
}

// The same within "Basic …".
static int swap_basic(struct view text, struct view was, struct view value, struct buf *out,
                      size_t *count)
{
    struct buf plain, changed;
    buf_init(&plain, REWRITE_VALUE_MAX);
    buf_init(&changed, REWRITE_VALUE_MAX);
    int e = coding_base64_read(view_trim(view_from(text, 6)), false, &plain);
    if (e == E_SYNTAX || e == E_LIMIT)
        e = 0;
    else if (!e)
        e = swap(buf_view(&plain), was, value, &changed, count);
    if (!e && *count) {
        e = buf_add(out, text.p, 6);
        e = e ? e : coding_base64_write(buf_view(&changed), false, out);
    }
    buf_clear(&plain);
    buf_clear(&changed);
    return e;
}

static int carried(void *arg, const struct part *p)
{
    struct walking *k = arg;
    const struct correlate_edge *first = p->container ? NULL : at_place(k, p, NULL);
    uint64_t changed = 0;
    int e = 0;
    if (!first)
        return PARTS_ON;
    buf_reset(&k->text);
    e = buf_add_view(&k->text, p->text);
    for (const struct correlate_edge *one = first; !e && is_of(k, one, first); one++) {
        const struct learned *l = learned(k->s, k->t, one->value);
        struct view was = k->s->edges->c->values[one->value].text;
        size_t count = 0;
        if (!l || l->missing) {
            k->s->sums.missing++;
            continue;
        }
        buf_reset(&k->next);
        e = swap(buf_view(&k->text), was, l->value, &k->next, &count);
        if (!e && count == 0 && view_istarts(p->text, VIEW_LIT("basic "))) {
            buf_reset(&k->next);
            e = swap_basic(buf_view(&k->text), was, l->value, &k->next, &count);
        }
        if (e || count == 0)
            continue;
        struct buf old = k->text;
        k->text = k->next;
        k->next = old;
        changed++;
    }
    k->s->sums.values += changed;
    if (!e && changed && p->kind == PART_COOKIE)
        jar_spare(k->w, p->steps->key);
    if (e || changed == 0 || view_eq(buf_view(&k->text), p->text))
        return e ? e : PARTS_ON;
    return work_put(k->w, p, buf_view(&k->text));
}

int edges_step(struct work *w)
{
    struct walking k = {.s = w->s, .t = w->t, .w = w};
    unsigned wants = 0;
    if (w->s->edges)
        k.edges = find(w->s->edges, w->t->id, false, &k.n);
    for (size_t i = 0; i < k.n; i++)
        wants |= w->s->edges->in_content[k.edges[i].place] ? PARTS_CONTENT : PARTS_HEAD;
    if (k.n == 0)
        return 0;
    buf_init(&k.text, REWRITE_CONTENT_MAX);
    buf_init(&k.next, REWRITE_CONTENT_MAX);
    int e = work_step(w, wants, carried, &k);
    buf_clear(&k.text);
    buf_clear(&k.next);
    return e;
}

// ---- answers

static int learn_at(struct walking *k, const struct correlate_edge *first, struct view text)
{
    int e = 0;
    if (text.n == 0 || text.n > REWRITE_VALUE_MAX)
        return PARTS_ON;
    for (const struct correlate_edge *one = first; one && !e && is_of(k, one, first); one++) {
        struct learned like = {.key = session_key(LEARNED_VALUE, k->t, one->value, 0),
                               .value = text};
        e = session_learn(k->s, &like);
    }
    return e;
}

static int issued_in_url(void *arg, const struct part *p)
{
    struct walking *k = arg;
    return learn_at(k, at_place(k, k->outer, p), p->text);
}

static int issued(void *arg, const struct part *p)
{
    struct walking *k = arg;
    if (p->container)
        return PARTS_ON;
    int e = learn_at(k, at_place(k, p, NULL), p->text);
    struct view url = k->urls ? place_url(p->text) : (struct view){0};
    if (e || !parts_is_url(url))
        return e;
    struct parts inner;
    k->outer = p;
    parts_init(&inner, issued_in_url, k);
    e = parts_of_url(&inner, url);
    parts_clear(&inner);
    return e;
}

int edges_learn(struct rewrite_session *s, const struct rewrite_subject *t,
                const struct compare_half *live)
{
    struct walking k = {.s = s, .t = t};
    struct parts p;
    unsigned wants = 0;
    if (s->edges)
        k.edges = find(s->edges, t->id, true, &k.n);
    for (size_t i = 0; i < k.n; i++) {
        wants |= s->edges->in_content[k.edges[i].place] ? PARTS_CONTENT : PARTS_HEAD;
        k.urls = k.urls || s->edges->in_url[k.edges[i].place];
    }
    if (k.n == 0)
        return 0;
    parts_init(&p, issued, &k);
    p.s2c = true;
    p.wants = wants;
    int e = parts_each(&p, live->head, live->whole ? live->content : (struct view){0},
                       head_get(live->head, "content-type"));
    parts_clear(&p);
    return e ? e : edges_give_up(s, t, true);
}
