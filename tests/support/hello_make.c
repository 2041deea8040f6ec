// hello_make: see hello_make.h.
#include "tests/support/hello_make.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define RANDOM 32

static void add(struct hello_make *m, unsigned byte)
{
    if (m->n == sizeof m->bytes)
        abort();
    m->bytes[m->n++] = (unsigned char)byte;
}

static unsigned digit(char c)
{
    if (!isxdigit((unsigned char)c))
        abort();
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(tolower((unsigned char)c) - 'a' + 10);
}

static void add_hex(struct hello_make *m, const char *hex)
{
    for (const char *p = hex; *p; p++) {
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++)
                add(m, (unsigned char)*p);
        } else if (*p == 'R') {
            for (int i = 0; i < RANDOM; i++)
                add(m, 0x11);
        } else if (!isspace((unsigned char)*p)) {
            add(m, digit(p[0]) << 4 | digit(p[1]));
            p++;
        }
    }
}

void hello_make_bytes(struct hello_make *m, const char *hex)
{
    m->n = 0;
    add_hex(m, hex);
}

// What is in body becomes a message in records.
static void wrap(struct hello_make *m, unsigned type, const struct hello_make *body,
                 size_t fragment)
{
    const unsigned char head[4] = {(unsigned char)type, (unsigned char)(body->n >> 16),
                                   (unsigned char)(body->n >> 8), (unsigned char)body->n};
    size_t size = body->n + 4;
    m->n = 0;
    for (size_t at = 0; at < size;) {
        size_t n = size - at < fragment ? size - at : fragment;
        add(m, 22);
        add(m, 3);
        add(m, 1);
        add(m, (unsigned)(n >> 8));
        add(m, n & 0xff);
        for (; n > 0; n--, at++)
            add(m, at < 4 ? head[at] : body->bytes[at - 4]);
    }
}

void hello_make_message(struct hello_make *m, unsigned type, const char *body_hex, size_t fragment)
{
    struct hello_make *body = calloc(1, sizeof *body);
    if (!body)
        abort();
    add_hex(body, body_hex);
    wrap(m, type, body, fragment);
    free(body);
}

void hello_make_client(struct hello_make *m, const char *extensions_hex, size_t fragment)
{
    struct hello_make *body = calloc(1, sizeof *body), *ext = calloc(1, sizeof *ext);
    if (!body || !ext)
        abort();
    add_hex(ext, extensions_hex);
    add_hex(body, "0303 R 00 0002c02f 0100");
    add(body, (unsigned)(ext->n >> 8));
    add(body, ext->n & 0xff);
    for (size_t i = 0; i < ext->n; i++)
        add(body, ext->bytes[i]);
    wrap(m, 1, body, fragment);
    free(ext);
    free(body);
}
