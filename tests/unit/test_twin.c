// Content that was stored lately is recognised, whatever it is like, and nothing else is.
#include "proxy/emit/twin.h"
#include "tests/support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY (5 * TWIN_CHUNK + 1000)

static struct twins *all;
static char bytes[MANY + 1];

static int begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 31 + i / 251);
    all = twins_new(1 << 20);
    return all ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    twins_free(all);
    return 0;
}

struct outcome {
    bool whole;     // all of it was known
    uint64_t known; // how much of its front was
};

// A content through a twin, as the emitter feeds it; what comes behind a chunk that differs in
// pieces of step. It is remembered.
static struct outcome pass(struct view in, size_t step, bool remember)
{
    struct outcome out = {.whole = true};
    unsigned char digest[DIGEST_SIZE], wanted[DIGEST_SIZE], like[DIGEST_SIZE];
    struct twin *t = twin_new(all);
    assert_non_null(t);
    digest_once(in, wanted);
    while (in.n > 0 && out.whole) {
        struct view chunk = view_head(in, TWIN_CHUNK);
        in = view_from(in, chunk.n);
        out.whole = twin_chunk(t, chunk, in.n == 0);
    }
    while (in.n > 0) {
        struct view now = view_head(in, step);
        twin_add(t, now);
        in = view_from(in, now.n);
    }
    out.known = twin_known(t, like);
    twin_digest(t, digest);
    assert_memory_equal(digest, wanted, DIGEST_SIZE);
    if (out.whole)
        assert_memory_equal(like, wanted, DIGEST_SIZE);
    if (remember)
        twin_remember(t);
    twin_free(t);
    return out;
}

static void knows_what_it_saw(void **state)
{
    static const size_t sizes[] = {1, 20000, TWIN_CHUNK - 1, TWIN_CHUNK, TWIN_CHUNK + 1, MANY};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bytes[0]++;
        struct view in = view_n(bytes, sizes[i]);
        struct outcome o = pass(in, 1000, false);
        assert_false(o.whole);
        o = pass(in, 7777, true); // it was not remembered
        assert_false(o.whole);
        assert_int_equal(o.known, 0);
        for (int k = 0; k < 3; k++) {
            o = pass(in, 1, true);
            assert_true(o.whole);
            assert_int_equal(o.known, in.n);
        }
    }
}

static void sees_where_it_differs(void **state)
{
    static const size_t places[] = {
        0, TWIN_CHUNK - 1, TWIN_CHUNK, 3 * TWIN_CHUNK + 17, 5 * TWIN_CHUNK, MANY - 1};
    (void)state;
    pass(view_n(bytes, MANY), TWIN_CHUNK, true);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        bytes[places[i]] ^= 1;
        struct outcome o = pass(view_n(bytes, MANY), 4096, false);
        assert_false(o.whole);
        assert_int_equal(o.known, places[i] / TWIN_CHUNK * TWIN_CHUNK);
        bytes[places[i]] ^= 1;
    }
    // Longer, and shorter, by one byte; or by chunks.
    struct outcome o = pass(view_n(bytes, MANY + 1), 4096, false);
    assert_false(o.whole);
    assert_int_equal(o.known, 5 * TWIN_CHUNK);
    o = pass(view_n(bytes, MANY - 1), 4096, false);
    assert_false(o.whole);
    assert_int_equal(o.known, 5 * TWIN_CHUNK);
    o = pass(view_n(bytes, 2 * TWIN_CHUNK), 4096, true);
    assert_false(o.whole);
    assert_int_equal(o.known, TWIN_CHUNK);
    // Of two that begin alike the later one counts: the other is found no more, and no harm is
    // done.
    o = pass(view_n(bytes, 2 * TWIN_CHUNK), 4096, false);
    assert_true(o.whole);
    o = pass(view_n(bytes, MANY), 4096, false);
    assert_int_equal(o.known, TWIN_CHUNK);
}

// The memory of a twin that is kept for the next content.
static size_t spare_twin(void)
{
    twin_free(twin_new(all));
    return twins_used(all);
}

static void forgets_the_oldest(void **state)
{
    size_t none = spare_twin();
    (void)state;
    size_t one = 0;
    for (int i = 0; i < 6000; i++) {
        memcpy(bytes, &i, sizeof i);
        pass(view_n(bytes, 100), 100, true);
        if (i == 0)
            one = twins_used(all);
        assert_true(twins_used(all) <= 1 << 20);
    }
    assert_true(twins_used(all) > (1 << 20) - one);
    assert_true(pass(view_n(bytes, 100), 100, false).whole);
    memset(bytes, 0, sizeof(int));
    assert_false(pass(view_n(bytes, 100), 100, false).whole);
    twins_forget(all);
    assert_int_equal(twins_used(all), none);
}

