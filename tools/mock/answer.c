// answer: says what answer_make.c put together.
//
//   HEAD ──→ CONTENT ── piece, piece … ──→ END ──→ NONE        each step at its time (due_us)
//
//   1. What a step brings lies in out, a loan, and goes before the next step.
//   2. A fault that ends the answer leaves out what would say that it is whole.
#include "tools/mock/answer.h"

#include "tools/cli.h"

#include <string.h>

static bool has_fault(const struct answer *a, enum fault_kind kind)
{
    return a->faults && a->faults->kinds & FAULT_BIT(kind);
}

static void over(struct answer *a, enum answer_after after)
{
    a->after = after;
    a->phase = ANSWER_NONE;
}

static void over_in_order(struct answer *a)
{
    switch (a->then) {
    case SPEAK_NEXT:
    case SPEAK_AWAIT:
        over(a, a->to.keeps && a->stays[a->to.old] ? AFTER_NEXT : AFTER_CLOSE);
        break;
    case SPEAK_SWITCH:
        over(a, AFTER_SWITCH);
        break;
    default:
        over(a, a->resets ? AFTER_RESET : AFTER_CLOSE);
    }
}

// ---- timing

static bool pair(struct view *rest, uint64_t v[2])
{
    for (int i = 0; i < 2; i++) {
        unsigned shift = 0;
        v[i] = 0;
        for (;;) {
            if (rest->n == 0 || shift > 63)
                return false;
            unsigned char c = (unsigned char)rest->p[0];
            *rest = view_from(*rest, 1);
            v[i] |= (uint64_t)(c & 0x7f) << shift;
            shift += 7;
            if (!(c & 0x80))
                break;
        }
    }
    return true;
}

// How much content wire bytes of the recording stand for: where it was chunked, one chunk a piece
// is supposed, as those have it who stream.
static uint64_t content_of(const struct answer *a, uint64_t wire)
{
    uint64_t digits = 1;
    if (!a->pace.chunked)
        return wire;
    while (digits < 16 && wire > 4 + digits && (wire - 4 - digits) >> (4 * digits) > 0)
        digits++;
    return wire > 4 + digits ? wire - 4 - digits : 0;
}

// The next piece of the rhythm; false: it says no more, and all the rest goes.
static bool next_piece(struct answer *a)
{
    uint64_t v[2];
    if (!pair(&a->pace.rest, v)) {
        a->pace.left = UINT64_MAX;
        return false;
    }
    if (v[0] > 0 && a->speed > 0)
        a->pace.at_us += (int64_t)((double)(v[0] < INT64_MAX ? v[0] : 0) / a->speed);
    uint64_t head = v[1] < a->pace.gone ? v[1] : a->pace.gone;
    a->pace.gone -= head;
    a->pace.left = content_of(a, v[1] - head);
    a->due_us = a->pace.at_us;
    return true;
}

// ---- steps

// What faults make of the content at hand: false: it ends here, or waits. *most: bytes that may go.
static bool may_go_on(struct answer *a, int64_t now_us, uint64_t *most)
{
    const struct fault_plan *f = a->faults;
    if (has_fault(a, FAULT_TRUNCATE)) {
        uint64_t place = fault_place_of(&f->truncate, a->size);
        if (a->said >= place) {
            over(a, AFTER_CLOSE);
            return false;
        }
        *most = place - a->said < *most ? place - a->said : *most;
    }
    if (has_fault(a, FAULT_RESET)) {
        uint64_t place = fault_place_of(&f->reset, a->size);
        if (a->said >= place) {
            over(a, AFTER_RESET);
            return false;
        }
        *most = place - a->said < *most ? place - a->said : *most;
    }
    if (has_fault(a, FAULT_STALL) && !a->stalled) {
        uint64_t place = fault_place_of(&f->stall, a->size);
        if (a->said >= place) {
            a->stalled = true;
            a->due_us = f->stall_us < INT64_MAX - now_us ? now_us + f->stall_us : INT64_MAX;
            return false;
        }
        *most = place - a->said < *most ? place - a->said : *most;
    }
    if (has_fault(a, FAULT_DRIBBLE) && f->dribble_bytes < *most)
        *most = f->dribble_bytes;
    return true;
}

