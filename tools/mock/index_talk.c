// index_talk: conversations as ways through states. A state is the hash of a destination and of all
// that the client said; a turn leads from one to the next:
//
//   start ──"AUTH x\r\n"──→ s1 ──"GET a\r\n"──→ s2
//                              └──"GET b\r\n"──→ s3
//
// Turns stand in the order of their conversations; `sorted` has them by where they begin, by size
// and by where they lead to. How the client's bytes came in pieces is of no matter: a turn ends
// where the server spoke.
#include "proto/base/fnv.h"
#include "tools/chunks.h"
#include "tools/compare/key.h"
#include "tools/mock/index_in.h"

#include <stdlib.h>

#define SCANNED 10000 // candidates looked at for one choice
#define HEAD    8     // bytes by which a turn that is not whole yet is given up

struct turn {
    uint64_t before, after;
    uint64_t c2s, from, s2c;
    uint32_t talk;
    uint32_t size; // of c2s, at most INDEX_TURN_MAX
    unsigned char head[HEAD];
};
struct talk_turns {
    struct index_talk *talks; // by destination and age, once they are all there
    _Atomic uint32_t *uses;
    struct turn *turns;
    uint32_t *sorted;
    size_t n, cap, turns_n, turns_cap;
};

int index_talks_begin(struct index *ix)
{
    ix->talks = calloc(1, sizeof *ix->talks);
    return ix->talks ? 0 : E_NOMEM;
}

void index_talks_free(struct index *ix)
{
    struct talk_turns *t = ix->talks;
    if (!t)
        return;
    free(t->talks);
    free(t->uses);
    free(t->turns);
    free(t->sorted);
    free(t);
}

static uint64_t destination(const struct index *ix, struct view host)
{
    char text[ASKED_HOST];
    return ix->conf->any_host ? 1 : key_mix(1, asked_host((struct view){0}, host, text));
}

// Where size bytes that have this hash lead to.
static uint64_t lead(uint64_t before, uint64_t hash, uint32_t size)
{
    return key_mix(before ^ hash, view_n(&size, sizeof size));
}

// ---- reading

struct reading {
    struct index *ix;
    struct index_talk *talk;
    struct turn *turn; // the one at hand, which grows with turns
    uint64_t state, hash;
    bool s2c; // who spoke last
    int error;
};

static int new_turn(struct reading *r)
{
    struct talk_turns *t = r->ix->talks;
    if (t->turns_n == INDEX_TURNS_MAX)
        return E_LIMIT;
    if (t->turns_n == t->turns_cap) {
        size_t cap = t->turns_cap ? 2 * t->turns_cap : 256;
        struct turn *more = realloc(t->turns, cap * sizeof *more);
        if (!more)
            return E_NOMEM;
        t->turns = more;
        t->turns_cap = cap;
    }
    r->turn = &t->turns[t->turns_n++];
    *r->turn = (struct turn){.before = r->state, .talk = (uint32_t)t->n};
    r->hash = FNV_START;
    r->talk->turns++;
    return 0;
}

static void end_turn(struct reading *r)
{
    if (!r->turn)
        return;
    r->turn->after = r->state = lead(r->turn->before, r->hash, r->turn->size);
}

static void from_client(struct reading *r, struct view bytes)
{
    struct turn *t = r->turn;
    size_t n = INDEX_TURN_MAX - t->size;
    n = n < bytes.n ? n : bytes.n;
    for (size_t i = 0; i < n && t->size + i < HEAD; i++)
        t->head[t->size + i] = (unsigned char)bytes.p[i];
    r->hash = fnv_more(r->hash, bytes.p, n);
    t->size += (uint32_t)n;
    t->c2s += bytes.n;
}

static int take(void *arg, const struct chunk *c)
{
    struct reading *r = arg;
    bool first = !r->turn && r->talk->greeting == 0;
    uint64_t end = (uint64_t)c->at + c->bytes.n;
    if (c->bytes.n == 0)
        return 0;
    if (first)
        r->talk->server_first = c->s2c;
    if (c->s2c) {
        if (r->turn)
            r->turn->s2c = end - r->turn->from;
        else
            r->talk->greeting = end;
    } else {
        if (!r->turn || (r->s2c && r->talk->turns < INDEX_TALK_TURNS)) {
            uint64_t from = r->turn ? r->turn->from + r->turn->s2c : r->talk->greeting;
            end_turn(r);
            r->error = new_turn(r);
            if (r->error)
                return r->error;
            r->turn->from = from;
        }
        if (r->turn->s2c == 0) // else it is one of those that are not told apart any more
            from_client(r, c->bytes);
    }
    r->s2c = c->s2c;
    return 0;
}

