// Which recorded request answers: what counts as equal, and what it costs.
#include "tests/support/alloc.h"
#include "tests/support/asking.h"
#include "tests/support/random.h"
#include "tools/cli.h"
#include "tools/mock/index_in.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#define JSON "Content-Type: application/json\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

static struct asking a;

static const struct asking_request get = {ASKING("GET", "api.test", "/x"), .query = "a=1&b=2"};

// Recorded, asked for, whether it answers.
struct example {
    struct asking_request recorded, asked;
    bool answers;
};

static void examples(const struct example *list, size_t n, const char *rules)
{
    asking_begin(&a);
    for (size_t i = 0; i < n; i++) {
        struct asking_request r = list[i].recorded;
        char path[64];
        snprintf(path, sizeof path, "/%zu%s", i, r.path);
        r.path = path;
        asking_put(&a, &r);
    }
    asking_open(&a, rules);
    for (size_t i = 0; i < n; i++) {
        struct asking_request r = list[i].asked;
        char path[64];
        snprintf(path, sizeof path, "/%zu%s", i, r.path);
        r.path = path;
        if (asking_take(&a, &r, NULL) != (list[i].answers ? (int)i + 1 : 0))
            fail_msg("%zu", i);
    }
    asking_close(&a);
    asking_end(&a);
}

static void test_equal(void **state)
{
    static const struct example list[] = {
        {get, get, true},
        {get, {ASKING("GET", "API.test:80", "/x"), .query = "b=2&a=1"}, true},
        {get, {ASKING("GET", "api.test:8080", "/x"), .query = "a=1&b=2"}, false},
        {get, {ASKING("GET", "other.test", "/x"), .query = "a=1&b=2"}, false},
        {get, {ASKING("POST", "api.test", "/x"), .query = "a=1&b=2"}, false},
        {get, {ASKING("GET", "api.test", "/y"), .query = "a=1&b=2"}, false},
        {get, {ASKING("GET", "api.test", "/x"), .query = "a=1&b=3"}, false},
        {get, {ASKING("GET", "api.test", "/x"), .query = "a=1"}, false},
        {get, {ASKING("GET", "api.test", "/x"), .query = "a=1&b=%32"}, true},
        {get, {ASKING("GET", "api.test", "/x"), .query = "a=1&b=2", .head = "X-New: 1\r\n"}, true},
        {get, {ASKING("GET", "api.test:443", "/x"), .query = "a=1&b=2", .scheme = "https"}, false},
        {{ASKING("GET", "api.test", "/x"), .scheme = "https"},
         {ASKING("GET", "api.test:443", "/x")},
         true},
        {{ASKING("GET", "[::1]:80", "/x")}, {ASKING("GET", "[::1]", "/x")}, true},
        {{ASKING("POST", "api.test", "/"), .head = JSON, .content = "{\"a\":1,\"b\":[2]}"},
         {ASKING("POST", "api.test", "/"), .head = JSON, .content = "{\"b\": [2.0], \"a\": 1}"},
         true},
        {{ASKING("POST", "api.test", "/"), .head = JSON, .content = "{\"a\":1,\"b\":[2]}"},
         {ASKING("POST", "api.test", "/"), .head = JSON, .content = "{\"a\":1,\"b\":[3]}"},
         false},
        {{ASKING("POST", "api.test", "/"), .head = FORM, .content = "a=1&b=2"},
         {ASKING("POST", "api.test", "/"), .head = FORM, .content = "b=2&a=1"},
         true},
        {{ASKING("POST", "api.test", "/"), .head = "Content-Type: text/xml\r\n",
          .content = "<a b='1'/>"},
         {ASKING("POST", "api.test", "/"), .head = "Content-Type: text/xml\r\n",
          .content = "<a  b=\"1\"></a>"},
         true},
        {{ASKING("POST", "api.test", "/"), .head = "Content-Type: text/xml\r\n",
          .content = "<a><b/><c/></a>"},
         {ASKING("POST", "api.test", "/"), .head = "Content-Type: text/xml\r\n",
          .content = "<a><c/><b/></a>"},
         false},
        {{ASKING("POST", "api.test", "/"), .content = "a\0b", .size = 3},
         {ASKING("POST", "api.test", "/"), .content = "a\0b", .size = 3},
         true},
        {{ASKING("POST", "api.test", "/"), .content = "a\0b", .size = 3},
         {ASKING("POST", "api.test", "/"), .content = "a\0c", .size = 3},
         false},
        {{ASKING("POST", "api.test", "/"), .content = "a"},
         {ASKING("POST", "api.test", "/")},
         false},
        {{ASKING("POST", "api.test", "/")},
         {ASKING("POST", "api.test", "/"), .content = "a"},
         false},
        {{ASKING("POST", "api.test", "/"), .content = "abc"},
         {ASKING("POST", "api.test", "/"), .content = "abc", .sealed = true},
         true},
    };
    (void)state;
    examples(list, sizeof list / sizeof *list, NULL);
}

