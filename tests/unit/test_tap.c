// The tap: what it holds and for how long, what it does without memory or room, which decoder has
// the word, and what it counts. What decoders make of bytes is tested with them.
#include "proxy/tap.h"

#include "tests/support/alloc.h"
#include "tests/support/sink_log.h"

#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct flow_facts facts = {.front = "fixed", .requested = "", .target = "t:1"};

// One flow of a test.
struct bench {
    struct sink_log *log;
    struct stats stats;
    struct tap_env env;
    size_t used;
    struct tap tap;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->log = sink_log_new(1 << 20);
    b->env = (struct tap_env){
        .sink = sink_log_sink(b->log), .stats = &b->stats, .used = &b->used, .max = 1 << 20};
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    sink_log_free(b->log);
    free(b);
    return 0;
}

static void begin(struct bench *b, const struct decoder_ops *hint)
{
    sink_log_reset(b->log);
    tap_open(&b->tap, &b->env, &facts, hint, 1);
}

static void client(struct bench *b, const char *text, int64_t now_us)
{
    tap_feed(&b->tap, C2S, view_of(text), now_us);
}

static void server(struct bench *b, const char *text, int64_t now_us)
{
    tap_feed(&b->tap, S2C, view_of(text), now_us);
}

// Closes, and asserts the log.
static void finish(struct bench *b, const char *log)
{
    tap_close(&b->tap, "done", "", 999);
    assert_string_equal(sink_log_text(b->log), log);
    assert_null(sink_log_wrong(b->log));
    assert_int_equal(b->used, 0);
    assert_int_equal(b->stats.tap_bytes, 0);
}

// Exchanges whose heads come whole cost no allocation, whatever their number; raw none at all.
static void test_no_allocation_in_the_steady_state(void **state)
{
    struct bench *b = *state;
    begin(b, NULL);
    for (int i = 0; i < 100; i++) {
        client(b, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 2);
        server(b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 3);
        if (i == 0)
            alloc_fail_from(0);
    }
    assert_false(alloc_fail_end());
    assert_int_equal(b->used, 0);
    tap_close(&b->tap, "done", "", 4);
    assert_null(sink_log_wrong(b->log));

    alloc_fail_from(0);
    begin(b, &decoder_raw);
    client(b, "x", 2);
    server(b, "y", 3);
    tap_close(&b->tap, "done", "", 4);
    assert_false(alloc_fail_end());
    assert_null(sink_log_wrong(b->log));
}

static void test_an_idle_flow_is_small(void **state)
{
    struct bench *b = *state;
    assert_true(sizeof(struct tap) <= 600);
    assert_true(decoder_http1.size <= 256);
    assert_true(decoder_raw.size <= TAP_STATE_SMALL);
    assert_true(decoder_tls.size <= TAP_STATE_SMALL);
    begin(b, NULL);
    client(b, "GET / HTTP/1.1\r\nHo", 2);
    assert_true(b->used > 0);
    assert_int_equal(b->stats.tap_bytes, b->used);
    client(b, "st: a\r\n\r\n", 3);
    assert_int_equal(b->used, 0);
    assert_int_equal(b->stats.tap_bytes, 0);
    tap_close(&b->tap, "done", "", 4);
}

