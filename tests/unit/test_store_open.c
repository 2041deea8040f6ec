// Opening and ending: what becomes a capture, who may write, what survives a death or a full disk.
#include "tests/support/alloc.h"
#include "tests/support/ask.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH];

static int setup(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "capture.db");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

// ---- opening

static mode_t mode_of(const char *name)
{
    char file[TMP_PATH];
    struct stat st;
    return stat(tmp_path(file, dir, name), &st) == 0 ? st.st_mode & 0777 : 0;
}

static void only_the_owner_may_read_it(void **state)
{
    (void)state;
    struct tape t;
    mode_t before = umask(0);
    tape_open(&t, path);
    umask(before);
    tape_flow(&t, "a:1");
    assert_int_equal(mode_of("capture.db"), 0600);
    assert_int_equal(mode_of("capture.db-wal"), 0600);
    assert_int_equal(mode_of("capture.db-shm"), 0600);
    assert_int_equal(mode_of("capture.db-lock"), 0600);
    tape_close(&t);
    assert_int_equal(mode_of("capture.db-wal"), 0);
    assert_int_equal(mode_of("capture.db-lock"), 0);
}

// What a reader meets who looks for the file all the while: nothing, until it is a capture.
static int look_until_it_is_there(void)
{
    for (;;) {
        struct store *s = NULL;
        char why[WHY_MAX];
        int e = store_open(&s, path, STORE_READ, why);
        store_close(s);
        if (e == 0)
            return 0;
        if (e != E_NOTFOUND) {
            fprintf(stderr, "%s\n", why);
            return 1;
        }
    }
}

static void it_appears_whole(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct store *s = NULL;
        char why[WHY_MAX], name[16];
        int status = -1;
        snprintf(name, sizeof name, "whole-%d.db", round);
        tmp_path(path, dir, name);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(20);
            _exit(look_until_it_is_there());
        }
        assert_int_equal(store_open(&s, path, STORE_WRITE, why), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        store_close(s);
        assert_int_equal(status, 0);
    }
}

static void there_is_one_writer(void **state)
{
    (void)state;
    struct tape t;
    struct store *second = NULL;
    char why[WHY_MAX];
    tape_open(&t, path);
    assert_int_equal(store_open(&second, path, STORE_WRITE, why), E_BUSY);
    assert_non_null(strstr(why, "another recorder writes to it"));
    assert_non_null(strstr(why, "capture.db"));
    // A hard link is the same file, but would have a WAL of its own.
    char other[TMP_PATH];
    tmp_path(other, dir, "other.db");
    assert_int_equal(link(path, other), 0);
    assert_int_equal(store_open(&second, other, STORE_WRITE, why), E_BUSY);
    assert_non_null(strstr(why, "by another of its names"));
    tape_close(&t);
    assert_int_equal(store_open(&second, path, STORE_WRITE, why), 0);
    store_close(second);
    assert_int_equal(store_open(&second, other, STORE_WRITE, why), 0);
    store_close(second);
}

// What is committed into a file without a name is lost when it is closed: it must not be said to be
// stored.
static void a_removed_file_takes_nothing(void **state)
{
    (void)state;
    struct tape t;
    char moved[TMP_PATH];
    tape_open(&t, path);
    tmp_path(moved, dir, "moved.db");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rename(path, moved), 0);
        if (i == 1)
            tmp_write(path, "another file", 12);
        assert_int_equal(store_begin(t.s), 0);
        assert_int_equal(store_commit(t.s), E_NOTFOUND);
        assert_non_null(strstr(store_why(t.s), "removed, or another file took its place"));
        store_rollback(t.s);
        assert_int_equal(rename(moved, path), 0);
        assert_int_equal(store_begin(t.s), 0);
        assert_int_equal(store_commit(t.s), 0);
    }
    tape_close(&t);
}

