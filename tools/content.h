// content: undoes the content codings of a body (RFC 9110, section 8.4), piece by piece, in memory
// that does not depend on the body's size.
#ifndef TAPEDECK_TOOLS_CONTENT_H
#define TAPEDECK_TOOLS_CONTENT_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proto/base/view.h"

#define CONTENT_CODINGS_MAX 4 // codings one over the other

struct content;

// Takes what comes out; an answer other than 0 ends the decoding and is returned by it.
typedef int content_take(void *arg, struct view piece);

// codings: the value of Content-Encoding, "gzip" or "br, zstd"; gzip, x-gzip, deflate (with and
// without zlib's wrapping), br, zstd, identity. limit: the most bytes that may come out.
// E_UNSUPPORTED (why names the coding), E_NOMEM.
int content_new(struct content **out, struct view codings, uint64_t limit, content_take *take,
                void *arg, char why[WHY_MAX]) MUST_CHECK;
void content_free(struct content *c); // c may be NULL

// 0; E_DAMAGED (not of its coding, or bytes behind its end), E_LIMIT (more than limit would come
// out), E_NOMEM, or what take answered. After an error nothing more is decoded.
int content_feed(struct content *c, struct view in) MUST_CHECK;

// The end of the body: 0, or E_DAMAGED when the coding had not ended; what came out before is all
// that there is.
int content_end(struct content *c) MUST_CHECK;

// One sentence about the last error.
const char *content_why(const struct content *c);

// Whether this value of Content-Encoding asks for any decoding.
bool content_is_coded(struct view codings);

#endif
