// The pool: sizes, its ceiling, what it keeps and what it gives back.
#include "proxy/emit/pool.h"
#include "tests/support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_sizes(void **state)
{
    struct pool p;
    const size_t asked[] = {0, 1, 512, 513, 1024, 1025, 65536, 65537, POOL_BLOCK_MAX};
    const size_t got[] = {512, 512, 512, 1024, 1024, 2048, 65536, 131072, POOL_BLOCK_MAX};

    (void)state;
    pool_init(&p, 64u << 20);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        size_t size;
        void *block = pool_take(&p, asked[i], &size);
        assert_non_null(block);
        assert_int_equal(size, got[i]);
        assert_int_equal(pool_size(asked[i]), got[i]);
        memset(block, 1, size);
        assert_int_equal(p.used, size);
        pool_give(&p, block, size);
        assert_int_equal(p.used, 0);
    }
    size_t size;
    assert_null(pool_take(&p, POOL_BLOCK_MAX + 1, &size));
    assert_int_equal(pool_size(POOL_BLOCK_MAX + 1), 0);
    pool_give(&p, NULL, 0);
    pool_clear(&p);
}

static void test_ceiling(void **state)
{
    struct pool p;
    void *block[5];
    size_t size;

    (void)state;
    pool_init(&p, 2100);
    for (int i = 0; i < 4; i++)
        assert_non_null(block[i] = pool_take(&p, 500, &size));
    assert_null(pool_take(&p, 1, &size));
    pool_give(&p, block[0], 512);
    assert_non_null(block[0] = pool_take(&p, 1, &size));
    // A full pool can still be made smaller.
    struct pool_buf b = {block[0], 1, 512};
    pool_buf_shrink(&p, &b);
    assert_ptr_equal(b.p, block[0]);
    b.n = 0;
    pool_buf_shrink(&p, &b);
    assert_null(b.p);
    for (int i = 1; i < 4; i++)
        pool_give(&p, block[i], 512);
    pool_clear(&p);
}

static void test_keeps_and_trims(void **state)
{
    struct pool p;
    void *block[64];
    size_t size;

    (void)state;
    pool_init(&p, 64u << 20);
    for (int round = 0; round < 3; round++) {
        if (round == 1)
            alloc_fail_from(0); // none is needed any more
        for (int i = 0; i < 64; i++)
            assert_non_null(block[i] = pool_take(&p, 4096, &size));
        for (int i = 0; i < 64; i++)
            pool_give(&p, block[i], size);
    }
    assert_false(alloc_fail_end());
    assert_int_equal(p.idle, 64 * 4096);
    pool_trim(&p); // all were in use since the last time
    assert_int_equal(p.idle, 64 * 4096);
    for (size_t before = p.idle; before; before = p.idle) {
        pool_trim(&p);
        assert_true(p.idle <= before / 2);
    }
    // What is beyond POOL_IDLE_MAX is not kept at all.
    for (int i = 0; i < 8; i++)
        assert_non_null(block[i] = pool_take(&p, POOL_BLOCK_MAX, &size));
    for (int i = 0; i < 8; i++)
        pool_give(&p, block[i], size);
    assert_int_equal(p.idle, POOL_IDLE_MAX);
    pool_clear(&p);
}

// What is idle is under the ceiling, too, and gives way.
static void test_idle_is_counted(void **state)
{
    struct pool p;
    void *small[8], *large;
    size_t size;

    (void)state;
    pool_init(&p, 8 * 512);
    for (int i = 0; i < 8; i++)
        assert_non_null(small[i] = pool_take(&p, 512, &size));
    for (int i = 0; i < 8; i++) {
        pool_give(&p, small[i], 512);
        assert_true(p.used + p.idle <= p.max);
    }
    assert_int_equal(p.idle, 8 * 512);
    assert_non_null(large = pool_take(&p, 2048, &size));
    assert_int_equal(p.idle, 4 * 512);
    for (int i = 0; i < 4; i++)
        assert_non_null(small[i] = pool_take(&p, 512, &size));
    assert_null(pool_take(&p, 512, &size));
    for (int i = 0; i < 4; i++)
        pool_give(&p, small[i], 512);
    pool_give(&p, large, 2048);
    assert_int_equal(p.used + p.idle, p.max);
    pool_clear(&p);
}

static void test_buf(void **state)
{
    struct pool p;
    struct pool_buf b = {0};

    (void)state;
    pool_init(&p, 4u << 20);
    for (int i = 0; i < 300000; i++) {
        char c = (char)(i * 7);
        assert_true(pool_buf_add(&p, &b, &c, 1));
    }
    for (int i = 0; i < 300000; i++)
        assert_true(b.p[i] == (char)(i * 7));
    assert_int_equal(p.used, b.cap);
    assert_false(pool_buf_room(&p, &b, POOL_BLOCK_MAX));
    assert_int_equal(b.n, 300000);
    b.n = 100;
    pool_buf_shrink(&p, &b);
    assert_int_equal(b.cap, 512);
    assert_true(b.p[99] == (char)(99 * 7));
    alloc_fail_from(0);
    assert_false(pool_buf_room(&p, &b, 1u << 19)); // of a size that was never there
    assert_true(alloc_fail_end());
    assert_int_equal(b.n, 100);
    pool_buf_free(&p, &b);
    pool_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_keeps_and_trims),
        cmocka_unit_test(test_idle_is_counted),
        cmocka_unit_test(test_buf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