int index_talks_add(struct index *ix, struct store *s, const struct index_talk *talk,
                    struct view host)
{
    struct talk_turns *t = ix->talks;
    int64_t missing;
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 64;
        struct index_talk *more = realloc(t->talks, cap * sizeof *more);
        if (!more)
            return E_NOMEM;
        t->talks = more;
        t->cap = cap;
    }
    struct reading r = {.ix = ix, .talk = &t->talks[t->n]};
    *r.talk = *talk;
    r.talk->destination = r.state = destination(ix, host);
    r.talk->first = (uint32_t)t->turns_n;
    int e = chunks_each(s, talk->flow, talk->n, &missing, take, &r);
    end_turn(&r);
    if (r.error || e == E_NOMEM)
        return r.error ? r.error : e;
    if (!r.turn && r.talk->greeting == 0)
        return 0;
    t->n++;
    return 1;
}

// ---- order

static int by_destination(const void *a, const void *b, void *arg)
{
    const struct index_talk *talks = arg;
    const struct index_talk *x = &talks[*(const uint32_t *)a], *y = &talks[*(const uint32_t *)b];
    if (x->destination != y->destination)
        return x->destination < y->destination ? -1 : 1;
    if (x->start_us != y->start_us)
        return x->start_us < y->start_us ? -1 : 1;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int compare_turns(const struct turn *x, uint64_t before, uint32_t size, uint64_t after)
{
    if (x->before != before)
        return x->before < before ? -1 : 1;
    if (x->size != size)
        return x->size < size ? -1 : 1;
    return x->after < after ? -1 : x->after > after;
}

static int by_way(const void *a, const void *b, void *arg)
{
    const struct turn *turns = arg;
    const struct turn *x = &turns[*(const uint32_t *)a], *y = &turns[*(const uint32_t *)b];
    int c = compare_turns(x, y->before, y->size, y->after);
    return c ? c : x->talk < y->talk ? -1 : x->talk > y->talk;
}

int index_talks_end(struct index *ix)
{
    struct talk_turns *t = ix->talks;
    uint32_t *order = calloc(2 * t->n + 1, sizeof *order), *number = order + t->n;
    struct index_talk *talks = calloc(t->n + 1, sizeof *talks);
    t->uses = calloc(t->n + 1, sizeof *t->uses);
    t->sorted = calloc(t->turns_n + 1, sizeof *t->sorted);
    if (!order || !talks || !t->uses || !t->sorted) {
        free(order);
        free(talks);
        return E_NOMEM;
    }
    for (uint32_t i = 0; i < t->n; i++)
        order[i] = i;
    qsort_r(order, t->n, sizeof *order, by_destination, t->talks);
    for (uint32_t i = 0; i < t->n; i++) {
        talks[i] = t->talks[order[i]];
        number[order[i]] = i;
    }
    for (uint32_t i = 0; i < t->turns_n; i++) {
        t->turns[i].talk = number[t->turns[i].talk];
        t->sorted[i] = i;
    }
    free(t->talks);
    t->talks = talks;
    if (t->turns_n > 0)
        qsort_r(t->sorted, t->turns_n, sizeof *t->sorted, by_way, t->turns);
    ix->sums.memory += t->n * (sizeof *talks + 4) + t->turns_cap * sizeof *t->turns +
                       t->turns_n * sizeof *t->sorted;
    free(order);
    return 0;
}

// ---- finding

const struct index_talk *index_talk(const struct index *ix, uint32_t talk)
{
    return &ix->talks->talks[talk];
}

uint32_t index_talk_uses(const struct index *ix, uint32_t talk)
{
    return atomic_load_explicit(&ix->talks->uses[talk], memory_order_relaxed);
}

void index_talk_take(struct index *ix, uint32_t talk)
{
    atomic_fetch_add_explicit(&ix->talks->uses[talk], 1, memory_order_relaxed);
}

// One of several, in the order of their age, as they are taken one after the other.
struct choice {
    const struct index *ix;
    uint32_t unused, least, newest, uses;
};

static struct choice choice_of(const struct index *ix)
{
    return (struct choice){ix, INDEX_NONE, INDEX_NONE, INDEX_NONE, UINT32_MAX};
}

static void consider(struct choice *c, uint32_t talk)
{
    uint32_t uses = index_talk_uses(c->ix, talk);
    if (uses == 0 && c->unused == INDEX_NONE)
        c->unused = talk;
    if (uses < c->uses) {
        c->uses = uses;
        c->least = talk;
    }
    c->newest = talk;
}

static uint32_t chosen(const struct choice *c)
{
    enum match_repeat repeat = c->ix->conf->repeat;
    if (c->unused != INDEX_NONE)
        return c->unused;
    return repeat == MATCH_LAST ? c->newest : repeat == MATCH_CYCLE ? c->least : INDEX_NONE;
}

int index_talk_start(const struct index *ix, struct view host, uint64_t *state, uint32_t *talk)
{
    const struct talk_turns *t = ix->talks;
    uint64_t at = *state = destination(ix, host);
    size_t from = 0, to = t->n;
    *talk = INDEX_NONE;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (t->talks[middle].destination < at)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == t->n || t->talks[from].destination != at)
        return 0;
    struct choice c = choice_of(ix);
    for (size_t i = from; i < t->n && i - from < SCANNED && c.unused == INDEX_NONE; i++) {
        if (t->talks[i].destination != at)
            break;
        if (t->talks[i].server_first)
            consider(&c, (uint32_t)i);
    }
    *talk = chosen(&c);
    return 1;
}

