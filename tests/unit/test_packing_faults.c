// Packing on a disk that errs, beside files of others, and of files that are not what one packs:
// the capture stays whole, and nobody's file is touched.
#include "schema/pack.h"
#include "schema/packed.h"
#include "schema/packed_vfs.h"
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct sample s;
static char path[TMP_PATH], beside[TMP_PATH], live[TMP_PATH], to[TMP_PATH];
static unsigned char *plain;
static size_t plain_n;
static char why[WHY_MAX];

// ---- the disk

static struct {
    ino_t unreadable; // of its file from at on
    off_t at;
    off_t spoils; // a byte there is written as another; -1: none
} disk = {.spoils = -1};

ssize_t __real_pread(int fd, void *out, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *out, size_t n, off_t at);
ssize_t __real_pwrite(int fd, const void *in, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *in, size_t n, off_t at);

ssize_t __wrap_pread(int fd, void *out, size_t n, off_t at)
{
    struct stat st;
    if (disk.unreadable && at + (off_t)n > disk.at && fstat(fd, &st) == 0 &&
        st.st_ino == disk.unreadable) {
        errno = EIO;
        return -1;
    }
    return __real_pread(fd, out, n, at);
}

ssize_t __wrap_pwrite(int fd, const void *in, size_t n, off_t at)
{
    ssize_t got = __real_pwrite(fd, in, n, at);
    if (got > 0 && disk.spoils >= at && disk.spoils < at + got) {
        unsigned char byte = ((const unsigned char *)in)[disk.spoils - at] ^ 1;
        assert_int_equal(__real_pwrite(fd, &byte, 1, disk.spoils), 1);
    }
    return got;
}

// ---- set up

static int set_up(void **state)
{
    (void)state;
    sample_sealed(&s, 3000, 1000);
    plain = tmp_read(tmp_path(path, s.dir, "capture-000001.db"), &plain_n);
    tmp_path(live, s.dir, "capture.db");
    tmp_path(to, s.dir, "to.db");
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

static void put_plain(void)
{
    tmp_write(path, plain, plain_n);
    unlink(beside);
}

static void assert_untouched(void)
{
    assert_true(tmp_holds(path, plain, plain_n));
    assert_false(tmp_there(beside));
}

static void says(const char *words)
{
    if (!strstr(why, words))
        fail_msg("%s, not: %s", why, words);
}

// ---- a disk that errs

// A bad sector is the file's own matter, not one of the disk or the moment.
static void test_unreadable(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(stat(path, &st), 0);
    for (off_t at = 0; at < (off_t)plain_n; at += (off_t)plain_n / 5) {
        disk.unreadable = st.st_ino;
        disk.at = at;
        int e = pack_file(path, NULL, NULL, NULL, why);
        disk.unreadable = 0;
        assert_int_equal(e, E_DAMAGED);
        says("cannot read it: Input/output error");
        assert_untouched();
    }
}

// Whatever byte the disk gets wrong, also of what is there a second time, the capture is not let
// go.
static void test_spoilt(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(pack_file(path, to, NULL, NULL, why), 0);
    assert_int_equal(stat(to, &st), 0);
    unlink(to);
    for (off_t at = PACKED_HEADER; at < st.st_size; at += st.st_size / 41) {
        disk.spoils = at;
        int e = pack_file(path, NULL, NULL, NULL, why);
        disk.spoils = -1;
        if (e != E_DAMAGED)
            fail_msg("byte %lld: %d", (long long)at, e);
        assert_untouched();
    }
    const off_t ends[] = {20, PACKED_HEADER - 1, st.st_size - PACKED_HEADER, st.st_size - 1};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        disk.spoils = ends[i];
        int e = pack_file(path, NULL, NULL, NULL, why);
        disk.spoils = -1;
        assert_int_equal(e, E_DAMAGED);
        assert_untouched();
    }
}

// ---- files of others

static void test_name_taken(void **state)
{
    static const char own[] = "my own notes on how I am packing this";
    char taken[TMP_PATH];
    (void)state;
    tmp_path(taken, s.dir, "to.db" PACK_BESIDE);
    tmp_write(taken, own, sizeof own);
    assert_int_equal(pack_file(path, to, NULL, NULL, why), E_REFUSED);
    says("stands beside it, which is nothing of ours");
    assert_true(tmp_holds(taken, own, sizeof own) && !tmp_there(to));
    pack_clean(to);
    assert_true(tmp_there(taken));
    unlink(taken);
    // In place, and a copy of a capture, of the same one or another.
    for (int i = 0; i < 3; i++) {
        size_t n = sizeof own;
        const void *bytes = own;
        unsigned char *other = tmp_read(live, i == 1 ? &n : NULL);
        if (i == 1)
            bytes = other;
        if (i == 2) {
            bytes = plain;
            n = plain_n;
        }
        tmp_write(beside, bytes, n);
        assert_int_equal(pack_file(path, NULL, NULL, NULL, why), E_REFUSED);
        pack_clean(path);
        assert_true(tmp_holds(beside, bytes, n) && tmp_holds(path, plain, plain_n));
        free(other);
        unlink(beside);
    }
    // Shorter than anything of ours.
    tmp_write(beside, "x", 1);
    assert_int_equal(pack_file(path, NULL, NULL, NULL, why), E_REFUSED);
    assert_true(tmp_holds(beside, "x", 1));
    put_plain();
}

