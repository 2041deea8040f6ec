// speak: what all protocols have in common: the content is counted.
//
//   came ≤ most, after every piece        due = came, at the end; SPEAK_SIZE_UNKNOWN: any
//
// 1. A protocol never sees a byte beyond most, nor an end before due: neither can break a framing
//    that promised a length, or say of a part that it is whole.
// 2. An error leaves nothing to send.
#include "tools/speak/speak.h"

#include <inttypes.h>
#include <stdio.h>

int speak_begin(struct speaker *s, const struct speak_ops *ops, const struct speak_half *half,
                struct speak_out *out, char why[WHY_MAX])
{
    out->n = 0;
    why[0] = '\0';
    *s = (struct speaker){.ops = ops, .half = *half, .due = half->size, .most = half->size};
    if (half->size != SPEAK_SIZE_UNKNOWN && half->stored < half->size) {
        snprintf(why, WHY_MAX, "%s: %" PRIu64 " of %" PRIu64 " bytes of the content were kept",
                 ops->protocol, half->stored, half->size);
        return E_NOTFOUND;
    }
    int e = ops->begin(s, out, why);
    if (e)
        out->n = 0;
    return e;
}

int speak_piece(struct speaker *s, struct view content, struct speak_out *out, char why[WHY_MAX])
{
    out->n = 0;
    if (content.n > s->most - s->came) {
        snprintf(why, WHY_MAX, "%s: more content than the %" PRIu64 " bytes there are to be",
                 s->ops->protocol, s->most);
        return E_RANGE;
    }
    s->came += content.n;
    if (content.n > 0)
        s->ops->piece(s, content, out);
    return 0;
}

int speak_finish(struct speaker *s, struct speak_out *out, enum speak_then *then, char why[WHY_MAX])
{
    out->n = 0;
    *then = SPEAK_CUT;
    if (s->due != SPEAK_SIZE_UNKNOWN && s->came < s->due) {
        snprintf(why, WHY_MAX, "%s: %" PRIu64 " of %" PRIu64 " bytes of the content came",
                 s->ops->protocol, s->came, s->due);
        return E_NOTFOUND;
    }
    *then = s->ops->finish(s, out);
    return 0;
}

size_t speak_size(const struct speak_out *out)
{
    size_t n = 0;
    for (size_t i = 0; i < out->n; i++)
        n += out->v[i].n;
    return n;
}

int speak_add(struct buf *b, const struct speak_out *out)
{
    size_t n = speak_size(out);
    if (n == 0)
        return 0;
    char *to = buf_room(b, n);
    if (!to)
        return n > b->max - buf_len(b) ? E_LIMIT : E_NOMEM;
    for (size_t i = 0; i < out->n; i++) {
        memcpy(to, out->v[i].p, out->v[i].n);
        to += out->v[i].n;
    }
    buf_grew(b, n);
    return 0;
}
