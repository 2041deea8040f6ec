// A sealed capture is packed and unpacked in place, whatever comes between.
#include "schema/identity.h"
#include "schema/pack.h"
#include "tests/support/alloc.h"
#include "tests/support/ask.h"
#include "tests/support/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct sample s;
static char path[TMP_PATH], beside[TMP_PATH];
static unsigned char *plain;
static size_t plain_n;
static char why[WHY_MAX];

static int set_up(void **state)
{
    (void)state;
    sample_sealed(&s, 3000, 10);
    plain = tmp_read(tmp_path(path, s.dir, "capture-000001.db"), &plain_n);
    tmp_path(beside, s.dir, "capture-000001.db" PACK_BESIDE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(plain);
    sample_remove(&s);
    return 0;
}

static bool is_plain(const char *name)
{
    return tmp_holds(name, plain, plain_n);
}

// The file as it was, nothing beside it.
static void put_plain(void)
{
    tmp_write(path, plain, plain_n);
    unlink(beside);
}

static void assert_untouched(void)
{
    assert_true(is_plain(path));
    assert_false(tmp_there(beside));
    assert_false(ask_is_packed(path));
}

// ---- the whole way

static void test_there_and_back(void **state)
{
    const struct timespec times[2] = {{1700000000, 5}, {1700000001, 7}};
    struct stat was, now;
    (void)state;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(stat(path, &was), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pack_file(path, NULL, NULL, NULL, why), 0);
        assert_true(ask_is_packed(path) && store_is_capture(path));
        assert_false(tmp_there(beside));
        assert_int_equal(stat(path, &now), 0);
        assert_true(now.st_size < was.st_size / 4 && now.st_mode == was.st_mode);
        assert_true(now.st_mtim.tv_sec == 1700000001 && now.st_mtim.tv_nsec == 7);
        ask_sound(path);
        assert_int_equal(pack_file(path, NULL, NULL, NULL, why), E_EXISTS);
        assert_int_equal(pack_unpack(path, NULL, NULL, NULL, why), 0);
        assert_untouched();
        assert_int_equal(stat(path, &now), 0);
        assert_true(now.st_mtim.tv_sec == 1700000001 && now.st_mode == was.st_mode);
        assert_int_equal(pack_unpack(path, NULL, NULL, NULL, why), E_UNSUPPORTED);
    }
}

static void test_to(void **state)
{
    char to[TMP_PATH], back[TMP_PATH];
    (void)state;
    tmp_path(to, s.dir, "small");
    tmp_path(back, s.dir, "back");
    assert_int_equal(pack_file(path, to, NULL, NULL, why), 0);
    assert_untouched();
    assert_int_equal(pack_file(path, to, NULL, NULL, why), E_EXISTS);
    assert_int_equal(pack_unpack(to, back, NULL, NULL, why), 0);
    assert_true(is_plain(back) && ask_is_packed(to));
    assert_int_equal(pack_unpack(to, back, NULL, NULL, why), E_EXISTS);
    unlink(to);
    unlink(back);
}

static void test_identity(void **state)
{
    struct store_identity a, b;
    (void)state;
    assert_int_equal(store_identity_read(path, &a, why), 0);
    assert_int_equal(pack_file(path, NULL, NULL, NULL, why), 0);
    assert_int_equal(store_identity_read(path, &b, why), 0);
    assert_memory_equal(a.name, b.name, sizeof a.name);
    assert_true(a.number == b.number && !a.packed && b.packed);
    put_plain();
}

// ---- what is refused

static void refused(int e, const char *name, const char *says)
{
    char file[TMP_PATH];
    tmp_path(file, s.dir, name);
    assert_int_equal(pack_file(file, NULL, NULL, NULL, why), e);
    if (!strstr(why, says))
        fail_msg("%s, not: %s", why, says);
}

