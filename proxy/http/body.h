// body: finds the end of an HTTP/1 message body, and the content within its framing (RFC 9112 6,
// 7). No I/O.
#ifndef TAPEDECK_PROXY_HTTP_BODY_H
#define TAPEDECK_PROXY_HTTP_BODY_H

#include "proxy/http/head.h"

#define HTTP_TRAILERS_MAX 65536 // bytes of a trailer section

struct http_body {
    enum http_framing framing;
    uint64_t left;      // of the length, or of the present chunk
    unsigned char step; // of the chunked grammar
    uint32_t line;      // bytes of the line or trailer section so far, against its ceiling
    uint64_t content;   // content bytes so far
};

enum http_body_step {
    HTTP_BODY_MORE,    // all of in is used, the body goes on
    HTTP_BODY_CONTENT, // *content is a piece of it; call again with the rest of in, even if empty
    HTTP_BODY_TRAILER, // *content is a piece of the trailer section (exact bytes); call again
    HTTP_BODY_DONE,    // the body ended within in, behind *used
    HTTP_BODY_BAD,     // the chunked framing is broken at *used
};

void http_body_begin(struct http_body *b, enum http_framing framing, uint64_t length);

// Steps through in. *used: bytes of in that this step covers. A body without content is DONE with
// *used 0. Strict: chunk sizes are hexadecimal digits (at most 16) and nothing before them, lines
// end in CRLF; extensions of up to 16 KiB are passed over; a trailer line is a field line. DONE is
// answered again for ever.
enum http_body_step http_body_step(struct http_body *b, struct view in, struct view *content,
                                   size_t *used);

// The end of the connection: true when the body is complete then (ended before, or until-close),
// false when it cuts it.
bool http_body_end(const struct http_body *b);

#endif
