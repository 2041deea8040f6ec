// http1_doubt: whether a head leaves doubt about where its message ends.
#ifndef TAPEDECK_PROXY_HTTP1_DOUBT_H
#define TAPEDECK_PROXY_HTTP1_DOUBT_H

#include "proxy/decode/decode.h"
#include "proxy/http/head.h"

// The faults of the head (its text as it came) that make two readers disagree about where its
// message ends; 0: the framing is certain, whatever else may be wrong. body: one may follow.
unsigned http1_doubts(const struct http_head *head, struct view text, bool body);

#endif
