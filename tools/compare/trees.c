// trees: two trees, node by node.
//
//   members of an object    by key; of a key that stands more than once, a list
//   a list                  by index; where the lengths differ, equal items at both ends are set
//                           aside first, so that one item put in is told as one
//   a list without order    equal items find each other, the rest is compared in its order
//
// 1. Equality is found by comparing under the rules; hashes only say where to look first.
// 2. Recursion is as deep as the tree, which is TREE_DEPTH_MAX at most. Looking for equal items
//    costs out of one budget; when it is spent, they are taken in their order.
#include "proto/base/buf.h"
#include "tools/compare/meeting.h"
#include "tools/compare/number.h"
#include "tools/compare/tag.h"

#include <stdio.h>
#include <stdlib.h>

#define TOLD_ITEMS 16 // so many missing items are told one by one
#define BEST_ITEMS 32 // so many that are left over are compared each with each

struct two {
    const struct tree *l, *r;
};

// The items of a list on both sides: an array's, or the members of one key.
struct lists {
    const uint32_t *l, *r;
    size_t nl, nr;
    bool index; // steps are indexes, else numbers of key
    struct view key;
};

static void nodes(struct meeting *m, struct two t, uint32_t l, uint32_t r);

// ---- values as text

static void render(struct buf *out, const struct tree *t, uint32_t i, int depth)
{
    static const char *const words[] = {"null", "false", "true"};
    const struct tree_node *node = &t->nodes[i];
    if (buf_len(out) >= DIFFERENCE_TEXT)
        return;
    bool list = node->type == TREE_ARRAY;
    int e = 0;
    switch (node->type) {
    case TREE_NULL:
    case TREE_FALSE:
    case TREE_TRUE:
        e = buf_printf(out, "%s", words[node->type]);
        break;
    case TREE_NUMBER:
        e = buf_add_view(out, view_head(node->text, DIFFERENCE_TEXT));
        break;
    case TREE_TEXT:
        e = buf_add(out, "\"", 1);
        e = e ? e : buf_add_view(out, view_head(node->text, DIFFERENCE_TEXT));
        e = e ? e : buf_add(out, "\"", 1);
        break;
    case TREE_ARRAY:
    case TREE_OBJECT:
    case TREE_ELEMENT:
        e = buf_add(out, list ? "[" : "{", 1);
        for (uint32_t c = node->first; c && !e && depth < 8; c = t->nodes[c].next) {
            if (c != node->first)
                e = buf_add(out, ", ", 2);
            if (!list && !e) {
                e = buf_add_view(out, view_head(t->nodes[c].key, DIFFERENCE_TEXT));
                e = e ? e : buf_add(out, ": ", 2);
            }
            render(out, t, c, depth + 1);
            if (buf_len(out) >= DIFFERENCE_TEXT)
                return;
        }
        e = e ? e : buf_add(out, list ? "]" : "}", 1);
    }
    (void)e; // the room is enough, or memory is out and less is shown
}

// Headers, forms and XML have texts alone, which need no quotes.
static bool is_typed(const struct meeting *m, const struct tree *t)
{
    return m->part == WHERE_BODY &&
           !(t->n > 1 && t->nodes[0].type == TREE_OBJECT && t->nodes[1].type == TREE_ELEMENT);
}

static void tell(struct meeting *m, enum difference_kind kind, struct two t, int64_t l, int64_t r)
{
    struct buf text[2];
    enum shape shape = SHAPE_NONE;
    if (m->quiet) {
        m->found = true;
        return;
    }
    buf_init(&text[0], 16 * DIFFERENCE_TEXT);
    buf_init(&text[1], 16 * DIFFERENCE_TEXT);
    for (int side = 0; side < 2; side++) {
        const struct tree *tree = side ? t.r : t.l;
        int64_t i = side ? r : l;
        if (i < 0)
            continue;
        const struct tree_node *node = &tree->nodes[i];
        if (node->type == TREE_TEXT && !is_typed(m, tree)) {
            if (buf_add_view(&text[side], view_head(node->text, DIFFERENCE_TEXT)))
                m->error = E_NOMEM;
        } else {
            render(&text[side], tree, (uint32_t)i, 0);
        }
    }
    if (kind == DIFFERENCE_VALUE && l >= 0 && r >= 0)
        shape = shape_of(t.l->nodes[l].text, t.r->nodes[r].text);
    meeting_tell(m, kind, shape, buf_view(&text[0]), buf_view(&text[1]));
    buf_clear(&text[0]);
    buf_clear(&text[1]);
}