static void forgotten_while_in_use(void **state)
{
    unsigned char digest[DIGEST_SIZE], wanted[DIGEST_SIZE];
    size_t none = spare_twin();
    (void)state;
    pass(view_n(bytes, MANY), TWIN_CHUNK, true);
    struct twin *t = twin_new(all);
    assert_true(twin_chunk(t, view_n(bytes, TWIN_CHUNK), false));
    twins_forget(all);
    assert_true(twin_chunk(t, view_n(bytes + TWIN_CHUNK, TWIN_CHUNK), false));
    assert_false(twin_chunk(t, view_n("x", 1), true));
    assert_int_equal(twin_known(t, digest), 2 * TWIN_CHUNK);
    digest_once(view_n(bytes, MANY), wanted);
    assert_memory_equal(digest, wanted, DIGEST_SIZE);
    twin_digest(t, digest);
    twin_remember(t);
    twin_free(t);
    assert_false(pass(view_n(bytes, MANY), TWIN_CHUNK, false).whole);
    // One that was another one when all was forgotten: where its front went is not known.
    t = twin_new(all);
    assert_false(twin_chunk(t, view_n(bytes, TWIN_CHUNK), false));
    twins_forget(all);
    twin_add(t, view_n(bytes + TWIN_CHUNK, MANY - TWIN_CHUNK));
    twin_digest(t, digest);
    assert_memory_equal(digest, wanted, DIGEST_SIZE);
    twin_remember(t);
    twin_free(t);
    assert_false(pass(view_n(bytes, MANY), TWIN_CHUNK, false).whole);
    assert_int_equal(twins_used(all), none);
}

// However many contents are under way, and however large: their notes have half of the memory, what
// is remembered has the other. What finds none is not remembered.
static void many_under_way(void **state)
{
    enum { TWINS = 3000 };
    struct twin **t = calloc(TWINS, sizeof *t);
    unsigned char digest[DIGEST_SIZE], wanted[DIGEST_SIZE];
    int count = 0;
    (void)state;
    assert_non_null(t);
    size_t one = spare_twin();
    pass(view_n(bytes, 2 * TWIN_CHUNK), TWIN_CHUNK, true);
    size_t before = twins_used(all);
    bytes[0] ^= 1;
    while (count < TWINS && (t[count] = twin_new(all))) {
        assert_false(twin_chunk(t[count], view_n(bytes, TWIN_CHUNK), false));
        count++;
    }
    assert_true(count > 300 && count < 700);
    for (int i = 0; i < count; i += 50) {
        for (int k = 0; k < 4; k++)
            twin_add(t[i], view_n(bytes, TWIN_CHUNK));
    }
    assert_true(twins_used(all) <= (1 << 20) / 2 + before);
    twin_free(t[--count]);
    bytes[0] ^= 1;
    assert_true(pass(view_n(bytes, 2 * TWIN_CHUNK), TWIN_CHUNK, false).whole);
    // What they are is told all the same.
    bytes[0] ^= 1;
    digest_once(view_n(bytes, TWIN_CHUNK), wanted);
    twin_digest(t[count - 1], digest);
    assert_memory_equal(digest, wanted, DIGEST_SIZE);
    while (count > 0)
        twin_free(t[--count]);
    assert_true(twins_used(all) <= before + 64 * one);
    pass(view_n(bytes, 2 * TWIN_CHUNK), TWIN_CHUNK, true);
    assert_true(pass(view_n(bytes, 2 * TWIN_CHUNK), TWIN_CHUNK, false).whole);
    free(t);
}

// Those that others are alike count for as long as that.
static void dropped_while_alike(void **state)
{
    (void)state;
    size_t n = (size_t)500 * TWIN_CHUNK;
    char *large = calloc(1, n);
    assert_non_null(large);
    pass(view_n(large, n), n, true);
    size_t used = twins_used(all);
    struct twin *t = twin_new(all);
    assert_true(twin_chunk(t, view_n(large, TWIN_CHUNK), false));
    twins_forget(all);
    assert_int_equal(twins_used(all), used);
    twin_free(t);
    assert_true(twins_used(all) < used / 8);
    free(large);
}

// Without memory it is not remembered; the digests are right all the same.
static void out_of_memory(void **state)
{
    (void)state;
    for (long i = 1; i < 8; i++) {
        bytes[0] = (char)i;
        alloc_fail_at(i);
        pass(view_n(bytes, MANY), 50000, true);
        alloc_fail_end();
        pass(view_n(bytes, MANY), 50000, true);
        assert_true(pass(view_n(bytes, MANY), 50000, false).whole);
    }
}

// A content of very many chunks is not remembered.
static void too_large(void **state)
{
    size_t n = (size_t)(TWIN_CHUNKS_MAX + 1) * TWIN_CHUNK;
    char *large = calloc(1, n);
    (void)state;
    assert_non_null(large);
    pass(view_n(large, n), n, true);
    assert_false(pass(view_n(large, n), n, false).whole);
    pass(view_n(large, n - TWIN_CHUNK), n, true);
    assert_true(pass(view_n(large, n - TWIN_CHUNK), n, false).whole);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(knows_what_it_saw, begin, end),
        cmocka_unit_test_setup_teardown(sees_where_it_differs, begin, end),
        cmocka_unit_test_setup_teardown(forgets_the_oldest, begin, end),
        cmocka_unit_test_setup_teardown(forgotten_while_in_use, begin, end),
        cmocka_unit_test_setup_teardown(many_under_way, begin, end),
        cmocka_unit_test_setup_teardown(dropped_while_alike, begin, end),
        cmocka_unit_test_setup_teardown(out_of_memory, begin, end),
        cmocka_unit_test_setup_teardown(too_large, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
