// The wheel of deadlines: never early, hardly late, cheap to move.
#include "proxy/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct timer {
    struct deadline d; // first
    struct wheel *w;
    int64_t *now, fired_at, again_us;
    int fired;
    struct timer *clears;
};

static void on_fire(struct deadline *d)
{
    struct timer *t = (struct timer *)(void *)d;
    t->fired++;
    t->fired_at = *t->now;
    if (t->clears)
        wheel_clear(&t->clears->d);
    if (t->again_us)
        wheel_set(t->w, d, *t->now + t->again_us);
}

struct stage {
    struct wheel w;
    int64_t now;
};

static void stage_init(struct stage *s)
{
    s->now = 5000 * US_PER_S + 12345;
    wheel_init(&s->w, s->now);
}

static void timer_init(struct timer *t, struct stage *s)
{
    *t = (struct timer){.w = &s->w, .now = &s->now};
    deadline_init(&t->d, on_fire);
}

static void pass(struct stage *s, int64_t us, int64_t step)
{
    for (int64_t end = s->now + us; s->now < end;) {
        s->now += step;
        wheel_turn(&s->w, s->now);
    }
}

static void fires_once_and_not_early(void **state)
{
    static const int64_t after[] = {0,
                                    1,
                                    99999,
                                    100000,
                                    100001,
                                    250000,
                                    51 * US_PER_S,
                                    52 * US_PER_S,
                                    600 * US_PER_S,
                                    3600 * US_PER_S};
    (void)state;
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
        struct stage s;
        struct timer t;
        stage_init(&s);
        timer_init(&t, &s);
        int64_t due = s.now + after[i];
        wheel_set(&s.w, &t.d, due);
        pass(&s, after[i] + US_PER_S, 30000);
        assert_int_equal(t.fired, 1);
        assert_true(t.fired_at >= due);
        assert_true(t.fired_at <= due + 2 * WHEEL_TICK_US + 30000);
    }
}

static void moves_later_and_earlier(void **state)
{
    struct stage s;
    struct timer t;
    (void)state;
    stage_init(&s);
    timer_init(&t, &s);
    wheel_set(&s.w, &t.d, s.now + US_PER_S);
    for (int i = 0; i < 100; i++) {
        pass(&s, 900000, 100000);
        wheel_set(&s.w, &t.d, s.now + US_PER_S);
    }
    assert_int_equal(t.fired, 0);
    wheel_set(&s.w, &t.d, s.now + 3600 * US_PER_S);
    pass(&s, 2 * US_PER_S, 100000);
    assert_int_equal(t.fired, 0);
    int64_t due = s.now + 500000;
    wheel_set(&s.w, &t.d, due);
    pass(&s, US_PER_S, 100000);
    assert_int_equal(t.fired, 1);
    assert_true(t.fired_at >= due && t.fired_at <= due + 2 * WHEEL_TICK_US);
}

static void cleared_never_fires(void **state)
{
    struct stage s;
    struct timer t;
    (void)state;
    stage_init(&s);
    timer_init(&t, &s);
    wheel_clear(&t.d);
    wheel_set(&s.w, &t.d, s.now + US_PER_S);
    wheel_clear(&t.d);
    pass(&s, 100 * US_PER_S, 100000);
    assert_int_equal(t.fired, 0);
}

static void makes_good_a_long_pause(void **state)
{
    struct stage s;
    struct timer t[40];
    (void)state;
    stage_init(&s);
    for (int i = 0; i < 40; i++) {
        timer_init(&t[i], &s);
        wheel_set(&s.w, &t[i].d, s.now + (i + 1) * 10 * US_PER_S);
    }
    s.now += 205 * US_PER_S;
    wheel_turn(&s.w, s.now);
    for (int i = 0; i < 40; i++)
        assert_int_equal(t[i].fired, i < 20);
    pass(&s, 300 * US_PER_S, 100000);
    for (int i = 0; i < 40; i++)
        assert_int_equal(t[i].fired, 1);
}

static void may_set_and_clear_while_firing(void **state)
{
    struct stage s;
    struct timer a, b, c;
    (void)state;
    stage_init(&s);
    timer_init(&a, &s);
    timer_init(&b, &s);
    timer_init(&c, &s);
    a.clears = &b;
    a.again_us = 1;
    wheel_set(&s.w, &a.d, s.now + US_PER_S);
    wheel_set(&s.w, &b.d, s.now + US_PER_S);
    wheel_set(&s.w, &c.d, s.now + US_PER_S);
    pass(&s, 1500000, 50000);
    assert_true(a.fired > 1);
    assert_int_equal(b.fired, 0);
    assert_int_equal(c.fired, 1);
}

// Many deadlines, moved at random: each fires when its last due time has come, and only then.
static void many_at_random(void **state)
{
    enum { N = 500 };
    static struct timer t[N];
    int64_t due[N];
    struct stage s;
    (void)state;
    stage_init(&s);
    srandom(7);
    for (int i = 0; i < N; i++) {
        timer_init(&t[i], &s);
        due[i] = s.now + random() % (200 * US_PER_S);
        wheel_set(&s.w, &t[i].d, due[i]);
    }
    for (int turn = 0; turn < 3000; turn++) {
        s.now += random() % 200000;
        wheel_turn(&s.w, s.now);
        int i = (int)(random() % N);
        if (t[i].fired == 0 && random() % 2) {
            due[i] = s.now + random() % (100 * US_PER_S);
            wheel_set(&s.w, &t[i].d, due[i]);
        }
        for (int k = 0; k < N; k++)
            if (t[k].fired)
                assert_true(t[k].fired_at >= due[k]);
            else
                assert_true(s.now < due[k] + 2 * WHEEL_TICK_US);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_once_and_not_early),
        cmocka_unit_test(moves_later_and_earlier),
        cmocka_unit_test(cleared_never_fires),
        cmocka_unit_test(makes_good_a_long_pause),
        cmocka_unit_test(may_set_and_clear_while_firing),
        cmocka_unit_test(many_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
