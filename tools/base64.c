// base64: bytes wait in hold until three are there.
#include "tools/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void quad(const unsigned char in[3], unsigned n, char out[4])
{
    out[0] = letters[in[0] >> 2];
    out[1] = letters[(in[0] & 3) << 4 | (n > 1 ? in[1] >> 4 : 0)];
    out[2] = n > 1 ? letters[(in[1] & 15) << 2 | (n > 2 ? in[2] >> 6 : 0)] : '=';
    out[3] = n > 2 ? letters[in[2] & 63] : '=';
}

static void put(struct base64 *b, const char *text, size_t n)
{
    fwrite_unlocked(text, 1, n, b->out);
    if (!b->wrap)
        return;
    b->column += (unsigned)n;
    if (b->column >= b->wrap) {
        putc_unlocked('\n', b->out);
        b->column = 0;
    }
}

void base64_add(struct base64 *b, struct view in)
{
    const unsigned char *p = (const unsigned char *)in.p, *end = p + in.n;
    char text[1024];
    size_t n = 0;
    while (p < end && b->held > 0 && b->held < 3)
        b->hold[b->held++] = *p++;
    if (b->held == 3) {
        quad(b->hold, 3, text);
        put(b, text, 4);
        b->held = 0;
    }
    for (; end - p >= 3; p += 3) {
        quad(p, 3, text + n);
        n += 4;
        if (b->wrap || n == sizeof text) {
            put(b, text, n);
            n = 0;
        }
    }
    put(b, text, n);
    while (p < end)
        b->hold[b->held++] = *p++;
}

void base64_end(struct base64 *b)
{
    char text[4];
    if (b->held > 0) {
        quad(b->hold, b->held, text);
        put(b, text, 4);
    }
    if (b->wrap && b->column > 0)
        putc_unlocked('\n', b->out);
    b->held = b->column = 0;
}