static size_t gzip(const char *text, int level, unsigned char out[256])
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)strlen(text);
    z.next_out = out;
    z.avail_out = 256;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return 256 - z.avail_out;
}

// Codings do not count, as long as they can be undone.
static void test_coded(void **state)
{
    unsigned char one[256], two[256];
    size_t n = gzip("{\"a\":1,\"b\":2}", 9, one), k = gzip("{\"b\":2,\"a\":1}", 0, two);
    const char *coded = JSON "Content-Encoding: gzip\r\n";
    struct example list[] = {
        {{ASKING("POST", "api.test", "/"), .head = coded, .content = (char *)one, .size = n},
         {ASKING("POST", "api.test", "/"), .head = coded, .content = (char *)two, .size = k},
         true},
        {{ASKING("POST", "api.test", "/"), .head = coded, .content = (char *)one, .size = n},
         {ASKING("POST", "api.test", "/"), .head = JSON, .content = "{\"a\":1,\"b\":2}"},
         true},
        {{ASKING("POST", "api.test", "/"), .head = coded, .content = (char *)one, .size = n},
         {ASKING("POST", "api.test", "/"), .head = JSON, .content = "{\"a\":1,\"b\":3}"},
         false},
        {{ASKING("POST", "api.test", "/"), .head = coded, .content = (char *)one, .size = n - 9},
         {ASKING("POST", "api.test", "/"), .head = coded, .content = (char *)one, .size = n - 9},
         true},
    };
    (void)state;
    examples(list, sizeof list / sizeof *list, NULL);
}

static void test_rules(void **state)
{
    static const char rules[] = "ignore: [header x-id, query.t, body.at, 'path[2]']\n"
                                "shape:\n"
                                "  body.id: uuid\n"
                                "  body.n: {is: number, method: PUT}\n"
                                "unordered: [body.tags]\n"
                                "tolerance: {body.price: 0.5}\n"
                                "match: {body.code: '^[a-c]+$'}\n";
    static const struct example list[] = {
        {{ASKING("GET", "api.test", "/"), .query = "t=1&a=1"},
         {ASKING("GET", "api.test", "/"), .query = "a=1&t=2"},
         true},
        {{ASKING("GET", "api.test", "/"), .query = "t=1&a=1"},
         {ASKING("GET", "api.test", "/"), .query = "a=1"},
         true},
        {{ASKING("GET", "api.test", "/"), .query = "t=1&a=1"},
         {ASKING("GET", "api.test", "/"), .query = "a=2&t=1"},
         false},
        {{ASKING("GET", "api.test", "/a/7")}, {ASKING("GET", "api.test", "/a/8")}, true},
        {{ASKING("GET", "api.test", "/a/7")}, {ASKING("GET", "api.test", "/b/7")}, false},
        {{ASKING("POST", "api.test", "/"), .content = "{\"at\":1,\"x\":1}"},
         {ASKING("POST", "api.test", "/"), .content = "{\"x\":1}"},
         true},
        {{ASKING("POST", "api.test", "/"),
          .content = "{\"id\":\"0190163d-8694-739b-aea5-966c26f8ad91\"}"},
         {ASKING("POST", "api.test", "/"),
          .content = "{\"id\":\"0190163d-8694-739b-aea5-966c26f8ad92\"}"},
         true},
        {{ASKING("POST", "api.test", "/"),
          .content = "{\"id\":\"0190163d-8694-739b-aea5-966c26f8ad91\"}"},
         {ASKING("POST", "api.test", "/"), .content = "{\"id\":\"another\"}"},
         false},
        {{ASKING("POST", "api.test", "/"), .content = "{\"n\":1}"},
         {ASKING("POST", "api.test", "/"), .content = "{\"n\":2}"},
         false},
        {{ASKING("PUT", "api.test", "/"), .content = "{\"n\":1}"},
         {ASKING("PUT", "api.test", "/"), .content = "{\"n\":2}"},
         true},
        {{ASKING("POST", "api.test", "/"), .content = "{\"tags\":[1,2]}"},
         {ASKING("POST", "api.test", "/"), .content = "{\"tags\":[2,1]}"},
         true},
        {{ASKING("POST", "api.test", "/"), .content = "{\"price\":1}"},
         {ASKING("POST", "api.test", "/"), .content = "{\"price\":1.5}"},
         true},
        {{ASKING("POST", "api.test", "/"), .content = "{\"price\":1}"},
         {ASKING("POST", "api.test", "/"), .content = "{\"price\":1.6}"},
         false},
        {{ASKING("POST", "api.test", "/"), .content = "{\"code\":\"abc\"}"},
         {ASKING("POST", "api.test", "/"), .content = "{\"code\":\"cba\"}"},
         true},
        {{ASKING("POST", "api.test", "/"), .content = "{\"code\":\"abc\"}"},
         {ASKING("POST", "api.test", "/"), .content = "{\"code\":\"abd\"}"},
         false},
    };
    (void)state;
    examples(list, sizeof list / sizeof *list, rules);
}

