// The verdict: what results are counted as, what is gathered of them, its ceilings, and when it
// says that latency was not measured.
#include "tests/support/alloc.h"
#include "tests/support/results.h"
#include "tools/report/mend.h"
#include "tools/report/sums.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct verdict *fresh(void)
{
    struct verdict *v = verdict_new(0);
    assert_non_null(v);
    return v;
}

static const char *const price[][3] = {
    {"body.items[0].price", "1", "2"}, {"body.items[17].price", "3", "4"}, {NULL, NULL, NULL}};

// Each result is one thing; the sums of the parts are those of the whole.
static void check_sums(const struct verdict *v)
{
    uint64_t told = 0, missing = 0, different = 0;
    const struct sums_counts *c = &v->all.counts;
    assert_int_equal(c->told, c->equal + c->different + c->missing + c->uncompared + c->unsent);
    for (size_t i = 0; i <= VERDICT_ENDPOINTS; i++) {
        const struct sums_group *g = v->endpoints[i];
        told += g ? g->counts.told : 0;
        missing += g ? g->counts.missing : 0;
        different += g ? g->counts.different : 0;
    }
    if (v->without_memory == 0) {
        assert_int_equal(told, c->told);
        assert_int_equal(missing, c->missing);
        assert_int_equal(different, c->different);
    }
}

static void test_outcomes(void **state)
{
    struct verdict *v = fresh();
    static const struct differences none;
    (void)state;
    results_equal(v, results_one("GET", "/a", 0, 100));
    results_differ(v, results_one("GET", "/a", 0, 100), DIFFERENCE_VALUE, price);
    struct result r = results_one("GET", "/a", 0, 100);
    verdict_add(v, &r); // not compared
    r.kind = RESULT_CLOSED;
    verdict_add(v, &r);
    r.found = &none; // as in the recording: no error
    r.recorded_status = 0;
    verdict_add(v, &r);
    r.kind = RESULT_UNSENT;
    r.found = NULL;
    r.sent_us = -1;
    verdict_add(v, &r);
    verdict_planned(v, 10);
    verdict_end(v, 1000, NULL);
    const struct sums_counts *c = &v->all.counts;
    assert_int_equal(c->told, 6);
    assert_int_equal(c->sent, 5);
    assert_int_equal(c->answered, 3);
    assert_int_equal(c->equal, 2);
    assert_int_equal(c->different, 1);
    assert_int_equal(c->missing, 1);
    assert_int_equal(c->uncompared, 1);
    assert_int_equal(c->unsent, 1);
    assert_int_equal(c->kinds[RESULT_CLOSED], 1);
    assert_int_equal(sums_undone(v), 4);
    assert_int_equal(v->causes_n, 2);
    check_sums(v);
    verdict_free(v);
}

// Latency from the planned time and from the send; lateness, and what of it is ours.
static void test_times(void **state)
{
    struct verdict *v = fresh();
    (void)state;
    struct result r = results_one("GET", "/a", 1000, 500);
    r.ready_us = 6000; // its connection was busy until then
    r.sent_us = 6100;
    r.first_us = 6300;
    r.end_us = 6600;
    results_equal(v, r);
    verdict_end(v, 10000, NULL);
    assert_int_equal(histogram_at(&v->all.times.latency, 1), 5600);
    assert_int_equal(histogram_at(&v->all.times.sending, 1), 500);
    assert_int_equal(histogram_at(&v->first, 1), 200);
    assert_int_equal(histogram_at(&v->lateness, 1), 5100);
    assert_int_equal(histogram_at(&v->ours, 1), 100);
    assert_null(verdict_unmeasured(v));
    verdict_free(v);
}

