// hear: the sink of a replay, before that of its capture (or alone): what the decoder names goes to
// the exchange that it belongs to, and on to the next sink.
#ifndef TAPEDECK_TOOLS_REPLAY_HEAR_H
#define TAPEDECK_TOOLS_REPLAY_HEAR_H

#include "proxy/emit/sink.h"
#include "tools/replay/connection.h"

struct hear {
    struct sink sink;  // first
    struct sink *next; // NULL: nothing is captured
    struct hear_flow *spare;
    size_t spares;
};

void hear_init(struct hear *h, struct sink *next);
void hear_clear(struct hear *h);

#endif
