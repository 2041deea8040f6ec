// tap: brings the bytes of one flow to its decoder, and sees to it that the sink is told of each
// byte exactly once.
//
//   bytes ──┬─ nothing held ──────────────────────────→ decoder   (no copy, no allocation)
//           └─ something held ─→ hold[dir] ─ whole ───→ decoder   (what it leaves stays held)
//
//   guessing ─decide→ a decoder ─SWITCH→ guessing, or the decoder that it names
//                        ├─STARTTLS→ guessing; whoever feeds is told (tls_starts)
//                        └─LOST, no memory, hold full→ raw, for good
//
// 1. relayed = what the sink was told of + what is held, in each direction, between any two calls.
// 2. hold[dir] is the direction's bytes from the first that no decoder used; it has at most
//    TAP_HOLD_MAX bytes, at most TAP_SNIFF_MAX while guessing, and no memory when it is empty.
// 3. *env->used counts the memory of all holds.
// 4. Raw lives in the tap itself and uses everything at once: going on as raw cannot fail.
// 5. A decoder hears of the end of a direction once, when nothing of that direction is held.
//
// Elsewhere: guessing (decide.c), what the bytes mean (decode/).
#include "proxy/tap.h"

#include "proto/base/err.h"
#include "proxy/decide.h"
#include "proxy/decode/raw.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define HOLD_STEP                                                                                  \
    4096 // bytes by which a hold grows at first, so that a body behind a head is not copied

_Static_assert(sizeof(struct raw) <= TAP_STATE_SMALL, "raw needs no memory");

static enum dir other(enum dir dir)
{
    return dir == C2S ? S2C : C2S;
}

static bool holds(const struct tap *t, enum dir dir)
{
    return buf_len(&t->hold[dir]) > 0;
}

// The memory of a hold changed from before.
static void hold_count(struct tap *t, enum dir dir, size_t before)
{
    size_t now = t->hold[dir].cap;
    *t->env->used = *t->env->used - before + now;
    if (now > before)
        stat_add(&t->env->stats->tap_bytes, now - before);
    else
        stat_sub(&t->env->stats->tap_bytes, before - now);
}

static int hold_add(struct tap *t, enum dir dir, struct view bytes, bool own)
{
    struct buf *b = &t->hold[dir];
    size_t before = b->cap;
    if (bytes.n > t->env->max || *t->env->used > t->env->max - bytes.n)
        return E_FULL;
    if (buf_len(b) == 0) {
        t->hold_us[dir] = t->fresh_us;
        if (dir == S2C)
            t->held_own = false;
    }
    int r = buf_add_view(b, bytes);
    hold_count(t, dir, before);
    if (r == 0 && own)
        t->held_own = true;
    return r;
}

static void hold_drop(struct tap *t, enum dir dir, size_t n)
{
    size_t before = t->hold[dir].cap;
    buf_drop(&t->hold[dir], n, 0);
    hold_count(t, dir, before);
}

static void state_free(struct tap *t)
{
    if (t->state != t->small)
        free(t->state);
    t->state = NULL;
    t->decoder = NULL;
}

static void start(struct tap *t, const struct decoder_ops *d)
{
    if (d != &decoder_raw) {
        t->ctx.note[0] = '\0';
        t->ctx.unreadable = d->alike != NULL;
    }
    t->state = t->small;
    if (d->size > sizeof t->small) {
        t->state = calloc(1, d->size);
    } else {
        memset(t->small, 0, sizeof t->small);
    }
    if (!t->state) {
        snprintf(t->ctx.note, sizeof t->ctx.note, "%s: out of memory", d->name);
        d = &decoder_raw;
        t->state = t->small;
        memset(t->small, 0, sizeof t->small);
    }
    t->decoder = d;
    t->end_told[C2S] = t->end_told[S2C] = false;
    t->stir = true;
    d->init(t->state, &t->ctx);
}

// Ends the present decoder, if any, and starts the next, or guesses again.
static void change(struct tap *t, const struct decoder_ops *next)
{
    if (t->decoder) {
        t->decoder->clear(t->state, &t->ctx);
        state_free(t);
    }
    t->ctx.next = NULL;
    t->changes++;
    t->stir = true;
    if (next)
        start(t, next);
}

static void go_raw(struct tap *t, const char *why)
{
    if (!t->decoder)
        t->ctx.unreadable = true; // it could still have become anything
    snprintf(t->ctx.note, sizeof t->ctx.note, "%s: %s", t->decoder ? t->decoder->name : "guessing",
             why);
    change(t, &decoder_raw);
}

static void no_room(struct tap *t, int error)
{
    go_raw(t, error == E_NOMEM  ? "out of memory"
              : error == E_FULL ? "no room to hold a message's beginning"
                                : "a message's beginning is too long to hold");
}

