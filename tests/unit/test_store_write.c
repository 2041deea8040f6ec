// The writer: which values and bodies it puts where.
#include "proto/digest.h"
#include "tests/support/ask.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH];

static int setup(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "capture.db");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

// ---- streams

static void streams_are_numbered_and_known_again(void **state)
{
    (void)state;
    struct store *s;
    struct store_stream a = {.name = "aaaaaaaaaaaaaaa", .software = "one", .pid = 1};
    struct store_stream b = {.name = "bbbbbbbbbbbbbbb", .software = "two", .pid = 2};
    char why[WHY_MAX];
    int64_t id;
    uint64_t last;
    assert_int_equal(store_open(&s, path, STORE_WRITE, why), 0);
    assert_int_equal(store_stream(s, &a, 1, &id, &last), 0);
    assert_int_equal(id, 1);
    assert_int_equal(last, 0);
    assert_int_equal(store_stream(s, &b, 500, &id, &last), 0); // its first 499 were another file's
    assert_int_equal(id, 2);
    assert_int_equal(last, 499);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_restart(s, store_key(1, 1), 5, 6), 0);
    assert_int_equal(store_put_progress(s, 1, 1, 77), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    assert_string_equal(ask(path, "SELECT ended_us FROM stream WHERE id = 1"), "77");

    assert_int_equal(store_open(&s, path, STORE_WRITE, why), 0);
    a.software = "newer";
    a.pid = 9;
    assert_int_equal(store_stream(s, &a, 1, &id, &last), 0);
    assert_int_equal(id, 1);
    assert_int_equal(last, 1);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_progress(s, 7, 1, 0), E_NOTFOUND);
    store_rollback(s);
    store_close(s);
    assert_string_equal(
        ask(path, "SELECT id, software, pid, first_seq, last_seq, ended_us FROM stream"),
        "1|newer|9|1|1|NULL 2|two|2|500|499|NULL");
    ask_sound(path);
}

// ---- rows

static void every_field_of_a_transaction(void **state)
{
    (void)state;
    struct tape t;
    struct store_txn txn = {
        .protocol = "http",
        .version = "1.1",
        .method = "PUT",
        .scheme = "https",
        .host = "shop.test",
        .path = "/cart/123/9f86d081884c7d65/x",
        .query = "a=1&b=2",
        .note = "odd",
        .redacted = "header:cookie,query:b",
        .status = 201,
        .by_proxy = true,
        .original = (INT64_C(3) << 40) + 5,
        .outcome = "differs",
        .req = {.end = 1,
                .first_us = 1000,
                .last_us = 1500,
                .head = VIEW_LIT("PUT / HTTP/1.1\r\ncontent-TYPE:  text/x \r\n\r\n"),
                .trailers = VIEW_LIT("T: 1\r\n"),
                .rhythm = VIEW_LIT("\001\002"),
                .body = VIEW_LIT("up"),
                .body_size = 2,
                .body_stored = 2},
        .res = {.end = 3,
                .first_us = 1700,
                .last_us = 2500,
                .head = VIEW_LIT("HTTP/1.1 201 Made\r\nContent-Type: application/json\r\n\r\n"),
                .interim = VIEW_LIT("HTTP/1.1 100 Continue\r\n\r\n"),
                .body = VIEW_LIT("down\0!"),
                .body_size = 6,
                .body_stored = 6},
        .account = {.stored_c2s = 60, .stored_s2c = 70, .omitted_c2s = 8, .omitted_s2c = 9},
    };
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "10.1.1.1:443");
    tape_txn(&t, flow, &txn);
    tape_end(&t, flow);
    tape_close(&t);
    assert_string_equal(
        ask(path, "SELECT n, protocol, start_us, req_end_us, res_start_us, end_us, method,"
                  " scheme, host, path, route, query, status, version, state, by_proxy,"
                  " note, req_type, res_type, req_size, res_size, req_stored, res_stored,"
                  " stored_c2s, stored_s2c, omitted_c2s, omitted_s2c FROM txn"),
        "0|http|1000|1500|1700|2500|PUT|https|shop.test|/cart/123/9f86d081884c7d65/x"
        "|/cart/{id}/{id}/x|a=1&b=2|201|1.1|complete|1|odd|text/x|application/json|2|"
        "6|2|6|60|70|8|9");
    assert_string_equal(ask(path,
                            "SELECT redacted, length(req), length(res), length(interim),"
                            " req_trailers, res_trailers, hex(req_rhythm), res_rhythm FROM head"),
                        "header:cookie,query:b|42|53|25|T: 1\r\n|NULL|0102|NULL");
    assert_string_equal(ask(path, "SELECT hex(bytes), size, stored FROM body ORDER BY id"),
                        "7570|2|2 646F776E0021|6|6");
    assert_string_equal(ask(path, "SELECT url, duration, wait, original >> 40, original & 0xff,"
                                  " outcome FROM http"),
                        "https://shop.test/cart/123/9f86d081884c7d65/x?a=1&b=2|1500|200|3|5"
                        "|differs");
    ask_sound(path);
}

