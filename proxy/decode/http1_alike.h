// http1_alike: what is no HTTP/1, but made like it.
#ifndef TAPEDECK_PROXY_HTTP1_ALIKE_H
#define TAPEDECK_PROXY_HTTP1_ALIKE_H

#include "proxy/decode/decode.h"

// Whether the first bytes of one direction are made like a start line: one that the decoder
// refuses, or cannot know whole. Heads with secrets may follow it.
bool http1_alike(enum dir dir, struct view first);

// How many bytes at the front of v are a method, or stand where one does: a character of a token,
// then anything but blanks and control characters.
size_t http1_word_run(struct view v);

// How many bytes at the front of v some readers pass over before a request: NULs, a byte order
// mark. partly: the latter may still become one.
size_t http1_junk_run(struct view v, bool *partly);

#endif
