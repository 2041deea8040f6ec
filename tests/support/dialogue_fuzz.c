// dialogue_fuzz: see dialogue_fuzz.h.
#include "tests/support/dialogue_fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#define MARK         0x1e
#define SHOW_MAX     (1 << 20) // bytes of a log that are compared
#define ROOM_DEFAULT (1 << 20)

static void add_bytes(struct dialogue *d, int what, enum dir dir, struct view bytes)
{
    struct dialogue_step *s = dialogue_step(d, what, dir);
    s->bytes = bytes;
    d->bytes += bytes.n;
}

// A number that a letter takes from the byte behind it.
static size_t operand(struct view text)
{
    return text.n > 0 ? (unsigned char)text.p[0] : 0;
}

static void add(struct dialogue *d, char letter, struct view text)
{
    switch (letter) {
    case 's':
        add_bytes(d, STEP_SAY, S2C, text);
        break;
    case 'o':
        add_bytes(d, STEP_OWN, S2C, text);
        break;
    case 'C':
    case 'S':
        dialogue_step(d, STEP_END, letter == 'C' ? C2S : S2C);
        break;
    case 'm':
        d->env.max = operand(text) * 64;
        break;
    default:
        add_bytes(d, STEP_SAY, C2S, text);
    }
}

static void read_steps(struct dialogue *d, struct view rest)
{
    char letter = 'c';
    while (d->count < DIALOGUE_STEPS) {
        size_t n = view_find(rest, MARK);
        add(d, letter, view_head(rest, n));
        if (rest.n < n + 2)
            return;
        letter = rest.p[n + 1];
        rest = view_from(rest, n + 2);
    }
}

void dialogue_from_bytes(struct dialogue *d, struct view input)
{
    static const struct decoder_ops *const hints[] = {NULL, &decoder_http1, &decoder_tls,
                                                      &decoder_raw};
    dialogue_forget(d);
    d->env.max = ROOM_DEFAULT;
    if (input.n == 0)
        return;
    d->hint = hints[(unsigned char)input.p[0] & 3];
    read_steps(d, view_from(input, 1));
}

// Whether the server's words and ours may share a message: then it depends on the pieces whose it
// is.
static bool words_mix(const struct dialogue *d)
{
    bool server = false, own = false;
    for (size_t i = 0; i < d->count; i++) {
        server = server || (d->steps[i].what == STEP_SAY && d->steps[i].dir == S2C);
        own = own || d->steps[i].what == STEP_OWN;
    }
    return server && own;
}

static void forget_own(char *log)
{
    for (char *p = log; (p = strstr(p, " own\n"));)
        memmove(p, p + 4, strlen(p + 4) + 1);
}

// What was heard, the directions one after the other: how they interleave depends on the pieces
// where one of them waits for the other.
static void heard(const struct dialogue *d, char out[SHOW_MAX])
{
    snprintf(out, SHOW_MAX, "%s%s%s", sink_log_side(d->log, C2S), sink_log_side(d->log, S2C),
             sink_log_text(d->log));
    if (words_mix(d))
        forget_own(out);
}

void dialogue_fuzz(struct view input, const struct decoder_ops *hint)
{
    static struct dialogue d;
    static char whole[SHOW_MAX], pieces[SHOW_MAX];
    if (input.n == 0)
        return;
    if (!d.log)
        dialogue_init(&d);
    sink_log_apart(d.log, true);
    dialogue_from_bytes(&d, input);
    if (hint)
        d.hint = hint;
    size_t size = (unsigned char)input.p[0] >> 2;
    dialogue_play(&d, 0, 0);
    bool kept = dialogue_kept(&d, "whole");
    heard(&d, whole);
    dialogue_play(&d, 0, size ? size : 64);
    kept = dialogue_kept(&d, "in pieces") && kept;
    heard(&d, pieces);
    if (kept && (d.env.max < ROOM_DEFAULT || strcmp(whole, pieces) == 0))
        return;
    fprintf(stderr, "--- whole\n%s--- in pieces\n%s", whole, pieces);
    abort();
}