static void make_foreign(const char *file, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void other_files_are_left_alone(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *sql;
        int write, read;
    } cases[] = {
        {"notes.txt",
         "These are notes, long enough to be no empty database, and no capture at all. "
         "SQLite reads a hundred bytes of them.",
         NULL, E_UNSUPPORTED, E_DAMAGED},
        {"other.db", NULL, "CREATE TABLE cats (name TEXT)", E_UNSUPPORTED, E_DAMAGED},
        {"newer.db", NULL,
         "PRAGMA application_id = 0x54415045; PRAGMA user_version = 99; CREATE TABLE txn (a);"
         "CREATE TABLE stream (a)",
         E_VERSION, E_VERSION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char file[TMP_PATH], why[WHY_MAX];
        struct store *s;
        size_t n, m;
        tmp_path(file, dir, cases[i].name);
        if (cases[i].text)
            tmp_write(file, cases[i].text, strlen(cases[i].text));
        else
            make_foreign(file, cases[i].sql);
        void *before = tmp_read(file, &n);
        assert_int_equal(store_open(&s, file, STORE_WRITE, why), cases[i].write);
        assert_non_null(strstr(why, cases[i].name));
        assert_int_equal(store_open(&s, file, STORE_READ, why), cases[i].read);
        void *after = tmp_read(file, &m);
        assert_int_equal(n, m);
        assert_memory_equal(before, after, n);
        free(before);
        free(after);
    }
}

// A capture of an earlier layout, with what is committed in its WAL, as a kill leaves it.
static void make_earlier(const char *file, const char *change)
{
    static const char *const ends[] = {"", "-wal"};
    char from[TMP_PATH], to[TMP_PATH + 8];
    struct tape t;
    sqlite3 *db;
    tape_open(&t, tmp_path(from, dir, "from.db"));
    tape_http(&t, tape_flow(&t, "a:1"), "GET", "/", 200, VIEW_LIT("hello"));
    tape_close(&t);
    assert_int_equal(sqlite3_open(from, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA legacy_alter_table = ON", NULL, NULL, NULL), 0);
    assert_int_equal(sqlite3_exec(db, change, NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 2; i++) {
        size_t n;
        char name[TMP_PATH + 8];
        snprintf(name, sizeof name, "%s%s", from, ends[i]);
        snprintf(to, sizeof to, "%s%s", file, ends[i]);
        void *bytes = tmp_read(name, &n);
        assert_true(n > 0);
        tmp_write(to, bytes, n);
        free(bytes);
    }
    sqlite3_close(db);
    unlink(from);
}

static void captures_of_other_layouts_are_refused(void **state)
{
    (void)state;
    static const char rename_column[] = "ALTER TABLE part RENAME COLUMN bytes_sum TO digest;";
    static const struct {
        const char *change, *write, *read; // read NULL: a reader takes it
    } cases[] = {
        {"PRAGMA user_version = 5;", "made by an earlier program (layout 5;",
         "made by an earlier program (layout 5; this one knows 6); read it with the program"},
        {"PRAGMA user_version = 1;", "move it away, with its -wal", "earlier program (layout 1;"},
        {"PRAGMA user_version = 7;", "newer program (layout 7; this one knows 6); use that program",
         "a newer program"},
        {"CREATE TABLE mine (a)", NULL, NULL}, // a user's own
        {"PRAGMA user_version = 123456;", "its tables are not those that this program makes", NULL},
        {"PRAGMA user_version = 0;", "its tables are not those that this program makes", NULL},
        {"", "its tables are not those that this program makes: part; move it away", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char file[TMP_PATH], wal[TMP_PATH + 8], change[256], why[WHY_MAX];
        struct store *s;
        size_t n[2], m;
        void *before[2];
        tmp_path(file, dir, "earlier.db");
        snprintf(wal, sizeof wal, "%s-wal", file);
        snprintf(change, sizeof change, "%s%s", cases[i].write ? rename_column : "",
                 cases[i].change);
        make_earlier(file, change);
        before[0] = tmp_read(file, &n[0]);
        before[1] = tmp_read(wal, &n[1]);
        int e = store_open(&s, file, STORE_READ, why);
        assert_int_equal(e, cases[i].read ? E_VERSION : 0);
        if (e == 0)
            store_close(s);
        else if (!strstr(why, cases[i].read))
            fail_msg("%s", why);
        e = store_open(&s, file, STORE_WRITE, why);
        assert_int_equal(e, cases[i].write ? E_VERSION : 0);
        if (e == 0)
            store_close(s);
        else if (!strstr(why, cases[i].write) || strchr(why, '\n'))
            fail_msg("%s", why);
        for (int k = 0; k < 2 && e != 0; k++) { // nothing was written into it
            void *after = tmp_read(k ? wal : file, &m);
            assert_int_equal(m, n[k]);
            assert_memory_equal(after, before[k], m);
            free(after);
        }
        free(before[0]);
        free(before[1]);
        unlink(file);
        unlink(wal);
        snprintf(wal, sizeof wal, "%s-shm", file);
        unlink(wal);
    }
}

// A version that cannot be is a damaged header: the tables tell that it is ours.
static void a_damaged_version_is_mended(void **state)
{
    (void)state;
    static const char *const changes[] = {"PRAGMA user_version = 123456",
                                          "PRAGMA user_version = 0"};
    for (int i = 0; i < 2; i++) {
        char why[WHY_MAX];
        struct store *s;
        make_earlier(path, changes[i]);
        assert_int_equal(store_open(&s, path, STORE_WRITE, why), 0);
        store_close(s);
        assert_string_equal(ask(path, "PRAGMA user_version"), "6");
        assert_string_equal(ask(path, "SELECT count(*) FROM txn"), "1");
        unlink(path);
    }
}

static void paths_that_cannot_be(void **state)
{
    (void)state;
    char file[TMP_PATH], why[WHY_MAX];
    struct store *s;
    assert_int_equal(store_open(&s, tmp_path(file, dir, "no/such/dir.db"), STORE_WRITE, why),
                     E_NOTFOUND);
    assert_int_equal(store_open(&s, tmp_path(file, dir, "none.db"), STORE_READ, why), E_NOTFOUND);
    assert_int_equal(store_open(&s, dir, STORE_READ, why), E_DAMAGED);
    assert_int_equal(store_open(&s, dir, STORE_WRITE, why), E_UNSUPPORTED);
    assert_int_equal(store_open(&s, "", STORE_WRITE, why), E_SYNTAX);
    assert_string_equal(why, "the capture's path is empty");
    assert_int_equal(store_open(&s, "", STORE_READ, why), E_SYNTAX);
    tmp_write(tmp_path(file, dir, "empty.db"), "", 0);
    assert_int_equal(store_open(&s, file, STORE_READ, why), E_DAMAGED);
    assert_int_equal(store_open(&s, file, STORE_WRITE, why), 0); // an empty file becomes a capture
    store_close(s);
}

// A name is a name, also where SQLite would take it for something else.
static void odd_names(void **state)
{
    (void)state;
    static const char *const names[] = {"file:capture.db?mode=ro", ":memory:", "a b%20'c\".db"};
    char before[TMP_PATH], why[WHY_MAX];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(dir), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct store *s;
        assert_int_equal(store_open(&s, names[i], STORE_WRITE, why), 0);
        store_close(s);
        assert_int_equal(access(names[i], F_OK), 0);
        assert_int_equal(store_open(&s, names[i], STORE_READ, why), 0);
        store_close(s);
    }
    assert_int_equal(chdir(before), 0);
}

// ---- death and a full disk

static void write_until_killed(int ready)
{
    struct tape t;
    char body[3000];
    tape_open(&t, path);
    for (int i = 0;; i++) {
        tape_begin(&t);
        int64_t flow = tape_flow(&t, "a:1");
        for (int n = 0; n < 20; n++) {
            memset(body, 'a' + (i + n) % 26, sizeof body);
            tape_http(&t, flow, "GET", "/x", 200, view_n(body, (size_t)(i + n * 7) % sizeof body));
        }
        tape_end(&t, flow);
        tape_commit(&t);
        t.flow_count = 0;
        if (write(ready, &t.seq, sizeof t.seq) != sizeof t.seq)
            _exit(1);
    }
}

static void what_was_committed_survives_a_kill(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        int pipes[2];
        uint64_t told, seq = 0;
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0)
            write_until_killed(pipes[1]);
        close(pipes[1]);
        for (int i = 0; i < 20 + round * 13; i++)
            assert_int_equal(read(pipes[0], &seq, sizeof seq), sizeof seq);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(pipes[0], &told, sizeof told) == sizeof told)
            seq = told; // committed before it died
        close(pipes[0]);
        struct tape t; // the lock is free, the file goes on
        tape_open(&t, path);
        assert_true(t.seq >= seq);
        tape_close(&t);
        ask_sound(path);
    }
}

// ---- a full disk: in a child, whose limit or whose file system it is

#define CHECK(x)                                                                                   \
    if (!(x))                                                                                      \
    return __LINE__ % 200 + 1
#define NO_DISK 250 // the child may not mount one

static struct rlimit old_limit;

static int take_room_by_limit(void)
{
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit);
    struct rlimit limit = {3 << 20, old_limit.rlim_max};
    return setrlimit(RLIMIT_FSIZE, &limit);
}

