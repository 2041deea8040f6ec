// fuzz_speak_head: halves of which each part is anybody's. Whatever the speaker of HTTP/1 takes is
// heard as exactly that half, and nothing behind it.
//
//   first byte   bits: an answer, cut, its size unknown, its request by two bits (GET, HEAD,
//                CONNECT, none); the others the size of a piece
//   then parts   head 0x1e interim answers 0x1e trailers 0x1e content
#include "tests/support/dialogue.h"
#include "tests/support/retell.h"
#include "tools/speak/speak.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER = 1, CUT = 2, UNKNOWN = 4, REQUEST = 3 /* bits */, PIECE = 5 /* shift */ };

#define SAID_MAX (1u << 20)

static struct dialogue d;
static struct retell *heard;
static struct buf said;

static struct view part(struct view *rest)
{
    size_t n = view_find(*rest, 0x1e);
    struct view v = view_head(*rest, n);
    *rest = view_from(*rest, n < rest->n ? n + 1 : n);
    return v;
}

static void add(const struct speak_out *out)
{
    if (speak_add(&said, out))
        abort();
}

// Says the half; false: it was refused.
static bool say(const struct speak_half *half, struct view content, size_t piece,
                enum speak_then *then)
{
    struct speaker s;
    struct speak_out out;
    char why[WHY_MAX];
    int e = speak_begin(&s, &speaker_http1, half, &out, why);
    add(&out);
    while (!e && content.n > 0) {
        struct view v = view_head(content, piece);
        e = speak_piece(&s, v, &out, why);
        add(&out);
        content = view_from(content, v.n);
    }
    if (!e) {
        e = speak_finish(&s, &out, then, why);
        add(&out);
    }
    if (e && (why[0] == '\0' || out.n > 0))
        abort();
    return e == 0;
}

// A half that was cut may have had all that there was to be.
static bool ended_so(enum msg_end how, enum speak_then then)
{
    if (then == SPEAK_CUT)
        return how != MSG_UNTIL_CLOSE;
    return how == (then == SPEAK_CLOSE ? MSG_UNTIL_CLOSE : MSG_COMPLETE);
}

static void hear(const struct speak_half *half, struct view content, enum speak_then then)
{
    static const struct view asks[] = {VIEW_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                                       VIEW_LIT("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
                                       VIEW_LIT("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")};
    enum dir dir = half->s2c ? S2C : C2S;
    struct retell_half h;
    dialogue_forget(&d);
    for (size_t i = 0; i < 3; i++)
        if (half->method.n > 0 && view_starts(asks[i], half->method))
            dialogue_add(&d, C2S, asks[i]);
    dialogue_add(&d, dir, buf_view(&said));
    if (then == SPEAK_CLOSE)
        dialogue_step(&d, STEP_END, dir);
    dialogue_play(&d, 0, 0);
    if (!dialogue_kept(&d, "said") || !retell_only(heard, dir, &h) ||
        !view_eq(h.interim, half->interim) || !view_eq(h.head, half->head) ||
        !view_eq(h.content, content) || !view_eq(h.trailers, half->trailers))
        abort();
    if (half->head.n > 0 && !ended_so(h.how, then))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "HEAD", "CONNECT", ""};
    if (size == 0 || size > SAID_MAX / 32)
        return 0;
    if (!heard) {
        dialogue_init(&d);
        heard = retell_new();
        d.hint = &decoder_http1;
        d.env.sink = retell_sink(heard, sink_log_sink(d.log));
        buf_init(&said, SAID_MAX);
    }
    struct view rest = view_n(data + 1, size - 1);
    struct speak_half half = {.s2c = data[0] & ANSWER, .rewritten = true, .cut = data[0] & CUT};
    half.head = part(&rest);
    half.interim = part(&rest);
    half.trailers = part(&rest);
    half.size = data[0] & UNKNOWN ? SPEAK_SIZE_UNKNOWN : rest.n;
    half.stored = rest.n;
    half.method = half.s2c ? view_of(methods[data[0] >> 3 & REQUEST]) : view_n(NULL, 0);
    if (half.s2c && half.method.n == 0)
        half.interim.n = 0; // unasked, each is a transaction of its own
    enum speak_then then = SPEAK_NEXT;
    size_t piece = data[0] >> PIECE;
    buf_reset(&said);
    if (say(&half, rest, piece ? piece : size, &then))
        hear(&half, rest, then);
    return 0;
}
