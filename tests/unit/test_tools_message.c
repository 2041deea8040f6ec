// Messages written byte for byte: what is said when they are not the whole of what passed.
#include "tests/support/ask.h"
#include "tests/support/program.h"
#include "tests/support/sample.h"
#include "tools/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CUT 2 // MessageEnd

static struct sample sample;
static int64_t both, request, redacted, alone;

static int64_t put(int req_end, int res_end, const char *rules)
{
    struct sample_txn t = {
        .method = "POST",
        .path = "/up",
        .status = 200,
        .redacted = rules,
        .req = {.head = VIEW_LIT("POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
                .body = VIEW_LIT("sent"),
                .end = req_end},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                .body = VIEW_LIT("answered"),
                .end = res_end}};
    return sample_http(&sample, &t);
}

static int set_up(void **state)
{
    (void)state;
    sample_begin(&sample, "capture.db");
    sample_flow(&sample, true);
    redacted = put(1, 1, "header:authorization");
    request = put(CUT, 1, NULL);
    sample_flow_end(&sample);
    sample_flow(&sample, true);
    both = put(CUT, CUT, NULL);
    sample_flow_end(&sample);
    sample_flow(&sample, true);
    struct sample_txn t = {
        .method = "",
        .path = "",
        .status = 200,
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                .body = VIEW_LIT("answered"),
                .end = CUT}};
    alone = sample_http(&sample, &t);
    sample_flow_end(&sample);
    sample_finish(&sample);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sample_remove(&sample);
    return 0;
}

static void raw(struct program *p, int64_t id, const char *side)
{
    char text[FIELDS_ID];
    TAPEDECK(p, "show", sample.path, "--raw", "--body", side, fields_id(id, text));
}

// A half that was cut off gets no end, and is told, also where the other one was cut off as well.
static void test_cut(void **state)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nanswered\r\n";
    struct program p;
    (void)state;
    raw(&p, both, "request");
    assert_non_null(strstr(p.err, "the request: it was cut off"));
    assert_null(strstr(p.out, "\r\n0\r\n"));
    program_clear(&p);
    raw(&p, both, "response");
    assert_string_equal(p.out, answer);
    assert_non_null(strstr(p.err, "the answer: it was cut off"));
    program_clear(&p);
    raw(&p, request, "response");
    assert_int_equal(strncmp(p.out, answer, sizeof answer - 1), 0);
    assert_string_equal(p.out + sizeof answer - 1, "0\r\n\r\n");
    assert_string_equal(p.err, "");
    program_clear(&p);
    raw(&p, alone, "response");
    assert_string_equal(p.out, answer);
    assert_non_null(strstr(p.err, "the answer: it was cut off"));
    program_clear(&p);
}

// Content that cannot be read for whatever reason is told, and not given an end.
static void test_unreadable(void **state)
{
    struct sample other;
    struct program p;
    char id[FIELDS_ID];
    (void)state;
    sample_begin(&other, "capture.db");
    sample_flow(&other, true);
    struct sample_txn t = {
        .method = "GET",
        .path = "/",
        .status = 200,
        .req = {.head = VIEW_LIT("GET / HTTP/1.1\r\n\r\n")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                .body = VIEW_LIT("in two parts"),
                .parts = 2}};
    fields_id(sample_http(&other, &t), id);
    sample_flow_end(&other);
    sample_finish(&other);
    ask_change(other.path, "DROP TABLE part");
    TAPEDECK(&p, "show", other.path, "--raw", "--body", "response", id);
    assert_string_equal(p.out, t.res.head.p);
    assert_non_null(strstr(p.err, "reading a body"));
    assert_non_null(strstr(p.err, "the answer: a part of the content cannot be read"));
    assert_int_equal(p.code, 1);
    program_clear(&p);
    sample_remove(&other);
}

// The capture does not say which half a rule changed, so neither does a note.
static void test_redacted(void **state)
{
    struct program p;
    (void)state;
    raw(&p, redacted, "response");
    assert_string_equal(p.err, "tapedeck show: the answer: a part of this transaction was redacted "
                               "or left out by a rule\n");
    assert_int_equal(p.code, 0);
    program_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_redacted),
        cmocka_unit_test(test_unreadable),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