static void test_foreign(void **state)
{
    char file[TMP_PATH];
    (void)state;
    refused(E_NOTFOUND, "no-such-file", "No such file");
    refused(E_UNSUPPORTED, ".", "not a file");
    tmp_write(tmp_path(file, s.dir, "empty"), "", 0);
    refused(E_UNSUPPORTED, "empty", "not a capture");
    tmp_write(tmp_path(file, s.dir, "text"), "SQLite format 3, but a text", 27);
    refused(E_UNSUPPORTED, "text", "not a capture");
    tmp_write(tmp_path(file, s.dir, "other.db"), "", 0);
    ask_change(file, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    refused(E_UNSUPPORTED, "other.db", "not a capture");
    assert_int_equal(pack_unpack(file, NULL, NULL, NULL, why), E_UNSUPPORTED);
}

static void test_live(void **state)
{
    char live[TMP_PATH], second[TMP_PATH];
    struct store *store;
    (void)state;
    // Its recorder ended, and will go on with it.
    refused(E_BUSY, "capture.db", "a live file, which a recorder may go on with; give --to");
    assert_int_equal(store_open(&store, tmp_path(live, s.dir, "capture.db"), STORE_WRITE, why), 0);
    refused(E_BUSY, "capture.db", "a recorder writes to it");
    store_close(store);
    // By another name of its.
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    refused(E_BUSY, "capture-000001.db", "a recorder writes to it");
    close(fd);
    assert_int_equal(link(path, tmp_path(second, s.dir, "second.db")), 0);
    refused(E_BUSY, "second.db", "another name");
    unlink(second);
    // Something that is not written back yet.
    char journal[TMP_PATH];
    tmp_write(tmp_path(journal, s.dir, "capture-000001.db-journal"), "x", 1);
    refused(E_BUSY, "capture-000001.db", "-journal");
    unlink(journal);
    // Another one that packs it.
    fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    refused(E_BUSY, "capture-000001.db", "being made by another");
    assert_true(tmp_there(beside));
    close(fd);
    unlink(beside);
    assert_untouched();
}

static void test_written(void **state)
{
    struct store *store;
    (void)state;
    assert_int_equal(pack_file(path, NULL, NULL, NULL, why), 0);
    int e = store_open(&store, path, STORE_WRITE, why);
    assert_int_equal(e, E_UNSUPPORTED);
    assert_non_null(strstr(why, "a packed capture is only read; tapedeck unpack unpacks it"));
    assert_null(strchr(why, '\n'));
    assert_int_equal(pack_unpack(path, NULL, NULL, NULL, why), 0);
    assert_untouched();
}

// ---- cut short

enum event { STOP, DIE, REMOVE, CHANGE, REPLACE };
static struct {
    enum event event;
    int at, calls;
} plan;

static int happen(void *arg, int permille)
{
    char other[TMP_PATH];
    (void)arg;
    assert_true(permille >= 0 && permille <= 1000);
    if (plan.calls++ != plan.at)
        return 0;
    switch (plan.event) {
    case STOP:
        return 1;
    case DIE:
        kill(getpid(), SIGKILL);
        return 0;
    case REMOVE:
        unlink(path);
        return 0;
    case CHANGE: {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0 && pwrite(fd, "?", 1, (off_t)plain_n - 100) == 1);
        close(fd);
        return 0;
    }
    default:
        tmp_write(tmp_path(other, s.dir, "other"), plain, plain_n);
        assert_int_equal(rename(other, path), 0);
        return 0;
    }
}

static int pack_with(enum event event, int at)
{
    plan.event = event;
    plan.at = at;
    plan.calls = 0;
    return pack_file(path, NULL, happen, NULL, why);
}

static void test_stopped(void **state)
{
    (void)state;
    int i = 0;
    for (int e = E_AGAIN; e != 0; i++) {
        e = pack_with(STOP, i);
        assert_true(e == 0 || e == E_AGAIN);
        if (e)
            assert_untouched();
    }
    assert_true(i > 8 && ask_is_packed(path)); // once a group at least
    plan.at = 3;
    plan.calls = 0;
    assert_int_equal(pack_unpack(path, NULL, happen, NULL, why), E_AGAIN);
    assert_true(ask_is_packed(path) && !tmp_there(beside));
    put_plain();
}

// Killed anywhere it leaves a whole file, and the next try takes over what lies about.
static void test_killed(void **state)
{
    (void)state;
    for (int i = 0;; i++) {
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            _exit(pack_with(DIE, i) == 0 ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            break;
        }
        assert_true(is_plain(path) && tmp_there(beside));
        ask_sound(path);
    }
    assert_true(ask_is_packed(path) && !tmp_there(beside));
    put_plain();
}

// What a killed one left is removed; what somebody is making stays.
static void test_cleaned(void **state)
{
    (void)state;
    pack_clean(path);
    int fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    pack_clean(path);
    assert_true(tmp_there(beside));
    close(fd);
    pack_clean(path);
    assert_false(tmp_there(beside));
    assert_untouched();
}

static void test_changed(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i += 3) {
        assert_int_equal(pack_with(REMOVE, i), E_NOTFOUND);
        assert_true(!tmp_there(path) && !tmp_there(beside)); // it does not come back
        put_plain();
        assert_int_equal(pack_with(CHANGE, i), E_DAMAGED);
        assert_non_null(strstr(why, "it changed while it was packed"));
        assert_true(!ask_is_packed(path) && !tmp_there(beside));
        put_plain();
        assert_int_equal(pack_with(REPLACE, i), E_BUSY);
        assert_non_null(strstr(why, "another file took its place"));
        assert_untouched();
    }
}