// Heeds a decoder that can go on with what is held.
static void wake(struct tap *t)
{
    t->stir = t->stir || t->ctx.wake;
    t->ctx.wake = false;
}

// Offers bytes to the decoder. How many it used.
static size_t offer(struct tap *t, enum dir dir, struct view in, int64_t first_us, bool own)
{
    struct decode_ctx *ctx = &t->ctx;
    size_t used = 0;
    ctx->first_us = first_us;
    ctx->by_proxy = own;
    enum decode_verdict verdict = t->decoder->feed(t->state, ctx, dir, in, &used);
    assert(used <= in.n);
    wake(t);
    if (verdict == DECODE_SWITCH) {
        ctx->unreadable = false; // another protocol, in good order
        change(t, ctx->next);
    } else if (verdict == DECODE_STARTTLS) {
        ctx->unreadable = false;
        change(t, NULL);
        // The client's hello comes next, not more of the server.
        t->tls_starts = dir == C2S || used == in.n;
    } else if (verdict == DECODE_LOST) {
        change(t, &decoder_raw);
    }
    return used;
}

// Offers what is held of a direction. fresh: how many bytes of it came just now.
static void offer_held(struct tap *t, enum dir dir, size_t fresh)
{
    if (!t->decoder || !holds(t, dir))
        return;
    size_t n = buf_len(&t->hold[dir]);
    size_t used =
        offer(t, dir, buf_view(&t->hold[dir]), t->hold_us[dir], dir == S2C && t->held_own);
    hold_drop(t, dir, used);
    t->tls_starts = false; // what is held was relayed
    if (used > 0 && used >= n - fresh)
        t->hold_us[dir] = t->ctx.now_us;
}

static enum dir older(const struct tap *t)
{
    return holds(t, S2C) && (!holds(t, C2S) || t->hold_us[S2C] < t->hold_us[C2S]) ? S2C : C2S;
}

// False: more bytes could tell.
static bool decide(struct tap *t, struct view c2s, struct view s2c, bool final)
{
    const struct decoder_ops *d = decide_decoder(c2s, s2c, final);
    if (!d)
        return false;
    if (d == &decoder_raw)
        t->ctx.unreadable = decide_alike(c2s, s2c);
    start(t, d);
    return true;
}

static void guess_held(struct tap *t)
{
    (void)decide(t, buf_view(&t->hold[C2S]), buf_view(&t->hold[S2C]), t->ctx.last);
}

// Offers what is held until nothing changes by it.
static void settle(struct tap *t)
{
    while (t->stir) {
        t->stir = false;
        if (!holds(t, C2S) && !holds(t, S2C))
            return;
        if (!t->decoder)
            guess_held(t);
        enum dir first = older(t);
        offer_held(t, first, 0);
        offer_held(t, other(first), 0);
    }
}

// Takes a first piece of *in into account. It is held unless it decides.
static void guess(struct tap *t, enum dir dir, struct view *in, bool own)
{
    struct view first[2] = {buf_view(&t->hold[C2S]), buf_view(&t->hold[S2C])};
    if (holds(t, dir)) {
        size_t len = buf_len(&t->hold[dir]);
        struct view piece = view_head(*in, len < TAP_SNIFF_MAX ? TAP_SNIFF_MAX - len : 0);
        int r = hold_add(t, dir, piece, own);
        if (r) {
            no_room(t, r);
            return;
        }
        *in = view_from(*in, piece.n);
        first[dir] = buf_view(&t->hold[dir]);
    } else {
        first[dir] = *in;
    }
    if (decide(t, first[C2S], first[S2C], false) || holds(t, dir))
        return;
    int r = hold_add(t, dir, *in, own);
    if (r)
        no_room(t, r);
    else
        *in = view_from(*in, in->n);
}

// Nothing is held: the decoder sees the caller's bytes themselves.
static void pass(struct tap *t, enum dir dir, struct view *in, bool own)
{
    unsigned changes = t->changes;
    *in = view_from(*in, offer(t, dir, *in, t->fresh_us, own));
    if (t->changes != changes || t->stir || in->n == 0)
        return;
    int r = in->n > TAP_HOLD_MAX ? E_LIMIT : hold_add(t, dir, *in, own);
    if (r)
        no_room(t, r);
    else
        *in = view_from(*in, in->n);
}

