// http/body: where a body ends, what is its content, and that neither depends on the pieces.
#include "proto/base/buf.h"
#include "proxy/http/body.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct told {
    struct buf content, trailers;
    size_t used;              // bytes of the body, framing included
    enum http_body_step last; // MORE, DONE or BAD
    bool complete;            // what http_body_end() says
    uint64_t counted;
};

// Steps through one piece as a caller does.
static void step_piece(struct http_body *b, struct view piece, struct told *t)
{
    struct view content;
    size_t used;
    do {
        t->last = http_body_step(b, piece, &content, &used);
        assert_true(used <= piece.n);
        if (t->last == HTTP_BODY_CONTENT || t->last == HTTP_BODY_TRAILER) {
            struct buf *to = t->last == HTTP_BODY_CONTENT ? &t->content : &t->trailers;
            assert_true(content.n > 0 && used >= content.n);
            assert_int_equal(buf_add_view(to, content), 0);
        }
        if (t->last == HTTP_BODY_MORE)
            assert_int_equal(used, piece.n);
        t->used += used;
        piece = view_from(piece, used);
    } while (t->last == HTTP_BODY_CONTENT || t->last == HTTP_BODY_TRAILER);
}

static void run(struct guard *g, enum http_framing framing, uint64_t length, struct view in,
                size_t first, size_t step, struct told *t)
{
    struct http_body b;
    http_body_begin(&b, framing, length);
    t->last = HTTP_BODY_MORE;
    t->used = 0;
    buf_reset(&t->content);
    buf_reset(&t->trailers);
    for (size_t at = 0, n = first; t->last == HTTP_BODY_MORE && at <= in.n; at += n, n = step) {
        step_piece(&b, guard_fill(g, view_head(view_from(in, at), n)), t);
        if (at == in.n)
            break;
        if (n > in.n - at)
            n = in.n - at;
    }
    t->complete = http_body_end(&b);
    t->counted = b.content;
}

static void check(const struct told *t, enum http_body_step last, size_t used, struct view content,
                  struct view trailers)
{
    assert_int_equal(t->last, last);
    assert_int_equal(t->used, used);
    assert_true(view_eq(buf_view(&t->content), content));
    assert_int_equal(t->counted, content.n);
    // A trailer line that breaks off in the middle is not told.
    if (last != HTTP_BODY_BAD)
        assert_true(view_eq(buf_view(&t->trailers), trailers));
}

// At every split in two, and in steps of every size.
static void expect(enum http_framing framing, uint64_t length, struct view in,
                   enum http_body_step last, size_t used, struct view content, struct view trailers)
{
    struct told t;
    struct guard g;
    guard_init(&g, in.n);
    buf_init(&t.content, 1 << 20);
    buf_init(&t.trailers, 1 << 20);
    for (size_t n = 0; n <= in.n; n++) {
        run(&g, framing, length, in, n, in.n, &t);
        check(&t, last, used, content, trailers);
        if (n > 0) {
            run(&g, framing, length, in, n, n, &t);
            check(&t, last, used, content, trailers);
        }
    }
    bool until_close = framing == HTTP_UNTIL_CLOSE;
    assert_int_equal(t.complete, last == HTTP_BODY_DONE || until_close);
    buf_clear(&t.content);
    buf_clear(&t.trailers);
    guard_free(&g);
}

#define NONE VIEW_LIT("")
#define CHUNKED_OK(in, used, content, trailers)                                                    \
    expect(HTTP_CHUNKED, 0, VIEW_LIT(in), HTTP_BODY_DONE, used, VIEW_LIT(content),                 \
           VIEW_LIT(trailers))
#define CHUNKED_BAD(in, used, content)                                                             \
    expect(HTTP_CHUNKED, 0, VIEW_LIT(in), HTTP_BODY_BAD, used, VIEW_LIT(content), NONE)
#define CHUNKED_MORE(in, content, trailers)                                                        \
    expect(HTTP_CHUNKED, 0, VIEW_LIT(in), HTTP_BODY_MORE, sizeof(in) - 1, VIEW_LIT(content),       \
           VIEW_LIT(trailers))

static void counted(void **state)
{
    (void)state;
    expect(HTTP_NO_BODY, 0, VIEW_LIT("next"), HTTP_BODY_DONE, 0, NONE, NONE);
    expect(HTTP_LENGTH, 0, VIEW_LIT("next"), HTTP_BODY_DONE, 0, NONE, NONE);
    expect(HTTP_LENGTH, 5, VIEW_LIT("hellonext"), HTTP_BODY_DONE, 5, VIEW_LIT("hello"), NONE);
    expect(HTTP_LENGTH, 5, VIEW_LIT("hello"), HTTP_BODY_DONE, 5, VIEW_LIT("hello"), NONE);
    expect(HTTP_LENGTH, 6, VIEW_LIT("hello"), HTTP_BODY_MORE, 5, VIEW_LIT("hello"), NONE);
    expect(HTTP_LENGTH, UINT64_MAX, VIEW_LIT("hello"), HTTP_BODY_MORE, 5, VIEW_LIT("hello"), NONE);
    expect(HTTP_UNTIL_CLOSE, 0, VIEW_LIT("hello"), HTTP_BODY_MORE, 5, VIEW_LIT("hello"), NONE);
}