// What redaction replaced answers whatever stands there; what came from the recording as it is,
// too, and first.
static void test_redacted(void **state)
{
    static const struct example list[] = {
        {{ASKING("GET", "api.test", "/"), .query = "token=redacted:0123456789abcdef&a=1",
          .redacted = "query:token"},
         {ASKING("GET", "api.test", "/"), .query = "a=1&token=secret"},
         true},
        {{ASKING("GET", "api.test", "/"), .query = "token=redacted:0123456789abcdef&a=1",
          .redacted = "query:token"},
         {ASKING("GET", "api.test", "/"), .query = "a=2&token=secret"},
         false},
        {{ASKING("GET", "api.test", "/"), .query = "token=redacted:0123456789abcdef",
          .redacted = "query:token"},
         {ASKING("GET", "api.test", "/"), .query = "token=redacted:0123456789abcdef"},
         true},
        {{ASKING("POST", "api.test", "/"), .content = "{\"pw\":\"redacted:0123456789abcdef\"}",
          .redacted = "json:$.pw, header:set-cookie"},
         {ASKING("POST", "api.test", "/"), .content = "{\"pw\":17}"},
         true},
        {{ASKING("POST", "api.test", "/"), .content = "{\"pw\":\"redacted:0123456789abcdef\"}"},
         {ASKING("POST", "api.test", "/"), .content = "{\"pw\":17}"},
         false},
        {{ASKING("GET", "api.test", "/"), .head = "X-Key: redacted:0123456789abcdef\r\n",
          .redacted = "header:x-key"},
         {ASKING("GET", "api.test", "/"), .head = "X-Key: 1\r\n"},
         true},
    };
    static const char *const names[] = {"X-KEY"};
    (void)state;
    examples(list, sizeof list / sizeof *list, NULL);
    asking_begin(&a);
    asking_put(&a, &(struct asking_request){ASKING("GET", "api.test", "/"),
                                            .head = "X-Key: redacted:1\r\n",
                                            .redacted = "header:x-key"});
    asking_put(&a,
               &(struct asking_request){ASKING("GET", "api.test", "/"), .head = "X-Key: 7\r\n"});
    a.conf.headers = names;
    a.conf.n_headers = 1;
    asking_open(&a, NULL);
    struct asking_request r = {ASKING("GET", "api.test", "/"), .head = "X-Key: 7\r\n"};
    assert_int_equal(asking_take(&a, &r, NULL), 2);
    r.head = "x-key: 8\r\n";
    assert_int_equal(asking_take(&a, &r, NULL), 1);
    r.head = "";
    assert_int_equal(asking_take(&a, &r, NULL), 0);
    asking_close(&a);
    asking_end(&a);
}

