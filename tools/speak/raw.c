// raw: a direction of a conversation as it is. A piece of the recording is a piece here; that an
// answer waits for what it answered is the caller's to see to.
#include "tools/speak/speak.h"

#include <stdio.h>

static int raw_begin(struct speaker *s, struct speak_out *out, char why[WHY_MAX])
{
    const struct speak_half *h = &s->half;
    (void)out;
    if (h->head.n + h->interim.n + h->trailers.n == 0)
        return 0;
    snprintf(why, WHY_MAX, "raw: a conversation has neither head nor trailers");
    return E_SYNTAX;
}

static void raw_piece(struct speaker *s, struct view content, struct speak_out *out)
{
    (void)s;
    out->v[out->n++] = content;
}

static enum speak_then raw_finish(struct speaker *s, struct speak_out *out)
{
    (void)out;
    return s->half.cut ? SPEAK_CUT : SPEAK_CLOSE;
}

const struct speak_ops speaker_raw = {
    .protocol = "raw",
    .begin = raw_begin,
    .piece = raw_piece,
    .finish = raw_finish,
};
