// talk: a conversation that no decoder names.
//
//   recorded   c: hello    s: 220 …    c: QUIT   s: 221
//   here       hello goes; QUIT goes when as many bytes have come as "220 …" had, or none come any
//              more for CONNECTION_QUIET_US; then as many more as "221" had are waited for
//
// Where all was said and less has come than was recorded, the end of our direction is told after
// such a while: a server may answer only then.
#include "tools/chunks.h"
#include "tools/replay/connection.h"

#include <stdio.h>
#include <stdlib.h>

struct talk {
    struct exchange *x;
    struct chunks *chunks;
    struct chunk next; // the client's, its bytes what is left of them
    bool has_next;
    bool waited;       // the pause before it is over
    uint64_t needed;   // bytes of the server that come before it
    int64_t gap_us;    // pause before it in the recording
    int64_t before_us; // when the piece before it was over
    uint64_t seen;     // when the patience began, so many had come
};

// The client's next piece.
static void advance(struct talk *t)
{
    struct chunk c;
    t->has_next = t->waited = false;
    while (chunks_next(t->chunks, &c)) {
        t->gap_us = t->before_us ? c.first_us - t->before_us : 0;
        t->before_us = c.last_us;
        if (c.s2c) {
            t->needed += c.bytes.n;
            continue;
        }
        if (c.bytes.n == 0)
            continue;
        t->next = c;
        t->has_next = true;
        return;
    }
}

int talk_begin(struct connection *c, struct exchange *x, char why[WHY_MAX])
{
    struct talk *t = calloc(1, sizeof *t);
    struct chunks *chunks = t ? material_chunks(c->all->materials, x->material) : NULL;
    if (!chunks) {
        free(t);
        snprintf(why, WHY_MAX, "the conversation cannot be read");
        return E_DAMAGED;
    }
    t->x = x;
    t->chunks = chunks;
    c->talk = t;
    advance(t);
    talk_go_on(c);
    return 0;
}

void talk_end(struct connection *c)
{
    struct talk *t = c->talk;
    if (!t)
        return;
    c->talk = NULL;
    alarm_unset(c->all->alarms, &c->pause);
    chunks_close(t->chunks);
    free(t);
}

bool talk_is_over(const struct connection *c)
{
    const struct talk *t = c->talk;
    return t && t->x->said && t->x->size >= t->x->material->said[S2C];
}

static void wait_for(struct connection *c, int64_t us)
{
    c->talk->seen = c->talk->x->size;
    alarm_set(c->all->alarms, &c->pause, c->all->env->now + us);
}

// Whether the next piece may go: else it is waited for.
static bool may_go(struct connection *c)
{
    struct talk *t = c->talk;
    if (t->x->size < t->needed) {
        wait_for(c, CONNECTION_QUIET_US);
        return false;
    }
    double pace = c->all->pace;
    if (!t->waited && pace > 0 && t->gap_us > 0) {
        t->waited = true;
        t->seen = t->x->size;
        c->pausing = true;
        alarm_set(c->all->alarms, &c->pause,
                  c->all->env->now + (int64_t)((double)t->gap_us / pace));
        return false;
    }
    return true;
}

void talk_go_on(struct connection *c)
{
    struct talk *t = c->talk;
    if (c->pausing)
        return;
    alarm_unset(c->all->alarms, &c->pause);
    while (t->has_next) {
        if (side_waits(&c->side) > 0 || connection_stalls(c) || !may_go(c))
            return;
        struct view piece = t->next.bytes;
        if (!connection_put(c, piece))
            break;
        advance(t);
    }
    t->x->said = true;
    if (!c->side.finish && !c->side.broken && t->x->size < t->x->material->said[S2C])
        wait_for(c, CONNECTION_QUIET_US);
}

void talk_paused(struct connection *c)
{
    struct talk *t = c->talk;
    if (c->pausing) {
        c->pausing = false;
    } else if (t->x->size == t->seen) { // nothing came: no more is waited for
        if (t->has_next) {
            t->needed = t->x->size;
        } else {
            connection_finish(c);
            return;
        }
    }
    talk_go_on(c);
}