// The first place in sorted that is not before this.
static size_t find(const struct talk_turns *t, uint64_t before, uint32_t size, uint64_t after)
{
    size_t from = 0, to = t->turns_n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_turns(&t->turns[t->sorted[middle]], before, size, after) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

// Of the turns that lead from before to after, from place at on: that of the conversation at hand,
// or of the one that is next. NULL: none may be used again.
static const struct turn *choose(const struct index *ix, size_t at, uint32_t now)
{
    const struct talk_turns *t = ix->talks;
    const struct turn *first = &t->turns[t->sorted[at]], *found = NULL;
    struct choice c = choice_of(ix);
    for (size_t i = at; i < t->turns_n && i - at < SCANNED; i++) {
        const struct turn *turn = &t->turns[t->sorted[i]];
        if (compare_turns(turn, first->before, first->size, first->after) != 0)
            break;
        if (turn->talk == now)
            return turn;
        consider(&c, turn->talk);
    }
    uint32_t talk = chosen(&c);
    for (size_t i = at; i < t->turns_n && !found && talk != INDEX_NONE; i++)
        if (t->turns[t->sorted[i]].talk == talk)
            found = &t->turns[t->sorted[i]];
    return found;
}

// Whether any of the longer turns from place at on may still become what is said.
static bool may_come(const struct talk_turns *t, size_t at, uint64_t state, struct view said)
{
    size_t n = said.n < HEAD ? said.n : HEAD;
    for (size_t i = at; i < t->turns_n && t->turns[t->sorted[i]].before == state; i++)
        if (i - at == SCANNED || memcmp(t->turns[t->sorted[i]].head, said.n ? said.p : "", n) == 0)
            return true;
    return false;
}

enum talk_heard index_talk_hear(const struct index *ix, uint64_t state, struct view said,
                                bool ended, uint32_t now, struct talk_turn *out)
{
    const struct talk_turns *t = ix->talks;
    uint64_t hash = FNV_START;
    size_t at = find(t, state, 0, 0), hashed = 0;
    const struct turn *best = NULL;
    while (at < t->turns_n) {
        const struct turn *turn = &t->turns[t->sorted[at]];
        if (turn->before != state || turn->size > said.n)
            break;
        hash = fnv_more(hash, said.p + hashed, turn->size - hashed);
        hashed = turn->size;
        uint64_t after = lead(state, hash, turn->size);
        size_t place = find(t, state, turn->size, after);
        const struct turn *found =
            place < t->turns_n &&
                    compare_turns(&t->turns[t->sorted[place]], state, turn->size, after) == 0
                ? choose(ix, place, now)
                : NULL;
        best = found ? found : best;
        at = find(t, state, turn->size + 1, 0);
    }
    if (!best)
        return !ended && may_come(t, at, state, said) ? TALK_MORE : TALK_NONE;
    const struct index_talk *talk = &t->talks[best->talk];
    *out = (struct talk_turn){.talk = best->talk,
                              .c2s = best->c2s,
                              .from = best->from,
                              .s2c = best->s2c,
                              .last = best == &t->turns[talk->first + talk->turns - 1],
                              .state = best->after};
    return TALK_FOUND;
}