static void chunks(void **state)
{
    (void)state;
    CHUNKED_OK("0\r\n\r\n", 5, "", "");
    CHUNKED_OK("5\r\nhello\r\n0\r\n\r\nnext", 15, "hello", "");
    CHUNKED_OK("5\r\nhello\r\n00A\r\n0123456789\r\n000\r\n\r\n", 34, "hello0123456789", "");
    CHUNKED_OK("1\r\na\r\n1\r\nb\r\n0\r\n\r\n", 17, "ab", "");
    CHUNKED_OK("5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", 27, "hello", "");
    CHUNKED_OK("5 \t;a\r\nhello\r\n0\r\n\r\n", 19, "hello", "");
    CHUNKED_OK("2\r\n\r\n\r\n0\r\n\r\n", 12, "\r\n", "");
    CHUNKED_OK("0000000000000001\r\na\r\n0\r\n\r\n", 26, "a", "");
    CHUNKED_MORE("", "", "");
    CHUNKED_MORE("5\r\nhel", "hel", "");
    CHUNKED_MORE("5\r\nhello\r\n", "hello", "");
    CHUNKED_MORE("FFFFFFFFFFFFFFFF\r\na", "a", "");
}

static void trailers(void **state)
{
    (void)state;
    CHUNKED_OK("0\r\nA: b\r\n\r\nnext", 11, "", "A: b\r\n");
    CHUNKED_OK("1\r\nx\r\n0\r\nA:\r\nB-c: d e\t\r\n\r\n", 26, "x", "A:\r\nB-c: d e\t\r\n");
    CHUNKED_MORE("0\r\nA: b\r\n", "", "A: b\r\n");
    CHUNKED_MORE("0\r\nA: b\r\n\r", "", "A: b\r\n");
    CHUNKED_BAD("0\r\nA: b\n\r\n", 7, "");
    CHUNKED_BAD("0\r\nA b\r\n\r\n", 4, "");
    CHUNKED_BAD("0\r\n: b\r\n\r\n", 3, "");
    CHUNKED_BAD("0\r\n A: b\r\n\r\n", 3, "");
    CHUNKED_BAD("0\r\nA\r\n\r\n", 4, "");
    CHUNKED_BAD("0\r\nA: b\r\r\n", 8, "");
    CHUNKED_BAD("0\r\nA: \x01\r\n\r\n", 6, "");
    CHUNKED_BAD("0\r\n\rX", 4, "");
    CHUNKED_BAD("0\r\n\n", 3, "");
}

static void bad_chunks(void **state)
{
    (void)state;
    CHUNKED_BAD("\r\n", 0, "");
    CHUNKED_BAD("x\r\n", 0, "");
    CHUNKED_BAD(" 5\r\nhello\r\n", 0, "");
    CHUNKED_BAD("+5\r\nhello\r\n", 0, "");
    CHUNKED_BAD("0x5\r\nhello\r\n", 1, "");
    CHUNKED_BAD(";a\r\nhello\r\n", 0, "");
    CHUNKED_BAD("5\nhello\n", 1, "");
    CHUNKED_BAD("5 \r\nhello\r\n", 2, "");
    CHUNKED_BAD("5\rhello\r\n", 2, "");
    CHUNKED_BAD("5;a\nhello\r\n", 3, "");
    CHUNKED_BAD("5;\0\r\nhello\r\n", 2, "");
    CHUNKED_BAD("5\r\nhelloX\r\n", 8, "hello");
    CHUNKED_BAD("5\r\nhello\rX", 9, "hello");
    CHUNKED_BAD("5\r\nhello\n0\r\n", 8, "hello");
    CHUNKED_BAD("00000000000000005\r\nhello\r\n", 16, "");
    CHUNKED_BAD("5\r\nhello\r\n\r\n", 10, "hello");
}

// Ceilings: what a peer sends without end beside the content is cut off.
static void ceilings(void **state)
{
    struct http_body b;
    struct view content;
    size_t used, n = 0;
    (void)state;
    http_body_begin(&b, HTTP_CHUNKED, 0);
    assert_int_equal(http_body_step(&b, VIEW_LIT("5;"), &content, &used), HTTP_BODY_MORE);
    while (http_body_step(&b, VIEW_LIT("a"), &content, &used) == HTTP_BODY_MORE && n < 1 << 20)
        n++;
    assert_in_range(n, 16000, 16384);

    http_body_begin(&b, HTTP_CHUNKED, 0);
    assert_int_equal(http_body_step(&b, VIEW_LIT("0\r\n"), &content, &used), HTTP_BODY_MORE);
    for (n = 0; n < 1 << 20; n++)
        if (http_body_step(&b, VIEW_LIT("a:\r\n"), &content, &used) != HTTP_BODY_TRAILER)
            break;
    assert_int_equal(n, HTTP_TRAILERS_MAX / 4);
}

// DONE stays DONE: bytes behind the body are never taken.
static void done_is_final(void **state)
{
    struct http_body b;
    struct view content;
    size_t used;
    (void)state;
    http_body_begin(&b, HTTP_CHUNKED, 0);
    assert_int_equal(http_body_step(&b, VIEW_LIT("0\r\n\r\n"), &content, &used), HTTP_BODY_DONE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(http_body_step(&b, VIEW_LIT("5\r\nhello"), &content, &used),
                         HTTP_BODY_DONE);
        assert_int_equal(used, 0);
    }
    assert_int_equal(http_body_step(&b, (struct view){NULL, 0}, &content, &used), HTTP_BODY_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted),    cmocka_unit_test(chunks),   cmocka_unit_test(trailers),
        cmocka_unit_test(bad_chunks), cmocka_unit_test(ceilings), cmocka_unit_test(done_is_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
