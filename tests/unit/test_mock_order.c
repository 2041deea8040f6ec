// In which order recorded requests answer, of several that are equal.
#include "tests/support/asking.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct asking a;

static const struct asking_request get = {ASKING("GET", "api.test", "/x"), .query = "a=1&b=2"};

static void put_gets(int n)
{
    for (int i = 0; i < n; i++)
        asking_put(&a, &get);
}

static void expect(struct match_flow *flow, const char *turns)
{
    for (; *turns; turns++) {
        int got = asking_take(&a, &get, flow);
        if (got != *turns - '0')
            fail_msg("%d, and not %s", got, turns);
    }
}

static void test_repeat(void **state)
{
    static const char *const turns[] = {"123333", "12312312", "123000"};
    (void)state;
    for (int repeat = MATCH_LAST; repeat <= MATCH_FAIL; repeat++) {
        struct match_flow flow = {0};
        asking_begin(&a);
        put_gets(3);
        a.conf.repeat = (enum match_repeat)repeat;
        asking_open(&a, NULL);
        expect(&flow, turns[repeat]);
        asking_close(&a);
        asking_open(&a, NULL); // each in a flow of its own
        expect(NULL, turns[repeat]);
        asking_close(&a);
        asking_end(&a);
    }
}

// Live flows keep to the recorded flows that they met first.
static void test_flows(void **state)
{
    struct match_flow one = {0}, two = {0};
    static const struct asking_request login = {ASKING("POST", "api.test", "/login")};
    (void)state;
    asking_begin(&a);
    asking_put(&a, &login); // 1
    put_gets(2);            // 2, 3
    asking_flow(&a);
    asking_put(&a, &login); // 4
    put_gets(2);            // 5, 6
    asking_open(&a, NULL);
    assert_int_equal(asking_take(&a, &login, &one), 1);
    assert_int_equal(asking_take(&a, &login, &two), 4);
    expect(&two, "5");
    expect(&one, "2");
    expect(&two, "6");
    expect(&two, "3");  // of its own flow none is left: the oldest
    expect(&one, "3");  // all are used: its own flow goes on
    expect(&one, "66"); // it has no more: the last
    match_take_this(a.m, index_find_id(a.ix, a.ids[1]), &two);
    assert_int_equal(asking_take(&a, &login, NULL), 4);
    asking_close(&a);
    asking_end(&a);
}

// A client that says a whole flow once more hears it once more, also while another does.
static void test_once_more(void **state)
{
    static const struct asking_request login = {ASKING("POST", "api.test", "/login")};
    struct match_flow one = {0}, two = {0}, three = {0};
    (void)state;
    asking_begin(&a);
    asking_put(&a, &login); // 1
    put_gets(3);            // 2, 3, 4
    asking_open(&a, NULL);
    assert_int_equal(asking_take(&a, &login, &one), 1);
    expect(&one, "23444");
    assert_int_equal(asking_take(&a, &login, &two), 1);
    expect(&two, "2");
    assert_int_equal(asking_take(&a, &login, &three), 1);
    expect(&three, "23");
    expect(&two, "344");
    expect(&three, "44");
    expect(NULL, "44"); // of no flow: the last
    asking_close(&a);
    asking_end(&a);
}

// Equal ones come before those that are equal under rules, unless these are next in the flow.
static void test_preference(void **state)
{
    struct asking_request r = {ASKING("GET", "api.test", "/poll"), .query = "t=1"};
    struct match_flow flow = {0};
    (void)state;
    asking_begin(&a);
    for (int i = 1; i <= 3; i++) { // 1, 2, 3
        r.query = i == 1 ? "t=1" : i == 2 ? "t=2" : "t=3";
        asking_put(&a, &r);
    }
    asking_open(&a, "ignore: [query.t]");
    r.query = "t=2";
    assert_int_equal(asking_take(&a, &r, &flow), 2);
    assert_int_equal(asking_take(&a, &r, &flow), 3); // the same flow goes on
    assert_int_equal(asking_take(&a, &r, &flow), 2); // equal, again
    assert_int_equal(asking_take(&a, &r, NULL), 2);
    r.query = "t=9";
    assert_int_equal(asking_take(&a, &r, NULL), 1); // the one that was not used
    assert_int_equal(asking_take(&a, &r, NULL), 3); // the newest
    asking_close(&a);
    asking_open(&a, "tolerance: {query.t: 5}"); // hashes cannot say
    r.query = "t=2";
    assert_int_equal(asking_take(&a, &r, NULL), 2);
    r.query = "t=4";
    assert_int_equal(asking_take(&a, &r, NULL), 1);
    assert_int_equal(asking_take(&a, &r, NULL), 3);
    assert_int_equal(asking_take(&a, &r, NULL), 3);
    r.query = "t=99";
    assert_int_equal(asking_take(&a, &r, NULL), 0);
    asking_close(&a);
    a.conf.repeat = MATCH_CYCLE;
    asking_open(&a, "tolerance: {query.t: 5}");
    r.query = "t=4";
    for (int i = 0; i < 9; i++)
        assert_int_equal(asking_take(&a, &r, NULL), i % 3 + 1);
    asking_close(&a);
    asking_end(&a);
}

static struct match_request live;

static void *asker(void *arg)
{
    struct match *m = arg;
    struct match_found found;
    struct match_flow flow = {0};
    uintptr_t sum = 0;
    for (int i = 0; i < 300; i++)
        sum += match_take(m, &live, &flow, &found) == 1;
    return (void *)sum;
}

// Several threads: each recording is used as often as the others.
static void test_threads(void **state)
{
    pthread_t thread[4];
    struct match *m[4];
    char head[512];
    (void)state;
    asking_begin(&a);
    put_gets(100);
    a.conf.repeat = MATCH_CYCLE;
    asking_open(&a, NULL);
    live = asking_request(&a, &get);
    memcpy(head, a.head, sizeof head);
    live.head.p = head;
    for (int i = 0; i < 4; i++) {
        m[i] = match_new(a.ix);
        assert_int_equal(pthread_create(&thread[i], NULL, asker, m[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *sum;
        pthread_join(thread[i], &sum);
        assert_int_equal((uintptr_t)sum, 300);
        match_free(m[i]);
    }
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(index_uses(a.ix, i), 12);
    asking_close(&a);
    asking_end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeat),  cmocka_unit_test(test_once_more),
        cmocka_unit_test(test_flows),   cmocka_unit_test(test_preference),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
