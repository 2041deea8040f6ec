// decide: asks each decoder of the table about the first bytes of both directions.
//
//   a direction that is silent has no say;  NO from one: not this decoder;
//   YES from one and NO from none: this decoder;  otherwise it may still become it.
//
// 1. A server that speaks first, and does not sound like any decoder's server, makes it raw at
// once.
// 2. The answer depends on the bytes alone: NULL turns into a decoder only when bytes come, at
//    TAP_SNIFF_MAX, or at the end.
#include "proxy/decide.h"

static enum decode_sniff ask(const struct decoder_ops *d, struct view c2s, struct view s2c)
{
    enum decode_sniff client = c2s.n ? d->sniff(C2S, c2s) : SNIFF_MORE;
    if (client != SNIFF_MORE || s2c.n == 0)
        return client;
    return d->sniff(S2C, s2c);
}

const struct decoder_ops *decide_decoder(struct view c2s, struct view s2c, bool final)
{
    bool more = false;
    c2s = view_head(c2s, TAP_SNIFF_MAX);
    s2c = view_head(s2c, TAP_SNIFF_MAX);
    for (const struct decoder_ops *const *d = decoder_table; *d; d++) {
        enum decode_sniff answer = ask(*d, c2s, s2c);
        if (answer == SNIFF_YES)
            return *d;
        more = more || answer == SNIFF_MORE;
    }
    if (more && !final && c2s.n < TAP_SNIFF_MAX && s2c.n < TAP_SNIFF_MAX)
        return NULL;
    return &decoder_raw;
}

bool decide_alike(struct view c2s, struct view s2c)
{
    const struct view first[2] = {
        [C2S] = view_head(c2s, TAP_SNIFF_MAX), [S2C] = view_head(s2c, TAP_SNIFF_MAX)};
    for (const struct decoder_ops *const *d = decoder_table; *d; d++) {
        bool any = false, fits = (*d)->alike != NULL;
        for (enum dir dir = C2S; fits && dir <= S2C; dir++) {
            bool alike = first[dir].n && (*d)->alike(dir, first[dir]);
            any = any || alike;
            fits = alike || first[dir].n == 0 || (*d)->sniff(dir, first[dir]) != SNIFF_NO;
        }
        if (any && fits)
            return true;
    }
    return false;
}