static void test_headers(void **state)
{
    static const char *const names[] = {"x-tenant", "accept"};
    static const char *const never[] = {"Connection"};
    struct asking_request r = {ASKING("GET", "api.test", "/"),
                               .head = "X-Tenant: a\r\nX-Other: 1\r\n"};
    (void)state;
    asking_begin(&a);
    asking_put(&a, &r);
    a.conf.headers = names;
    a.conf.n_headers = 2;
    asking_open(&a, "shape: {header accept: number}");
    r.head = "X-Other: 2\r\nx-tenant:  a \r\n";
    assert_int_equal(asking_take(&a, &r, NULL), 1);
    r.head = "X-Tenant: b\r\n";
    assert_int_equal(asking_take(&a, &r, NULL), 0);
    r.head = "X-Tenant: a\r\nAccept: 1\r\n";
    assert_int_equal(asking_take(&a, &r, NULL), 0);
    asking_close(&a);
    a.conf.headers = never;
    a.conf.n_headers = 1;
    struct index_conf conf = {.captures = &a.capture, .n = 1, .match = &a.conf};
    assert_int_equal(index_build(&a.ix, &conf), CLI_FAILED);
    assert_null(a.ix);
    a.conf.headers = NULL;
    a.conf.n_headers = 0;
    asking_end(&a);
}

// Any host, for a workload that is asked by other names.
static void test_any_host(void **state)
{
    struct asking_request r = get;
    (void)state;
    asking_begin(&a);
    asking_put(&a, &r);
    a.conf.any_host = true;
    asking_open(&a, NULL);
    r.host = "localhost:1234";
    r.scheme = "https";
    assert_int_equal(asking_take(&a, &r, NULL), 1);
    asking_close(&a);
    asking_end(&a);
}

// Content beyond the ceiling by size and digest.
static void test_large(void **state)
{
    struct asking_request r = {ASKING("PUT", "api.test", "/"), .content = "{\"a\": 1, \"b\": 2}"};
    (void)state;
    asking_begin(&a);
    asking_put(&a, &r);
    a.conf.body_max = 10;
    asking_open(&a, "ignore: [query.t]");
    r.sealed = true;
    assert_int_equal(asking_take(&a, &r, NULL), 1);
    r.query = "t=1";
    assert_int_equal(asking_take(&a, &r, NULL), 1);
    r.content = "{\"a\": 1, \"b\": 3}";
    assert_int_equal(asking_take(&a, &r, NULL), 0);
    asking_close(&a);
    asking_end(&a);
}

// ---- what is left out, and what it costs

static void put_gets(int n)
{
    for (int i = 0; i < n; i++)
        asking_put(&a, &get);
}

static void test_sums(void **state)
{
    struct sample s;
    int64_t ids[SAMPLE_TXNS];
    struct capture c;
    struct index *ix;
    struct index_sums sums;
    struct match_conf conf = {0};
    size_t capture, file;
    (void)state;
    sample_standard(&s, ids);
    assert_int_equal(capture_find(&c, s.path), CLI_OK);
    struct index_conf all = {.captures = &c, .n = 1, .match = &conf};
    assert_int_equal(index_build(&ix, &all), CLI_OK);
    index_sums(ix, &sums);
    assert_int_equal(sums.transactions, SAMPLE_TXNS - 3);
    assert_int_equal(sums.talks, 1);
    assert_int_equal(sums.unanswered, 1);
    assert_int_equal(sums.by_proxy, 1);
    uint32_t form = index_find_id(ix, ids[SAMPLE_FORM]);
    assert_int_not_equal(form, INDEX_NONE);
    assert_int_equal(index_find_id(ix, ids[SAMPLE_SILENT]), INDEX_NONE);
    index_file(ix, index_entry(ix, form)->file, &capture, &file);
    assert_int_equal(capture + file, 0);
    assert_true(index_endpoints(ix) > 5);
    index_free(ix);
    struct filter *filter;
    size_t column;
    char why[WHY_MAX];
    assert_int_equal(filter_parse(VIEW_LIT("method = POST"), 0, &filter, &column, why), 0);
    all.filter = filter;
    assert_int_equal(index_build(&ix, &all), CLI_OK);
    index_sums(ix, &sums);
    assert_true(sums.transactions > 0 && sums.transactions < 5 && sums.talks == 0);
    index_free(ix);
    filter_free(filter);
    capture_clear(&c);
    sample_remove(&s);
}

// The usual case allocates nothing.
static void test_no_allocation(void **state)
{
    static const char *const names[] = {"host"};
    struct match_flow flow = {0};
    struct match_found found;
    (void)state;
    asking_begin(&a);
    put_gets(3);
    struct asking_request put = {ASKING("PUT", "api.test", "/x"), .head = JSON,
                                 .content = "{\"a\":1}"};
    asking_put(&a, &put);
    a.conf.headers = names;
    a.conf.n_headers = 1;
    asking_open(&a, "ignore: [body.t]");
    struct match_request r = asking_request(&a, &get);
    alloc_fail_at(1000000);
    assert_int_equal(match_take(a.m, &r, &flow, &found), 1);
    assert_int_equal(alloc_count(), 0);
    alloc_fail_end();
    r = asking_request(&a, &put);
    alloc_fail_at(1000000);
    assert_int_equal(match_take(a.m, &r, &flow, &found), 1);
    assert_int_equal(alloc_count(), 0);
    alloc_fail_end();
    asking_close(&a);
    asking_end(&a);
}

