// A file that others wait for: there as a whole or not at all, and nobody else's in its place; and
// one that is read at once.
#include "proto/base/whole_file.h"
#include "tests/support/alloc.h"
#include "tests/support/tmp.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH], why[WHY_MAX];

static int set_up(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "r.json");
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

// How many names the folder has.
static size_t names(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2; // "." and ".."
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
    assert_int_equal(whole_file_write_as(path, VIEW_LIT("three"), 0644, why), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(names(), 1);
}

static void it_is_written_through_no_link_and_no_file(void **state)
{
    char victim[TMP_PATH];
    struct stat st;
    (void)state;
    tmp_write(tmp_path(victim, dir, "victim"), "mine", 4);
    assert_int_equal(symlink(victim, path), 0);
    assert_int_equal(whole_file_write(path, VIEW_LIT("ours"), why), 0);
    assert_holds(victim, "mine");
    assert_holds(path, "ours");
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(link(victim, path), 0); // a hard one
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
    assert_int_equal(names(), 1);

    assert_int_equal(mkdir(tmp_path(nowhere, dir, "folder"), 0700), 0);
    assert_true(whole_file_write(nowhere, VIEW_LIT("x"), why) < 0); // rename() fails
    assert_non_null(strstr(why, "folder: Is a directory"));
    assert_int_equal(names(), 2);
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

#define LETTERS 65536

// Two who write the same path at a time: what is there is of one of them, and whole.
static void of_two_writers_one_wins(void **state)
{
    static char text[LETTERS];
    pid_t pid[2];
    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(whole_file_write(path, view_n(text, sizeof text), why), 0);
    for (int i = 0; i < 2; i++) {
        pid[i] = fork();
        if (pid[i] != 0)
            continue;
        int bad = 0;
        memset(text, "bc"[i], sizeof text);
        for (int k = 0; k < 300 && !bad; k++)
            bad = whole_file_write(path, view_n(text, sizeof text), why) != 0;
        _exit(bad);
    }
    for (int left = 2, status; left > 0;) {
        struct buf b;
        buf_init(&b, 2 * LETTERS);
        assert_int_equal(whole_file_read(path, 2 * LETTERS, &b, why), 0);
        struct view v = buf_view(&b);
        assert_int_equal(v.n, LETTERS);
        assert_memory_equal(v.p, v.p + 1, v.n - 1); // of one letter
        buf_clear(&b);
        for (int i = 0; i < 2; i++)
            if (pid[i] && waitpid(pid[i], &status, WNOHANG) == pid[i]) {
                assert_int_equal(status, 0);
                pid[i] = 0;
                left--;
            }
    }
    assert_int_equal(names(), 1);
}

static void it_is_read_up_to_a_ceiling(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 6);
    tmp_write(path, "12345", 5);
    assert_int_equal(whole_file_read(path, 4, &b, why), E_LIMIT);
    assert_non_null(strstr(why, "r.json: the file has more than 4 bytes"));
    buf_reset(&b);
    assert_int_equal(whole_file_read(path, 5, &b, why), 0);
    assert_true(view_eq(buf_view(&b), VIEW_LIT("12345")));
    assert_int_equal(whole_file_read(path, 5, &b, why), E_LIMIT); // no room behind the first
    assert_int_equal(whole_file_read(dir, 5, &b, why), err_from_errno(EISDIR));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(whole_file_read(path, 5, &b, why), E_NOTFOUND);
    assert_non_null(strstr(why, "cannot read "));
    assert_non_null(strstr(why, "r.json: No such file or directory"));
    buf_clear(&b);
    tmp_write(path, "12345", 5);
    alloc_fail_at(0);
    int e = whole_file_read(path, 5, &b, why);
    assert_true(alloc_fail_end());
    assert_int_equal(e, E_NOMEM);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_takes_the_place_of_what_was_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_written_through_no_link_and_no_file, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(of_two_writers_one_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_read_up_to_a_ceiling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_memory_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_is_told_and_leaves_what_was_there, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
