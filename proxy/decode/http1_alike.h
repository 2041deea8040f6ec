// http1_alike: what is no HTTP/1 request, but made like one.
#ifndef TAPEDECK_PROXY_HTTP1_ALIKE_H
#define TAPEDECK_PROXY_HTTP1_ALIKE_H

#include "proto/base/view.h"

// Whether a client's first bytes are made like a request line: one that the decoder refuses, or
// cannot know whole. Heads with secrets may follow it.
bool http1_alike(struct view first);

#endif
