// http_answer: the http front's own words to a client: a status and one line of plain text.
#ifndef TAPEDECK_PROXY_FRONT_HTTP_ANSWER_H
#define TAPEDECK_PROXY_FRONT_HTTP_ANSWER_H

#include "proto/base/buf.h"
#include "proto/base/err.h"

// Appends a whole answer that ends the connection. head_only: it answers HEAD, so the line is
// counted but not sent. What in the line is not printable comes out as '?'; it is cut to 400 bytes.
// 0, E_NOMEM or E_LIMIT.
int http_answer(struct buf *to_client, unsigned status, bool head_only, const char *format, ...)
    __attribute__((format(printf, 4, 5))) MUST_CHECK;

#endif
