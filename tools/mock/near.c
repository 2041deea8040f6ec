// near: endpoints that look like what was asked, of these the requests that look most like it, and
// of those that were read and compared the three that differ least.
#include "tools/mock/near.h"

#include "tools/compare/key.h"
#include "tools/compare/parts.h"
#include "tools/mock/near_in.h"

#include <stdlib.h>

#define ENDPOINTS 8   // whose requests are looked at
#define SHOWN     512 // bytes of a text of the recording

const char *const near_causes[NEAR_CAUSES] = {
    "nothing recorded", "host", "method", "path", "query", "header", "body", "used up",
};

// ---- where to look

struct scored {
    uint32_t at, cost;
};

// Keeps the cheapest, the first of equal ones.
static void keep(struct scored *list, size_t *n, size_t max, struct scored one)
{
    size_t at = *n;
    if (*n == max && list[max - 1].cost <= one.cost)
        return;
    if (*n == max)
        at--;
    else
        ++*n;
    for (; at > 0 && list[at - 1].cost > one.cost; at--)
        list[at] = list[at - 1];
    list[at] = one;
}

// How much of the longer text the other one has at its beginning and its end, in quarters: 0 to 3.
static uint32_t likeness(struct view a, struct view b)
{
    size_t least = a.n < b.n ? a.n : b.n, most = a.n < b.n ? b.n : a.n, head = 0, tail = 0;
    while (head < least && a.p[head] == b.p[head])
        head++;
    while (tail < least - head && a.p[a.n - 1 - tail] == b.p[b.n - 1 - tail])
        tail++;
    return most == 0 || head + tail == most ? 3 : (uint32_t)(4 * (head + tail) / most);
}

static uint32_t path_cost(struct view route, struct view path)
{
    struct view a, b;
    uint32_t cost = 0;
    for (;;) {
        bool more = parts_segment(&route, &a), also = parts_segment(&path, &b);
        if (!more && !also)
            return cost;
        if (!more || !also)
            cost += 6;
        else if (!view_eq(a, b))
            cost += view_eq(a, VIEW_LIT("{id}")) ? 1 : 5 - likeness(a, b);
    }
}

static size_t endpoints(const struct index *ix, const struct match_request *r,
                        struct scored out[ENDPOINTS])
{
    char text[ASKED_HOST];
    struct view host = asked_host(r->scheme, r->host, text);
    size_t n = 0;
    for (uint32_t i = 0; i < ix->endpoints_n; i++) {
        const struct index_endpoint *e = &ix->endpoints[i];
        uint32_t cost = path_cost(e->route, r->path) + (view_eq(e->method, r->method) ? 0 : 5);
        if (!ix->conf->any_host && !view_eq(e->host, host))
            cost += view_eq(view_head(e->host, view_find(e->host, ':')),
                            view_head(host, view_find(host, ':')))
                        ? 3
                        : 6;
        keep(out, &n, ENDPOINTS, (struct scored){i, cost});
    }
    return n;
}

// Of several equal ones the oldest alone.
static bool is_first(const struct index *ix, uint32_t entry)
{
    size_t from = 0, to = ix->equal.n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (ix->equal.groups[middle].first < entry)
            from = middle + 1;
        else
            to = middle;
    }
    return ix->equal.groups[from].first == entry;
}

static size_t candidates(const struct index *ix, const struct match_request *r,
                         struct scored out[NEAR_LOOKED])
{
    struct scored at[ENDPOINTS];
    size_t n = 0, scanned = 0, found = endpoints(ix, r, at);
    uint32_t path = (uint32_t)key_mix(0, r->path), query = (uint32_t)key_mix(0, r->query);
    for (size_t i = 0; i < found; i++)
        for (uint32_t k = 0; k < ix->endpoints[at[i].at].n && scanned < NEAR_SCANNED; k++) {
            uint32_t entry = index_endpoint_entry(ix, at[i].at, k);
            const struct index_entry *e = &ix->entries[entry];
            struct scored one = {entry, at[i].cost * 4 + (e->path == path ? 0 : 2) +
                                            (e->query == query ? 0 : 1)};
            scanned++;
            // Asked last: it costs most, and few come so far.
            if ((n < NEAR_LOOKED || one.cost < out[n - 1].cost) && is_first(ix, entry))
                keep(out, &n, NEAR_LOOKED, one);
        }
    return n;
}

// ---- comparing

enum near_cause near_cause_of(const char *where)
{
    static const struct {
        const char *part;
        enum near_cause cause;
    } parts[] = {{"host", NEAR_HOST},
                 {"method", NEAR_METHOD},
                 {"path", NEAR_PATH},
                 {"query", NEAR_QUERY},
                 {"header", NEAR_HEADER}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strncmp(where, parts[i].part, strlen(parts[i].part)) == 0)
            return parts[i].cause;
    return NEAR_BODY;
}

