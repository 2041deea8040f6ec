// fuzz_http_head: a head parsed whole and in pieces says the same, and its parts lie within it.
// The input's first byte: bit 0 request, the rest the size of a piece.
#include "proxy/http/head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok)
        abort();
}

// The bytes in a heap block of their own, so that reading beyond them is seen.
static int parse(struct view in, size_t from, bool request, struct http_head *h, size_t *used,
                 char **block)
{
    free(*block);
    *block = malloc(in.n ? in.n : 1);
    need(*block != NULL);
    if (in.n > 0)
        memcpy(*block, in.p, in.n);
    return http_head_parse(view_n(*block, in.n), from, request, h, used);
}

static void inside(struct view v, const char *block, size_t used)
{
    need(v.n == 0 || (v.p >= block && v.p + v.n <= block + used));
}

static void check_parts(const struct http_head *h, const char *block, size_t used)
{
    need(h->count <= HTTP_HEADERS_MAX && h->major == 1 && h->minor <= 9);
    inside(h->method, block, used);
    inside(h->target, block, used);
    inside(h->reason, block, used);
    for (size_t i = 0; i < h->count; i++) {
        inside(h->headers[i].name, block, used);
        inside(h->headers[i].value, block, used);
    }
    // Without a fault a request's body ends where everyone thinks it ends.
    if (h->is_request && h->faults == 0) {
        need(!(h->has_length && h->has_te) && h->chunked == h->has_te);
        need(h->method.n > 0 && h->target.n > 0);
        for (size_t i = 0; i < h->count; i++)
            need(http_token_run(h->headers[i].name) == h->headers[i].name.n &&
                 h->headers[i].name.n > 0);
    }
    need(block[used - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_head whole, pieces;
    if (size < 1)
        return 0;
    bool request = data[0] & 1;
    size_t step = (data[0] >> 1) + 1, used, again, n = 0, from = 0;
    struct view in = view_n(data + 1, size - 1);
    char *block = NULL, *block2 = NULL;
    int e = parse(in, 0, request, &whole, &used, &block), e2;
    need(e == 0 || e == E_AGAIN || e == E_SYNTAX);
    need(used <= in.n);
    if (e == 0)
        check_parts(&whole, block, used);
    do {
        from = n;
        n = in.n - n < step ? in.n : n + step;
        e2 = parse(view_head(in, n), from, request, &pieces, &again, &block2);
    } while (e2 == E_AGAIN && n < in.n);
    need(e == e2);
    if (e == 0) {
        need(again == used && pieces.faults == whole.faults && pieces.count == whole.count);
        need(pieces.length == whole.length && pieces.chunked == whole.chunked);
        need(pieces.status == whole.status && pieces.close == whole.close);
    }
    free(block);
    free(block2);
    return 0;
}
