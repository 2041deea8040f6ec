// Transactions by their ids, with all that it takes to play them again: from the row, the head, the
// link and the flow; contents whole, streamed and as conversations; over the files of a capture.
#include "tests/support/alloc.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"
#include "tools/cli.h"
#include "tools/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LARGE 200000

static char dir[TMP_PATH], path[TMP_PATH], large[LARGE];
static int64_t whole, big, talk, unanswered, early, flows[2];
static struct capture capture;

static int setup(void **state)
{
    (void)state;
    static const char *const says[] = {"c:hello\n", "s:who?\n", NULL};
    static struct tape t;
    struct store_txn txn = {
        .protocol = "http",
        .version = "1.1",
        .method = "PUT",
        .scheme = "https",
        .host = "shop.test",
        .path = "/cart",
        .query = "a=1",
        .note = "odd",
        .redacted = "header:cookie",
        .status = 201,
        .by_proxy = true,
        .original = store_key(3, 5),
        .outcome = "hit",
        .req = {.end = 1,
                .first_us = 1000,
                .last_us = 1500,
                .head = VIEW_LIT("PUT /cart HTTP/1.1\r\nContent-Type: text/x\r\n"
                                 "Content-Encoding: br\r\n\r\n"),
                .trailers = VIEW_LIT("T: 1\r\n"),
                .rhythm = VIEW_LIT("\001\002"),
                .body = VIEW_LIT("up"),
                .body_size = 2,
                .body_stored = 2},
        .res = {.end = 2,
                .first_us = 1700,
                .last_us = 2500,
                .head = VIEW_LIT("HTTP/1.1 201 Made\r\nContent-Encoding: gzip\r\n\r\n"),
                .interim = VIEW_LIT("HTTP/1.1 100 Continue\r\n\r\n"),
                .rhythm = VIEW_LIT("\003\004")},
    };
    struct store_txn silent = {.protocol = "http",
                               .method = "GET",
                               .path = "/silent",
                               .req = {.end = 1, .head = VIEW_LIT("GET /silent HTTP/1.1\r\n\r\n")}};
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 31 + i / 251);
    tmp_make(dir);
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    int64_t before = tape_flow(&t, "old:1");
    early = tape_http(&t, before, "GET", "/early", 200, VIEW_LIT("early"));
    tape_end(&t, before);
    assert_int_equal(store_rotate(t.s, NULL, 0), 0);
    flows[0] = tape_flow(&t, "shop:443");
    tape_tls(&t, flows[0], "shop.test", "intercepted");
    whole = tape_txn(&t, flows[0], &txn);
    big = tape_large(&t, flows[0], "/big", view_n(large, LARGE), 50000);
    unanswered = tape_txn(&t, flows[0], &silent);
    tape_end(&t, flows[0]);
    flows[1] = tape_flow(&t, "db:5432");
    talk = tape_raw(&t, flows[1], says);
    tape_stop(&t);
    tape_close(&t);
    assert_int_equal(capture_find(&capture, dir), CLI_OK);
    assert_int_equal(capture.n, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    capture_clear(&capture);
    tmp_remove(dir);
    return 0;
}

#define IS(view, text) assert_true(view_eq(view, VIEW_LIT(text)))

static void all_of_a_transaction(void **state)
{
    (void)state;
    struct load l;
    struct load_row r;
    assert_int_equal(load_init(&l, &capture, 1 << 20), CLI_OK);
    assert_true(load_row(&l, 0, early, &r));
    IS(r.path, "/early");
    assert_true(load_row(&l, 1, whole, &r));
    assert_true(r.id == whole && r.flow == flows[0] && r.n == 0);
    IS(r.protocol, "http");
    IS(r.version, "1.1");
    IS(r.method, "PUT");
    IS(r.scheme, "https");
    IS(r.host, "shop.test");
    IS(r.path, "/cart");
    IS(r.query, "a=1");
    IS(r.note, "odd");
    IS(r.redacted, "header:cookie");
    assert_true(r.by_proxy);
    assert_true(r.original == store_key(3, 5));
    IS(r.outcome, "hit");
    assert_int_equal(r.start_us, 1000);
    assert_int_equal(r.req_end_us, 1500);
    assert_int_equal(r.res_start_us, 1700);
    assert_int_equal(r.end_us, 2500);
    IS(r.interim, "HTTP/1.1 100 Continue\r\n\r\n");
    IS(r.rhythm[0], "\001\002");
    IS(r.rhythm[1], "\003\004");
    IS(r.codings[0], "br");
    assert_int_equal(r.codings[1].n, 0); // there is nothing that is coded
    assert_int_equal(r.digests[0].n, 32);
    assert_true(r.sizes[0] == 2 && r.stored[0] == 2 && r.bodies[0] != 0 && r.bodies[1] == 0);
    IS(r.half[0].head,
       "PUT /cart HTTP/1.1\r\nContent-Type: text/x\r\nContent-Encoding: br\r\n\r\n");
    IS(r.half[0].type, "text/x");
    IS(r.half[0].trailers, "T: 1\r\n");
    assert_false(r.half[0].whole);
    assert_true(r.half[1].whole); // all of nothing
    assert_int_equal(r.half[1].status, 201);
    assert_true(r.half[1].cut && !r.half[0].cut);
    assert_true(load_row(&l, 1, unanswered, &r));
    assert_true(r.half[1].absent && !r.half[0].absent);
    assert_true(r.original == 0 && r.outcome.n == 0);
    load_clear(&l);
}