// Items of an array are one place; of each answer an example; identifiers are one endpoint.
static void test_gathered(void **state)
{
    struct verdict *v = fresh();
    (void)state;
    for (int i = 0; i < 10; i++) {
        char path[32];
        snprintf(path, sizeof path, "/items/%d", i);
        results_differ(v, results_one("GET", path, i, 100), DIFFERENCE_VALUE, price);
    }
    results_differ(v, results_one("GET", "/items/9", 0, 100), DIFFERENCE_TYPE, price);
    verdict_end(v, 1000, NULL);
    assert_int_equal(v->endpoints_n, 1);
    assert_string_equal(v->endpoints[0]->name, "GET /items/{id}");
    assert_int_equal(v->gathered_n, 2);
    const struct sums_gathered *g = v->gathered[0];
    assert_string_equal(g->where, "body.items[*].price");
    assert_int_equal(g->count, 20);
    assert_int_equal(g->answers, 10);
    assert_int_equal(g->n, VERDICT_EXAMPLES);
    assert_string_equal(g->examples[0].left, "1");
    assert_string_equal(g->examples[0].right, "2");
    assert_int_equal(v->differences, 22);
    verdict_free(v);
}

// A protocol without methods, paths and statuses is told apart by its host.
static void test_raw(void **state)
{
    struct verdict *v = fresh();
    struct result r = results_one("", "", 0, 100);
    (void)state;
    r.protocol = VIEW_LIT("raw");
    r.host = VIEW_LIT("cache:6379");
    r.status = r.recorded_status = 0;
    results_equal(v, r);
    r.status = 999;
    results_equal(v, r);
    assert_string_equal(v->endpoints[0]->name, "raw cache:6379");
    assert_int_equal(v->all.counts.odd_statuses, 1);
    verdict_free(v);
}

// What a list had no room for is counted, and said to be left out.
static void test_more_than_listed(void **state)
{
    struct verdict *v = fresh();
    struct differences found;
    struct result r = results_one("GET", "/a", 0, 100);
    int e;
    (void)state;
    differences_init(&found, 1);
    for (int i = 0; i < 5; i++)
        differences_add(&found, DIFFERENCE_VALUE, &e);
    r.found = &found;
    verdict_add(v, &r);
    assert_int_equal(v->differences, 5);
    assert_int_equal(v->left_out, 4);
    differences_clear(&found);
    verdict_free(v);
}

// Endpoints, places, services and causes beyond the ceilings are counted together.
static void test_ceilings(void **state)
{
    struct verdict *v = fresh();
    char path[64], service[32], reason[32];
    (void)state;
    for (int i = 0; i < VERDICT_ENDPOINTS + 100; i++) {
        snprintf(path, sizeof path, "/x%dx", i);
        snprintf(service, sizeof service, "s%d:80", i % (VERDICT_SERVICES + 10));
        snprintf(reason, sizeof reason, "reason %d", i);
        struct result r = results_one("GET", path, 0, 100);
        r.service = view_of(service);
        r.kind = RESULT_CLOSED;
        r.reason = reason;
        verdict_add(v, &r);
    }
    for (int i = 0; i < VERDICT_GATHERED + 50; i++) {
        char where[64];
        snprintf(where, sizeof where, "body.key%d", i);
        const char *const places[][3] = {{where, "a", "b"}, {NULL, NULL, NULL}};
        results_differ(v, results_one("GET", "/x0x", 0, 100), DIFFERENCE_VALUE, places);
    }
    verdict_end(v, 1000, NULL);
    assert_int_equal(v->endpoints_n, VERDICT_ENDPOINTS);
    assert_string_equal(v->endpoints[VERDICT_ENDPOINTS]->name, "(others)");
    assert_int_equal(v->services_n, VERDICT_SERVICES);
    assert_non_null(v->services[VERDICT_SERVICES]);
    assert_int_equal(v->gathered_n, VERDICT_GATHERED);
    assert_true(v->left_out > 0);
    assert_int_equal(v->causes_n, VERDICT_CAUSES + 1);
    assert_string_equal(v->causes[VERDICT_CAUSES].reason, "other reasons");
    assert_int_equal(v->causes[VERDICT_CAUSES].count, VERDICT_ENDPOINTS);
    check_sums(v);
    verdict_free(v);
}

// A run of any length keeps its buckets; the sums over them stay.
static void test_series(void **state)
{
    static const int64_t at[] = {0, 5000, 1999999, 2000000, 60000000, INT64_C(86400000000) * 800};
    struct verdict *v = fresh();
    uint32_t planned = 0, answered = 0;
    (void)state;
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        results_equal(v, results_one("GET", "/", at[i], 1000));
    for (int i = 0; i < v->series.used; i++) {
        planned += v->series.buckets[i].planned;
        answered += v->series.buckets[i].answered;
    }
    assert_int_equal(planned, sizeof at / sizeof *at);
    assert_int_equal(answered, sizeof at / sizeof *at);
    assert_in_range(v->series.used, 100, SERIES_BUCKETS);
    verdict_free(v);
}

