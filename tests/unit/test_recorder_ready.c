// The ready file: nobody else's file is written in its place.
#include "recorder/ready_file.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH];

static int set_up(void **state)
{
    (void)state;
    tmp_make(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static void it_is_written_through_no_link(void **state)
{
    char victim[TMP_PATH], link[TMP_PATH], why[WHY_MAX];
    struct ready_file *r;
    size_t n;

    (void)state;
    tmp_write(tmp_path(victim, dir, "victim"), "mine", 4);
    assert_int_equal(symlink(victim, tmp_path(link, dir, "r.json")), 0);
    assert_int_equal(ready_file_write(&r, link, "l", "c", why), 0);
    char *text = tmp_read(victim, &n);
    assert_int_equal(n, 4);
    free(text);
    ready_file_remove(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_written_through_no_link, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
