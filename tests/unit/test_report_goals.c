// Goals: what is accepted, what is said of what is not, and when they are missed.
#include "tests/support/results.h"
#include "tools/report/form.h"
#include "tools/report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct goals goals;
static char why[WHY_MAX];

static void test_accepted(void **state)
{
    static const struct {
        const char *text;
        enum goal_op op;
        double limit;
        const char *scope;
    } cases[] = {
        {"latency.p95 > 50ms", GOAL_ABOVE, 50000, ""},
        {"  latency.p99.9>=1.5s  ", GOAL_AT_LEAST, 1500000, ""},
        {"latency-sent.max < 100us", GOAL_BELOW, 100, ""},
        {"first.mean <= 2s", GOAL_AT_MOST, 2000000, ""},
        {"mismatch.rate > 1%", GOAL_ABOVE, 0.01, ""},
        {"mismatch.rate > 0.5 %", GOAL_ABOVE, 0.005, ""},
        {"error.rate > 0.25", GOAL_ABOVE, 0.25, ""},
        {"errors > 0", GOAL_ABOVE, 0, ""},
        {"errors.timeout == 3", GOAL_EQUAL, 3, ""},
        {"status.5xx != 0", GOAL_OTHER, 0, ""},
        {"status.404.rate > 1%", GOAL_ABOVE, 0.01, ""},
        {"lateness.p99 > 5ms", GOAL_ABOVE, 5000, ""},
        {"latency.p99[GET /items/{id}] > 10ms", GOAL_ABOVE, 10000, "GET /items/{id}"},
        {"latency.p99 [ GET /a[b]c ] > 10ms", GOAL_ABOVE, 10000, "GET /a[b]c"},
        {"requests[api:80] < 10", GOAL_BELOW, 10, "api:80"},
        {"rate < 100/s", GOAL_BELOW, 100, ""},
        {"rate < 99.5", GOAL_BELOW, 99.5, ""},
        {"throughput < 10MiB/s", GOAL_BELOW, 10 << 20, ""},
        {"received-bytes = 1k", GOAL_EQUAL, 1024, ""},
        {"duration > 1m", GOAL_ABOVE, 60000000, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        goals.n = 0;
        int e = goals_add(&goals, view_of(cases[i].text), why);
        if (e)
            fprintf(stderr, "%s: %s\n", cases[i].text, why);
        assert_int_equal(e, 0);
        assert_int_equal(goals.items[0].op, cases[i].op);
        assert_true(goals.items[0].limit == cases[i].limit);
        assert_string_equal(goals.items[0].scope, cases[i].scope);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "goal '', column 1: a measure is missing, as in 'latency.p95 > 50ms'"},
        {"> 5", "goal '> 5', column 1: a measure is missing, as in 'latency.p95 > 50ms'"},
        {"latncy.p95 > 5ms",
         "goal 'latncy.p95 > 5ms', column 1: there is no measure 'latncy.p95'; did you mean "
         "latency.STAT (p50, p99.9 or another percentile, min, mean or max)?"},
        {"mismatches.rate > 1%",
         "goal 'mismatches.rate > 1%', column 1: there is no measure 'mismatches.rate'; did you "
         "mean mismatch.rate?"},
        {"wonderful > 1%",
         "goal 'wonderful > 1%', column 1: there is no measure 'wonderful'; tapedeck help goals "
         "lists them"},
        {"latency.p101 > 5ms",
         "goal 'latency.p101 > 5ms', column 9: 'p101' is not allowed after 'latency.': allowed are "
         "p50, p99.9 or another percentile, min, mean or max"},
        {"errors.bad > 0",
         "goal 'errors.bad > 0', column 8: 'bad' is not allowed after 'errors.': allowed are "
         "closed, timeout, refused or garbage"},
        {"status.6xx > 0",
         "goal 'status.6xx > 0', column 8: '6xx' is not allowed after 'status.': allowed are a "
         "status from 100 to 599, or a class from 1xx to 5xx"},
        {"errors", "goal 'errors', column 7: one of > >= < <= = != is due, or an endpoint in "
                   "brackets; here it ends"},
        {"errors ~ 1", "goal 'errors ~ 1', column 8: one of > >= < <= = != is due, or an endpoint "
                       "in brackets"},
        {"errors > ", "goal 'errors > ', column 10: errors takes a number, as 0 or 12, not "
                      "nothing"},
        {"errors > many",
         "goal 'errors > many', column 10: errors takes a number, as 0 or 12, not 'many'"},
        {"latency.p95 > 50",
         "goal 'latency.p95 > 50', column 15: latency.STAT takes a duration, as 50ms or 1.5s, not "
         "'50'"},
        {"mismatch.rate > 3",
         "goal 'mismatch.rate > 3', column 17: mismatch.rate takes a share, as 1% or 0.01, not "
         "'3'"},
        {"errors > 1 2", "goal 'errors > 1 2', column 10: errors takes a number, as 0 or 12, not "
                         "'1 2'"},
        {"errors[GET / > 1", "goal 'errors[GET / > 1', column 7: the ']' to this '[' is missing"},
        {"errors[] > 1", "goal 'errors[] > 1', column 7: an endpoint or a service belongs between "
                         "the brackets, as in [GET /items/{id}]"},
        {"duration[GET /] > 1s",
         "goal 'duration[GET /] > 1s', column 9: duration is of the whole run: no endpoint may "
         "follow"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        goals.n = 0;
        assert_true(goals_add(&goals, view_of(cases[i].text), why) < 0);
        assert_string_equal(why, cases[i].why);
        assert_int_equal(goals.n, 0);
    }
    char text[2 * GOAL_TEXT];
    memset(text, 'a', sizeof text);
    assert_int_equal(goals_add(&goals, view_n(text, sizeof text), why), E_LIMIT);
    for (int i = 0; i < GOALS_MAX; i++)
        assert_int_equal(goals_add(&goals, VIEW_LIT("errors > 0"), why), 0);
    assert_int_equal(goals_add(&goals, VIEW_LIT("errors > 0"), why), E_LIMIT);
    assert_string_equal(why, "more than 100 goals");
}

// The figure that a goal finds, as text; "missed" or "met" before it.
static void found(const struct verdict *v, const char *text, const char *want)
{
    char figure[SUMS_REASON], got[SUMS_REASON + 16];
    goals.n = 0;
    assert_int_equal(goals_add(&goals, view_of(text), why), 0);
    int missed = goals_judge(&goals, v, -1);
    assert_int_equal(missed, goals.items[0].missed);
    snprintf(got, sizeof got, "%s %s", missed ? "missed" : "met",
             form_found(&goals.items[0], figure));
    if (strcmp(got, want) != 0)
        fprintf(stderr, "%s: %s\n", text, got);
    assert_string_equal(got, want);
}

static void test_judged(void **state)
{
    struct verdict *v = results_run(RESULTS_CHANGED | RESULTS_ERRORS, 1000);
    (void)state;
    assert_non_null(v);
    found(v, "requests > 999", "missed 1,000");
    found(v, "requests > 1000", "met 1,000");
    found(v, "requests >= 1000", "missed 1,000");
    found(v, "requests < 1000", "met 1,000");
    found(v, "requests <= 1000", "missed 1,000");
    found(v, "requests = 1000", "missed 1,000");
    found(v, "requests != 1000", "met 1,000");
    found(v, "mismatches > 0", "missed 215");
    found(v, "different > 200", "met 200");
    found(v, "equal < 780", "met 780");
    found(v, "mismatch.rate > 30%", "met 21.61 %");
    found(v, "errors > 0", "missed 15");
    found(v, "errors.timeout > 0", "missed 10");
    found(v, "errors.refused > 5", "met 5");
    found(v, "error.rate > 1%", "missed 1.50 %");
    found(v, "unsent > 0", "missed 5");
    found(v, "status.5xx > 0", "met 0");
    found(v, "status.201 > 0", "missed 50");
    found(v, "status.2xx.rate < 100%", "met 100.00 %");
    found(v, "status.201.rate > 10%", "met 5.10 %");
    found(v, "sent < 990", "met 990");
    found(v, "rate < 900/s", "met 985/s");
    found(v, "throughput < 1MiB/s", "missed 857k/s");
    found(v, "sent-bytes > 0", "missed 117k");
    found(v, "duration > 2s", "met 1.00s");
    found(v, "lateness.p50 > 1ms", "met 186us");
    found(v, "lateness-own.max > 1ms", "met 339us");
    found(v, "latency.min < 1us", "met 846us");
    found(v, "requests[GET /items/{id}] > 0", "missed 429");
    found(v, "requests[GET /items*] > 0", "missed 572");
    found(v, "requests[status:8081] > 0", "missed 143");
    found(v, "requests[*:*] != 1000", "met 1,000");
    found(v, "requests[GET /nowhere] > 0",
          "missed not measured: no request of the run was for 'GET /nowhere'");
    found(v, "new-mismatches > 0", "missed not measured: there is no --baseline");
    verdict_free(v);
}

// A figure that was not measured is no figure, neither good nor bad.
static void test_unmeasured(void **state)
{
    struct verdict *v = results_run(RESULTS_SLOW, 200);
    (void)state;
    assert_non_null(v);
    found(v, "latency.p50 > 1h",
          "missed not measured: the generator was the bottleneck: 10.0 % of the sends went 10 ms "
          "or more later than they could have");
    found(v, "latency-sent.p50[GET /items] > 1h",
          "missed not measured: the generator was the bottleneck: 10.0 % of the sends went 10 ms "
          "or more later than they could have");
    found(v, "errors > 0", "met 0");
    found(v, "lateness-own.p99 > 1s", "met 25.2ms");
    verdict_free(v);
    v = verdict_new(0);
    assert_non_null(v);
    verdict_end(v, 0, NULL);
    found(v, "latency.p50 > 1h", "missed not measured: nothing was answered");
    found(v, "mismatch.rate > 1%", "missed not measured: nothing was compared");
    found(v, "rate < 1", "missed not measured: nothing was sent");
    found(v, "recorded.p50 > 1h", "missed not measured: no answer was recorded");
    verdict_free(v);
}

// Without goals: nothing differs, nothing failed; and what was not compared is not held against it.
static void test_defaults(void **state)
{
    struct judged j;
    (void)state;
    static const struct {
        unsigned what;
        int code, missed;
    } cases[] = {{0, REPORT_PASSED, 0},
                 {RESULTS_CHANGED, REPORT_MISSED, 1},
                 {RESULTS_ERRORS, REPORT_MISSED, 3},
                 {RESULTS_SLOW, REPORT_PASSED, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict *v = results_run(cases[i].what, 200);
        goals.n = 0;
        assert_non_null(v);
        assert_int_equal(judge(&j, v, &goals, NULL), 0);
        assert_int_equal(j.code, cases[i].code);
        assert_int_equal(j.missed, cases[i].missed);
        verdict_free(v);
    }
    struct verdict *v = verdict_new(0);
    struct result r = results_one("GET", "/", 0, 100);
    assert_non_null(v);
    goals.n = 0;
    verdict_add(v, &r);
    verdict_end(v, 1000, NULL);
    assert_int_equal(judge(&j, v, &goals, NULL), 0);
    assert_int_equal(j.code, REPORT_PASSED);
    verdict_free(v);
}

// A run that was stopped, or that had nothing to send, has not passed.
static void test_not_run(void **state)
{
    struct judged j;
    struct verdict *v = verdict_new(0);
    (void)state;
    assert_non_null(v);
    goals.n = 0;
    verdict_end(v, 0, NULL);
    assert_int_equal(judge(&j, v, &goals, NULL), 0);
    assert_int_equal(j.code, REPORT_NOT_RUN);
    assert_string_equal(j.why, "there was no request to send; 0 requests");
    verdict_free(v);
    v = results_run(0, 20);
    assert_non_null(v);
    verdict_planned(v, 50);
    verdict_end(v, 20000, "interrupted");
    assert_int_equal(judge(&j, v, &goals, NULL), 0);
    assert_int_equal(j.code, REPORT_NOT_RUN);
    assert_string_equal(j.word, "stopped");
    assert_string_equal(j.why, "interrupted; 20 requests: 20 equal, 30 not come to");
    verdict_free(v);
}

// Help lists every measure; the limits it tells of are taken.
static void test_help(void **state)
{
    const char *list = goals_list();
    (void)state;
    assert_non_null(list);
    for (const struct measure *m = measures; m->name; m++) {
        char line[80], text[GOAL_TEXT];
        snprintf(line, sizeof line, " %-18s ", m->name);
        assert_non_null(strstr(list, line));
        const char *example = strstr(measure_allowed(m->unit), "as ") + 3;
        size_t n = strcspn(example, " ");
        const char *word = strpbrk(m->name, "SKC");
        snprintf(text, sizeof text, "%.*s%s%s > %.*s",
                 word ? (int)(word - m->name) : (int)strlen(m->name), m->name,
                 !word                     ? ""
                 : m->word == MEASURE_STAT ? "p50"
                 : m->word == MEASURE_KIND ? "closed"
                                           : "5xx",
                 strstr(m->name, "CODE.") ? ".rate" : "", (int)n, example);
        goals.n = 0;
        assert_int_equal(goals_add(&goals, view_of(text), why), 0);
        assert_ptr_equal(goals.items[0].measure, m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_judged),   cmocka_unit_test(test_unmeasured),
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_not_run),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
