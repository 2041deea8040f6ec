// talk: see talk.h.
//
//   by state:  heard ──index_talk_hear──→ from, s2c of a recording ──chunks──→ said ──→ heard …
//   by count:  chunk C2S: so many bytes are owed;  chunk S2C: is said
#include "tools/mock/tape_in.h"

#include <stdlib.h>

void talk_init(struct talk *t)
{
    memset(t, 0, sizeof *t);
    buf_init(&t->heard, TALK_HELD_MAX);
    t->talk = INDEX_NONE;
}

static void close_chunks(struct talk *t)
{
    chunks_close(t->chunks);
    t->chunks = NULL;
    t->piece = view_n(NULL, 0);
}

void talk_clear(struct talk *t)
{
    close_chunks(t);
    buf_clear(&t->heard);
    if (t->faults) {
        fault_plan_clear(t->faults);
        free(t->faults);
    }
    talk_init(t);
}

static struct index *index_of(const struct end *e)
{
    return e->tape->mock->index;
}

// ---- which recording

static void take(struct end *e, uint32_t number)
{
    struct talk *t = &e->talk;
    const struct index_talk *it = index_talk(index_of(e), number);
    struct recorded its;
    close_chunks(t);
    t->talk = number;
    t->id = it->id;
    t->before_us = 0;
    if (!recorded_row(e->tape->rows, it->file, it->id, &its))
        return; // it was told; nothing is said then, and the end is
    t->chunks = load_chunks(&its.row);
    // Where another follows, the connection did not end with it.
    t->server_ended =
        its.server_ended && !recorded_behind(e->tape->rows, it->file, it->flow, it->n, &its);
}

static void first_use(struct end *e, uint32_t number)
{
    if (e->talk.id == 0) {
        index_talk_take(index_of(e), number);
        atomic_fetch_add_explicit(&e->tape->counts->hits, 1, memory_order_relaxed);
    }
}

void talk_start(struct end *e, const char *host)
{
    struct talk *t = &e->talk;
    uint32_t greets = INDEX_NONE;
    if (!index_talk_start(index_of(e), view_of(host), &t->state, &greets))
        return;
    t->mode = TALK_BY_STATE;
    t->secured = e->flow->client.tls != NULL;
    if (greets == INDEX_NONE)
        return;
    first_use(e, greets);
    take(e, greets);
    t->at = 0;
    t->to = index_talk(index_of(e), greets)->greeting;
}

void talk_follow(struct end *e, uint32_t file, int64_t flow, int64_t n)
{
    struct talk *t = &e->talk;
    struct recorded its;
    t->mode = TALK_BY_COUNT;
    if (!recorded_behind(e->tape->rows, file, flow, n, &its))
        return;
    t->id = its.row.id;
    t->server_ended = its.server_ended;
    t->chunks = load_chunks(&its.row);
}

// ---- the client

static void miss(struct end *e)
{
    e->talk.missed = true;
    e->talk.at = e->talk.to;
    close_chunks(&e->talk);
}

// TLS began behind the last turn: what is said within it was recorded as a conversation of its own.
static bool begins_anew(struct end *e)
{
    struct talk *t = &e->talk;
    uint32_t greets;
    if (!t->last || t->secured || !e->flow->client.tls)
        return false;
    t->secured = true;
    t->last = false;
    t->id = 0;
    t->talk = INDEX_NONE;
    close_chunks(t);
    t->at = t->to = 0;
    return index_talk_start(index_of(e), view_of(e->host), &t->state, &greets) == 1;
}

// What was heard of this turn, once nothing is being said.
static void hear_turn(struct end *e)
{
    struct talk *t = &e->talk;
    struct talk_turn turn;
    if (t->mode != TALK_BY_STATE || t->at < t->to || t->owed > 0 || t->missed)
        return;
    if (buf_len(&t->heard) == 0 && !e->client_ended)
        return;
    switch (index_talk_hear(index_of(e), t->state, buf_view(&t->heard), e->client_ended, t->talk,
                            &turn)) {
    case TALK_MORE:
        break;
    case TALK_NONE:
        if (begins_anew(e))
            hear_turn(e);
        else if (buf_len(&t->heard) > 0)
            miss(e);
        break;
    case TALK_FOUND: {
        size_t n = turn.c2s < buf_len(&t->heard) ? (size_t)turn.c2s : buf_len(&t->heard);
        first_use(e, turn.talk);
        if (turn.talk != t->talk)
            take(e, turn.talk);
        buf_drop(&t->heard, n, 0);
        t->owed = turn.c2s - n;
        t->at = turn.from;
        t->to = turn.from + turn.s2c;
        t->state = turn.state;
        t->last = turn.last;
        break;
    }
    }
}

