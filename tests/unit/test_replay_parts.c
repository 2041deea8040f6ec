// The pure parts of a replay: alarms, schedules, heads for a target.
#include "tests/support/random.h"
#include "tools/replay/alarm.h"
#include "tools/replay/request.h"
#include "tools/replay/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// ---- alarms

#define ALARMS 300

static struct alarms alarms;
static struct alarm all[ALARMS];
static int64_t last_fired;
static size_t fired;

static void fire(struct alarm *a)
{
    assert_true(a->at_us >= last_fired);
    assert_false(alarm_is_set(a));
    last_fired = a->at_us;
    fired++;
}

static void test_alarms_fire_in_their_order(void **state)
{
    uint64_t r = RANDOM_SEED;
    size_t set = 0;
    (void)state;
    assert_int_equal(alarms_reserve(&alarms, ALARMS), 0);
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < ALARMS; i++) {
            all[i].fire = fire;
            uint64_t what = random_next(&r) % 4;
            if (what == 0)
                alarm_unset(&alarms, &all[i]);
            else
                alarm_set(&alarms, &all[i], round * 1000 + (int64_t)(random_next(&r) % 1000));
        }
        set = 0;
        int64_t least = ALARM_NEVER;
        for (size_t i = 0; i < ALARMS; i++) {
            set += alarm_is_set(&all[i]) ? 1 : 0;
            if (alarm_is_set(&all[i]) && all[i].at_us < least)
                least = all[i].at_us;
        }
        assert_int_equal(alarms_next(&alarms), least);
        last_fired = 0;
        fired = 0;
        alarms_turn(&alarms, round * 1000 + 499);
        size_t early = fired;
        alarms_turn(&alarms, round * 1000 + 999);
        assert_true(early > 0 && early < fired);
        assert_int_equal(fired, set);
        assert_int_equal(alarms_next(&alarms), ALARM_NEVER);
    }
    alarms_clear(&alarms);
}

// ---- schedules

static void test_speeds(void **state)
{
    struct schedule s;
    char why[WHY_MAX];
    (void)state;
    assert_int_equal(schedule_speed(&s, VIEW_LIT("1"), why), 0);
    assert_int_equal(schedule_span(&s, 123456789), 123456789);
    assert_int_equal(schedule_speed(&s, VIEW_LIT("0.5"), why), 0);
    assert_int_equal(schedule_span(&s, 1000), 2000);
    assert_int_equal(schedule_speed(&s, VIEW_LIT("10x"), why), 0);
    assert_int_equal(schedule_span(&s, 1000), 100);
    assert_int_equal(schedule_speed(&s, VIEW_LIT("max"), why), 0);
    assert_int_equal(s.kind, SCHEDULE_AT_ONCE);
    assert_int_equal(schedule_span(&s, 1000), 0);
    static const char *const wrong[] = {"",  "0",     "-1",   "1e3",      "fast",     ".",
                                        "x", "1.2.3", "maxi", "10000000", "0.0000001"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_not_equal(schedule_speed(&s, view_of(wrong[i]), why), 0);
        assert_non_null(strstr(why, "or max"));
    }
}

static void test_rates(void **state)
{
    struct schedule s;
    char why[WHY_MAX];
    (void)state;
    assert_int_equal(schedule_rate(&s, VIEW_LIT("100"), why), 0);
    assert_int_equal(schedule_at(&s, 0), 0);
    assert_int_equal(schedule_at(&s, 1), 10000);
    assert_int_equal(schedule_at(&s, 1000000), 10000000000);
    assert_true(schedule_count(&s) == UINT64_MAX);
    assert_int_equal(schedule_rate(&s, VIEW_LIT("30/m"), why), 0);
    assert_int_equal(schedule_at(&s, 3), 6000000);
    assert_int_equal(schedule_span(&s, 77), 77);
    static const char *const wrong[] = {"", "0", "5/d", "/s", "100/", "-3", "20000000"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_not_equal(schedule_rate(&s, view_of(wrong[i]), why), 0);
}

static void test_stages(void **state)
{
    struct schedule s;
    char why[WHY_MAX];
    (void)state;
    assert_int_equal(schedule_stages(&s, VIEW_LIT("10s@100, 1m@1000"), why), 0);
    assert_int_equal(schedule_length(&s), 70000000);
    assert_int_equal(schedule_count(&s), 1000 + 60000);
    assert_int_equal(schedule_at(&s, 999), 9990000);
    assert_int_equal(schedule_at(&s, 1000), 10000000);
    assert_int_equal(schedule_at(&s, 1001), 10001000);
    assert_true(schedule_at(&s, 61000) == SCHEDULE_END);
    static const char *const wrong[] = {"", "10s", "@5", "10@5", "10s@5,", "10s@0", "0s@5"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_not_equal(schedule_stages(&s, view_of(wrong[i]), why), 0);
        assert_non_null(strstr(why, "DURATION@RATE"));
    }
    char many[SCHEDULE_STAGES * 8 + 16] = "1s@1";
    for (int i = 0; i < SCHEDULE_STAGES; i++)
        memcpy(many + 4 + 5 * i, ",1s@1", 6);
    assert_int_equal(schedule_stages(&s, view_of(many), why), E_LIMIT);
}

// ---- heads

static void head(const char *in, const char *host, const char *prefix, const char *wanted)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(request_head(view_of(in), host, prefix, &out), 0);
    if (!view_eq(buf_view(&out), view_of(wanted)))
        fail_msg("%s became %.*s", in, (int)buf_len(&out), buf_view(&out).p);
    buf_clear(&out);
}

