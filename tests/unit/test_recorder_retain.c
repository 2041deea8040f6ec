// Rotation is due when it should be; only sealed files of this capture are deleted, oldest first.
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "recorder/retain.h"
#include "tests/support/alloc.h"
#include "tests/support/tmp.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW (1767225600 * US_PER_S)

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

// A file of size bytes, last changed age seconds before NOW.
static void make(const char *name, size_t size, int64_t age)
{
    char path[TMP_PATH], *bytes = calloc(1, size + 1);
    tmp_write(tmp_path(path, dir, name), bytes, size);
    free(bytes);
    struct timespec times[2] = {{.tv_sec = NOW / US_PER_S - age}, {.tv_sec = NOW / US_PER_S - age}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool there(const char *name)
{
    char path[TMP_PATH];
    struct stat st;
    return lstat(tmp_path(path, dir, name), &st) == 0;
}

static int sweep(const struct retain_conf *c, const char *name, int64_t live)
{
    char path[TMP_PATH];
    return retain_sweep(c, tmp_path(path, dir, name), live, NOW);
}

static void rotation_is_due_by_size_or_age(void **state)
{
    (void)state;
    struct retain_conf c = {0};
    assert_false(retain_is_full(&c, INT64_MAX, 1, NOW));
    c.rotate_size = 1000;
    assert_false(retain_is_full(&c, 999, 1, NOW));
    assert_true(retain_is_full(&c, 1000, 1, NOW));
    c = (struct retain_conf){.rotate_age_us = 60 * US_PER_S};
    assert_false(retain_is_full(&c, INT64_MAX, NOW - 59 * US_PER_S, NOW));
    assert_true(retain_is_full(&c, 0, NOW - 60 * US_PER_S, NOW));
    assert_false(retain_is_full(&c, 0, 0, NOW)); // its age is not known
}

static void the_oldest_files_go_first(void **state)
{
    (void)state;
    make("capture.db", 100, 9999);
    for (int i = 1; i <= 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "capture-%06d.db", i);
        make(name, 100, 0);
    }
    make("capture-000001.db-wal", 10, 0);
    make("capture-000001.db-shm", 10, 0);
    struct retain_conf c = {.keep_files = 3};
    assert_int_equal(sweep(&c, "capture.db", 100), 2);
    assert_false(there("capture-000001.db"));
    assert_false(there("capture-000001.db-wal"));
    assert_false(there("capture-000001.db-shm"));
    assert_false(there("capture-000002.db"));
    assert_true(there("capture-000003.db"));
    assert_int_equal(sweep(&c, "capture.db", 100), 0);
    // All files together, the live one as well.
    c = (struct retain_conf){.keep_size = 399};
    assert_int_equal(sweep(&c, "capture.db", 100), 1);
    assert_false(there("capture-000003.db"));
    c.keep_size = 1;
    assert_int_equal(sweep(&c, "capture.db", 100), 2);
    assert_true(there("capture.db"));
    assert_int_equal(sweep(&c, "capture.db", 100), 0);
}

static void age_counts_from_the_last_change(void **state)
{
    (void)state;
    make("capture-000001.db", 1, 100);
    make("capture-000002.db", 1, 60);
    make("capture-000003.db", 1, 59);
    struct retain_conf c = {.keep_age_us = 60 * US_PER_S};
    assert_int_equal(sweep(&c, "capture.db", 1), 2);
    assert_true(there("capture-000003.db"));
}

static void the_names_of_others_are_safe(void **state)
{
    (void)state;
    static const char *const others[] = {
        "capture.db",          "capture.db-wal",          "capture-1.db",
        "capture-00001.db",    "capture-000001.dbx",      "capture-000001.db.bak",
        "xcapture-000001.db",  "capture-00000a.db",       "capture-000001",
        "capture--000001.db",  "capture-+00001.db",       "other-000001.db",
        "capture-000001.db-x", "Capture-000001.db",       "capture- 000001.db",
        "capture-000000.db",   "capture-0000000000001.db"};
    char path[TMP_PATH], link[TMP_PATH];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        make(others[i], 1, 9999);
    assert_int_equal(mkdir(tmp_path(path, dir, "capture-000007.db"), 0700), 0);
    assert_int_equal(
        symlink(tmp_path(path, dir, "other-000001.db"), tmp_path(link, dir, "capture-000008.db")),
        0);
    make("capture-1000000.db", 1, 9999); // seven digits are fine
    struct retain_conf c = {.keep_age_us = 1};
    assert_int_equal(sweep(&c, "capture.db", 1), 1);
    assert_false(there("capture-1000000.db"));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(there(others[i]));
    assert_true(there("capture-000007.db") && there("capture-000008.db"));
}

static void a_capture_may_have_any_name(void **state)
{
    (void)state;
    struct retain_conf c = {.keep_files = 1};
    make("tape-000001", 1, 5);
    make("tape-000002", 1, 5);
    assert_int_equal(sweep(&c, "tape", 1), 1);
    assert_false(there("tape-000001"));
    make("a.b-000001.c", 1, 5);
    make("a.b-000002.c", 1, 5);
    assert_int_equal(sweep(&c, "a.b.c", 1), 1);
    make(".hidden-000001", 1, 5);
    make(".hidden-000002", 1, 5);
    assert_int_equal(sweep(&c, ".hidden", 1), 1);
    // A relative path without a folder.
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(dir), 0);
    make("tape-000003", 1, 5);
    assert_int_equal(retain_sweep(&c, "tape", 1, NOW), 1);
    assert_int_equal(chdir(before), 0);
}

