// Files that a command writes: where they appear, and what they never replace.
#include "tests/support/program.h"
#include "tests/support/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct sample sample;
static int64_t ids[SAMPLE_TXNS];

static int set_up(void **state)
{
    (void)state;
    sample_standard(&sample, ids);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sample_remove(&sample);
    return 0;
}

static char *in_dir(char out[TMP_PATH], const char *name)
{
    return tmp_path(out, sample.dir, name);
}

// A slip of the hand must not cost the recording: under whatever name, of whatever state.
static void test_captures_stay(void **state)
{
    static const char *const names[] = {"capture.db", "link.db",    "capture.db-wal",
                                        "other.db",   "damaged.db", "copy"};
    char path[TMP_PATH], copy[TMP_PATH];
    size_t n, m;
    (void)state;
    char *bytes = tmp_read(sample.path, &n);
    assert_int_equal(symlink(sample.path, in_dir(path, "link.db")), 0);
    tmp_write(in_dir(path, "capture.db-wal"), "", 0);
    tmp_write(in_dir(path, "other.db"), bytes, n);
    tmp_write(in_dir(path, "copy"), bytes, n);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *from = sample.path;
        struct program p;
        struct stat before, after;
        in_dir(copy, names[i]);
        if (i == 4) { // no database any more: it is told by being the capture that is read
            char *garbled = malloc(n);
            assert_non_null(garbled);
            memcpy(garbled, bytes, n);
            memset(garbled, 'x', 16);
            tmp_write(copy, garbled, n);
            free(garbled);
            from = copy;
        }
        assert_int_equal(stat(copy, &before), 0);
        TAPEDECK(&p, "export", "csv", from, "--out", copy);
        assert_int_equal(p.code, 2);
        assert_non_null(strstr(p.err, copy));
        assert_non_null(strstr(p.err, "--out"));
        program_clear(&p);
        assert_int_equal(stat(copy, &after), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(after.st_size, before.st_size);
        if (i != 0 && i != 1)
            unlink(copy);
    }
    char *after = tmp_read(sample.path, &m);
    assert_int_equal(m, n);
    assert_memory_equal(after, bytes, n);
    free(after);
    free(bytes);
    unlink(in_dir(path, "link.db"));
}

// Through a link the file that it means is made, wherever that is: here on another file system.
static void test_link(void **state)
{
    char link[TMP_PATH], far[TMP_PATH], target[TMP_PATH];
    struct program p;
    struct stat st;
    size_t n;
    (void)state;
    snprintf(far, sizeof far, "/dev/shm/tapedeck-test-%ld", (long)getpid());
    assert_int_equal(mkdir(far, 0700), 0);
    tmp_write(tmp_path(target, far, "out.csv"), "old", 3);
    assert_int_equal(symlink(target, in_dir(link, "out.csv")), 0);
    TAPEDECK(&p, "export", "csv", sample.path, "--out", link, "-n", "1", "--columns", "path");
    assert_string_equal(p.err, "");
    assert_int_equal(p.code, 0);
    program_clear(&p);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    char *bytes = tmp_read(target, &n);
    assert_int_equal(n, 14);
    assert_memory_equal(bytes, "path\r\n/login\r\n", 14);
    free(bytes);
    // A link to nothing: nobody can say where the file should appear.
    unlink(target);
    TAPEDECK(&p, "export", "csv", sample.path, "--out", link);
    assert_int_equal(p.code, 1);
    assert_non_null(strstr(p.err, link));
    program_clear(&p);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    unlink(link);
    tmp_remove(far);
}

// Without standard streams: the file that is written does not become one of them.
static void test_closed_streams(void **state)
{
    struct program p;
    char path[TMP_PATH], script[4 * TMP_PATH];
    (void)state;
    in_dir(path, "out.har");
    snprintf(script, sizeof script,
             "tapedeck export har %s 'protocol = raw' --out %s 2>&-; echo $?; grep -c left %s; "
             "tapedeck ls %s >&-; echo $?; tapedeck query %s - <&-; echo $?",
             sample.path, path, path, sample.path, sample.path);
    program_shell(&p, script);
    assert_string_equal(p.out, "0\n0\n1\n1\n");
    program_clear(&p);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures_stay),
        cmocka_unit_test(test_link),
        cmocka_unit_test(test_closed_streams),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