static void contents(void **state)
{
    (void)state;
    struct load l;
    struct load_row r;
    struct store_reader *one, *two, *none;
    struct view piece;
    struct chunk chunk;
    size_t at = 0;
    assert_int_equal(load_init(&l, &capture, 1 << 20), CLI_OK);
    assert_true(load_row(&l, 1, big, &r));
    load_content(&l, &r, 1);
    assert_true(r.half[1].whole && view_eq(r.half[1].content, view_n(large, LARGE)));
    assert_true(load_reader(&r, 1, &one));
    assert_true(load_reader(&r, 0, &none));
    assert_null(none);
    assert_true(load_row(&l, 1, whole, &r)); // the reader goes on
    assert_true(load_reader(&r, 0, &two));
    while (store_reader_next(one, &piece) == 1) {
        assert_memory_equal(piece.p, large + at, piece.n);
        at += piece.n;
    }
    assert_int_equal(at, LARGE);
    assert_int_equal(store_reader_next(two, &piece), 1);
    IS(piece, "up");
    store_reader_close(one);
    store_reader_close(two);
    assert_true(load_row(&l, 1, talk, &r));
    struct chunks *c = load_chunks(&r);
    assert_true(chunks_next(c, &chunk));
    IS(chunk.bytes, "hello\n");
    assert_true(chunks_next(c, &chunk) && chunk.s2c);
    assert_false(chunks_next(c, &chunk));
    chunks_close(c);
    load_clear(&l);
}

static void connections(void **state)
{
    (void)state;
    struct load l;
    struct load_flow f;
    assert_int_equal(load_init(&l, &capture, 1 << 20), CLI_OK);
    assert_true(load_flow(&l, 1, flows[0], &f));
    IS(f.target, "shop:443");
    IS(f.sni, "shop.test");
    assert_true(f.secured && f.ended && f.end_us > f.at_us && f.relayed[0] > 0);
    assert_true(load_flow(&l, 1, flows[1], &f));
    IS(f.target, "db:5432");
    assert_true(!f.secured && !f.ended && f.sni.n == 0 && f.end_us == 0);
    assert_int_equal(cli_result(), CLI_OK);
    assert_false(load_flow(&l, 1, 7, &f));
    load_clear(&l);
}

static void what_is_not_there_is_told(void **state)
{
    (void)state;
    struct load l;
    struct load_row r;
    assert_int_equal(load_init(&l, &capture, 1 << 20), CLI_OK);
    assert_false(load_row(&l, 0, whole, &r)); // in the other file
    assert_true(load_row(&l, 1, whole, &r));
    r.bodies[0] = 999999;
    struct store_reader *none;
    assert_false(load_reader(&r, 0, &none));
    assert_null(none);
    assert_non_null(strstr(load_why(&r), "no body 999999"));
    assert_int_not_equal(cli_result(), CLI_OK);
    load_clear(&l);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        struct load l;
        struct load_row r;
        struct load_flow f;
        bool ok = false;
        alloc_fail_at(i);
        if (load_init(&l, &capture, 1 << 20) == CLI_OK && load_row(&l, 1, big, &r)) {
            load_content(&l, &r, 1);
            ok = r.half[1].whole && load_flow(&l, 1, flows[0], &f);
        }
        failed = alloc_fail_end();
        assert_true(ok || failed);
        load_clear(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_transaction),
        cmocka_unit_test(contents),
        cmocka_unit_test(connections),
        cmocka_unit_test(what_is_not_there_is_told),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