// A folder with more files than one sweep deletes: the oldest go, the rest at the next sweeps.
static void any_number_of_files_is_swept(void **state)
{
    (void)state;
    enum { FILES = 3 * RETAIN_SWEEP_MAX + 100, KEPT = 50 };
    char path[TMP_PATH], name[64];
    for (int i = 0; i < FILES; i++) { // not in the order of their numbers
        snprintf(name, sizeof name, "capture-%06d.db", (int)((i * 7919LL) % FILES) + 1);
        int fd = open(tmp_path(path, dir, name), O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    struct retain_conf c = {.keep_files = KEPT};
    log_set_level(LOG_ERROR); // a line for each of thousands tells nobody anything
    for (int left = FILES - KEPT; left > 0; left -= RETAIN_SWEEP_MAX) {
        int n = left < RETAIN_SWEEP_MAX ? left : RETAIN_SWEEP_MAX, first = FILES - KEPT - left + 1;
        assert_int_equal(sweep(&c, "capture.db", 0), n);
        snprintf(name, sizeof name, "capture-%06d.db", first + n - 1);
        assert_false(there(name));
        snprintf(name, sizeof name, "capture-%06d.db", first + n);
        assert_true(there(name));
    }
    assert_int_equal(sweep(&c, "capture.db", 0), 0);
    assert_true(there(name));
    log_set_level(LOG_INFO);
}

static void a_missing_folder_or_memory_is_told(void **state)
{
    (void)state;
    struct retain_conf c = {.keep_files = 1};
    assert_int_equal(retain_sweep(&c, "/nonexistent/folder/x.db", 1, NOW), E_NOTFOUND);
    for (long i = 0, failed = 1; failed; i++) {
        make("capture-000001.db", 1, 5);
        make("capture-000002.db", 1, 5);
        alloc_fail_at(i);
        int n = sweep(&c, "capture.db", 1);
        failed = alloc_fail_end();
        assert_int_equal(n, failed ? E_NOMEM : 1);
    }
    c = (struct retain_conf){0};
    assert_int_equal(sweep(&c, "capture.db", 1), 0); // nothing to do is not even looked up
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rotation_is_due_by_size_or_age, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_files_go_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(age_counts_from_the_last_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_names_of_others_are_safe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_capture_may_have_any_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_number_of_files_is_swept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_folder_or_memory_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
