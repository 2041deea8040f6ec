// say: a request of HTTP, all at once where it is small, else piece by piece as the socket takes
// it, with the pauses of the recording where these are kept.
//
//   head ─ (100 awaited) ─ piece ─ (pause) ─ piece … ─ finish
#include "schema/store.h"
#include "tools/replay/connection.h"

#define PIECE_MAX (64u << 10)

static bool put_all(struct connection *c, const struct speak_out *out)
{
    bool ok = true;
    for (size_t i = 0; i < out->n; i++)
        ok = connection_put(c, out->v[i]) && ok;
    return ok;
}

// All of it is out; then tells how the connection goes on.
static void said(struct connection *c, enum speak_then then)
{
    c->last->said = true;
    say_end(c);
    if (then == SPEAK_NEXT || then == SPEAK_AWAIT)
        return;
    // A request that was cut off ends its connection; the answer may still come.
    connection_finish(c);
}

// A varint at the front of v.
static bool take_number(struct view *v, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; v->n > 0 && shift < 64; shift += 7) {
        unsigned char byte = (unsigned char)v->p[0];
        *v = view_from(*v, 1);
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

// The next pair of the rhythm: the pause before it, and where it ends.
static int64_t next_beat(struct connection *c)
{
    uint64_t us = 0, bytes = 0;
    if (!take_number(&c->rhythm, &us) || !take_number(&c->rhythm, &bytes)) {
        c->rhythm = view_n(NULL, 0);
        c->rhythm_due = UINT64_MAX;
        return 0;
    }
    c->rhythm_due += bytes;
    return us > INT64_MAX / 2 ? 0 : (int64_t)us;
}

int say_begin(struct connection *c, struct exchange *x, char why[WHY_MAX])
{
    const struct material *m = x->material;
    struct speak_out out;
    bool paced = c->all->pace > 0 && m->rhythm.n > 0 && !x->rewritten;
    if (m->wire.n > 0 && !x->rewritten && !paced && !m->expects) {
        (void)!connection_put(c, m->wire); // one that breaks is told of by reading
        said(c, m->then);
        return 0;
    }
    struct speak_half half = {
        .rewritten = x->rewritten,
        .cut = m->cut,
        .head = x->rewritten ? buf_view(&x->head) : m->head,
        .trailers = m->trailers,
        .size = x->new_content ? buf_len(&x->content) : m->size,
    };
    half.stored = half.size;
    c->left = x->new_content ? buf_view(&x->content) : m->held ? m->content : view_n(NULL, 0);
    if (!x->new_content && !m->held && !(c->reader = material_reader(c->all->materials, m))) {
        snprintf(why, WHY_MAX, "its content cannot be read");
        return E_DAMAGED;
    }
    int e = speak_begin(&c->speaker, &speaker_http1, &half, &out, why);
    if (e) {
        say_end(c);
        return e;
    }
    c->saying = true;
    c->rhythm = paced ? m->rhythm : view_n(NULL, 0);
    c->rhythm_due = 0;
    (void)next_beat(c);
    (void)!put_all(c, &out);
    if (m->expects) {
        c->waits_for_100 = true;
        alarm_set(c->all->alarms, &c->pause, c->all->env->now + CONNECTION_EXPECT_US);
        return 0;
    }
    say_go_on(c);
    return 0;
}

// At least a byte, or nothing: the end.
static struct view next_piece(struct connection *c)
{
    struct view piece = view_head(c->left, PIECE_MAX);
    if (piece.n == 0 && c->reader) {
        int e = store_reader_next(c->reader, &c->left);
        if (e != 1)
            c->left = view_n(NULL, 0);
        if (e < 0) // it goes as far as it can be read, and why is told where it has no answer
            snprintf(c->last->note, sizeof c->last->note, "its content cannot be read: %s",
                     err_text(e));
        piece = view_head(c->left, PIECE_MAX);
    }
    uint64_t sent = c->last->sent_bytes;
    uint64_t room = c->rhythm_due > sent ? c->rhythm_due - sent : 1;
    piece = view_head(piece, room < PIECE_MAX ? (size_t)room : PIECE_MAX);
    c->left = view_from(c->left, piece.n);
    return piece;
}

// false: a pause was begun.
static bool keep_time(struct connection *c)
{
    struct connections *all = c->all;
    while (c->last->sent_bytes >= c->rhythm_due) {
        int64_t us = next_beat(c);
        if (us <= 0)
            continue;
        c->pausing = true;
        alarm_set(all->alarms, &c->pause, all->env->now + (int64_t)((double)us / all->pace));
        return false;
    }
    return true;
}

void say_go_on(struct connection *c)
{
    char why[WHY_MAX];
    struct speak_out out;
    enum speak_then then = SPEAK_CUT;
    if (!c->saying || c->waits_for_100)
        return;
    if (c->pausing)
        return;
    alarm_unset(c->all->alarms, &c->pause); // the 100 came
    while (side_waits(&c->side) == 0 && !c->side.broken) {
        if (!keep_time(c) || connection_stalls(c))
            return;
        struct view piece = next_piece(c);
        if (piece.n == 0)
            break;
        if (speak_piece(&c->speaker, piece, &out, why) || !put_all(c, &out))
            break;
    }
    if (side_waits(&c->side) > 0 && !c->side.broken)
        return;
    if (speak_finish(&c->speaker, &out, &then, why) == 0)
        (void)!put_all(c, &out);
    said(c, then);
}

void say_end(struct connection *c)
{
    store_reader_close(c->reader);
    c->reader = NULL;
    c->left = view_n(NULL, 0);
    c->saying = c->waits_for_100 = c->pausing = false;
    if (!c->talk)
        alarm_unset(c->all->alarms, &c->pause);
}
