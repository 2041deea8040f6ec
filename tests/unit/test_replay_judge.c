// Whether an answer is the recorded one: the quick way and the whole one say the same.
#include "tests/support/tape.h"
#include "tests/support/tmp.h"
#include "tools/cli.h"
#include "tools/replay/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH];
static struct capture capture;
static struct plan plan;
static struct targets targets;
static struct materials *materials;
static struct exchanges exchanges;
static struct judge judge;

#define HEAD "HTTP/1.1 200 Fine\r\nDate: yesterday\r\nContent-Type: application/json\r\nX-A: 1\r\n"

static void put(struct tape *t, int64_t flow, const char *redacted, struct view body)
{
    struct store_txn txn = {
        .protocol = "http",
        .version = "1.1",
        .method = "GET",
        .scheme = "http",
        .host = "api.test",
        .path = "/x",
        .redacted = redacted,
        .status = 200,
        .req = {.end = 1, .head = VIEW_LIT("GET /x HTTP/1.1\r\nHost: api.test\r\n\r\n")},
        .res = {.end = 1,
                .head = VIEW_LIT(HEAD "Set-Cookie: a=redacted:0123456789abcdef\r\n\r\n"),
                .body = body,
                .body_size = (int64_t)body.n,
                .body_stored = (int64_t)body.n},
    };
    tape_txn(t, flow, &txn);
}

static int set_up(void **state)
{
    struct tape t;
    const char *const urls[] = {"http://127.0.0.1:9"};
    (void)state;
    tmp_make(dir);
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    int64_t f = tape_flow(&t, "127.0.0.1:80");
    char *large = calloc(1, MATERIAL_HELD_MAX + 10);
    put(&t, f, NULL, VIEW_LIT("{\"a\": 1, \"b\": [1, 2]}"));
    put(&t, f, "header:set-cookie", VIEW_LIT("{}"));
    put(&t, f, NULL, view_n(large, MATERIAL_HELD_MAX + 10));
    free(large);
    tape_close(&t);
    assert_int_equal(capture_find(&capture, path), CLI_OK);
    assert_int_equal(plan_load(&plan, &capture, NULL, PLAN_EITHER), CLI_OK);
    assert_int_equal(targets_make(&targets, &plan, urls, 1), CLI_OK);
    struct materials_conf conf = {
        .capture = &capture, .plan = &plan, .targets = &targets, .most = 1 << 20};
    materials = materials_new(&conf);
    assert_non_null(materials);
    exchanges.most = 1 << 24;
    judge_init(&judge, materials, NULL, 1 << 24);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    judge_clear(&judge);
    exchanges_clear(&exchanges);
    materials_free(materials);
    targets_clear(&targets);
    plan_clear(&plan);
    capture_clear(&capture);
    tmp_remove(dir);
    return 0;
}

// An answer to an item of the plan, compared: how many differences, and where the first is.
static uint64_t compared(uint32_t item, const char *head, struct view body, const char *where)
{
    struct exchange *x = exchange_new(&exchanges);
    assert_non_null(x);
    x->material = material_take(materials, item);
    assert_non_null(x->material);
    x->heard = x->over = true;
    x->status = 200;
    assert_int_equal(buf_add_view(&x->answer_head, view_of(head)), 0);
    for (size_t at = 0; at < body.n; at += 1000)
        exchange_hear(&exchanges, x, view_head(view_from(body, at), 1000));
    const struct differences *found = judge_answer(&judge, x, JUDGE_NONE);
    assert_non_null(found);
    uint64_t total = found->total;
    if (total && where)
        assert_string_equal(found->items[0].where, where);
    // And whatever the caller wants to see of it.
    found = judge_answer(&judge, x, JUDGE_CONTENTS);
    assert_int_equal(found->total, total);
    assert_int_equal(judge.live.status, 200);
    assert_true(view_eq(judge.recorded.head, x->material->answer_head));
    material_leave(materials, x->material);
    exchange_free(&exchanges, x);
    return total;
}

#define COOKIE "Set-Cookie: a=redacted:0123456789abcdef\r\n\r\n"

static void test_small(void **state)
{
    static const char same[] = HEAD COOKIE;
    static const char later[] = "HTTP/1.1 200 Fine\r\nDate: today\r\nContent-Type: application/json"
                                "\r\nX-A: 1\r\n" COOKIE;
    static const char other[] = "HTTP/1.1 200 Fine\r\nDate: today\r\nContent-Type: application/json"
                                "\r\nX-A: 2\r\n" COOKIE;
    static const char order[] =
        "HTTP/1.1 200 Fine\r\nx-a: 1\r\nContent-Type: application/json\r\n" COOKIE;
    struct view body = VIEW_LIT("{\"a\": 1, \"b\": [1, 2]}");
    (void)state;
    assert_int_equal(compared(0, same, body, NULL), 0);
    assert_int_equal(compared(0, later, body, NULL), 0);
    assert_int_equal(compared(0, order, body, NULL), 0);
    assert_int_equal(compared(0, other, body, "header x-a"), 1);
    assert_int_equal(compared(0, same, VIEW_LIT("{\"b\":[1,2],\"a\":1.0}"), NULL), 0);
    assert_int_equal(compared(0, later, VIEW_LIT("{\"b\":[1,3],\"a\":1}"), "body.b[1]"), 1);
    assert_int_equal(compared(0, same, VIEW_LIT(""), "body"), 1);
}

static void test_redacted_values_are_equal_to_any(void **state)
{
    (void)state;
    assert_int_equal(compared(1, HEAD "Set-Cookie: a=live\r\n\r\n", VIEW_LIT("{}"), NULL), 0);
    assert_int_equal(compared(1, HEAD "\r\n", VIEW_LIT("{}"), "header set-cookie"), 1);
    assert_int_equal(
        compared(1, HEAD "Set-Cookie: a=live\r\n\r\n", VIEW_LIT("{\"x\":1}"), "body.x"), 1);
}

static void test_large(void **state)
{
    size_t n = MATERIAL_HELD_MAX + 10;
    char *bytes = calloc(1, n);
    (void)state;
    assert_int_equal(compared(2, HEAD COOKIE, view_n(bytes, n), NULL), 0);
    bytes[n - 1] = 1;
    assert_int_equal(compared(2, HEAD COOKIE, view_n(bytes, n), NULL), 1);
    assert_int_equal(compared(2, HEAD COOKIE, view_n(bytes, n - 1), NULL), 1);
    exchanges.most = 1000; // no room: by the digest
    assert_int_equal(compared(2, HEAD COOKIE, view_n(bytes, n), "digest"), 1);
    bytes[n - 1] = 0;
    assert_int_equal(compared(2, HEAD COOKIE, view_n(bytes, n), NULL), 0);
    exchanges.most = 1 << 24;
    assert_int_equal(exchanges.held, 0);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_redacted_values_are_equal_to_any),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