static void the_state_follows_from_the_ends(void **state)
{
    (void)state;
    enum { ABSENT, COMPLETE, CUT, UNTIL_CLOSE };
    static const struct {
        int req, res;
        const char *state_and_cut;
    } cases[] = {
        {COMPLETE, COMPLETE, "complete|0"},    {COMPLETE, UNTIL_CLOSE, "complete|0"},
        {UNTIL_CLOSE, COMPLETE, "complete|0"}, {COMPLETE, ABSENT, "unanswered|0"},
        {CUT, ABSENT, "request-cut|1"},        {CUT, COMPLETE, "request-cut|1"},
        {COMPLETE, CUT, "answer-cut|2"},       {ABSENT, COMPLETE, "answer-only|0"},
        {ABSENT, CUT, "answer-only|2"},        {CUT, CUT, "request-cut|3"},
    };
    struct tape t;
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "a:1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[128];
        struct store_txn txn = {
            .protocol = "http", .req = {.end = cases[i].req}, .res = {.end = cases[i].res}};
        int64_t key = tape_txn(&t, flow, &txn);
        snprintf(sql, sizeof sql, "SELECT state, cut FROM txn WHERE id = %lld", (long long)key);
        assert_string_equal(ask(path, sql), cases[i].state_and_cut);
    }
    tape_close(&t);
}

static void who_names_no_host_gets_the_target(void **state)
{
    (void)state;
    struct tape t;
    struct store_txn txn = {.protocol = "raw", .req = {.end = 1}}, again = txn;
    tape_open(&t, path);
    int64_t one = tape_flow(&t, "db:5432"), two = tape_flow(&t, "cache:6379");
    tape_txn(&t, one, &txn);
    tape_txn(&t, two, &again);
    tape_close(&t);
    assert_string_equal(ask(path, "SELECT host, url FROM http"),
                        "db:5432|tcp://db:5432 cache:6379|tcp://cache:6379");
}

static void a_key_is_taken_once(void **state)
{
    (void)state;
    struct tape t;
    tape_open(&t, path);
    tape_flow(&t, "a:1");
    assert_int_equal(store_begin(t.s), 0);
    struct store_flow f = {.front = "fixed"};
    assert_int_equal(store_put_flow(t.s, store_key(t.stream, 1), &f), E_EXISTS);
    store_rollback(t.s);
    tape_flow(&t, "b:1");
    tape_close(&t);
    assert_string_equal(ask(path, "SELECT target FROM flow"), "a:1 b:1");
}

static void a_batch_that_is_rolled_back_leaves_nothing(void **state)
{
    (void)state;
    char large[5000];
    struct tape t;
    memset(large, 'x', sizeof large);
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "a:1");
    for (int round = 0; round < 2; round++) {
        struct tape before = t;
        tape_begin(&t);
        tape_http(&t, flow, "GET", "/small", 200, VIEW_LIT("small"));
        tape_http(&t, flow, "GET", "/large", 200, view_n(large, sizeof large));
        if (round == 0) {
            store_rollback(t.s);
            t = before;
            assert_string_equal(
                ask(path, "SELECT (SELECT count(*) FROM txn), (SELECT count(*) FROM body)"), "0|0");
        } else {
            tape_commit(&t);
        }
    }
    tape_end(&t, flow);
    tape_close(&t);
    assert_string_equal(
        ask(path, "SELECT t.path, b.stored FROM txn t JOIN body b ON b.id = t.res_body"),
        "/small|5 /large|5000");
    ask_sound(path);
}

// ---- bodies

static void equal_bodies_are_stored_once(void **state)
{
    (void)state;
    char large[20000];
    struct tape t;
    memset(large, 'x', sizeof large);
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "a:1");
    for (int i = 0; i < 3; i++) {
        tape_http(&t, flow, "GET", "/", 200, VIEW_LIT("small"));
        tape_http(&t, flow, "GET", "/", 200, view_n(large, sizeof large));
        tape_http(&t, flow, "GET", "/", 200, VIEW_LIT(""));
    }
    assert_string_equal(ask(path, "SELECT stored FROM body"), "5 20000");
    assert_string_equal(ask(path, "SELECT count(*) FROM txn WHERE res_body IS NULL"), "3");
    tape_close(&t);
    tape_open(&t, path); // nothing is remembered: large ones are found in the file
    flow = tape_flow(&t, "a:1");
    tape_http(&t, flow, "GET", "/", 200, view_n(large, sizeof large));
    tape_close(&t);
    assert_string_equal(ask(path, "SELECT count(*) FROM body WHERE stored = 20000"), "1");
    assert_string_equal(ask(path, "SELECT count(*) FROM txn WHERE res_body = 2"), "4");
    ask_sound(path);
}