static void test_no_memory(void **state)
{
    struct asking_request r = {
        "PUT", "api.test", "/", "t=1", .content = "{\"a\":[1]}", .redacted = "json:$.a"};
    (void)state;
    asking_begin(&a);
    asking_put(&a, &r);
    asking_flow(&a);
    sample_raw(&a.sample, (const char *const[]){"hello", "you", NULL});
    asking_open(&a, "tolerance: {query.t: 1}");
    struct index_conf conf = {.captures = &a.capture, .n = 1, .match = &a.conf};
    for (long i = 0, failed = 1; failed; i++) {
        struct index *ix;
        alloc_fail_at(i);
        int code = index_build(&ix, &conf);
        failed = alloc_fail_end();
        assert_true(code == CLI_OK || failed);
        assert_true(code == CLI_OK || !ix);
        index_free(ix);
    }
    r.query = "t=2";
    struct match_request q = asking_request(&a, &r);
    for (long i = 0, failed = 1; failed; i++) {
        struct match_flow flow = {0};
        struct match_found found;
        struct match *m = match_new(a.ix);
        alloc_fail_at(i);
        int got = match_take(m, &q, &flow, &found);
        failed = alloc_fail_end();
        assert_true(got == 1 || (failed && (got == E_NOMEM || got == 0))); // 0: a file, told
        match_free(m);
    }
    asking_close(&a);
    asking_end(&a);
}

static size_t in_use(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

// A million entries, no two of them equal, stay below 120 MB.
static void test_memory(void **state)
{
    enum { N = 1000000 };
    struct match_conf conf = {0};
    struct index *ix = calloc(1, sizeof *ix);
    struct index_names *names = index_names_new();
    struct index_rows rows = {calloc(N, sizeof *rows.rows), N, N};
    uint64_t seed = RANDOM_SEED;
    struct match_request r = {.method = VIEW_LIT("GET"), .host = VIEW_LIT("api.test")};
    (void)state;
    ix->conf = &conf;
    ix->masks_n = 1;
    size_t before = in_use();
    for (int i = 0; i < N; i++) {
        struct index_row *row = &rows.rows[i];
        char route[32];
        snprintf(route, sizeof route, "/items/%d", i % 1000);
        row->entry = (struct index_entry){.id = i, .start_us = i, .n = (uint32_t)i % 50};
        row->flow = i / 50;
        row->raw = random_next(&seed);
        row->equal = random_next(&seed);
        row->has_raw = true;
        assert_int_equal(index_names_add(names, &r, view_of(route), &row->entry.endpoint), 0);
    }
    assert_int_equal(index_group_rows(ix, &rows), 0);
    assert_int_equal(index_names_end(names, ix), 0);
    index_names_free(names);
    size_t used = in_use() - before;
    struct index_sums sums;
    index_sums(ix, &sums);
    assert_true(sums.memory < 120 * 1000 * 1000);
#ifndef __SANITIZE_ADDRESS__
    assert_true(used < 120 * 1000 * 1000);
    assert_true(sums.memory > used * 9 / 10);
#endif
    (void)used;
    for (int i = 0; i < 100; i++) {
        const struct index_row *row = &rows.rows[random_next(&seed) % N];
        const struct group *g = index_raw(ix, row->raw);
        assert_ptr_equal(g, index_group(&ix->equal, row->equal));
        assert_int_equal(index_entry(ix, g->first)->id, row->entry.id);
        assert_null(index_raw(ix, row->raw ^ UINT64_C(1) << 40));
    }
    free(rows.rows);
    index_free(ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),         cmocka_unit_test(test_coded),
        cmocka_unit_test(test_rules),         cmocka_unit_test(test_redacted),
        cmocka_unit_test(test_headers),       cmocka_unit_test(test_any_host),
        cmocka_unit_test(test_large),         cmocka_unit_test(test_sums),
        cmocka_unit_test(test_no_allocation), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