static int give_room_by_limit(void)
{
    return setrlimit(RLIMIT_FSIZE, &old_limit);
}

static char ballast[TMP_PATH];

// A file system of 8 MiB, most of which is a file that can be deleted.
static int take_room_by_disk(void)
{
    char full[TMP_PATH];
    void *bytes = calloc(1, 5 << 20);
    tmp_path(full, dir, "full");
    if (!bytes || mkdir(full, 0700) != 0 || !tmp_disk(full, 8)) {
        free(bytes);
        return NO_DISK;
    }
    tmp_write(tmp_path(ballast, full, "ballast"), bytes, 5 << 20);
    free(bytes);
    tmp_path(path, full, "capture.db");
    return 0;
}

static int give_room_by_disk(void)
{
    return unlink(ballast);
}

static int put_batch(struct tape *t, const struct store_part *p)
{
    int e = store_begin(t->s);
    if (e == 0)
        e = store_put_part(t->s, store_key(t->stream, t->seq), p);
    if (e == 0)
        e = store_put_progress(t->s, t->stream, t->seq, 0);
    if (e == 0)
        e = store_commit(t->s);
    if (e == 0)
        t->seq++;
    else
        store_rollback(t->s);
    return e;
}

// Answers as the child's exit status: 0, or the line that failed.
static int fill_up(int (*take_room)(void), int (*give_room)(void))
{
    static char body[100000];
    struct tape t;
    struct verify_sums sums;
    int e = take_room(), batches = 0;
    if (e != 0)
        return NO_DISK;
    tape_open(&t, path);
    struct store_part p = {.flow = tape_flow(&t, "a:1"), .bytes = view_n(body, sizeof body)};
    for (; e == 0 && batches < 100; batches++) {
        memset(body, batches + 1, sizeof body);
        e = put_batch(&t, &p);
    }
    CHECK(e == E_FULL);
    CHECK(strstr(store_why(t.s),
                 take_room == take_room_by_limit ? "limit of the size of files" : "no space left"));
    CHECK(batches > 10);
    for (int i = 0; i < 3; i++) // still full: the same answer, and nothing breaks
        CHECK(put_batch(&t, &p) == E_FULL);
    CHECK(give_room() == 0);
    CHECK(put_batch(&t, &p) == 0); // the same batch
    CHECK(store_verify(t.s, &sums, NULL, NULL, NULL) == 0);
    CHECK(sums.damages + sums.holes + sums.unbalanced == 0);
    CHECK(sums.parts == batches);
    tape_close(&t);
    return 0;
}