// How far from each other, and the first thing that keeps them apart.
static uint32_t distance(const struct differences *d, enum near_cause *cause)
{
    static const uint32_t weights[NEAR_CAUSES] = {
        [NEAR_HOST] = 40, [NEAR_METHOD] = 30, [NEAR_PATH] = 20,
        [NEAR_QUERY] = 5, [NEAR_HEADER] = 4,  [NEAR_BODY] = 3,
    };
    uint32_t sum = 0;
    *cause = NEAR_USED_UP;
    for (size_t i = 0; i < d->n; i++) {
        enum near_cause one = near_cause_of(d->items[i].where);
        sum += 4 * weights[one] - likeness(view_of(d->items[i].left), view_of(d->items[i].right));
        *cause = one < *cause ? one : *cause;
    }
    return sum + (uint32_t)(d->total - d->n < 1000 ? d->total - d->n : 1000);
}

static char *text_of(struct view v)
{
    v = view_head(v, SHOWN);
    return strndup(v.n ? v.p : "", v.n);
}

static void clear_one(struct near_one *one)
{
    free(one->method);
    free(one->host);
    free(one->path);
    free(one->query);
    differences_clear(&one->differences);
    buf_clear(&one->rules);
}

struct near_search {
    struct match *m;
    const struct match_request *r;
    struct asked_room room;
    struct asked asked;
    struct compare_half half[3];
    struct near_miss *out;
    uint32_t distances[NEAR_MAX];
};

static const struct compare_half *half_for(const struct near_search *s, const struct index_entry *e)
{
    return &s->half[s->asked.half.whole || e->known != INDEX_WHOLE ? e->known : INDEX_SEALED];
}

// Compares one, and keeps it where it is among the nearest. 0 or E_NOMEM.
static int look(struct near_search *s, uint32_t entry)
{
    struct index *ix = match_index(s->m);
    const struct index_entry *e = &ix->entries[entry];
    struct near_miss *out = s->out;
    struct differences d;
    enum near_cause cause;
    differences_init(&d, NEAR_DIFFERENCES);
    int got = match_compare(s->m, entry, index_rules(ix, e->mask), &s->asked, half_for(s, e), &d);
    uint32_t far = distance(&d, &cause);
    size_t at = out->n;
    while (at > 0 && s->distances[at - 1] > far)
        at--;
    if (got != 1 || at == NEAR_MAX) {
        differences_clear(&d);
        return got == E_NOMEM ? got : 0;
    }
    if (out->n == NEAR_MAX)
        clear_one(&out->one[--out->n]);
    for (size_t i = out->n; i > at; i--) {
        out->one[i] = out->one[i - 1];
        s->distances[i] = s->distances[i - 1];
    }
    out->n++;
    out->one[at] = (struct near_one){.entry = entry, .id = e->id, .cause = cause, .differences = d};
    buf_init(&out->one[at].rules, NEAR_RULES_MAX);
    s->distances[at] = far;
    return 0;
}

// Names, and the rules that would do. 0 or E_NOMEM.
static int complete(struct near_search *s, struct near_one *one)
{
    struct index *ix = match_index(s->m);
    const struct index_entry *e = &ix->entries[one->entry];
    struct asked_row row;
    int got = asked_read(match_reader(s->m), e->file, e->id, &row);
    if (got < 0)
        return got;
    one->method = text_of(row.request.method);
    one->host = text_of(row.request.host);
    one->path = text_of(row.request.path);
    one->query = text_of(row.request.query);
    if (!one->method || !one->host || !one->path || !one->query)
        return E_NOMEM;
    struct near_pair p = {
        .m = s->m,
        .entry = one->entry,
        .live = &s->asked,
        .half = half_for(s, e),
        .recorded = {view_of(one->method), view_of(one->host), view_of(one->path)},
        .rules = index_rules(ix, e->mask),
        .differs = &one->differences};
    return near_rules(&p, &one->rules);
}

int near_find(struct match *m, const struct match_request *r, struct near_miss *out)
{
    struct scored list[NEAR_LOOKED];
    struct near_search s = {.m = m, .r = r, .out = out};
    struct index *ix = match_index(m);
    *out = (struct near_miss){.cause = NEAR_NOTHING};
    asked_room_init(&s.room);
    int e = asked_make(ix->conf, r, &s.room, &s.asked);
    if (!e) {
        s.half[INDEX_WHOLE] = s.asked.half;
        s.half[INDEX_SEALED] = asked_sealed(&s.asked, r, &s.room, true);
        s.half[INDEX_SIZED] = asked_sealed(&s.asked, r, &s.room, false);
        size_t n = candidates(ix, r, list);
        for (size_t i = 0; i < n && !e; i++)
            e = look(&s, list[i].at);
        for (size_t i = 0; i < out->n && !e; i++)
            e = complete(&s, &out->one[i]);
        if (out->n > 0)
            out->cause = out->one[0].cause;
    }
    asked_room_clear(&s.room);
    return e;
}

void near_clear(struct near_miss *n)
{
    for (size_t i = 0; i < n->n; i++)
        clear_one(&n->one[i]);
    *n = (struct near_miss){0};
}
