// The helpers of the tests do what the tests believe.
#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "tests/support/alloc.h"
#include "tests/support/guard.h"
#include "tests/support/hex.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void allocations_of_our_libraries_fail_on_demand(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    alloc_fail_at(0);
    assert_int_equal(buf_add(&b, "x", 1), E_NOMEM);
    assert_int_equal(buf_add(&b, "x", 1), 0);
    assert_int_equal(alloc_count(), 2);
    assert_true(alloc_fail_end());
    buf_clear(&b);

    alloc_fail_from(1);
    void *first = malloc(1), *second = malloc(1), *third = strndup("abc", 2);
    assert_true(alloc_fail_end());
    assert_non_null(first);
    assert_null(second);
    assert_null(third);
    free(first);

    alloc_fail_at(5);
    assert_false(alloc_fail_end());
}

static bool dies_reading(const volatile char *at)
{
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); // not cmocka's, which would go on with the test in here
        close(STDERR_FILENO);
        _exit(*at == 0 ? 0 : 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void the_byte_past_a_guard_kills(void **state)
{
    (void)state;
    struct guard back, front;
    guard_init(&back, 10000);
    guard_init_front(&front, 10000);
    struct view a = guard_fill(&back, VIEW_LIT("hello")), b = guard_fill(&front, VIEW_LIT("hello"));
    assert_memory_equal(a.p, "hello", 5);
    assert_memory_equal(b.p, "hello", 5);
    assert_false(dies_reading(a.p + 4));
    assert_true(dies_reading(a.p + 5));
    assert_false(dies_reading(b.p));
    assert_true(dies_reading(b.p - 1));
    guard_free(&back);
    guard_free(&front);
}

static void hexadecimal_text_becomes_bytes(void **state)
{
    (void)state;
    char dir[TMP_PATH], path[TMP_PATH];
    static const char text[] = "00 fF # comment 99\n a5";
    tmp_make(dir);
    tmp_write(tmp_path(path, dir, "a.hex"), text, sizeof text - 1);
    size_t n;
    unsigned char *bytes = hex_read(path, &n);
    assert_int_equal(n, 3);
    assert_memory_equal(bytes, "\x00\xff\xa5", 3);
    free(bytes);
    tmp_remove(dir);
    assert_int_equal(access(dir, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_of_our_libraries_fail_on_demand),
        cmocka_unit_test(the_byte_past_a_guard_kills),
        cmocka_unit_test(hexadecimal_text_becomes_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