static size_t count(struct talk *t, size_t n)
{
    uint64_t pays = n < t->owed ? n : t->owed;
    t->owed -= pays;
    return (size_t)pays;
}

size_t talk_hear(struct end *e, struct view bytes)
{
    struct talk *t = &e->talk;
    size_t n = count(t, bytes.n);
    bytes = view_from(bytes, n);
    if (t->mode == TALK_BY_COUNT) {
        t->early += bytes.n;
        return n + bytes.n;
    }
    size_t room = TALK_HELD_MAX - buf_len(&t->heard);
    bytes = view_head(bytes, room);
    if (t->missed || buf_add_view(&t->heard, bytes)) {
        t->missed = true; // no memory is a miss as well
        return n + bytes.n;
    }
    hear_turn(e);
    return n + bytes.n;
}

void talk_client_end(struct end *e)
{
    hear_turn(e);
}

// ---- the server

static bool has_fault(const struct talk *t, enum fault_kind kind)
{
    return t->faults && t->faults->kinds & FAULT_BIT(kind);
}

// The server is about to say its first.
static void ask_faults(struct end *e)
{
    struct talk *t = &e->talk;
    struct fault_plan plan;
    struct fault_request r = {.protocol = "raw",
                              .at_us = flow_env_wall(e->tape->given.env),
                              .scheme = VIEW_LIT(""),
                              .host = view_of(e->host)};
    t->asked = true;
    if (!e->tape->mock->conf.faults)
        return;
    faults_of_request(e->tape->mock->conf.faults, &e->who, &r, &plan);
    if (plan.kinds == 0 || !(t->faults = malloc(sizeof plan))) {
        fault_plan_clear(&plan);
        return;
    }
    *t->faults = plan;
    atomic_fetch_add_explicit(&e->tape->counts->faults, 1, memory_order_relaxed);
    if (has_fault(t, FAULT_LATENCY))
        t->due_us = end_now(e) + plan.delay_us;
}

static void set_due(struct end *e, const struct chunk *c)
{
    struct talk *t = &e->talk;
    double speed = e->tape->mock->conf.speed;
    if (speed > 0 && t->before_us > 0 && c->first_us > t->before_us) {
        int64_t due = end_now(e) + (int64_t)((double)(c->first_us - t->before_us) / speed);
        t->due_us = due > t->due_us ? due : t->due_us;
    }
    t->before_us = c->last_us;
}

// The next chunk that is to be said now; false: none is.
static bool next_chunk(struct end *e)
{
    struct talk *t = &e->talk;
    struct chunk c;
    bool by_state = t->mode == TALK_BY_STATE;
    while (t->chunks && !(by_state ? t->at >= t->to : t->owed > 0) && chunks_next(t->chunks, &c)) {
        if (!c.s2c) {
            t->before_us = c.last_us;
            if (!by_state) {
                t->owed = c.bytes.n;
                t->early -= count(t, t->early < SIZE_MAX ? (size_t)t->early : SIZE_MAX);
            }
            continue;
        }
        uint64_t at = (uint64_t)c.at, skip = by_state && t->at > at ? t->at - at : 0;
        if (skip >= c.bytes.n) {
            t->before_us = c.last_us;
            continue;
        }
        set_due(e, &c);
        t->piece = view_from(c.bytes, (size_t)skip);
        t->piece_at = at + skip;
        return true;
    }
    return false;
}