// Something is held: the next bytes go behind it.
static void extend(struct tap *t, enum dir dir, struct view *in, bool own)
{
    size_t len = buf_len(&t->hold[dir]), room = TAP_HOLD_MAX - len;
    size_t step = len > HOLD_STEP ? len : HOLD_STEP;
    struct view piece = view_head(*in, step < room ? step : room);
    int r = piece.n > 0 ? hold_add(t, dir, piece, own) : E_LIMIT;
    if (r) {
        no_room(t, r);
        return;
    }
    *in = view_from(*in, piece.n);
    offer_held(t, dir, piece.n);
}

static void tell_ends(struct tap *t)
{
    for (enum dir dir = C2S; dir <= S2C; dir++) {
        if (!t->ended[dir] || t->end_told[dir] || !t->decoder || holds(t, dir))
            continue;
        t->end_told[dir] = true;
        t->decoder->end(t->state, &t->ctx, dir);
        wake(t);
    }
}

// Brings everything as far as it can go for now.
static void rest(struct tap *t)
{
    do {
        settle(t);
        tell_ends(t);
    } while (t->stir);
}

static void count_lost(struct tap *t, enum cause cause, uint64_t wire)
{
    stat_add(&t->env->stats->lost_bytes[cause], wire);
}

static void hear(struct tap *t, enum dir dir, struct view in, bool own, int64_t now_us)
{
    assert(t->open);
    t->tls_starts = false;
    t->unheard = 0;
    if (in.n == 0)
        return;
    t->relayed[dir] += in.n;
    if (t->first_speaker == 0 && !own)
        t->first_speaker = dir == C2S ? 1 : 2;
    t->ctx.now_us = t->fresh_us = now_us;
    if (dir == C2S && t->since_us) {
        t->fresh_us = t->since_us;
        t->since_us = 0;
    }
    if (!t->ctx.sink) {
        count_lost(t, CAUSE_OUT_OF_MEMORY, in.n);
        return;
    }
    // Our own words may follow the server's end.
    t->ended[dir] = t->end_told[dir] = false;
    while (in.n > 0 && !t->tls_starts) {
        settle(t);
        if (!t->decoder)
            guess(t, dir, &in, own);
        else if (holds(t, dir))
            extend(t, dir, &in, own);
        else
            pass(t, dir, &in, own);
    }
    t->unheard = in.n;
    t->relayed[dir] -= in.n;
    rest(t);
}

void tap_open(struct tap *t, struct tap_env *env, const struct flow_facts *facts,
              const struct decoder_ops *hint, int64_t now_us)
{
    *t = (struct tap){.env = env, .facts = facts, .open = true};
    buf_init(&t->hold[C2S], TAP_HOLD_MAX);
    buf_init(&t->hold[S2C], TAP_HOLD_MAX);
    t->ctx.facts = facts;
    t->ctx.now_us = t->ctx.first_us = now_us;
    t->ctx.sink = env->sink->ops->open(env->sink, facts);
    if (t->ctx.sink && hint)
        start(t, hint);
}

void tap_since(struct tap *t, int64_t us)
{
    t->since_us = us;
}

void tap_feed(struct tap *t, enum dir dir, struct view bytes, int64_t now_us)
{
    hear(t, dir, bytes, false, now_us);
}

void tap_feed_own(struct tap *t, struct view answer, int64_t now_us)
{
    hear(t, S2C, answer, true, now_us);
}

void tap_tls(struct tap *t, const struct tls_facts *facts)
{
    if (t->ctx.sink)
        t->ctx.sink->ops->tls(t->ctx.sink, facts);
}

void tap_end(struct tap *t, enum dir dir, int64_t now_us)
{
    assert(t->open);
    t->ctx.now_us = now_us;
    t->ended[dir] = true;
    if (!t->ctx.sink)
        return;
    if (!t->decoder && (holds(t, C2S) || holds(t, S2C)))
        (void)decide(t, buf_view(&t->hold[C2S]), buf_view(&t->hold[S2C]), true);
    rest(t);
}

void tap_close(struct tap *t, const char *reason, const char *detail, int64_t now_us)
{
    struct sink_flow *sink = t->ctx.sink;
    t->ctx.now_us = now_us;
    if (sink) {
        t->ctx.last = t->stir = true;
        settle(t);
        if (holds(t, C2S) || holds(t, S2C))
            go_raw(t, "ended within an unread message");
        rest(t);
        if (t->decoder) {
            t->decoder->clear(t->state, &t->ctx);
            state_free(t);
        }
        struct flow_totals totals = {
            .at_us = now_us,
            .reason = reason,
            .detail = detail,
            .relayed = {t->relayed[C2S], t->relayed[S2C]},
            .first_speaker = t->first_speaker,
        };
        sink->ops->close(sink, &totals);
    }
    assert(!holds(t, C2S) && !holds(t, S2C));
    t->ctx.sink = NULL;
    t->open = false;
}
