// match: by the raw hash first, which costs no memory; by value where that finds nothing; under
// rules where equal ones are not enough. A group is a queue: its cursor shows the first that may
// not have been used.
//
// Threads meet in counters alone: who raises the count of an entry from the round's number has it.
#include "tools/mock/match.h"

#include "tools/compare/differences.h"
#include "tools/mock/index_in.h"

#include <stdlib.h>

struct match {
    struct index *ix;
    struct asked_reader *reader;
    struct asked_room room, recorded; // of the live request, of a recorded one
};

// One request on its way.
struct search {
    struct match *m;
    const struct match_request *r;
    struct match_flow *flow;
    struct match_found *out;
    struct asked asked;
    struct compare_half half[3]; // by INDEX_WHOLE…
    bool made;                   // asked is
    unsigned looks;              // rows that may still be read
    int error;
};

// A group that the request belongs to, and what has to be asked before one of it is taken.
struct place {
    const struct grouping *in;
    const struct group *group;
    const struct rules *rules;
    int known;
    bool vague; // of the request itself
    bool alike;
};

#define PLACES_MAX ((INDEX_MASKS_MAX + 1) * 3)

struct match *match_new(struct index *ix)
{
    struct match *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->ix = ix;
    m->reader = asked_reader_new(ix->captures, ix->captures_n, ix->conf);
    asked_room_init(&m->room);
    asked_room_init(&m->recorded);
    if (m->reader)
        return m;
    match_free(m);
    return NULL;
}

void match_free(struct match *m)
{
    if (!m)
        return;
    asked_reader_free(m->reader);
    asked_room_clear(&m->room);
    asked_room_clear(&m->recorded);
    free(m);
}

struct asked_reader *match_reader(struct match *m)
{
    return m->reader;
}

struct index *match_index(struct match *m)
{
    return m->ix;
}

// ---- the request

static bool make(struct search *s)
{
    if (s->made)
        return true;
    s->error = asked_make(s->m->ix->conf, s->r, &s->m->room, &s->asked);
    if (s->error)
        return false;
    s->half[INDEX_WHOLE] = s->asked.half;
    s->half[INDEX_SEALED] = asked_sealed(&s->asked, s->r, &s->m->room, true);
    s->half[INDEX_SIZED] = asked_sealed(&s->asked, s->r, &s->m->room, false);
    s->made = true;
    return true;
}

// Whether the entry's request is equal under the rules, where hashes do not say.
static bool is_equal(struct search *s, const struct place *p, uint32_t entry)
{
    const struct index_entry *e = &s->m->ix->entries[entry];
    if (!p->vague && !(e->vague >> p->alike & 1))
        return true;
    if (s->looks == 0 || !make(s))
        return false;
    s->looks--;
    struct differences d;
    bool equal = false;
    differences_init(&d, 0);
    int e2 = match_compare(s->m, entry, p->rules, &s->asked, &s->half[p->known], &d);
    if (e2 == E_NOMEM)
        s->error = e2;
    else
        equal = e2 == 1 && d.total == 0;
    differences_clear(&d);
    return equal;
}

int match_compare(struct match *m, uint32_t entry, const struct rules *rules,
                  const struct asked *live, const struct compare_half *half, struct differences *d)
{
    const struct index_entry *e = &m->ix->entries[entry];
    struct asked_row row;
    struct asked recorded;
    int got = asked_read(m->reader, e->file, e->id, &row);
    if (got != 1)
        return got;
    int error = asked_make(m->ix->conf, &row.request, &m->recorded, &recorded);
    if (error)
        return error;
    if (!half->whole || e->known != INDEX_WHOLE)
        recorded.half = asked_sealed(&recorded, &row.request, &m->recorded,
                                     half->digest.n > 0 && (row.has_digest || !row.request.sealed));
    error = compare(rules, &live->subject, &recorded.half, half, d);
    return error ? error : 1;
}

// ---- taking one of a group

static uint32_t round_of(uint64_t cursor)
{
    return (uint32_t)(cursor >> 32);
}

static bool take(struct search *s, uint32_t entry, uint32_t uses, bool equal)
{
    struct index *ix = s->m->ix;
    if (!atomic_compare_exchange_strong(&ix->uses[entry], &uses, uses + 1))
        return false;
    *s->out = (struct match_found){.entry = entry, .equal = equal, .again = uses > 0};
    s->flow->flow = ix->entries[entry].flow;
    s->flow->n = ix->entries[entry].n;
    return true;
}