static void a_cut_body_does_not_stand_for_a_whole_one(void **state)
{
    (void)state;
    char content[9000];
    unsigned char digest[DIGEST_SIZE];
    struct tape t;
    memset(content, 'y', sizeof content);
    digest_once(view_n(content, sizeof content), digest);
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "a:1");
    for (int i = 0; i < 4; i++) {
        size_t kept = i % 2 ? sizeof content : 5000;
        struct store_txn txn = {.protocol = "http",
                                .req = {.end = 1},
                                .res = {.end = 1,
                                        .body = view_n(content, kept),
                                        .digest = view_n(digest, sizeof digest),
                                        .body_size = sizeof content,
                                        .body_stored = (int64_t)kept}};
        tape_txn(&t, flow, &txn);
    }
    // Nothing of it is kept: its size and digest are.
    struct store_txn none = {
        .protocol = "http",
        .req = {.end = 1},
        .res = {.end = 1, .digest = view_n(digest, sizeof digest), .body_size = sizeof content}};
    tape_txn(&t, flow, &none);
    // Cut, and nobody knows the digest.
    struct store_txn unknown = {
        .protocol = "http",
        .req = {.end = 1},
        .res = {.end = 1, .body = view_n(content, 10), .body_size = sizeof content}};
    tape_txn(&t, flow, &unknown);
    tape_close(&t);
    assert_string_equal(
        ask(path, "SELECT size, stored, length(bytes), length(digest), shared FROM body"),
        "9000|5000|5000|32|1 9000|9000|9000|32|1 9000|0|0|32|1 9000|10|10|NULL|0");
    assert_string_equal(ask(path, "SELECT res_body, res_size, res_stored FROM txn"),
                        "1|9000|5000 2|9000|9000 1|9000|5000 2|9000|9000 3|9000|0 4|9000|10");
    ask_sound(path);
}

static void parts_of_a_known_body_give_up_their_bytes(void **state)
{
    (void)state;
    static char content[100000];
    struct tape t;
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)(i * 31 + i / 256);
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "a:1");
    tape_large(&t, flow, "/1", view_n(content, sizeof content), 30000);
    tape_large(&t, flow, "/2", view_n(content, sizeof content), 50000);
    tape_http(&t, flow, "GET", "/3", 200, view_n(content, sizeof content)); // and in one piece
    tape_end(&t, flow);
    tape_close(&t);
    assert_string_equal(
        ask(path, "SELECT n, count(*), count(bytes), sum(size) FROM part GROUP BY n"),
        "0|4|4|100000 1|2|0|100000");
    assert_string_equal(ask(path, "SELECT size, stored, bytes, n, s2c FROM body"),
                        "100000|100000|NULL|0|1");
    assert_string_equal(ask(path, "SELECT path, res_body, res_parts FROM txn"),
                        "/1|1|4 /2|1|2 /3|1|0");
    ask_sound(path);
}

static void conversations_keep_their_pieces(void **state)
{
    (void)state;
    static const char *const talk[] = {"c:ping", "s:pong", "c:ping", "s:pong", NULL};
    struct tape t;
    tape_open(&t, path);
    for (int i = 0; i < 2; i++) {
        int64_t flow = tape_flow(&t, "a:1");
        tape_raw(&t, flow, talk);
        tape_end(&t, flow);
    }
    tape_close(&t);
    assert_string_equal(ask(path, "SELECT count(*), count(bytes) FROM part"), "8|8");
    assert_string_equal(ask(path, "SELECT group_concat(bytes, ',') FROM raw WHERE flow ="
                                  " (SELECT max(flow) FROM part)"),
                        "ping,ping,pong,pong");
    assert_string_equal(ask(path, "SELECT count(*), sum(shared) FROM body"), "4|0");
    ask_sound(path);
}

static void pieces_with_a_hole_stand_for_nobody_else(void **state)
{
    (void)state;
    unsigned char digest[DIGEST_SIZE];
    struct tape t;
    digest_once(VIEW_LIT("aaaabbbbcccc"), digest);
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "a:1");
    tape_part(&t, flow, true, 0, VIEW_LIT("aaaa"));
    tape_loss(&t, flow, 0, 0, 4);
    tape_part(&t, flow, true, 8, VIEW_LIT("cccc"));
    struct store_txn txn = {.protocol = "http",
                            .req = {.end = 1},
                            .res = {.end = 1,
                                    .parts = 3,
                                    .body_size = 12,
                                    .body_stored = 8,
                                    .digest = view_n(digest, sizeof digest)}};
    tape_txn(&t, flow, &txn);
    tape_http(&t, flow, "GET", "/", 200, VIEW_LIT("aaaabbbbcccc"));
    tape_end(&t, flow);
    tape_close(&t);
    assert_string_equal(ask(path, "SELECT stored, shared, bytes FROM body"),
                        "8|0|NULL 12|1|aaaabbbbcccc");
    ask_sound(path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(streams_are_numbered_and_known_again),
        TEST(every_field_of_a_transaction),
        TEST(the_state_follows_from_the_ends),
        TEST(who_names_no_host_gets_the_target),
        TEST(a_key_is_taken_once),
        TEST(a_batch_that_is_rolled_back_leaves_nothing),
        TEST(equal_bodies_are_stored_once),
        TEST(a_cut_body_does_not_stand_for_a_whole_one),
        TEST(parts_of_a_known_body_give_up_their_bytes),
        TEST(conversations_keep_their_pieces),
        TEST(pieces_with_a_hole_stand_for_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