static void test_spread(void **state)
{
    static struct series_spread s;
    (void)state;
    assert_int_equal(series_spread_at(&s, 0.5), 0);
    for (int64_t us = 1; us <= 100000; us++)
        series_spread_add(&s, us);
    for (int p = 1; p < 100; p++) {
        double got = (double)series_spread_at(&s, p / 100.0), want = p * 1000.0;
        assert_true(got > want * 0.93 && got < want * 1.07);
    }
    assert_int_equal(series_spread_at(&s, 1), 100000);
    series_spread_add(&s, INT64_MAX);
    assert_true(series_spread_at(&s, 1) == INT64_MAX);
}

// One send in a hundred may be late by ours; more, or a loop that is blind, is no measurement. What
// a send waits for its connection is no fault of ours.
static void test_unmeasured(void **state)
{
    static const struct {
        int late;
        int64_t turns;
        bool waited, measured;
    } cases[] = {
        {10, 0, false, true}, {11, 0, false, false}, {500, 0, true, true},
        {0, 1, false, true},  {0, 2, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict *v = fresh();
        for (int k = 0; k < 1000; k++) {
            struct result r = results_one("GET", "/", k * 1000, 100);
            if (k < cases[i].late) {
                r.sent_us += 10000;
                r.first_us = r.end_us = r.sent_us + 100;
            }
            if (cases[i].waited)
                r.ready_us = r.sent_us - 10;
            results_equal(v, r);
        }
        for (int k = 0; k < cases[i].turns; k++)
            verdict_turn(v, GENERATOR_LATE_US);
        verdict_turn(v, GENERATOR_LATE_US - 1);
        verdict_end(v, 1000000, NULL);
        assert_int_equal(verdict_unmeasured(v) == NULL, cases[i].measured);
        verdict_free(v);
    }
}

// Without memory a result is counted all the same, and never more than once.
static void test_no_memory(void **state)
{
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        alloc_fail_at(i);
        struct verdict *v = results_run(RESULTS_CHANGED | RESULTS_ERRORS | RESULTS_HOSTILE, 70);
        failed = alloc_fail_end();
        if (!v)
            continue;
        assert_int_equal(v->all.counts.told, 72);
        check_sums(v);
        if (!failed)
            assert_int_equal(v->without_memory, 0);
        verdict_free(v);
    }
}

static void test_line(void **state)
{
    struct verdict *v = fresh();
    char line[VERDICT_LINE];
    (void)state;
    assert_string_equal(verdict_line(v, 1000000, -1, line),
                        "0 sent  0/s  0 errors  0 mismatches  late p99 -");
    for (int i = 0; i < 1500; i++)
        results_equal(v, results_one("GET", "/", i * 1000, 100));
    results_differ(v, results_one("GET", "/", 1, 100), DIFFERENCE_VALUE, price);
    assert_string_equal(verdict_line(v, 2000000, 425, line),
                        "42.5 %  1,501 sent  1,501/s  0 errors  1 mismatches  late p99 40us");
    assert_string_equal(verdict_line(v, 3000000, 425, line),
                        "42.5 %  1,501 sent  0/s  0 errors  1 mismatches  late p99 40us");
    verdict_free(v);
}

static void test_mend(void **state)
{
    static const struct {
        const char *in, *out;
        size_t size;
    } cases[] = {
        {"", "", 8},
        {"abc", "abc", 8},
        {"abcdefg", "abcdefg", 8},
        {"abcdefgh", "abcd…", 8},
        {"äöüß", "äö…", 8},
        {"a\nb\x1b\x7f",
         "a\xef\xbf\xbd"
         "b\xef\xbf\xbd\xef\xbf\xbd",
         40},
        {"\xff\xe2\x80\xae", "\xef\xbf\xbd\xef\xbf\xbd", 40},
    };
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = mend(view_of(cases[i].in), out, cases[i].size);
        assert_string_equal(out, cases[i].out);
        assert_int_equal(n, strlen(out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_gathered),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_more_than_listed),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_series),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_unmeasured),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_mend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