// What faults make of the bytes at hand, as answer.c has it for content. false: it ends or waits.
static bool may_go_on(struct end *e, uint64_t *most, enum answer_said *said)
{
    struct talk *t = &e->talk;
    const struct {
        enum fault_kind kind;
        const struct fault_place *place;
    } ends[] = {{FAULT_TRUNCATE, &t->faults->truncate}, {FAULT_RESET, &t->faults->reset}};
    for (size_t i = 0; i < 2; i++) {
        if (!has_fault(t, ends[i].kind))
            continue;
        uint64_t place = fault_place_of(ends[i].place, UINT64_MAX);
        if (t->said >= place) {
            e->reset = ends[i].kind == FAULT_RESET;
            *said = ANSWER_OVER;
            return false;
        }
        *most = place - t->said < *most ? place - t->said : *most;
    }
    if (has_fault(t, FAULT_STALL) && !t->stalled) {
        uint64_t place = fault_place_of(&t->faults->stall, UINT64_MAX);
        if (t->said >= place) {
            int64_t us = t->faults->stall_us, now = end_now(e);
            t->stalled = true;
            t->due_us = us < INT64_MAX - now ? now + us : INT64_MAX;
            *said = ANSWER_WAIT;
            return false;
        }
        *most = place - t->said < *most ? place - t->said : *most;
    }
    if (has_fault(t, FAULT_DRIBBLE) && t->faults->dribble_bytes < *most)
        *most = t->faults->dribble_bytes;
    return true;
}

// Some of the piece at hand.
static size_t say_piece(struct end *e, char *p, size_t n)
{
    struct talk *t = &e->talk;
    bool by_state = t->mode == TALK_BY_STATE;
    uint64_t most = by_state ? t->to - t->at : UINT64_MAX;
    n = n < t->piece.n ? n : t->piece.n;
    n = n < most ? n : (size_t)most;
    memcpy(p, t->piece.p, n);
    if (has_fault(t, FAULT_CORRUPT))
        fault_corrupt(t->faults, UINT64_MAX, t->said, p, n);
    t->piece = view_from(t->piece, n);
    t->piece_at += n;
    t->said += n;
    t->at += by_state ? n : 0;
    if (has_fault(t, FAULT_DRIBBLE))
        t->due_us = end_now(e) + t->faults->dribble_us;
    return n;
}

// Nothing is to be said now: whether anything ever is.
static enum answer_said rest(const struct end *e)
{
    const struct talk *t = &e->talk;
    bool by_state = t->mode == TALK_BY_STATE;
    if (t->missed)
        return ANSWER_OVER;
    if (t->owed > 0)
        return e->client_ended ? ANSWER_OVER : ANSWER_WAIT;
    if (by_state && t->at < t->to)
        return ANSWER_OVER; // the file has no more of it
    bool told = by_state ? t->last : true;
    return e->client_ended || (told && t->server_ended && t->id) ? ANSWER_OVER : ANSWER_WAIT;
}

// Whether there is a piece to say.
static bool have_piece(struct end *e)
{
    struct talk *t = &e->talk;
    bool by_state = t->mode == TALK_BY_STATE;
    if (by_state && t->at >= t->to)
        hear_turn(e);
    if (t->missed || t->owed > 0 || (by_state && t->at >= t->to))
        return false;
    if (by_state && t->piece.n > 0 && t->at > t->piece_at) {
        size_t skip = t->at - t->piece_at < t->piece.n ? (size_t)(t->at - t->piece_at) : t->piece.n;
        t->piece = view_from(t->piece, skip);
        t->piece_at += skip;
    }
    return t->piece.n > 0 || next_chunk(e);
}

enum answer_said talk_say(struct end *e, char *p, size_t n, size_t *got)
{
    struct talk *t = &e->talk;
    enum answer_said said = ANSWER_MORE;
    *got = 0;
    for (;;) {
        if (!have_piece(e))
            return rest(e);
        if (!t->asked)
            ask_faults(e);
        if (t->due_us > end_now(e))
            return ANSWER_WAIT;
        if (*got == n)
            return ANSWER_MORE;
        uint64_t most = n - *got;
        if (t->faults && !may_go_on(e, &most, &said))
            return said;
        *got += say_piece(e, p + *got, (size_t)most);
    }
}
