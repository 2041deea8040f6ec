// The small parts of a mock: answers in memory, heads with other fields, words behind a status.
#include "tests/support/alloc.h"
#include "tools/mock/edit.h"
#include "tools/mock/kept.h"
#include "tools/mock/reason.h"
#include "tools/mock/remember.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kept *kept(uint32_t entry, size_t n)
{
    struct kept *k = calloc(1, sizeof *k + n);
    assert_non_null(k);
    k->entry = entry;
    k->refs = 1;
    k->n = n;
    memset(k->bytes, (int)('a' + entry % 26), n);
    return k;
}

static void keep(struct kept_cache *c, uint32_t entry, size_t n)
{
    struct kept *k = kept(entry, n);
    kept_add(c, k);
    kept_drop(k);
}

static bool has(struct kept_cache *c, uint32_t entry)
{
    struct kept *k = kept_find(c, entry);
    bool there = k && k->entry == entry;
    kept_drop(k);
    return there;
}

static void keeps_what_it_has_room_for(void **state)
{
    struct kept_cache c;
    (void)state;
    assert_int_equal(kept_init(&c, 10000), 0);
    keep(&c, 1, 4000);
    keep(&c, 2, 4000);
    assert_true(has(&c, 1) && has(&c, 2) && !has(&c, 3));
    keep(&c, 3, 4000); // one of the others goes
    assert_true(has(&c, 3));
    assert_int_equal(has(&c, 1) + has(&c, 2), 1);
    keep(&c, 4, 20000);
    assert_false(has(&c, 4));
    keep(&c, 3 + KEPT_PLACES, 10); // the same place
    assert_true(!has(&c, 3) && has(&c, 3 + KEPT_PLACES));
    struct kept *user = kept_find(&c, 3 + KEPT_PLACES);
    for (uint32_t i = 10; i < 400; i++)
        keep(&c, i, 100);
    assert_true(c.bytes <= 10000);
    kept_clear(&c);
    assert_int_equal(user->bytes[0], 'a' + (3 + KEPT_PLACES) % 26); // its own until it drops it
    kept_drop(user);
}

static void remembers(void **state)
{
    (void)state;
    struct remembered *r = remember_new();
    struct kept *one = kept(1, 1000), *two = kept(2, 2000), *large = kept(3, REMEMBER_ONE_MAX + 1),
                *full = kept(4, REMEMBER_ONE_MAX);
    remember_add(r, 7, one);
    remember_add(r, 7 + 4096, two);
    remember_add(r, 8, large);
    struct kept *got = remember_find(r, 7);
    assert_true(got && got != one && got->n == 1000 && got->bytes[999] == 'b');
    kept_drop(got);
    assert_null(remember_find(r, 8));
    remember_add(r, 7, two);
    got = remember_find(r, 7);
    assert_int_equal(got->n, 2000);
    kept_drop(got);
    for (uint64_t i = 0; i < REMEMBER_MAX / REMEMBER_ONE_MAX; i++)
        remember_add(r, 100 + i, full);
    assert_null(remember_find(r, 7)); // the oldest are forgotten
    assert_null(remember_find(r, 7 + 4096));
    got = remember_find(r, 100);
    assert_non_null(got);
    kept_drop(got);
    alloc_fail_from(0);
    remember_add(r, 9, one);
    assert_null(remember_find(r, 100));
    alloc_fail_end();
    assert_null(remember_find(r, 9));
    remember_free(r);
    kept_drop(one);
    kept_drop(two);
    kept_drop(large);
    kept_drop(full);
}

static void edits_heads(void **state)
{
    static struct edit e;
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    struct view head =
        VIEW_LIT("HTTP/1.1 200 OK\r\nA: 1\r\nb:2\r\n folded\r\nB: 3\r\nC:  4 \r\n\r\n");
    assert_true(edit_is_none(&e));
    assert_int_equal(edit_head(&e, head, &out), 0);
    assert_memory_equal(buf_view(&out).p, head.p, head.n);
    buf_reset(&out);
    e.first = VIEW_LIT("HTTP/1.1 500 No");
    edit_set(&e, "B", VIEW_LIT("x"));
    edit_drop(&e, "none");
    assert_int_equal(edit_head(&e, head, &out), 0);
    const char *hopes = "HTTP/1.1 500 No\r\nA: 1\r\nC:  4 \r\nB: x\r\n\r\n";
    assert_int_equal(buf_len(&out), strlen(hopes));
    assert_memory_equal(buf_view(&out).p, hopes, strlen(hopes));
    buf_clear(&out);
    buf_init(&out, 20);
    assert_int_equal(edit_head(&e, head, &out), E_LIMIT);
    buf_clear(&out);
}

static void names_a_status(void **state)
{
    (void)state;
    assert_string_equal(reason_of(200), "OK");
    assert_string_equal(reason_of(503), "Service Unavailable");
    assert_string_equal(reason_of(599), "Status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_has_room_for),
        cmocka_unit_test(remembers),
        cmocka_unit_test(edits_heads),
        cmocka_unit_test(names_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
