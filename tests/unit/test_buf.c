// A buffer keeps what was added, in order, up to its ceiling, and nothing is half done.
#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "tests/support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(const struct buf *b, const char *text)
{
    assert_true(view_eq(buf_view(b), view_of(text)));
    assert_int_equal(buf_len(b), strlen(text));
    assert_true(b->at <= b->n && b->n <= b->cap && b->cap <= b->max);
}

static void an_empty_buffer_holds_no_memory(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_null(b.p);
    assert_null(buf_view(&b).p);
    assert_int_equal(buf_add(&b, NULL, 0), 0);
    assert_int_equal(buf_add_view(&b, view_of(NULL)), 0);
    assert_null(b.p);
    buf_drop(&b, 0, 0);
    buf_reset(&b);
    buf_clear(&b);
    buf_clear(&b);
    buf_init(&b, 0);
    assert_int_equal(buf_add(&b, "x", 1), E_LIMIT);
    assert_int_equal(buf_printf(&b, "%s", ""), 0);
}

static void the_ceiling_counts_readable_bytes_only(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    assert_int_equal(buf_add(&b, "12345678", 8), 0);
    assert_int_equal(buf_add(&b, "9", 1), E_LIMIT);
    expect(&b, "12345678");
    buf_drop(&b, 3, 0);
    assert_int_equal(buf_add(&b, "abcd", 4), E_LIMIT);
    assert_int_equal(buf_add(&b, "abc", 3), 0);
    expect(&b, "45678abc");
    assert_int_equal(buf_add(&b, "x", SIZE_MAX), E_LIMIT);
    buf_clear(&b);
    assert_int_equal(b.max, 8);
}

static void formatted_text_of_any_length_is_added_whole(void **state)
{
    (void)state;
    struct buf b;
    char long_text[2000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    for (size_t n = 505; n < 520; n++) { // around the size of the stack's part
        buf_init(&b, n);
        assert_int_equal(buf_printf(&b, "%.*s", (int)n, long_text), 0);
        assert_int_equal(buf_len(&b), n);
        assert_int_equal(buf_printf(&b, "%d", 7), E_LIMIT);
        buf_clear(&b);
    }
    buf_init(&b, 1999);
    assert_int_equal(buf_printf(&b, "%s", long_text), 0);
    expect(&b, long_text);
    buf_reset(&b);
    assert_int_equal(buf_printf(&b, "%s!", long_text), E_LIMIT);
    expect(&b, "");
    buf_clear(&b);
}

static void room_is_written_to_directly(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(buf_add(&b, "a", 1), 0);
    char *at = buf_room(&b, 500);
    assert_non_null(at);
    memset(at, 'z', 500); // all of it is ours
    buf_grew(&b, 2);
    expect(&b, "azz");
    assert_null(buf_room(&b, 998));
    assert_non_null(buf_room(&b, 997));
    buf_clear(&b);
}

static void dropping_the_last_byte_frees_what_is_large(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    assert_int_equal(buf_add(&b, "abc", 3), 0);
    buf_drop(&b, 2, 0);
    expect(&b, "c");
    buf_drop(&b, 1, 100000);
    assert_non_null(b.p);
    assert_int_equal(buf_add(&b, "abc", 3), 0);
    buf_drop(&b, 3, 0);
    assert_null(b.p);
    assert_int_equal(b.cap, 0);
}

static void without_memory_nothing_changes(void **state)
{
    (void)state;
    char text[700];
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (long i = 0, failed = 1; failed; i++) {
        struct buf b;
        buf_init(&b, 5000);
        alloc_fail_at(i);
        size_t sum = 0;
        for (int round = 0; round < 4; round++) {
            int e = round % 2 ? buf_printf(&b, "%s", text) : buf_add(&b, text, 699);
            assert_true(e == 0 || e == E_NOMEM);
            sum += e ? 0 : 699;
            assert_int_equal(buf_len(&b), sum);
        }
        failed = alloc_fail_end();
        assert_int_equal(sum, failed ? 3 * 699 : 4 * 699);
        buf_clear(&b);
    }
}

// Against a plain array: many random steps.
static void it_behaves_like_a_queue(void **state)
{
    (void)state;
    static char model[600];
    size_t length = 0;
    unsigned seed = 1, next = 0;
    struct buf b;
    buf_init(&b, sizeof model);
    for (int step = 0; step < 20000; step++) {
        unsigned r = (seed = seed * 1103515245 + 12345) >> 8;
        char piece[128];
        size_t n = r % sizeof piece;
        if (r & 0x10000) {
            for (size_t i = 0; i < n; i++)
                piece[i] = (char)next++;
            int e = buf_add(&b, piece, n);
            assert_int_equal(e, length + n > sizeof model ? E_LIMIT : 0);
            if (e == 0) {
                memcpy(model + length, piece, n);
                length += n;
            }
        } else {
            n = n < length ? n : length;
            buf_drop(&b, n, r & 0x20000 ? 0 : 300);
            memmove(model, model + n, length - n);
            length -= n;
        }
        assert_true(view_eq(buf_view(&b), view_n(model, length)));
        assert_true(b.at <= b.n && b.n <= b.cap && b.cap <= b.max);
    }
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_holds_no_memory),
        cmocka_unit_test(the_ceiling_counts_readable_bytes_only),
        cmocka_unit_test(formatted_text_of_any_length_is_added_whole),
        cmocka_unit_test(room_is_written_to_directly),
        cmocka_unit_test(dropping_the_last_byte_frees_what_is_large),
        cmocka_unit_test(without_memory_nothing_changes),
        cmocka_unit_test(it_behaves_like_a_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
