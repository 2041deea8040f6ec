// What is said about bodies: only what is true of them.
#include "tests/support/program.h"
#include "tests/support/sample.h"
#include "tools/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#define LINES      60000 // that a body has when its coding is undone: more than is held in memory
#define LINE       "a line of sixty-four characters, which is about as long as usual\n"
#define HUGE_LINES 4200000 // more than show holds
#define GZIP_ROOM  (4u << 20)

static struct sample sample;
static int64_t whole, part, huge; // ids: a gzip body; one of which the beginning was kept; a bomb

static size_t compress_lines(char *out, size_t lines)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = (unsigned char *)out;
    z.avail_out = GZIP_ROOM;
    for (size_t i = 0; i < lines; i++) {
        z.next_in = (unsigned char *)(uintptr_t)LINE;
        z.avail_in = sizeof LINE - 1;
        assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
    }
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static int64_t put(const char *gzip, size_t n, size_t size)
{
    struct sample_txn t = {
        .method = "GET",
        .path = "/lines",
        .status = 200,
        .req = {.head = VIEW_LIT("GET /lines HTTP/1.1\r\nHost: api.test\r\n\r\n")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"),
                .body = view_n(gzip, n),
                .size = (int64_t)size}};
    return sample_http(&sample, &t);
}

static int set_up(void **state)
{
    (void)state;
    char *gzip = malloc(GZIP_ROOM);
    assert_non_null(gzip);
    size_t n = compress_lines(gzip, LINES);
    sample_begin(&sample, "capture.db");
    sample_flow(&sample, true);
    whole = put(gzip, n, n);
    part = put(gzip, n / 2, n);
    n = compress_lines(gzip, HUGE_LINES);
    huge = put(gzip, n, n);
    sample_flow_end(&sample);
    sample_finish(&sample);
    free(gzip);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sample_remove(&sample);
    return 0;
}

static void run(struct program *p, int64_t id, const char *more)
{
    char script[3 * TMP_PATH], text[FIELDS_ID];
    snprintf(script, sizeof script, "tapedeck show %s %s %s", sample.path, fields_id(id, text),
             more);
    program_shell(p, script);
}

// A body that was decoded is not said to be as on the wire, wherever its reader stops.
static void test_note(void **state)
{
    struct program p;
    (void)state;
    run(&p, whole, "--limit 100");
    assert_int_equal(p.code, 0);
    assert_non_null(strstr(p.out, LINE));
    assert_non_null(strstr(p.out, "bytes more (--limit 0 shows all)\n"));
    assert_null(strstr(p.out, "as on the wire"));
    program_clear(&p);
    run(&p, part, "--limit 100");
    assert_non_null(strstr(p.out, " bytes were kept)"));
    assert_null(strstr(p.out, "as on the wire"));
    program_clear(&p);
    run(&p, whole, "--body response --decode | head -1");
    assert_string_equal(p.out, LINE);
    assert_string_equal(p.err, "");
    program_clear(&p);
    run(&p, whole, "--body response --decode | tail -1");
    assert_string_equal(p.out, LINE);
    assert_string_equal(p.err, "");
    program_clear(&p);
}

// What is more than show can hold is not promised again.
static void test_more_than_all(void **state)
{
    struct program p;
    (void)state;
    run(&p, huge, "--limit 0 --max-decoded 1GiB | tail -1");
    assert_non_null(strstr(p.out, " bytes more (--body response --decode gives all)\n"));
    program_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_note),
        cmocka_unit_test(test_more_than_all),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
