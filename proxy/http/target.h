// target: what the target of an HTTP/1 request begins with (RFC 9112 3.2). No I/O.
#ifndef TAPEDECK_PROXY_HTTP_TARGET_H
#define TAPEDECK_PROXY_HTTP_TARGET_H

#include "proto/base/view.h"

// How many bytes at the front of target are a scheme (RFC 3986 3.1) that "://" follows; 0: none.
size_t http_scheme_run(struct view target);

#endif
