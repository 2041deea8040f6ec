// head_recent: the head that was parsed last, with its bytes. Most heads are parsed twice, by the
// front and, a moment later and at the same place, by the decoder; and clients that ask for the
// same thing again send the same bytes. For head.c alone.
//
// A head is taken for the recent one only when every byte is the same and stands where it stood:
// so nothing needs to be forgotten when memory is reused, and all loans hold.
#ifndef TAPEDECK_PROXY_HTTP_HEAD_RECENT_H
#define TAPEDECK_PROXY_HTTP_HEAD_RECENT_H

#include "proxy/http/head.h"

#define HEAD_RECENT_BYTES   2048 // of a head that is remembered; one of a kind and a thread
#define HEAD_RECENT_HEADERS 32

// Whether in begins with the recent head of its kind; then *out and *used are as they were.
bool head_recent_take(struct view in, bool request, struct http_head *out, size_t *used);
// The first n bytes at p were parsed to h. Nothing when they, or its headers, are too many.
void head_recent_put(const char *p, size_t n, const struct http_head *h);

#endif
