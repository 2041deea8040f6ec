// refused: what a flow tells whose dial a fault refused.
#ifndef TAPEDECK_TOOLS_MOCK_REFUSED_H
#define TAPEDECK_TOOLS_MOCK_REFUSED_H

#include "proxy/emit/sink.h"

// Stands before next (which may be NULL); without memory it is next itself.
struct sink_flow *refused_sink(struct sink_flow *next);

#endif
