// Undoing content codings: the first byte says which, the second where the input is cut. Cut or
// not, the same comes out.
#include "tools/content.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT (1u << 20)

struct sum {
    uint64_t n, hash;
};

static int take(void *arg, struct view piece)
{
    struct sum *s = arg;
    for (size_t i = 0; i < piece.n; i++)
        s->hash = (s->hash ^ (unsigned char)piece.p[i]) * 1099511628211ULL;
    s->n += piece.n;
    return 0;
}

static int decode(const char *codings, struct view in, size_t cut, struct sum *s)
{
    struct content *c;
    char why[WHY_MAX];
    *s = (struct sum){0, 14695981039346656037ULL};
    if (content_new(&c, view_of(codings), LIMIT, take, s, why))
        abort();
    int e = content_feed(c, view_head(in, cut));
    if (!e)
        e = content_feed(c, view_from(in, cut));
    if (!e)
        e = content_end(c);
    if (e && !content_why(c)[0])
        abort();
    content_free(c);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {"gzip", "deflate",  "br",
                                          "zstd", "gzip, br", "deflate, zstd"};
    struct sum whole, cut;
    if (size < 2)
        return 0;
    const char *which = codings[data[0] % (sizeof codings / sizeof *codings)];
    struct view in = view_n(data + 2, size - 2);
    int e = decode(which, in, 0, &whole);
    int f = decode(which, in, in.n ? data[1] % (in.n + 1) : 0, &cut);
    // What came before damage may be less in one of the two: a decoder gives it when it likes. And
    // zstd compares the size that a frame declares only when it has the frame whole.
    bool lenient = strstr(which, "zstd") && (e == E_DAMAGED || f == E_DAMAGED);
    if ((e != f && !lenient) || whole.n > LIMIT || cut.n > LIMIT)
        abort();
    if (!e && !f && (whole.n != cut.n || whole.hash != cut.hash))
        abort();
    return 0;
}