// A limit that no file may grow beyond stands for it.
static void test_disk_full(void **state)
{
    struct rlimit was, low;
    struct stat st;
    (void)state;
    assert_int_equal(pack_file(path, NULL, NULL, NULL, why), 0);
    assert_int_equal(stat(path, &st), 0);
    put_plain();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 10; i++) {
        low = (struct rlimit){(rlim_t)(st.st_size * i / 10), was.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        int e = pack_file(path, NULL, NULL, NULL, why);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
        assert_int_equal(e, E_FULL);
        assert_non_null(strstr(why, "limit of the size of files"));
        assert_untouched();
    }
}

static void test_nomem(void **state)
{
    (void)state;
    for (int unpacking = 0; unpacking < 2; unpacking++)
        for (long i = 0, failed = 1; failed; i++) {
            alloc_fail_at(i);
            int e = unpacking ? pack_unpack(path, NULL, NULL, NULL, why)
                              : pack_file(path, NULL, NULL, NULL, why);
            failed = alloc_fail_end();
            // What only makes the rename durable can do without.
            assert_true(e == 0 || (failed && e == E_NOMEM));
            assert_false(tmp_there(beside));
            assert_int_equal(ask_is_packed(path), (e == 0) != unpacking);
            if (e == 0 && failed)
                e = unpacking ? pack_file(path, NULL, NULL, NULL, why)
                              : pack_unpack(path, NULL, NULL, NULL, why);
            assert_true(e == 0 || e == E_NOMEM);
        }
    assert_untouched();
}

// ---- damage

struct found {
    int damages, groups;
    char last[1024];
};

static void found(void *arg, enum verify_finding what, const char *place, const char *sentence)
{
    struct found *f = arg;
    f->damages += what == VERIFY_DAMAGE;
    f->groups += strncmp(place, "group ", 6) == 0;
    if (what == VERIFY_DAMAGE)
        snprintf(f->last, sizeof f->last, "%s: %s", place, sentence);
}

static int rows_of(struct store *store)
{
    struct store_query *q;
    int n = 0, e;
    assert_int_equal(store_transactions(store, NULL, STORE_BY_ID, 0, 0, &q), 0);
    while ((e = store_step(q)) == 1)
        n++;
    assert_int_equal(e, 0);
    store_query_free(q);
    return n;
}

// Any one byte: verify tells it, and the rows of the other groups are given.
static void test_damaged(void **state)
{
    size_t n;
    (void)state;
    assert_int_equal(pack_file(path, NULL, NULL, NULL, why), 0);
    unsigned char *bytes = tmp_read(path, &n);
    for (size_t at = 5; at < n; at += n / 23) {
        struct verify_sums sums;
        struct found f = {0};
        struct store *store;
        bytes[at] ^= 4;
        tmp_write(path, bytes, n);
        bytes[at] ^= 4;
        if (store_open(&store, path, STORE_READ, why) != 0)
            fail_msg("byte %zu: %s", at, why);
        assert_true(rows_of(store) >= 2000); // of 3000
        assert_int_equal(store_verify(store, &sums, found, NULL, &f), 0);
        assert_true(f.damages >= 1 && f.groups <= 1 && sums.damages >= 1);
        store_close(store);
    }
    // A cut one, too.
    struct store *store;
    struct found f = {0};
    struct verify_sums sums;
    tmp_write(path, bytes, n / 2);
    assert_int_equal(store_open(&store, path, STORE_READ, why), 0);
    assert_true(rows_of(store) >= 100);
    assert_int_equal(store_verify(store, &sums, found, NULL, &f), 0);
    assert_true(f.damages > 1);
    store_close(store);
    assert_int_equal(pack_unpack(path, NULL, NULL, NULL, why), E_DAMAGED);
    assert_true(ask_is_packed(path) && !tmp_there(beside));
    // Nothing of it but its beginning.
    tmp_write(path, bytes, 1000);
    assert_int_equal(store_open(&store, path, STORE_READ, why), E_DAMAGED);
    assert_non_null(strstr(why, "a packed capture, but"));
    free(bytes);
    put_plain();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_to),
        cmocka_unit_test(test_identity),       cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_live),           cmocka_unit_test(test_written),
        cmocka_unit_test(test_stopped),        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_cleaned),        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_disk_full),      cmocka_unit_test(test_nomem),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