// A body behind a head that came in pieces is not held.
static void test_only_the_head_is_held(void **state)
{
    struct bench *b = *state;
    char *body = malloc(100001);
    assert_non_null(body);
    memset(body, 'x', 100000);
    body[100000] = '\0';
    begin(b, &decoder_http1);
    client(b, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n", 2);
    size_t before = b->used;
    b->env.max = before + 8192;
    tap_feed(&b->tap, C2S, VIEW_LIT("\r\n"), 3);
    tap_feed(&b->tap, C2S, view_n(body, 100000), 4);
    assert_int_equal(b->used, 0);
    assert_null(strstr(sink_log_text(b->log), "raw"));
    tap_close(&b->tap, "done", "", 4);
    assert_null(sink_log_wrong(b->log));
    free(body);
}

// Taps that began under other rules, with another sink, draw on the same budget.
static void test_two_sinks_one_budget(void **state)
{
    struct bench *b = *state;
    struct tap_env other_env = b->env;
    struct tap other;
    b->env.max = other_env.max = 64 << 10;
    begin(b, &decoder_http1);
    client(b, "GET / HTTP/1.1\r\nHost: a\r\n", 2);
    size_t one = b->used;
    assert_true(one > 0);
    tap_open(&other, &other_env, &facts, &decoder_http1, 2);
    tap_feed(&other, C2S, VIEW_LIT("GET / HTTP/1.1\r\nHost: b\r\n"), 2);
    assert_int_equal(b->used, 2 * one);
    tap_close(&b->tap, "done", "", 4);
    assert_int_equal(b->used, one);
    tap_close(&other, "done", "", 4);
    assert_int_equal(b->used, 0);
    assert_int_equal(b->stats.tap_bytes, 0);
}

// The budget of all taps is used up: this one goes on as raw and says so, the others keep theirs.
static void test_no_room_left(void **state)
{
    struct bench *b = *state;
    b->used = 1000;
    b->env.max = 1020;
    begin(b, &decoder_http1);
    client(b, "GET / HTTP/1.1\r\nHost: a\r\n", 2);
    server(b, "HTTP/1.1 100 ", 3);
    tap_close(&b->tap, "done", "", 4);
    assert_int_equal(b->used, 1000);
    assert_string_equal(sink_log_text(b->log),
                        "begin 0 c2s raw parts\n"
                        "body 0 c2s \"GET / HTTP/1.1\\r\\nHost: a\\r\\n\"\n"
                        "begin 0 s2c raw parts\n"
                        "body 0 s2c \"HTTP/1.1 100 \"\n"
                        "end 0 c2s cut content=25 wire=25\n"
                        "end 0 s2c cut content=13 wire=13\n"
                        "txn 0 \"http1: no room to hold a message's beginning\"\n"
                        "close done first=1 c2s=25 s2c=13\n");
    assert_null(sink_log_wrong(b->log));
    b->env.max = 0;
    b->used = 0;
    begin(b, NULL);
    client(b, "GE", 2);
    finish(b, "begin 0 c2s raw parts\n"
              "body 0 c2s \"GE\"\n"
              "end 0 c2s cut content=2 wire=2\n"
              "txn 0 \"guessing: no room to hold a message's beginning\"\n"
              "close done first=1 c2s=2 s2c=0\n");
}

static void test_no_memory_for_a_decoder(void **state)
{
    struct bench *b = *state;
    alloc_fail_from(0);
    begin(b, &decoder_http1);
    client(b, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2);
    alloc_fail_end();
    finish(b, "begin 0 c2s raw parts\n"
              "body 0 c2s \"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\"\n"
              "end 0 c2s cut content=27 wire=27\n"
              "txn 0 \"http1: out of memory\"\n"
              "close done first=1 c2s=27 s2c=0\n");
}

static void test_no_memory_to_hold(void **state)
{
    struct bench *b = *state;
    begin(b, &decoder_http1);
    client(b, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", 2);
    alloc_fail_from(0);
    char rest[600];
    memset(rest, 'y', sizeof rest);
    rest[0] = ' ';
    tap_feed(&b->tap, C2S, view_n(rest, sizeof rest), 3);
    alloc_fail_end();
    tap_close(&b->tap, "done", "", 4);
    assert_null(sink_log_wrong(b->log));
    assert_non_null(strstr(sink_log_text(b->log), "txn 0 \"http1: out of memory\"\n"
                                                  "begin 1 c2s raw parts\n"
                                                  "body 1 c2s \"GET yyy"));
    assert_int_equal(b->used, 0);
}

// No flow in the sink: all of it is counted as lost, nothing is called.
static void test_no_sink(void **state)
{
    struct bench *b = *state;
    sink_log_refuse(b->log, true);
    begin(b, &decoder_http1);
    client(b, "GET / HTTP/1.1\r\n", 2);
    server(b, "abc", 3);
    tap_end(&b->tap, C2S, 4);
    finish(b, "");
    assert_int_equal(b->stats.lost_bytes[CAUSE_OUT_OF_MEMORY], 16 + 3);
    assert_int_equal(b->tap.relayed[C2S], 16);
    assert_int_equal(b->tap.relayed[S2C], 3);
    sink_log_refuse(b->log, false);
}

// A message began when its first byte came, however long the rest took.
static void test_times(void **state)
{
    struct bench *b = *state;
    sink_log_times(b->log, true);
    begin(b, NULL);
    client(b, "POST /1 HT", 100);
    client(b, "TP/1.1\r\nHost: a\r\n", 200);
    client(b, "Content-Length: 2\r\n\r\nab", 300);
    client(b, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3", 400);
    server(b, "HTTP/1.1 20", 500);
    client(b, " HTTP/1.1\r\nHost: a\r\n\r\n", 600);
    server(b, "4 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 700);
    tap_close(&b->tap, "done", "", 999);
    const char *log = sink_log_text(b->log);
    assert_non_null(strstr(log,
                           "begin 0 c2s http POST http|a|/1| 1.1 head=48/48 \"POST /1 "
                           "HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 2\\r\\n\\r\\n\" @100\n"));
    assert_non_null(
        strstr(log, "body 0 c2s \"ab\" @300\nend 0 c2s complete content=2 wire=2 @300"));
    assert_non_null(strstr(log, "GET /2 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\" @400\n"));
    assert_non_null(strstr(log, "GET /3 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\" @400\n"));
    assert_non_null(strstr(log, "begin 0 s2c http 1.1 204 head=27/27 \"HTTP/1.1 204 No "
                                "Content\\r\\n\\r\\n\" @500\n"));
    assert_non_null(strstr(log, "begin 1 s2c http 1.1 204 head=27/27 \"HTTP/1.1 204 No "
                                "Content\\r\\n\\r\\n\" @700\n"));
    assert_null(sink_log_wrong(b->log));

    begin(b, NULL);
    client(b, "HE", 100);
    server(b, "220 x\r\n", 200);
    tap_close(&b->tap, "done", "", 999);
    assert_non_null(
        strstr(sink_log_text(b->log), "begin 0 c2s raw parts @100\nbody 0 c2s \"HE\" @100\n"));
    sink_log_times(b->log, false);
}

static void test_who_spoke_first(void **state)
{
    struct bench *b = *state;
    begin(b, &decoder_raw);
    finish(b, "close done first=0 c2s=0 s2c=0\n");
    begin(b, &decoder_raw);
    tap_feed(&b->tap, S2C, VIEW_LIT(""), 2);
    client(b, "a", 2);
    tap_close(&b->tap, "done", "", 3);
    assert_non_null(strstr(sink_log_text(b->log), "close done first=1 c2s=1 s2c=0\n"));
    begin(b, &decoder_raw);
    tap_feed_own(&b->tap, VIEW_LIT("own"), 2);
    server(b, "a", 2);
    client(b, "b", 2);
    tap_close(&b->tap, "x", "detail", 3);
    assert_non_null(strstr(sink_log_text(b->log), "close x \"detail\" first=2 c2s=1 s2c=4\n"));
}

// Our own words are known as such even where a piece of them had to be held.
static void test_own_words_in_pieces(void **state)
{
    struct bench *b = *state;
    begin(b, &decoder_http1);
    client(b, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2);
    tap_feed_own(&b->tap, VIEW_LIT("HTTP/1.1 502 Bad"), 3);
    tap_feed_own(&b->tap, VIEW_LIT(" Gateway\r\nContent-Length: 0\r\n\r\n"), 4);
    client(b, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 5);
    server(b, "HTTP/1.1 20", 6);
    server(b, "4 No Content\r\n\r\n", 7);
    tap_close(&b->tap, "done", "", 8);
    const char *log = sink_log_text(b->log);
    assert_non_null(strstr(log, "Content-Length: 0\\r\\n\\r\\n\" own\n"));
    assert_non_null(strstr(log, "204 No Content\\r\\n\\r\\n\"\n"));
}

// A decoder of the test's: a line "tls" begins TLS, "http" hands over to http1, "guess" to a guess,
// "lost" gives up, "wait" leaves everything unused until the other side says "go".
struct words {
    bool went;
};

static void words_init(void *d, struct decode_ctx *ctx)
{
    (void)d;
    (void)ctx;
}

static enum decode_verdict words_feed(void *d, struct decode_ctx *ctx, enum dir dir, struct view in,
                                      size_t *used)
{
    struct words *w = d;
    *used = 0;
    if (dir == C2S && view_starts(in, VIEW_LIT("wait")) && !w->went)
        return DECODE_MORE;
    size_t line = view_find(in, '\n');
    if (line == in.n)
        return DECODE_MORE;
    *used = line + 1;
    ctx->sink->ops->lost(ctx->sink, SINK_NO_MESSAGE, dir, CAUSE_DECODE_LOST, *used, ctx->now_us);
    struct view word = view_head(in, line);
    if (view_eq(word, VIEW_LIT("go"))) {
        w->went = ctx->wake = true;
        return DECODE_MORE;
    }
    snprintf(ctx->note, sizeof ctx->note, "a word: %.*s", (int)word.n, word.p);
    if (view_eq(word, VIEW_LIT("lost")))
        return DECODE_LOST;
    ctx->next = view_eq(word, VIEW_LIT("http"))  ? &decoder_http1
                : view_eq(word, VIEW_LIT("tls")) ? &decoder_tls
                : view_eq(word, VIEW_LIT("raw")) ? &decoder_raw
                                                 : NULL;
    return DECODE_SWITCH;
}

static void words_end(void *d, struct decode_ctx *ctx, enum dir dir)
{
    (void)d;
    ctx->sink->ops->lost(ctx->sink, SINK_NO_MESSAGE, dir, CAUSE_BUDGET_FULL, 0, ctx->now_us);
}

static void words_clear(void *d, struct decode_ctx *ctx)
{
    (void)d;
    (void)ctx;
}

static const struct decoder_ops decoder_words = {
    .name = "words",
    .size = sizeof(struct words),
    .init = words_init,
    .feed = words_feed,
    .end = words_end,
    .clear = words_clear,
};

static void test_tls_begins(void **state)
{
    struct bench *b = *state;
    begin(b, &decoder_words);
    client(b, "tls\n\x16\x03\x01", 2);
    server(b, "\x16", 3);
    finish(b, "lost c2s 2 4\n"
              "tls ||||||opaque\n"
              "begin 0 c2s tls parts\n"
              "body 0 c2s \"\\x16\\x03\\x01\"\n"
              "begin 0 s2c tls parts\n"
              "body 0 s2c \"\\x16\"\n"
              "end 0 c2s cut content=3 wire=3\n"
              "end 0 s2c cut content=1 wire=1\n"
              "txn 0\n"
              "close done first=1 c2s=7 s2c=1\n");
}

// What the other direction holds goes to the next decoder too, in the order in which it came.
static void test_handing_over(void **state)
{
    struct bench *b = *state;
    begin(b, &decoder_words);
    server(b, "no line yet ", 2);
    client(b, "raw\nrest", 3);
    finish(b, "lost c2s 2 4\n"
              "begin 0 s2c raw parts\n"
              "body 0 s2c \"no line yet \"\n"
              "begin 0 c2s raw parts\n"
              "body 0 c2s \"rest\"\n"
              "end 0 c2s cut content=4 wire=4\n"
              "end 0 s2c cut content=12 wire=12\n"
              "txn 0 \"a word: raw\"\n"
              "close done first=2 c2s=8 s2c=12\n");

    begin(b, &decoder_words);
    client(b, "http\nHEAD / HTTP/1.0\r\n\r\n", 3);
    finish(b, "lost c2s 2 5\n"
              "begin 0 c2s http HEAD http||/| 1.0 head=19/19 \"HEAD / HTTP/1.0\\r\\n\\r\\n\"\n"
              "end 0 c2s complete content=0 wire=0\n"
              "txn 0\n"
              "close done first=1 c2s=24 s2c=0\n");

    begin(b, &decoder_words);
    server(b, "SSH held", 3);
    client(b, "guess\nGET / HT", 4);
    tap_end(&b->tap, C2S, 5);
    finish(b, "lost c2s 2 6\n"
              "begin 0 s2c raw parts\n"
              "body 0 s2c \"SSH held\"\n"
              "begin 0 c2s raw parts\n"
              "body 0 c2s \"GET / HT\"\n"
              "end 0 c2s until-close content=8 wire=8\n"
              "end 0 s2c cut content=8 wire=8\n"
              "txn 0 \"a word: guess\"\n"
              "close done first=2 c2s=14 s2c=8\n");

    begin(b, &decoder_words);
    client(b, "lost\n", 4);
    server(b, "x", 5);
    finish(b, "lost c2s 2 5\n"
              "begin 0 s2c raw parts\n"
              "body 0 s2c \"x\"\n"
              "end 0 s2c cut content=1 wire=1\n"
              "txn 0 \"a word: lost\"\n"
              "close done first=1 c2s=5 s2c=1\n");
}

// What was left unused is offered again when the decoder asks, before the rest of what made it ask;
// an end comes behind it.
static void test_waking(void **state)
{
    struct bench *b = *state;
    begin(b, &decoder_words);
    client(b, "wait", 2);
    client(b, "ed\n", 3);
    tap_end(&b->tap, C2S, 4);
    assert_string_equal(sink_log_text(b->log), "");
    server(b, "go\nraw\n", 5);
    tap_end(&b->tap, S2C, 6);
    finish(b, "lost s2c 2 3\n"
              "lost c2s 2 7\n"
              "begin 0 s2c raw parts\n"
              "body 0 s2c \"raw\\n\"\n"
              "end 0 s2c until-close content=4 wire=4\n"
              "txn 0 \"a word: waited\"\n"
              "close done first=1 c2s=7 s2c=7\n");
}

// More than may be held, for a decoder that has no limit of its own.
static void test_hold_ceiling(void **state)
{
    struct bench *b = *state;
    size_t n = TAP_HOLD_MAX + 1;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'x', n);
    for (size_t piece = 1000; piece <= n; piece += TAP_HOLD_MAX - 1000 + 1) {
        begin(b, &decoder_words);
        for (size_t at = 0; at < n; at += piece) {
            size_t size = n - at < piece ? n - at : piece;
            tap_feed(&b->tap, C2S, view_n(text + at, size), 2);
            assert_true(b->used <= TAP_HOLD_MAX);
        }
        finish(b, "begin 0 c2s raw parts\n"
                  "body 0 c2s 81921 bytes\n"
                  "end 0 c2s cut content=81921 wire=81921\n"
                  "txn 0 \"words: a message's beginning is too long to hold\"\n"
                  "close done first=1 c2s=81921 s2c=0\n");
    }
    // As much as may be held is held, and given up only at the end.
    begin(b, &decoder_words);
    tap_feed(&b->tap, C2S, view_n(text, TAP_HOLD_MAX), 2);
    assert_string_equal(sink_log_text(b->log), "");
    finish(b, "begin 0 c2s raw parts\n"
              "body 0 c2s 81920 bytes\n"
              "end 0 c2s cut content=81920 wire=81920\n"
              "txn 0 \"words: ended within an unread message\"\n"
              "close done first=1 c2s=81920 s2c=0\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_allocation_in_the_steady_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_idle_flow_is_small, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_the_head_is_held, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_sinks_one_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_for_a_decoder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_to_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_sink, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_spoke_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_words_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls_begins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handing_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waking, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hold_ceiling, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
