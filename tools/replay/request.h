// request: the head of a recorded request as it goes to its target.
#ifndef TAPEDECK_TOOLS_REPLAY_REQUEST_H
#define TAPEDECK_TOOLS_REPLAY_REQUEST_H

#include "proto/base/buf.h"
#include "proto/base/err.h"

// Appends it to out: host (NULL: stays) becomes the value of Host, and of a target in absolute form
// only path and query are left; prefix ("" none) goes before the path. All other bytes stay. What
// is no head of HTTP is taken over as it is. 0, E_LIMIT, E_NOMEM.
int request_head(struct view head, const char *host, const char *prefix,
                 struct buf *out) MUST_CHECK;

// Appends it with another value of Content-Length, where it has one.
int request_length(struct view head, uint64_t length, struct buf *out) MUST_CHECK;

#endif