static void test_heads_go_to_their_target(void **state)
{
    (void)state;
    head("GET /a?b=c HTTP/1.1\r\nhOsT:   old:80  \r\nX: y\r\n\r\n", "new", "",
         "GET /a?b=c HTTP/1.1\r\nhOsT: new\r\nX: y\r\n\r\n");
    head("GET /a HTTP/1.1\r\nHost: old\r\n\r\n", "new:81", "/v2",
         "GET /v2/a HTTP/1.1\r\nHost: new:81\r\n\r\n");
    head("GET /a HTTP/1.1\r\nHost: old\r\n\r\n", NULL, "", "GET /a HTTP/1.1\r\nHost: old\r\n\r\n");
    head("GET http://old/a?x HTTP/1.1\r\nHost: old\r\n\r\n", "new", "/p",
         "GET /p/a?x HTTP/1.1\r\nHost: new\r\n\r\n");
    head("GET http://old HTTP/1.1\r\n\r\n", "new", "", "GET / HTTP/1.1\r\n\r\n");
    head("GET HTTPS://old?q HTTP/1.1\r\n\r\n", "new", "", "GET /?q HTTP/1.1\r\n\r\n");
    head("GET http://old/a HTTP/1.1\r\nHost: old\r\n\r\n", NULL, "",
         "GET http://old/a HTTP/1.1\r\nHost: old\r\n\r\n");
    head("OPTIONS * HTTP/1.1\r\nHost: old\r\n\r\n", "new", "/p",
         "OPTIONS * HTTP/1.1\r\nHost: new\r\n\r\n");
    head("GET / HTTP/1.0\n\n", "new", "", "GET / HTTP/1.0\n\n");
    head("GET / HTTP/1.1\nHost: old\nno colon\n\n", "new", "",
         "GET / HTTP/1.1\nHost: new\nno colon\n\n");
    head("nonsense", "new", "/p", "nonsense");
    head("", "new", "/p", "");
}

static void length(const char *in, const char *wanted)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(request_length(view_of(in), 1234, &out), 0);
    if (!view_eq(buf_view(&out), view_of(wanted)))
        fail_msg("%s became %.*s", in, (int)buf_len(&out), buf_view(&out).p);
    buf_clear(&out);
}

static void test_lengths_follow_content(void **state)
{
    (void)state;
    length("PUT http://a/b HTTP/1.1\r\ncontent-LENGTH:7\r\nHost: a\r\n\r\n",
           "PUT http://a/b HTTP/1.1\r\ncontent-LENGTH: 1234\r\nHost: a\r\n\r\n");
    length("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    length("", "");
}

static void test_heads_have_a_ceiling(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 20);
    assert_int_equal(
        request_length(VIEW_LIT("PUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\n"), 2, &out), E_LIMIT);
    buf_clear(&out);
    buf_init(&out, 20);
    assert_int_equal(
        request_head(VIEW_LIT("GET /a HTTP/1.1\r\nHost: old\r\n\r\n"), "new", "", &out), E_LIMIT);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alarms_fire_in_their_order),
        cmocka_unit_test(test_speeds),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_heads_go_to_their_target),
        cmocka_unit_test(test_lengths_follow_content),
        cmocka_unit_test(test_heads_have_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
