// A file that others wait for: there as a whole or not at all, and nobody else's in its place.
#include "proto/base/whole_file.h"
#include "tests/support/alloc.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH], beside[TMP_PATH], why[WHY_MAX];

static int set_up(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "r.json");
    tmp_path(beside, dir, "r.json.tmp");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static void assert_holds(const char *where, const char *text)
{
    size_t n;
    char *content = tmp_read(where, &n);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(content, text, n);
    free(content);
}

static void it_takes_the_place_of_what_was_there(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(whole_file_write(path, VIEW_LIT("one, longer"), why), 0);
    assert_holds(path, "one, longer");
    assert_int_equal(whole_file_write(path, VIEW_LIT("two"), why), 0);
    assert_holds(path, "two");
    assert_int_equal(whole_file_write(path, view_of(NULL), why), 0);
    assert_holds(path, "");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access(beside, F_OK), -1);
}

static void it_is_written_through_no_link_and_no_file(void **state)
{
    char victim[TMP_PATH];
    struct stat st;
    (void)state;
    tmp_write(tmp_path(victim, dir, "victim"), "mine", 4);
    assert_int_equal(symlink(victim, beside), 0);
    assert_int_equal(symlink(victim, path), 0);
    assert_int_equal(whole_file_write(path, VIEW_LIT("ours"), why), 0);
    assert_holds(victim, "mine");
    assert_holds(path, "ours");
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(link(victim, beside), 0); // a hard one
    assert_int_equal(whole_file_write(path, VIEW_LIT("ours again"), why), 0);
    assert_holds(victim, "mine");
}

static void a_failure_is_told_and_leaves_what_was_there(void **state)
{
    char nowhere[TMP_PATH];
    struct rlimit was, small;
    (void)state;
    assert_int_equal(whole_file_write(tmp_path(nowhere, dir, "none/x"), VIEW_LIT("x"), why),
                     E_NOTFOUND);
    assert_non_null(strstr(why, "none/x: No such file or directory"));

    tmp_write(path, "before", 6);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = (struct rlimit){4, was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int e = whole_file_write(path, VIEW_LIT("too long"), why);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_true(e < 0);
    assert_non_null(strstr(why, "r.json: File too large"));
    assert_holds(path, "before");
    assert_int_equal(access(beside, F_OK), -1);

    assert_int_equal(mkdir(tmp_path(nowhere, dir, "folder"), 0700), 0);
    assert_true(whole_file_write(nowhere, VIEW_LIT("x"), why) < 0); // rename() fails
    assert_non_null(strstr(why, "folder: Is a directory"));
    assert_int_equal(access(tmp_path(nowhere, dir, "folder.tmp"), F_OK), -1);
}

static void missing_memory_is_told(void **state)
{
    (void)state;
    alloc_fail_at(0);
    int e = whole_file_write(path, VIEW_LIT("x"), why);
    assert_true(alloc_fail_end());
    assert_int_equal(e, E_NOMEM);
    assert_non_null(strstr(why, "out of memory"));
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_takes_the_place_of_what_was_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_written_through_no_link_and_no_file, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(missing_memory_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_is_told_and_leaves_what_was_there, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
