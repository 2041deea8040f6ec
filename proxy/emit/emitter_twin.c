// emitter_twin: content that the recorder may have already, while that is not decided.
//
//   content ──→ held, up to a chunk ──the same as there──→ dropped, the next chunk
//                     │                └─ to the end ────→ known: the Transaction names it
//                     └──another one──→ gathered, as all that comes; what was dropped before is
//                                       like: Parts say so, once there is room for all of them
//
// 1. What is held stands where gathered content stands. Its first body_n bytes are within the limit
//    of what is kept, the others are needed for the digest alone. Where the limit is below what is
//    referred to (WIRE_KNOWN_MIN), gathered content stays and goes within the Transaction; chunks
//    after the first are held behind it, and all that the twin is asked for is its digest.
// 2. A full chunk is compared when more comes, or at the end: only then it is known to be the last.
// 3. What is like goes out before all that is gathered, which it stands in front of.
#include "proxy/emit/emitter_state.h"

#include <assert.h>

#define DIGEST_MIN 4096 // content of fewer bytes is summed up as soon as compared

// The content itself comes with the Transaction, in any case.
static bool stays(const struct half *h)
{
    return h->limit < WIRE_KNOWN_MIN;
}

// Content from so many bytes on is compared.
static uint64_t least(const struct half *h)
{
    if (!stays(h))
        return WIRE_KNOWN_MIN;
    return h->limit < DIGEST_MIN ? DIGEST_MIN : h->limit + 1; // up to it the recorder sums up
}

static bool begin(struct pend *p, struct half *h, struct view content)
{
    struct emitter *e = p->flow->e;
    uint64_t by_body = FILTER_BIT(FIELD_REQ_BODY) | FILTER_BIT(FIELD_RES_BODY);

    // What is remembered was kept up to max_body, as it is now.
    if (h->twin || h->hashed || h->in_parts || h->withheld || p->raw || !e->file ||
        h->limit != e->conf.max_body || h->body_n != h->size || h->size + content.n < least(h) ||
        e->inline_max < TWIN_CHUNK || (e->filter_fields & by_body))
        return false;
    h->twin = twin_new(e->twins);
    h->holds = h->twin != NULL;
    h->hold_at = h->body_at;
    h->hold_n = h->holds ? h->body_n : 0;
    return h->holds;
}

static struct view held(const struct half *h)
{
    return view_n(h->data.p + h->hold_at, h->hold_n);
}

// Holds no more; of the bytes only the gathered ones are still there.
static void let_go(struct half *h)
{
    h->data.n -= h->hold_at == h->body_at ? h->hold_n - h->body_n : h->hold_n;
    h->hold_at = (uint32_t)h->data.n;
    h->hold_n = 0;
}

static void drop_held(struct pend *p, struct half *h)
{
    let_go(h);
    if (!stays(h)) {
        h->data.n -= h->body_n;
        h->body_n = 0;
    }
    emit_body_gathered(p);
}

void emit_twin_tell(struct pend *p, enum dir dir, uint64_t spare)
{
    struct half *h = &p->half[dir];
    unsigned char digest[DIGEST_SIZE];
    int64_t first = h->gather_first;

    twin_known(h->twin, digest);
    h->gather_first = h->first_us;
    while (h->like > 0) {
        uint64_t now = h->like < WIRE_LIKE_MAX ? h->like : WIRE_LIKE_MAX;
        uint64_t due = h->due - spare;
        h->like -= now;
        emit_put_like(p, dir, digest, now, now < due ? now : due);
    }
    h->gather_first = first;
}

// The twin is another one: what is held is gathered content, without what is not to be kept.
static void part_ways(struct pend *p, enum dir dir)
{
    struct half *h = &p->half[dir];
    unsigned char digest[DIGEST_SIZE];

    h->holds = false;
    let_go(h);
    h->like = stays(h) ? 0 : emit_within(h, twin_known(h->twin, digest));
    h->in_parts = h->like > 0;
    emit_body_gathered(p);
}

void emit_twin_leave(struct pend *p, enum dir dir)
{
    struct half *h = &p->half[dir];

    if (!h->holds)
        return;
    twin_leave(h->twin, held(h));
    part_ways(p, dir);
}

static bool hold(struct pend *p, struct half *h, struct view content, int64_t at_us)
{
    if (!emit_body_room(p, &h->data, content.n) || !h->holds)
        return false;
    if (h->hold_n == 0)
        h->hold_at = (uint32_t)h->data.n;
    if (h->hold_n == 0 && h->body_n == 0) {
        h->body_at = h->hold_at;
        h->gather_first = at_us;
    }
    h->gather_last = at_us;
    memcpy(h->data.p + h->data.n, content.p, content.n);
    h->data.n += content.n;
    h->hold_n += (uint32_t)content.n;
    h->body_n += (uint32_t)emit_keep(h, content).n;
    h->size += content.n;
    emit_body_gathered(p);
    return true;
}

size_t emit_twin_add(struct pend *p, enum dir dir, struct view content, int64_t at_us)
{
    struct half *h = &p->half[dir];
    size_t done = 0;

    if (content.n == 0 || (!h->holds && !begin(p, h, content)))
        return 0;
    while (done < content.n) {
        if (h->hold_n == TWIN_CHUNK) {
            if (!twin_chunk(h->twin, held(h), false)) {
                part_ways(p, dir);
                return done;
            }
            drop_held(p, h);
        }
        struct view now = view_head(view_from(content, done), TWIN_CHUNK - h->hold_n);
        if (!hold(p, h, now, at_us)) {
            emit_twin_leave(p, dir);
            return done;
        }
        done += now.n;
    }
    return done;
}

void emit_twin_end(struct pend *p, enum dir dir, bool whole)
{
    struct half *h = &p->half[dir];

    if (!whole) {
        emit_twin_leave(p, dir);
    } else if (twin_chunk(h->twin, held(h), true)) {
        drop_held(p, h);
        h->holds = false;
        h->known = !stays(h);
    } else {
        part_ways(p, dir);
    }
}

void emit_twin_written(struct half *h)
{
    uint64_t kept = emit_within(h, h->size);
    uint64_t there = h->known ? kept : h->in_parts ? h->stored : h->body_n;

    assert(!h->holds && !h->like);
    if (h->twin && !h->withheld && there == kept &&
        (h->end == MSG_COMPLETE || h->end == MSG_UNTIL_CLOSE))
        twin_remember(h->twin);
}