// Whatever its count.
static bool take_any(struct search *s, uint32_t entry, bool equal)
{
    while (!take(s, entry, atomic_load(&s->m->ix->uses[entry]), equal))
        ; // another thread took it meanwhile
    return true;
}

// One of the recorded flow at hand and behind the last answer; used: whether or not it was used in
// this round.
static bool of_flow(struct search *s, const struct place *p, bool used)
{
    const struct index *ix = s->m->ix;
    const struct group *g = p->group;
    const uint32_t *list = p->in->by_flow + g->first;
    uint32_t round = round_of(atomic_load(&g->cursor));
    size_t from = 0, n = group_size(g), to = n;
    if (s->flow->flow == 0)
        return false;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct index_entry *e = &ix->entries[list[middle]];
        if (e->flow < s->flow->flow || (e->flow == s->flow->flow && e->n <= s->flow->n))
            from = middle + 1;
        else
            to = middle;
    }
    for (; from < n && ix->entries[list[from]].flow == s->flow->flow && !s->error; from++) {
        uint32_t entry = list[from];
        if (!used && atomic_load(&ix->uses[entry]) != round)
            continue;
        if (!is_equal(s, p, entry))
            continue;
        bool taken = used ? take_any(s, entry, !p->alike) : take(s, entry, round, !p->alike);
        if (taken)
            return true;
    }
    return false;
}

// The oldest not used in this round. false: there is none from the cursor seen on.
static bool oldest_of(struct search *s, const struct place *p, uint64_t *seen)
{
    const struct index *ix = s->m->ix;
    struct group *g = (struct group *)(uintptr_t)p->group; // of which only the cursor changes
    uint64_t cursor = *seen = atomic_load(&g->cursor);
    uint32_t round = round_of(cursor), n = group_size(g);
    bool behind = true; // all before this place have been used
    for (uint32_t i = (uint32_t)cursor; i < n && !s->error; i++) {
        uint32_t entry = group_entry(p->in, g->first + i);
        if (atomic_load(&ix->uses[entry]) != round)
            continue;
        if (is_equal(s, p, entry) && take(s, entry, round, !p->alike)) {
            if (behind) // whoever comes first; another place is no harm
                atomic_compare_exchange_strong(&g->cursor, &cursor,
                                               (uint64_t)round << 32 | (i + 1));
            return true;
        }
        behind = false;
    }
    return false;
}

static bool oldest(struct search *s, const struct place *p)
{
    uint64_t seen;
    return oldest_of(s, p, &seen);
}

// The newest, whatever its count.
static bool newest(struct search *s, const struct place *p)
{
    const struct group *g = p->group;
    for (uint32_t i = group_size(g); i-- > 0 && !s->error;) {
        uint32_t entry = group_entry(p->in, g->first + i);
        if (!is_equal(s, p, entry)) {
            if (s->looks == 0)
                return false;
            continue;
        }
        return take_any(s, entry, !p->alike);
    }
    return false;
}

// Of a group whose members are not sure: the one used least, the oldest of them.
static bool least_used(struct search *s, const struct place *p)
{
    const struct group *g = p->group;
    const struct index *ix = s->m->ix;
    uint32_t best = INDEX_NONE, uses = UINT32_MAX;
    for (uint32_t i = 0; i < group_size(g) && s->looks && !s->error; i++) {
        uint32_t entry = group_entry(p->in, g->first + i), n = atomic_load(&ix->uses[entry]);
        if (n < uses && is_equal(s, p, entry)) {
            best = entry;
            uses = n;
        }
    }
    return best != INDEX_NONE && take(s, best, uses, !p->alike);
}

static bool again(struct search *s, const struct place *p)
{
    struct group *g = (struct group *)(uintptr_t)p->group;
    if (s->m->ix->conf->repeat == MATCH_FAIL)
        return false;
    if (s->m->ix->conf->repeat == MATCH_LAST)
        return of_flow(s, p, true) || newest(s, p);
    if (p->vague || g->vague)
        return least_used(s, p);
    for (uint64_t seen; !s->error;) { // another thread may begin the round, and take all of it
        if (of_flow(s, p, false) || oldest_of(s, p, &seen))
            return true;
        atomic_compare_exchange_strong(&g->cursor, &seen, (uint64_t)(round_of(seen) + 1) << 32);
    }
    return false;
}

// ---- where to look

