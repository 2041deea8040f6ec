// Halves out of a capture, said again: from the rows to the bytes of the wire.
#include "proto/base/buf.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"
#include "tools/capture.h"
#include "tools/cli.h"
#include "tools/speak/recorded.h"

#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SAID_MAX (1u << 20)
#define CUT      2 // MessageEnd
#define CHUNKED  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static char dir[TMP_PATH], path[TMP_PATH];
static struct tape tape;
static int64_t flow;
static struct buf said;

static int setup(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "capture.db");
    tape_open(&tape, path);
    flow = tape_flow(&tape, "api:80");
    buf_init(&said, SAID_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tape_close(&tape);
    tmp_remove(dir);
    buf_clear(&said);
    return 0;
}

struct saying {
    struct speaker s;
    char why[WHY_MAX];
};

static int take(void *arg, struct view piece)
{
    struct saying *y = arg;
    struct speak_out out;
    int e = speak_piece(&y->s, piece, &out, y->why);
    return e ? e : speak_add(&said, &out);
}

// Says a half of the only row: what the speaker answered; 1: there is no such half.
static int say(bool s2c, enum speak_then *then, char why[WHY_MAX])
{
    struct capture capture;
    struct rows *rows;
    struct heads heads;
    struct speak_half half;
    struct speak_out out;
    struct saying y;
    int e = 1;
    buf_reset(&said);
    assert_int_equal(capture_find(&capture, path), CLI_OK);
    const struct rows_spec spec = {.capture = &capture};
    assert_int_equal(rows_open(&rows, &spec), CLI_OK);
    assert_true(rows_next(rows));
    rows_heads(rows, &heads);
    if (recorded_half(rows, &heads, s2c, &half)) {
        const struct store_query *q = rows_row(rows);
        const struct speak_ops *ops = speak_for(store_bytes(q, FIELD_PROTOCOL));
        int64_t body = store_int(q, s2c ? STORE_RES_BODY : STORE_REQ_BODY);
        assert_non_null(ops);
        e = speak_begin(&y.s, ops, &half, &out, why);
        e = e ? e : speak_add(&said, &out);
        if (!e && body)
            assert_int_equal(store_body(rows_store(rows), body, take, &y), 0);
        e = e ? e : speak_finish(&y.s, &out, then, why);
        e = e ? e : speak_add(&said, &out);
    }
    rows_close(rows);
    capture_clear(&capture);
    return e;
}

static void expect(bool s2c, const char *wire, enum speak_then then)
{
    enum speak_then got;
    char why[WHY_MAX];
    int e = say(s2c, &got, why);
    if (e)
        fail_msg("%s", why);
    if (!view_eq(buf_view(&said), view_of(wire)) || got != then)
        fail_msg("then %d: %.*s", (int)got, (int)buf_len(&said), buf_view(&said).p);
}

static void refused(bool s2c, int error, const char *text)
{
    enum speak_then then;
    char why[WHY_MAX];
    assert_int_equal(say(s2c, &then, why), error);
    if (text)
        assert_string_equal(why, text);
}

static void put(struct store_txn txn)
{
    txn.protocol = "http";
    txn.version = "1.1";
    txn.scheme = "http";
    txn.host = "a";
    txn.path = "/";
    (void)tape_txn(&tape, flow, &txn);
}

static void test_exchange(void **state)
{
    (void)state;
    put((struct store_txn){
        .method = "POST",
        .status = 200,
        .req = {.end = 1,
                .head = VIEW_LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"),
                .body = VIEW_LIT("sent"),
                .body_size = 4,
                .body_stored = 4},
        .res = {.end = 1,
                .head = VIEW_LIT(CHUNKED),
                .interim = VIEW_LIT("HTTP/1.1 100 Continue\r\n\r\n"),
                .trailers = VIEW_LIT("X: 1\r\n"),
                .body = VIEW_LIT("got"),
                .body_size = 3,
                .body_stored = 3}});
    expect(false, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nsent", SPEAK_NEXT);
    expect(true, "HTTP/1.1 100 Continue\r\n\r\n" CHUNKED "3\r\ngot\r\n0\r\nX: 1\r\n\r\n",
           SPEAK_NEXT);
}

static void test_answer_to_head(void **state)
{
    (void)state;
    put((struct store_txn){
        .method = "HEAD",
        .status = 200,
        .req = {.end = 1, .head = VIEW_LIT("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")},
        .res = {.end = 1, .head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")}});
    expect(true, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", SPEAK_NEXT);
}

static void test_halves_that_are_cut_or_missing(void **state)
{
    (void)state;
    put((struct store_txn){
        .method = "PUT",
        .req = {.end = CUT,
                .head = VIEW_LIT("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"),
                .body = VIEW_LIT("sent"),
                .body_size = 4,
                .body_stored = 4}});
    expect(false, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsent", SPEAK_CUT);
    refused(true, 1, NULL);
}

static void test_interim_answers_alone(void **state)
{
    (void)state;
    put((struct store_txn){.method = "GET",
                           .req = {.end = 1, .head = VIEW_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n")},
                           .res = {.interim = VIEW_LIT("HTTP/1.1 100 Continue\r\n\r\n")}});
    expect(true, "HTTP/1.1 100 Continue\r\n\r\n", SPEAK_NEXT);
}

// Content beyond --max-body, and content that redaction changed.
static void test_content_that_is_not_what_it_was(void **state)
{
    (void)state;
    put((struct store_txn){
        .method = "POST",
        .status = 200,
        .req = {.end = 1,
                .head = VIEW_LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"),
                .body = VIEW_LIT("redacted"),
                .body_size = 8,
                .body_stored = 8},
        .res = {.end = 1,
                .head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
                .body = VIEW_LIT("beginning"),
                .digest = VIEW_LIT("01234567890123456789012345678901"),
                .body_size = 900,
                .body_stored = 9}});
    refused(false, E_RANGE, "http: a content-length of 4, a content of 8");
    refused(true, E_NOTFOUND, "http: 9 of 900 bytes of the content were kept");
}

// A body in parts comes piece by piece.
static void test_large(void **state)
{
    static char content[300000];
    (void)state;
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)(i * 31 + i / 251);
    (void)tape_large(&tape, flow, "/large", view_n(content, sizeof content), 70000);
    enum speak_then then;
    char why[WHY_MAX];
    assert_int_equal(say(true, &then, why), 0);
    assert_int_equal(then, SPEAK_CLOSE);
    struct view v = buf_view(&said);
    assert_true(v.n > sizeof content);
    assert_memory_equal(v.p + v.n - sizeof content, content, sizeof content);
}

static void test_conversation(void **state)
{
    static const char *const says[] = {"s:220 hello\r\n", "c:HELO\r\n", "s:250 a\r\n", NULL};
    (void)state;
    (void)tape_raw(&tape, flow, says);
    expect(true, "220 hello\r\n250 a\r\n", SPEAK_CLOSE);
    expect(false, "HELO\r\n", SPEAK_CLOSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exchange, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_to_head, setup, teardown),
        cmocka_unit_test_setup_teardown(test_halves_that_are_cut_or_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interim_answers_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_content_that_is_not_what_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conversation, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