// ---- lists

static void step(struct meeting *m, const struct lists *s, size_t i)
{
    meeting_down(m, &(struct where_step){.index = s->index, .key = s->key, .number = (uint32_t)i});
}

static void pair(struct meeting *m, struct two t, const struct lists *s, size_t i, size_t j)
{
    step(m, s, i);
    nodes(m, t, s->l[i], s->r[j]);
    meeting_up(m);
}

static bool same(struct meeting *m, struct two t, const struct lists *s, size_t i, size_t j)
{
    bool found = m->found;
    m->quiet++;
    m->found = false;
    pair(m, t, s, i, j);
    bool equal = !m->found && !m->error;
    m->quiet--;
    m->found = found;
    return equal;
}

// Items from..to of one side, which the other has not.
static void alone(struct meeting *m, struct two t, const struct lists *s, size_t from, size_t to,
                  bool left)
{
    for (size_t i = from; i < to && !meeting_over(m); i++) {
        step(m, s, i);
        if (!meeting_ignored(m))
            tell(m, left ? DIFFERENCE_MISSING : DIFFERENCE_EXTRA, t, left ? (int64_t)s->l[i] : -1,
                 left ? -1 : (int64_t)s->r[i]);
        meeting_up(m);
    }
}

// Whether each side's items from..to are ignored all, so that their number says nothing.
static bool all_ignored(struct meeting *m, const struct lists *s, size_t from, size_t to)
{
    bool ignored = from < to;
    for (size_t i = from; i < to && ignored; i++) {
        step(m, s, i);
        ignored = meeting_ignored(m);
        meeting_up(m);
    }
    return ignored;
}