// The group of equal ones with content known in this way.
static bool equal_place(struct search *s, int known, struct place *p)
{
    uint64_t key;
    const struct index *ix = s->m->ix;
    if (!ix->known[known] || (known == INDEX_WHOLE && s->r->sealed) || !make(s))
        return false;
    *p = (struct place){.in = &ix->equal, .known = known};
    s->error = index_key(NULL, &s->asked, &s->half[known], known, &key, &p->vague);
    p->group = s->error ? NULL : index_group(p->in, key);
    return p->group != NULL;
}

static size_t alike_places(struct search *s, struct place *out)
{
    const struct index *ix = s->m->ix;
    size_t n = 0;
    for (size_t mask = 0; ix->rules && mask < ix->masks_n && !s->error; mask++)
        for (int known = INDEX_WHOLE; known <= INDEX_SIZED && !s->error; known++) {
            struct place p = {
                .in = &ix->alike, .rules = index_rules(ix, mask), .known = known, .alike = true};
            uint64_t key;
            if (!ix->alike_known[mask][known] || (known == INDEX_WHOLE && s->r->sealed) || !make(s))
                continue;
            s->error = index_key(p.rules, &s->asked, &s->half[known], known, &key, &p.vague);
            p.group = s->error ? NULL : index_group(p.in, key);
            if (p.group)
                out[n++] = p;
        }
    return n;
}

static size_t equal_places(struct search *s, struct place out[3])
{
    size_t n = 0;
    struct place raw = {.in = &s->m->ix->equal, .known = s->r->sealed ? INDEX_SEALED : INDEX_WHOLE};
    raw.group = index_raw(s->m->ix, asked_raw(s->m->ix->conf, s->r));
    if (raw.group && !raw.group->vague) {
        out[0] = raw;
        return 1;
    }
    for (int known = INDEX_WHOLE; known <= INDEX_SIZED && !s->error; known++)
        n += equal_place(s, known, &out[n]);
    return n;
}

static bool find(struct search *s)
{
    struct place equal[3], alike[PLACES_MAX];
    size_t n = equal_places(s, equal), others = SIZE_MAX;
    for (size_t i = 0; i < n && !s->error; i++)
        if (of_flow(s, &equal[i], false) || oldest(s, &equal[i]))
            return true;
    if (s->m->ix->rules && (n == 0 || s->flow->flow)) {
        others = alike_places(s, alike);
        for (size_t i = 0; i < others && !s->error; i++)
            if (of_flow(s, &alike[i], false))
                return true;
    }
    for (size_t i = 0; i < n && !s->error; i++)
        if (again(s, &equal[i]))
            return true;
    others = others == SIZE_MAX ? alike_places(s, alike) : others;
    for (size_t i = 0; i < others && !s->error; i++)
        if (oldest(s, &alike[i]))
            return true;
    for (size_t i = 0; i < others && !s->error; i++)
        if (again(s, &alike[i]))
            return true;
    return false;
}

int match_take(struct match *m, const struct match_request *r, struct match_flow *flow,
               struct match_found *out)
{
    static const char *const types[PARTS_FORMS] = {
        [PARTS_UNKNOWN] = "",
        [PARTS_JSON] = "application/json",
        [PARTS_LINES] = "application/x-ndjson",
        [PARTS_XML] = "application/xml",
        [PARTS_PAIRS] = "application/x-www-form-urlencoded",
        [PARTS_TEXT] = "text/plain",
    };
    struct search s = {.m = m, .r = r, .flow = flow, .out = out, .looks = MATCH_LOOKS_MAX};
    bool found = find(&s);
    // A recording's type says how content is compared; the live one's may be another.
    for (int form = 0; form < PARTS_FORMS && !found && !s.error && !r->sealed && r->content.n;
         form++) {
        if (!m->ix->forms[form] || !make(&s) || form == (int)parts_form_of(s.asked.half.type))
            continue;
        s.half[INDEX_WHOLE].type = view_of(types[form]);
        found = find(&s);
    }
    return found ? 1 : s.error == E_NOMEM ? E_NOMEM : 0;
}

void match_take_this(struct match *m, uint32_t entry, struct match_flow *flow)
{
    const struct index_entry *e = &m->ix->entries[entry];
    atomic_fetch_add(&m->ix->uses[entry], 1);
    *flow = (struct match_flow){e->flow, e->n};
}

int match_key(struct match *m, const struct match_request *r, uint64_t *key)
{
    struct asked asked;
    bool vague;
    int e = asked_make(m->ix->conf, r, &m->room, &asked);
    return e ? e
             : index_key(NULL, &asked, &asked.half, r->sealed ? INDEX_SEALED : INDEX_WHOLE, key,
                         &vague);
}