// Killed as the two files have changed their names already.
static void test_counterpart(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(stat(path, &st), 0);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(pack_file(path, NULL, NULL, NULL, why), 0);
    tmp_write(beside, plain, plain_n);
    pack_clean(path); // of another time it may be anybody's
    assert_true(tmp_there(beside));
    assert_int_equal(utimensat(AT_FDCWD, beside, times, 0), 0);
    pack_clean(path);
    assert_true(!tmp_there(beside) && ask_is_packed(path));
    // And as they have not yet, but the packed one is whole.
    assert_int_equal(pack_file(path, beside, NULL, NULL, why), E_EXISTS);
    assert_int_equal(rename(path, beside), 0);
    tmp_write(path, plain, plain_n);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(pack_file(path, NULL, NULL, NULL, why), 0);
    assert_true(!tmp_there(beside) && ask_is_packed(path));
    put_plain();
}

// What is killed before it is whole cannot be taken for a capture, packed or plain.
static int die(void *arg, int permille)
{
    if (permille >= *(int *)arg)
        kill(getpid(), SIGKILL);
    return 0;
}

static void test_never_looks_whole(void **state)
{
    (void)state;
    for (int unpacks = 0; unpacks < 2; unpacks++) {
        for (int at = 0; at < 1000; at += 240) {
            int status;
            pid_t pid = fork();
            assert_true(pid >= 0);
            if (pid == 0)
                _exit(unpacks ? pack_unpack(path, NULL, die, &at, why)
                              : pack_file(path, NULL, die, &at, why));
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_true(WIFSIGNALED(status));
            char *left = tmp_read(beside, NULL);
            assert_memory_equal(left, "Tapedeck packing", 16);
            free(left);
        }
        if (unpacks == 0)
            assert_int_equal(pack_file(path, NULL, NULL, NULL, why), 0);
        assert_int_equal(tmp_there(beside), unpacks);
    }
    assert_int_equal(pack_unpack(path, NULL, NULL, NULL, why), 0);
    assert_untouched();
}

// ---- what does not become smaller, and what is too large

// Content like that of images: no two bytes of it are alike.
static void make_dense(const char *file)
{
    tmp_write(file, "", 0);
    ask_change(file, "PRAGMA application_id = 0x54415045;"
                     "CREATE TABLE dense AS SELECT randomblob(1000000) AS x FROM"
                     " (VALUES (1), (2), (3), (4), (5), (6), (7))");
}

