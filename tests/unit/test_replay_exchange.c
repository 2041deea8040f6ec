// Exchanges of a replay are used again, and the memory of those that nobody uses has an end.
#include "tools/replay/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY  64
#define BYTES (100u << 10)

static size_t memory(const struct exchanges *s)
{
    size_t sum = 0;
    for (const struct exchange *x = s->spare; x; x = x->next)
        sum += x->head.cap + x->content.cap + x->answer_head.cap + x->answer.cap + x->trailers.cap +
               x->interim.cap;
    return sum;
}

static void test_idle_ones_keep_little(void **state)
{
    static char content[BYTES];
    struct material m = {.kind = PLAN_HTTP};
    struct exchanges s = {.most = 4u << 20};
    struct exchange *all[MANY];
    (void)state;
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < MANY; i++) {
            all[i] = exchange_new(&s);
            assert_non_null(all[i]);
            all[i]->material = &m;
            exchange_hear(&s, all[i], view_n(content, BYTES));
        }
        for (size_t i = 0; i < MANY; i++)
            exchange_free(&s, all[i]);
        assert_int_equal(s.spares, MANY);
        assert_int_equal(s.held, 0);
        assert_int_equal(s.idle, memory(&s));
        assert_in_range(s.idle, BYTES, s.most / 4);
    }
    exchanges_clear(&s);
}

static void test_what_is_too_much_is_digested(void **state)
{
    static char content[BYTES];
    struct material m = {.kind = PLAN_HTTP};
    struct exchanges s = {.most = 3 * BYTES};
    unsigned char digest[DIGEST_SIZE], expected[DIGEST_SIZE];
    struct digest_state whole;
    (void)state;
    struct exchange *x = exchange_new(&s);
    x->material = &m;
    digest_begin(&whole);
    for (size_t i = 0; i < 4; i++) {
        memset(content, (int)i, BYTES);
        exchange_hear(&s, x, view_n(content, BYTES));
        digest_more(&whole, view_n(content, BYTES));
        assert_int_equal(x->whole, i < 3);
    }
    assert_int_equal(s.held, 0);
    assert_int_equal(x->size, 4 * BYTES);
    digest_end(&x->digest, digest);
    digest_end(&whole, expected);
    assert_memory_equal(digest, expected, DIGEST_SIZE);
    exchange_free(&s, x);
    exchanges_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_ones_keep_little),
        cmocka_unit_test(test_what_is_too_much_is_digested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
