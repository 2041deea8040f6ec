// emitter_late: with --on-full block nothing is lost for want of room: it waits in memory.
//
//   a transaction's end ──room──→ Transaction          gathered content ──room──→ Part
//        └──none──→ it stays, ended ──ACK──→ …               └──none──→ gathered on
//   a flow's end ──room, none of its transactions waits──→ Loss, FlowClose
//        └──else──→ it stays, with copies of what was a loan ──ACK──→ …
//
// 1. Something waits only while the ring is not empty, so that an ACK is to come. Into an empty
//    ring everything is written that fits at all.
// 2. While anything waits, emitter_blocked() holds: nothing new is read. So what waits is what had
//    been read before, and the ends of flows that were open.
// 3. Little of the ring is held (hold() in emitter.c), however many flows there are: an empty ring
//    has room.
#include "proxy/emit/emitter_state.h"

#include <stdlib.h>

#define FRAMES_SLACK 4096 // headers and numbers of a transaction's frames
#define LIKE_FRAME   (WIRE_HEADER + PACK_LIKE_MAX)

bool emit_late_must_wait(const struct emitter *e, uint64_t n)
{
    struct journal_facts facts;

    if (!e->conf.block)
        return false;
    if (e->restart_due)
        return true;
    if (journal_free(e->journal) >= n)
        return false;
    journal_facts(e->journal, &facts);
    return facts.used > 0;
}

uint64_t emit_late_need(const struct pend *p)
{
    uint64_t n = 0, likes = 0;

    for (int dir = C2S; dir <= S2C; dir++) {
        const struct half *h = &p->half[dir];
        n += h->data.n + h->rhythm.pairs.n;
        // What holds still may come to be like.
        uint64_t like = h->holds ? emit_within(h, h->size) : h->like;
        likes += (like + WIRE_LIKE_MAX - 1) / WIRE_LIKE_MAX;
    }
    // The ring's end may cost as much as the largest frame.
    return 2 * n + likes * LIKE_FRAME + FRAMES_SLACK;
}

static void wait_for_room(struct emit_flow *f)
{
    if (!node_listed(&f->in_late))
        node_add(&f->e->late, &f->in_late);
}

bool emit_late_pend(struct pend *p, const char *note)
{
    struct emitter *e = p->flow->e;

    if (!e->conf.block || !emit_late_must_wait(e, emit_late_need(p)))
        return false;
    if (*note && !(p->note = strdup(note)))
        return false; // perhaps there is room
    p->ended = true;
    p->flow->pend_count--;
    node_del(&p->in_age);
    wait_for_room(p->flow);
    return true;
}

// ---- flows

static char *copy_text(char **at, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = memcpy(*at, text, n);

    *at += n;
    return copy;
}

static struct late *keep(const struct emit_flow *f, const struct flow_totals *totals)
{
    size_t n = strlen(f->facts->requested) + strlen(f->facts->target) + strlen(totals->reason) +
               strlen(totals->detail) + 4;
    struct late *l = malloc(sizeof *l + n);
    char *at;

    if (!l)
        return NULL;
    at = l->text;
    l->facts = *f->facts;
    l->facts.requested = copy_text(&at, f->facts->requested);
    l->facts.target = copy_text(&at, f->facts->target);
    l->totals = *totals;
    l->totals.reason = copy_text(&at, totals->reason);
    l->totals.detail = copy_text(&at, totals->detail);
    return l;
}

bool emit_late_flow(struct emit_flow *f, const struct flow_totals *totals)
{
    if (!f->e->conf.block || f->state != EMIT_ADMITTED)
        return false;
    bool waits =
        f->pends.next != &f->pends ||
        (!f->holds && emit_late_must_wait(f->e, HELD_OPEN + HELD_CLOSE + CAUSES * HELD_LOSS));
    f->late = waits ? keep(f, totals) : NULL;
    if (!f->late)
        return false;
    f->facts = &f->late->facts;
    node_del(&f->in_young);
    wait_for_room(f);
    return true;
}

// ---- room

// False: something of the flow still waits.
static bool catch_up(struct emit_flow *f, bool all)
{
    struct node *next;

    for (struct node *n = f->pends.next; n != &f->pends; n = next) {
        struct pend *p = NODE_OWNER(n, struct pend, in_flow);
        next = n->next;
        if (!p->ended)
            continue;
        if (!all && emit_late_must_wait(f->e, emit_late_need(p)))
            return false;
        emit_pend_put(p, p->note ? p->note : "");
    }
    if (f->late && !all && !f->holds &&
        emit_late_must_wait(f->e, HELD_OPEN + HELD_CLOSE + CAUSES * HELD_LOSS))
        return false;
    node_del(&f->in_late);
    if (f->late) {
        struct late *l = f->late;
        emit_end_flow(f, &l->totals);
        free(l);
    }
    return true;
}

void emit_late_catch_up(struct emitter *e, bool all)
{
    while (e->late.next != &e->late) {
        if (!catch_up(NODE_OWNER(e->late.next, struct emit_flow, in_late), all))
            return;
    }
}

void emitter_catch_up(struct emitter *e)
{
    if (e->restart_due || e->late.next == &e->late)
        return;
    emit_late_catch_up(e, false);
    emitter_done(e);
}

bool emitter_waits(const struct emitter *e)
{
    return e->late.next != &e->late;
}

bool emitter_blocked(const struct emitter *e)
{
    uint64_t quarter = e->ring_size / 4;

    if (!e->conf.block)
        return false;
    // What is held for unfinished transactions is to find room as well, when all end at once.
    uint64_t held = e->pool.used < quarter ? e->pool.used : quarter;
    return e->late.next != &e->late ||
           emit_late_must_wait(e, held + EMIT_READ_MAX + e->part_max + HELD_FLOW);
}