static void test_dense(void **state)
{
    size_t n;
    struct stat st;
    (void)state;
    make_dense(path);
    unsigned char *dense = tmp_read(path, &n);
    assert_int_equal(pack_file(path, NULL, NULL, NULL, why), E_LIMIT);
    assert_true(tmp_holds(path, dense, n) && !tmp_there(beside));
    assert_int_equal(pack_sealed(path, NULL, NULL, why), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(ask_is_packed(path) && (size_t)st.st_size > n && (size_t)st.st_size < n + n / 1000);
    assert_int_equal(pack_sealed(path, NULL, NULL, why), E_EXISTS);
    assert_int_equal(pack_unpack(path, NULL, NULL, NULL, why), 0);
    assert_true(tmp_holds(path, dense, n) && !tmp_there(beside));
    free(dense);
    put_plain();
    assert_int_equal(pack_sealed(path, NULL, NULL, why), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true((size_t)st.st_size < plain_n / 4);
    put_plain();
}

static void test_too_large(void **state)
{
    (void)state;
    if (truncate(path, (off_t)PACKED_GROUPS_MAX * PACKED_GROUP_MAX + 4096) == 0) {
        assert_int_equal(pack_file(path, NULL, NULL, NULL, why), E_RANGE);
        says("it is too large");
        assert_false(tmp_there(beside));
    }
    put_plain();
}

// ---- the last file of a recorder that ended

static void is_whole(const char *name)
{
    ask_sound(name);
    struct store *store;
    struct store_query *q;
    int n = 0;
    assert_int_equal(store_open(&store, name, STORE_READ, why), 0);
    assert_int_equal(store_transactions(store, NULL, STORE_BY_ID, 0, 0, &q), 0);
    while (store_step(q) == 1)
        n++;
    store_query_free(q);
    store_close(store);
    assert_int_equal(n, 1000);
}

static void test_last_file(void **state)
{
    char wal[TMP_PATH], back[TMP_PATH];
    struct store *store;
    size_t n;
    (void)state;
    unsigned char *was = tmp_read(live, &n);
    assert_int_equal(was[18], 2); // WAL
    assert_int_equal(pack_file(live, NULL, NULL, NULL, why), E_BUSY);
    says("a live file, which a recorder may go on with; give --to");
    // An empty WAL is none.
    tmp_write(tmp_path(wal, s.dir, "capture.db-wal"), "", 0);
    assert_int_equal(pack_file(live, to, NULL, NULL, why), 0);
    unlink(wal);
    assert_true(ask_is_packed(to) && tmp_holds(live, was, n));
    // Nothing is made beside it, and in a folder that nobody may write to it is read as well.
    is_whole(to);
    assert_false(tmp_there(tmp_path(back, s.dir, "to.db-wal")) ||
                 tmp_there(tmp_path(back, s.dir, "to.db-shm")));
    assert_int_equal(pack_unpack(to, tmp_path(back, s.dir, "back.db"), NULL, NULL, why), 0);
    assert_true(tmp_holds(back, was, n));
    unlink(back);
    unlink(to);
    // A WAL that somebody left, and a recorder that is there.
    tmp_write(wal, "x", 1);
    assert_int_equal(pack_file(live, to, NULL, NULL, why), E_BUSY);
    says("capture.db-wal stands beside it");
    unlink(wal);
    assert_int_equal(store_open(&store, live, STORE_WRITE, why), 0);
    assert_int_equal(pack_file(live, to, NULL, NULL, why), E_BUSY);
    says("a recorder writes to it");
    store_close(store);
    assert_false(tmp_there(to));
    was[18] = 3;
    tmp_write(live, was, n);
    assert_int_equal(pack_file(live, to, NULL, NULL, why), E_DAMAGED);
    was[18] = 2;
    tmp_write(live, was, n);
    free(was);
}

// A recorder that begins as the file is packed is not kept from it; either the packed file is what
// the capture was, or there is none.
static struct store *begun;
static int begin_at;

static int begin_recorder(void *arg, int permille)
{
    (void)permille;
    if (begin_at-- != 0)
        return 0;
    assert_int_equal(store_open(&begun, live, STORE_WRITE, why), 0);
    if (arg) {
        assert_int_equal(store_begin(begun), 0);
        assert_int_equal(store_put_restart(begun, store_key(1, 900000), 1, 1), 0);
        assert_int_equal(store_commit(begun), 0);
    }
    return 0;
}

static void test_recorder_begins(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        size_t n;
        unsigned char *was = tmp_read(live, &n);
        begin_at = i * 4;
        begun = NULL;
        int e = pack_file(live, to, begin_recorder, i == 2 ? live : NULL, why);
        assert_non_null(begun);
        store_close(begun);
        assert_true(e == 0 || e == E_DAMAGED);
        assert_int_equal(tmp_there(to), e == 0);
        if (e == 0) {
            char back[TMP_PATH];
            assert_int_equal(pack_unpack(to, tmp_path(back, s.dir, "back.db"), NULL, NULL, why), 0);
            assert_true(tmp_holds(back, was, n));
            unlink(back);
        }
        unlink(to);
        tmp_write(live, was, n);
        free(was);
    }
}

// ---- SQLite meets a disk that errs

static ssize_t no_pread(int fd, void *out, size_t n, off_t at)
{
    (void)fd;
    (void)out;
    (void)n;
    (void)at;
    errno = EIO;
    return -1;
}

static void test_open_unreadable(void **state)
{
    static const char *const calls[] = {"pread", "pread64"};
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    struct store *store;
    (void)state;
    assert_int_equal(pack_file(path, to, NULL, NULL, why), 0);
    for (int i = 0; i < 2; i++)
        vfs->xSetSystemCall(vfs, calls[i], (sqlite3_syscall_ptr)no_pread);
    int e = store_open(&store, to, STORE_READ, why);
    for (int i = 0; i < 2; i++)
        vfs->xSetSystemCall(vfs, calls[i], NULL);
    assert_int_equal(e, E_IO);
    says("disk I/O error");
    unlink(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unreadable),        cmocka_unit_test(test_spoilt),
        cmocka_unit_test(test_name_taken),        cmocka_unit_test(test_counterpart),
        cmocka_unit_test(test_never_looks_whole), cmocka_unit_test(test_dense),
        cmocka_unit_test(test_too_large),         cmocka_unit_test(test_last_file),
        cmocka_unit_test(test_recorder_begins),   cmocka_unit_test(test_open_unreadable),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
