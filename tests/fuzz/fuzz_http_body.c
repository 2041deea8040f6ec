// fuzz_http_body: a body stepped through whole and in pieces ends at the same place, with the same
// content. The input's first byte: two bits of framing, the rest the size of a piece; for a length
// the second byte is it.
#include "proto/base/buf.h"
#include "proxy/http/body.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    struct buf content, trailers;
    size_t used;
    enum http_body_step last;
};

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void piece(struct http_body *b, struct view in, struct told *t)
{
    struct view content;
    size_t used;
    char *block = malloc(in.n ? in.n : 1);
    need(block != NULL);
    if (in.n > 0)
        memcpy(block, in.p, in.n);
    struct view rest = view_n(block, in.n);
    do {
        t->last = http_body_step(b, rest, &content, &used);
        need(used <= rest.n && content.n <= used);
        if (content.n > 0) {
            need(content.p >= rest.p && content.p + content.n <= rest.p + used);
            need(buf_add_view(t->last == HTTP_BODY_CONTENT ? &t->content : &t->trailers, content) ==
                 0);
        }
        need(t->last != HTTP_BODY_MORE || used == rest.n);
        t->used += used;
        rest = view_from(rest, used);
    } while (t->last == HTTP_BODY_CONTENT || t->last == HTTP_BODY_TRAILER);
    free(block);
}

static void run(enum http_framing framing, uint64_t length, struct view in, size_t step,
                struct told *t)
{
    struct http_body b;
    http_body_begin(&b, framing, length);
    *t = (struct told){0};
    buf_init(&t->content, 1 << 24);
    buf_init(&t->trailers, 1 << 24);
    size_t at = 0;
    do {
        size_t n = in.n - at < step ? in.n - at : step;
        piece(&b, view_n(in.p + at, n), t);
        at += n;
    } while (t->last == HTTP_BODY_MORE && at < in.n);
    need(b.content == buf_len(&t->content));
    need(http_body_end(&b) == (t->last == HTTP_BODY_DONE || framing == HTTP_UNTIL_CLOSE ||
                               (t->last == HTTP_BODY_MORE && framing == HTTP_NO_BODY)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct told whole, pieces;
    if (size < 2)
        return 0;
    // Most inputs should be chunked: that is where a grammar is.
    static const enum http_framing framings[] = {HTTP_CHUNKED, HTTP_CHUNKED, HTTP_LENGTH,
                                                 HTTP_UNTIL_CLOSE};
    enum http_framing framing = framings[data[0] & 3];
    struct view in = view_n(data + 2, size - 2);
    run(framing, data[1], in, size, &whole);
    run(framing, data[1], in, (data[0] >> 2) + 1, &pieces);
    need(whole.last == pieces.last && whole.used == pieces.used);
    need(view_eq(buf_view(&whole.content), buf_view(&pieces.content)));
    if (whole.last != HTTP_BODY_BAD)
        need(view_eq(buf_view(&whole.trailers), buf_view(&pieces.trailers)));
    buf_clear(&whole.content);
    buf_clear(&whole.trailers);
    buf_clear(&pieces.content);
    buf_clear(&pieces.trailers);
    return 0;
}
