// decide: the one place that guesses.
#ifndef TAPEDECK_PROXY_DECIDE_H
#define TAPEDECK_PROXY_DECIDE_H

#include "proxy/decode/decode.h"

// Which decoder fits the first bytes of both directions (either may be empty). NULL: more bytes
// could tell, and fewer than TAP_SNIFF_MAX were seen; raw is the answer of last resort. final: no
// more bytes will come.
const struct decoder_ops *decide_decoder(struct view c2s, struct view s2c, bool final);

// Whether what is taken for raw is made like a protocol of which nothing may be kept unread: one
// direction is, and the other does not sound like another protocol.
bool decide_alike(struct view c2s, struct view s2c);

#endif