// The next piece of the content, as it comes. 1: there is one; 0: none; E_….
static int pull(struct answer *a)
{
    if (a->piece.n > 0)
        return 1;
    if (!a->reader) {
        a->piece = view_from(a->memory, a->said);
        return a->piece.n > 0;
    }
    return store_reader_next(a->reader, &a->piece);
}

static void finish(struct answer *a)
{
    char why[WHY_MAX];
    if (speak_finish(&a->speaker, &a->out, &a->then, why)) {
        cli_damage("an answer of %llu bytes is not whole: %s", (unsigned long long)a->size, why);
        a->then = SPEAK_CUT;
    }
    a->phase = ANSWER_END;
}

static void say_piece(struct answer *a, uint64_t most, int64_t now_us)
{
    char why[WHY_MAX];
    bool spoils = has_fault(a, FAULT_CORRUPT);
    if (spoils && most > STORE_SLICE)
        most = STORE_SLICE; // what is given may be larger
    struct view bytes = view_head(a->piece, most < a->piece.n ? (size_t)most : a->piece.n);
    a->piece = view_from(a->piece, bytes.n);
    if (spoils) {
        buf_reset(&a->spoilt);
        if (buf_add_view(&a->spoilt, bytes) == 0) {
            fault_corrupt(a->faults, a->size, a->said, a->spoilt.p, bytes.n);
            bytes = buf_view(&a->spoilt);
        }
    }
    if (speak_piece(&a->speaker, bytes, &a->out, why)) {
        over(a, AFTER_CLOSE);
        return;
    }
    a->said += bytes.n;
    if (a->pace.left != UINT64_MAX)
        a->pace.left -= bytes.n;
    if (has_fault(a, FAULT_DRIBBLE) && a->said < a->size)
        a->due_us = now_us + a->faults->dribble_us;
}

static void content(struct answer *a, int64_t now_us)
{
    uint64_t most = UINT64_MAX;
    if (a->faults && !may_go_on(a, now_us, &most))
        return;
    int there = pull(a);
    if (there <= 0) {
        if (there < 0)
            cli_damage("the content of an answer cannot be read: %s", err_text(there));
        finish(a);
        return;
    }
    if (a->pace.left == 0) {
        (void)next_piece(a); // and asked again at its time
        return;
    }
    say_piece(a, most < a->pace.left ? most : a->pace.left, now_us);
}

static bool ends_before(struct answer *a, int64_t now_us)
{
    const struct fault_plan *f = a->faults;
    if (has_fault(a, FAULT_RESET) && f->reset.how == FAULT_BEFORE) {
        over(a, AFTER_RESET);
        return true;
    }
    if (has_fault(a, FAULT_STALL) && f->stall.how == FAULT_BEFORE && !a->stalled) {
        a->stalled = true;
        a->due_us = f->stall_us < INT64_MAX - now_us ? now_us + f->stall_us : INT64_MAX;
        return true;
    }
    return false;
}

static void head(struct answer *a, int64_t now_us)
{
    if (a->faults && ends_before(a, now_us))
        return;
    if (a->kept) {
        a->out.v[0] = view_n(a->kept->bytes, a->kept->n);
        a->out.n = a->kept->n > 0;
        a->phase = ANSWER_END;
        return;
    }
    a->out = a->begun;
    a->phase = ANSWER_CONTENT;
    if (a->speed > 0 && a->pace.rest.n > 0 && next_piece(a))
        a->due_us = 0; // its first piece has the head
}

enum answer_said answer_say(struct answer *a, int64_t now_us, char *p, size_t n, size_t *got)
{
    *got = 0;
    for (;;) {
        while (a->view < a->out.n) {
            struct view rest = view_head(view_from(a->out.v[a->view], a->at), n - *got);
            if (rest.n > 0)
                memcpy(p + *got, rest.p, rest.n);
            *got += rest.n;
            a->at += rest.n;
            if (a->at < a->out.v[a->view].n)
                return ANSWER_MORE;
            a->view++;
            a->at = 0;
        }
        a->out.n = a->view = a->at = 0;
        if (a->phase == ANSWER_END)
            over_in_order(a);
        if (a->phase == ANSWER_NONE)
            return ANSWER_OVER;
        if (now_us < a->due_us)
            return ANSWER_WAIT;
        if (*got == n)
            return ANSWER_MORE;
        if (a->phase == ANSWER_HEAD)
            head(a, now_us);
        else
            content(a, now_us);
    }
}