static void count(struct meeting *m, const struct lists *s)
{
    char left[32], right[32];
    snprintf(left, sizeof left, "%zu of them", s->nl);
    snprintf(right, sizeof right, "%zu of them", s->nr);
    if (!s->index)
        step(m, s, 0);
    meeting_tell(m, DIFFERENCE_COUNT, SHAPE_NONE, view_of(left), view_of(right));
    if (!s->index)
        meeting_up(m);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

// Whether one side's items are the other's in another order.
static bool shuffled(struct meeting *m, struct two t, const struct lists *s)
{
    uint64_t *h = s->nl == s->nr && s->nl > 1 ? calloc(2 * s->nl, sizeof *h) : NULL;
    if (!h) {
        m->error = s->nl == s->nr && s->nl > 1 ? E_NOMEM : m->error;
        return false;
    }
    for (size_t i = 0; i < s->nl; i++) {
        h[i] = t.l->nodes[s->l[i]].hash;
        h[s->nl + i] = t.r->nodes[s->r[i]].hash;
    }
    qsort(h, s->nl, sizeof *h, by_number);
    qsort(h + s->nl, s->nl, sizeof *h, by_number);
    bool equal = memcmp(h, h + s->nl, s->nl * sizeof *h) == 0;
    free(h);
    return equal;
}

static void order(struct meeting *m, struct two t, const struct lists *s)
{
    if (!s->index) {
        step(m, s, 0);
        tell(m, DIFFERENCE_ORDER, t, s->l[0], s->r[0]);
        meeting_up(m);
        return;
    }
    // The arrays are the parents of their items; where they stand is known by the first ones.
    char text[2][DIFFERENCE_TEXT];
    for (int side = 0; side < 2; side++) {
        struct buf out;
        buf_init(&out, 16 * DIFFERENCE_TEXT);
        for (size_t i = 0; i < s->nl && buf_len(&out) < DIFFERENCE_TEXT; i++) {
            if (buf_add_view(&out, i ? VIEW_LIT(", ") : VIEW_LIT("[")))
                m->error = E_NOMEM;
            render(&out, side ? t.r : t.l, side ? s->r[i] : s->l[i], 0);
        }
        if (buf_len(&out) < DIFFERENCE_TEXT && buf_add(&out, "]", 1))
            m->error = E_NOMEM;
        difference_text(text[side], buf_view(&out));
        buf_clear(&out);
    }
    meeting_tell(m, DIFFERENCE_ORDER, SHAPE_NONE, view_of(text[0]), view_of(text[1]));
}

static void ordered(struct meeting *m, struct two t, const struct lists *s)
{
    size_t head = 0, tail = 0, least = s->nl < s->nr ? s->nl : s->nr;
    if (s->nl == s->nr) {
        size_t n = m->out->n;
        uint64_t total = m->out->total;
        for (size_t i = 0; i < s->nl && !meeting_over(m); i++)
            pair(m, t, s, i, i);
        if (!m->quiet && m->out->total > total && shuffled(m, t, s)) {
            m->out->n = n;
            m->out->total = total;
            order(m, t, s);
        }
        return;
    }
    if (m->quiet) { // where the additional one stands is of no interest
        if (!all_ignored(m, s, least, s->nl + s->nr - least))
            m->found = true;
        for (size_t i = 0; i < least && !meeting_over(m); i++)
            pair(m, t, s, i, i);
        return;
    }
    while (head < least && m->budget && same(m, t, s, head, head))
        head++;
    while (tail < least - head && m->budget && same(m, t, s, s->nl - 1 - tail, s->nr - 1 - tail))
        tail++;
    size_t l = s->nl - tail, r = s->nr - tail;
    size_t more = l > r ? l - head : r - head;
    if (head == least - tail && more <= TOLD_ITEMS) {
        alone(m, t, s, head, l, true);
        alone(m, t, s, head, r, false);
        return;
    }
    size_t both = l < r ? l : r;
    bool few = !s->index && more <= TOLD_ITEMS;
    if (!few && !all_ignored(m, s, both, l > r ? l : r))
        count(m, s);
    for (size_t i = head; i < both && !meeting_over(m); i++)
        pair(m, t, s, i, i);
    if (few) {
        alone(m, t, s, both, l, true);
        alone(m, t, s, both, r, false);
    }
}

// ---- lists without order

struct item {
    uint64_t hash;
    size_t at;
    bool used;
};

static int by_hash(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_place(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void drop_used(struct item *items, size_t *n)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (!items[i].used)
            items[kept++] = items[i];
    *n = kept;
}

// How many differences there are between two items.
static uint64_t distance(struct meeting *m, struct two t, const struct lists *s, size_t i, size_t j)
{
    struct differences counted, *out = m->out;
    differences_init(&counted, 0);
    m->out = &counted;
    pair(m, t, s, i, j);
    m->out = out;
    return counted.total;
}

// What found nothing equal: each with what it differs least from, as long as they are few.
static void rest(struct meeting *m, struct two t, const struct lists *s, struct item *l, size_t nl,
                 struct item *r, size_t nr)
{
    bool few = !m->quiet && nl <= BEST_ITEMS && nr <= BEST_ITEMS;
    size_t told = 0;
    if (m->quiet && nl && nr) { // none is equal to any, or the budget is spent
        m->found = true;
        return;
    }
    for (size_t i = 0; i < nl && told < nr && !meeting_over(m); i++) {
        size_t best = i < nr && !r[i].used ? i : nr;
        uint64_t least = UINT64_MAX;
        for (size_t j = 0; j < nr && few && m->budget; j++) {
            uint64_t n = r[j].used ? UINT64_MAX : distance(m, t, s, l[i].at, r[j].at);
            if (n < least) {
                least = n;
                best = j;
            }
        }
        for (size_t j = 0; j < nr && best == nr; j++)
            if (!r[j].used)
                best = j;
        pair(m, t, s, l[i].at, r[best].at);
        l[i].used = r[best].used = true;
        told++;
    }
    drop_used(l, &nl);
    drop_used(r, &nr);
    if (nl + nr > TOLD_ITEMS && !all_ignored(m, s, 0, 1))
        count(m, s);
    for (size_t i = 0; i < nl && nl + nr <= TOLD_ITEMS; i++)
        alone(m, t, s, l[i].at, l[i].at + 1, true);
    for (size_t i = 0; i < nr && nl + nr <= TOLD_ITEMS; i++)
        alone(m, t, s, r[i].at, r[i].at + 1, false);
}

static void unordered(struct meeting *m, struct two t, const struct lists *s)
{
    struct item *l = calloc(s->nl + s->nr + 1, sizeof *l), *r = l + s->nl;
    size_t nl = s->nl, nr = s->nr;
    if (!l) {
        m->error = E_NOMEM;
        return;
    }
    for (size_t i = 0; i < nl; i++)
        l[i] = (struct item){t.l->nodes[s->l[i]].hash, i, false};
    for (size_t i = 0; i < nr; i++)
        r[i] = (struct item){t.r->nodes[s->r[i]].hash, i, false};
    qsort(l, nl, sizeof *l, by_hash);
    qsort(r, nr, sizeof *r, by_hash);
    for (size_t i = 0, j = 0; i < nl && j < nr;) {
        if (l[i].hash == r[j].hash && m->budget && same(m, t, s, l[i].at, r[j].at)) {
            l[i++].used = r[j++].used = true;
            continue;
        }
        bool first = l[i].hash <= r[j].hash;
        i += first;
        j += !first;
    }
    drop_used(l, &nl);
    drop_used(r, &nr);
    qsort(l, nl, sizeof *l, by_place);
    qsort(r, nr, sizeof *r, by_place);
    for (size_t i = 0; i < nl; i++)
        for (size_t j = 0; j < nr && !l[i].used && m->budget && !m->error; j++)
            if (!r[j].used && same(m, t, s, l[i].at, r[j].at))
                l[i].used = r[j].used = true;
    drop_used(l, &nl);
    drop_used(r, &nr);
    rest(m, t, s, l, nl, r, nr);
    free(l);
}

static void list(struct meeting *m, struct two t, const struct lists *s, bool any_order)
{
    if (any_order)
        unordered(m, t, s);
    else
        ordered(m, t, s);
}

// ---- containers

static uint32_t *children(const struct tree *t, uint32_t i)
{
    uint32_t *out = malloc((t->nodes[i].count + 1) * sizeof *out), n = 0;
    for (uint32_t c = t->nodes[i].first; c && out; c = t->nodes[c].next)
        out[n++] = c;
    return out;
}

static int key_order(struct view a, struct view b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : a.n < b.n ? -1 : a.n > b.n;
}

static int by_key(const void *a, const void *b, void *arg)
{
    const struct tree *t = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int c = key_order(t->nodes[x].key, t->nodes[y].key);
    return c ? c : x < y ? -1 : x > y; // siblings stand in their order
}

static size_t run_of(const struct tree *t, const uint32_t *sorted, size_t n, size_t from)
{
    size_t to = from + 1;
    while (to < n && view_eq(t->nodes[sorted[to]].key, t->nodes[sorted[from]].key))
        to++;
    return to - from;
}

// Members of one key, nl on the left and nr on the right; either may be 0.
static void members_of_key(struct meeting *m, struct two t, const struct lists *s)
{
    bool any_order = false;
    if (s->nl > 1 || s->nr > 1) {
        step(m, s, 0);
        any_order = meeting_unordered(m);
        meeting_up(m);
    }
    if (s->nl == 0 || s->nr == 0) {
        alone(m, t, s, 0, s->nl, true);
        alone(m, t, s, 0, s->nr, false);
    } else {
        list(m, t, s, any_order);
    }
}

static bool counts_in_order(const struct tree *t, uint32_t i)
{
    struct view key = tree_local(t->nodes[i].key);
    return key.n == 0 || key.p[0] != '@';
}

// Whether children of an element, which have the same names on both sides, stand in another order.
static bool other_sequence(struct two t, uint32_t l, uint32_t r)
{
    uint32_t i = t.l->nodes[l].first, j = t.r->nodes[r].first;
    for (;;) {
        while (i && !counts_in_order(t.l, i))
            i = t.l->nodes[i].next;
        while (j && !counts_in_order(t.r, j))
            j = t.r->nodes[j].next;
        if (!i || !j)
            return false;
        if (!view_eq(t.l->nodes[i].key, t.r->nodes[j].key))
            return true;
        i = t.l->nodes[i].next;
        j = t.r->nodes[j].next;
    }
}

static void members(struct meeting *m, struct two t, uint32_t l, uint32_t r)
{
    uint32_t *a = children(t.l, l), *b = children(t.r, r);
    size_t na = t.l->nodes[l].count, nb = t.r->nodes[r].count, i = 0, j = 0;
    bool same_names = true;
    if (!a || !b) {
        m->error = E_NOMEM;
        goto out;
    }
    qsort_r(a, na, sizeof *a, by_key, (void *)(uintptr_t)t.l);
    qsort_r(b, nb, sizeof *b, by_key, (void *)(uintptr_t)t.r);
    while ((i < na || j < nb) && !meeting_over(m)) {
        int c = i == na ? 1 : j == nb ? -1 : key_order(t.l->nodes[a[i]].key, t.r->nodes[b[j]].key);
        size_t nl = c <= 0 ? run_of(t.l, a, na, i) : 0, nr = c >= 0 ? run_of(t.r, b, nb, j) : 0;
        const struct tree_node *one = c <= 0 ? &t.l->nodes[a[i]] : &t.r->nodes[b[j]];
        bool element = t.l->nodes[l].type == TREE_ELEMENT || one->type == TREE_ELEMENT;
        struct lists s = {a + i, b + j, nl, nr, false, element ? tree_local(one->key) : one->key};
        members_of_key(m, t, &s);
        same_names = same_names && nl == nr;
        i += nl;
        j += nr;
    }
    if (t.l->nodes[l].type == TREE_ELEMENT && same_names && !meeting_over(m) &&
        other_sequence(t, l, r) && !meeting_unordered(m))
        tell(m, DIFFERENCE_ORDER, t, l, r);
out:
    free(a);
    free(b);
}

static void items(struct meeting *m, struct two t, uint32_t l, uint32_t r)
{
    struct lists s = {.nl = t.l->nodes[l].count, .nr = t.r->nodes[r].count, .index = true};
    uint32_t *a = children(t.l, l), *b = children(t.r, r);
    s.l = a;
    s.r = b;
    if (!a || !b)
        m->error = E_NOMEM;
    else
        list(m, t, &s, meeting_unordered(m));
    free(a);
    free(b);
}

static bool is_truth(enum tree_type type)
{
    return type == TREE_TRUE || type == TREE_FALSE;
}

// Redaction replaces a value of any type but null by a text.
static bool is_replaced(const struct tree_node *one, const struct tree_node *other)
{
    return one->type == TREE_TEXT && other->type != TREE_NULL && tag_is(one->text);
}

static void nodes(struct meeting *m, struct two t, uint32_t l, uint32_t r)
{
    const struct tree_node *a = &t.l->nodes[l], *b = &t.r->nodes[r];
    m->budget -= m->budget && (m->quiet || m->out->max == 0);
    if (meeting_over(m) || meeting_ignored(m) || meeting_masked(m))
        return;
    if (a->type != b->type) {
        if (is_replaced(a, b) || is_replaced(b, a))
            return;
        bool value = is_truth(a->type) && is_truth(b->type);
        tell(m, value ? DIFFERENCE_VALUE : DIFFERENCE_TYPE, t, l, r);
        return;
    }
    switch (a->type) {
    case TREE_NULL:
    case TREE_FALSE:
    case TREE_TRUE:
        break;
    case TREE_NUMBER:
        if (!number_same(a->text, b->text) && !meeting_allowed(m, a->text, b->text))
            tell(m, DIFFERENCE_VALUE, t, l, r);
        break;
    case TREE_TEXT:
        if (!view_eq(a->text, b->text) && !meeting_allowed(m, a->text, b->text))
            tell(m, DIFFERENCE_VALUE, t, l, r);
        break;
    case TREE_ARRAY:
        items(m, t, l, r);
        break;
    case TREE_OBJECT:
    case TREE_ELEMENT:
        members(m, t, l, r);
    }
}

void trees_compare(struct meeting *m, const struct tree *left, const struct tree *right)
{
    nodes(m, (struct two){left, right}, 0, 0);
}
