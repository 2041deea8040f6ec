// hello_make: TLS hellos for tests, put together from hexadecimal text.
#ifndef TAPEDECK_TESTS_HELLO_MAKE_H
#define TAPEDECK_TESTS_HELLO_MAKE_H

#include "proto/base/view.h"

#define HELLO_MAKE_MAX 70000

struct hello_make {
    unsigned char bytes[HELLO_MAKE_MAX];
    size_t n;
};

// Each starts anew. hex: digits and white space, 'R' for the 32 bytes of a random, "text" for its
// characters. Aborts on anything else.
void hello_make_bytes(struct hello_make *m, const char *hex);
// A handshake message of that type, in records of at most fragment bytes.
void hello_make_message(struct hello_make *m, unsigned type, const char *body_hex, size_t fragment);
// A client hello with these extensions (hex, without the length of the block).
void hello_make_client(struct hello_make *m, const char *extensions_hex, size_t fragment);

static inline struct view hello_made(const struct hello_make *m)
{
    return view_n(m->bytes, m->n);
}

#endif