static void expect_full(int (*take_room)(void), int (*give_room)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(fill_up(take_room, give_room));
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_DISK)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_file_at_its_limit(void **state)
{
    (void)state;
    expect_full(take_room_by_limit, give_room_by_limit);
    ask_sound(path);
}

static void a_full_disk_is_told_and_got_over(void **state)
{
    (void)state;
    char full[TMP_PATH];
    expect_full(take_room_by_disk, give_room_by_disk);
    tmp_disk_end(tmp_path(full, dir, "full"));
}

// Another process, with a client of its own, holds the database for a moment: the batch waits.
static void a_foreign_lock_is_waited_for(void **state)
{
    (void)state;
    struct tape t;
    int pipes[2];
    char held;
    assert_int_equal(pipe(pipes), 0);
    tape_open(&t, path);
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db;
        if (sqlite3_open(path, &db) == SQLITE_OK &&
            sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
            write(pipes[1], "x", 1) == 1)
            usleep(100000);
        _exit(0);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &held, 1), 1);
    close(pipes[0]);
    tape_flow(&t, "a:1");
    waitpid(child, NULL, 0);
    tape_close(&t);
    assert_string_equal(ask(path, "SELECT count(*) FROM flow"), "1");
}

static void out_of_memory_is_an_error(void **state)
{
    (void)state;
    bool failed = true;
    for (long i = 0; failed; i++) {
        struct store *s = NULL;
        char why[WHY_MAX];
        alloc_fail_at(i);
        int e = store_open(&s, path, STORE_WRITE, why);
        struct store_txn txn = {.protocol = "http", .path = "/a/1/b", .res = {.end = 1}};
        int64_t id;
        uint64_t last;
        struct store_stream st = {.name = "x"};
        if (e == 0)
            e = store_stream(s, &st, 1, &id, &last);
        if (e == 0)
            e = store_begin(s);
        if (e == 0) {
            e = store_put_txn(s, store_key(id, 1), &txn);
            store_rollback(s);
        }
        failed = alloc_fail_end();
        if (!failed)
            assert_int_equal(e, 0);
        if (e != 0)
            assert_int_equal(e, E_NOMEM);
        store_close(s);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_the_owner_may_read_it),
        TEST(it_appears_whole),
        TEST(there_is_one_writer),
        TEST(a_removed_file_takes_nothing),
        TEST(other_files_are_left_alone),
        TEST(captures_of_other_layouts_are_refused),
        TEST(a_damaged_version_is_mended),
        TEST(paths_that_cannot_be),
        TEST(odd_names),
        TEST(what_was_committed_survives_a_kill),
        TEST(a_file_at_its_limit),
        TEST(a_full_disk_is_told_and_got_over),
        TEST(a_foreign_lock_is_waited_for),
        TEST(out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
