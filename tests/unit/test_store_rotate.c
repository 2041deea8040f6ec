// Rotation: each file of a capture is sealed and proves itself; nothing falls between two of them.
#include "tests/support/alloc.h"
#include "tests/support/ask.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH], first[TMP_PATH], second[TMP_PATH], next[TMP_PATH];

static int setup(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "capture.db");
    tmp_path(first, dir, "capture-000001.db");
    tmp_path(second, dir, "capture-000002.db");
    tmp_path(next, dir, "capture.db-next");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static bool is_there(const char *name)
{
    char file[TMP_PATH];
    return tmp_there(tmp_path(file, dir, name));
}

static void rotate(struct tape *t)
{
    int e = store_rotate(t->s, NULL, 0);
    if (e != 0)
        fail_msg("%s", store_why(t->s));
}

// What the seam between two files says: how many findings.
static void count_finding(void *arg, enum verify_finding what, const char *place,
                          const char *sentence)
{
    (void)place;
    (void)sentence;
    if (what != VERIFY_NOTE)
        ++*(int *)arg;
}

static int seam(const char *earlier, const char *later)
{
    struct store *a, *b;
    char why[WHY_MAX];
    int n = 0;
    int64_t flows;
    assert_int_equal(store_open(&a, earlier, STORE_READ, why), 0);
    assert_int_equal(store_open(&b, later, STORE_READ, why), 0);
    assert_int_equal(store_verify_seam(a, b, &flows, count_finding, &n), 0);
    store_close(a);
    store_close(b);
    return n;
}

static struct verify_sums sums_of(const char *file)
{
    struct store *s;
    struct verify_sums sums;
    char why[WHY_MAX];
    assert_int_equal(store_open(&s, file, STORE_READ, why), 0);
    assert_int_equal(store_verify(s, &sums, NULL, NULL, NULL), 0);
    store_close(s);
    return sums;
}

static void a_sealed_file_stands_alone(void **state)
{
    (void)state;
    struct tape t;
    struct stat st;
    char sealed[TMP_PATH];
    tape_open(&t, path);
    tape_everything(&t);
    assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
    assert_string_equal(sealed, first);
    assert_false(is_there("capture-000001.db-wal"));
    assert_false(is_there("capture-000001.db-shm"));
    assert_false(is_there("capture.db-next"));
    assert_int_equal(stat(first, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_string_equal(ask(first, "PRAGMA journal_mode"), "delete");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_string_equal(ask(path, "PRAGMA journal_mode"), "wal");
    assert_string_equal(ask(first, "SELECT count(*) FROM txn"), "60");
    assert_string_equal(ask(path, "SELECT count(*) FROM txn"), "0");
    assert_string_equal(ask(path, "SELECT number, previous FROM capture"), "2|capture-000001.db");
    tape_close(&t);
    ask_sound(first);
    ask_sound(path);
    assert_int_equal(seam(first, path), 0);
}

static void a_flow_may_span_files(void **state)
{
    (void)state;
    static const char *const talk[] = {"c:hello", "s:hi", NULL};
    struct tape t;
    tape_open(&t, path);
    int64_t ended = tape_flow(&t, "a:1"), open = tape_flow(&t, "b:2");
    tape_http(&t, ended, "GET", "/", 200, VIEW_LIT("x"));
    tape_end(&t, ended);
    tape_http(&t, open, "GET", "/1", 200, VIEW_LIT("one"));
    tape_loss(&t, open, 3, 30, 40);
    tape_part(&t, open, false, 0, VIEW_LIT("half of "));
    rotate(&t);
    assert_string_equal(ask(path, "SELECT id, target, carried FROM flow WHERE carried"),
                        "1099511627778|b:2|1");
    tape_part(&t, open, false, 8, VIEW_LIT("a talk"));
    struct store_txn txn = {.protocol = "raw",
                            .req = {.end = 1, .parts = 2, .body_size = 14, .body_stored = 14}};
    tape_txn(&t, open, &txn);
    rotate(&t);
    tape_raw(&t, open, talk);
    tape_end(&t, open);
    tape_close(&t);
    ask_sound(first);
    ask_sound(second);
    ask_sound(path);
    assert_int_equal(seam(first, second), 0);
    assert_int_equal(seam(second, path), 0);
    assert_int_equal(seam(first, path), 1); // there is a file between them

    // Over the files, the sums of the ended flows are what was relayed.
    struct verify_sums a = sums_of(first), b = sums_of(second), c = sums_of(path);
    assert_int_equal(a.flows_open, 1);
    assert_int_equal(b.flows_open, 1);
    assert_int_equal(c.flows_open, 0);
    int64_t relayed = a.relayed[0] + b.relayed[0] + c.relayed[0];
    int64_t held = a.stored[0] + b.stored[0] + c.stored[0] + a.lost[0] + b.lost[0] + c.lost[0];
    assert_int_equal(relayed, held);
    assert_int_equal(c.lost[0], 30);
    assert_int_equal(a.transactions + b.transactions + c.transactions, 4);
}

static void flows_that_are_over_stay_behind(void **state)
{
    (void)state;
    struct tape t;
    tape_open(&t, path);
    tape_flow(&t, "a:1");
    tape_flow(&t, "b:1");
    tape_restart(&t); // both ended here
    tape_flow(&t, "c:1");
    rotate(&t);
    assert_string_equal(ask(path, "SELECT target FROM flow"), "c:1");
    tape_stop(&t);
    rotate(&t);
    assert_string_equal(ask(path, "SELECT count(*) FROM flow"), "0");
    assert_string_equal(ask(path, "SELECT id, ended_us IS NULL FROM stream"), "");
    tape_close(&t);
    assert_int_equal(sums_of(first).flows_cut, 2);
    assert_int_equal(sums_of(first).flows_open, 1);
}

// Numbers go on: what the emitter sends again after a rotation is known to be there.
static void streams_go_on_with_their_numbers(void **state)
{
    (void)state;
    struct tape t;
    struct store_stream other = {.name = "other"};
    int64_t id;
    uint64_t last;
    tape_open(&t, path);
    tape_flow(&t, "a:1");
    tape_flow(&t, "a:2");
    rotate(&t);
    assert_string_equal(ask(path, "SELECT id, first_seq, last_seq FROM stream"), "1|3|2");
    tape_flow(&t, "a:3");
    tape_close(&t);
    tape_open(&t, path);
    assert_int_equal(t.stream, 1);
    assert_int_equal(t.seq, 4);
    assert_int_equal(store_stream(t.s, &other, 1, &id, &last), 0);
    assert_int_equal(id, 2); // never that of a stream in another file
    tape_close(&t);
    ask_sound(path);
}

static void names_that_are_taken_are_passed_over(void **state)
{
    (void)state;
    struct tape t;
    char sealed[TMP_PATH], mine[TMP_PATH];
    tmp_write(tmp_path(mine, dir, "capture-000001.db"), "mine", 4);
    tape_open(&t, path);
    assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
    assert_string_equal(sealed, second);
    assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
    assert_non_null(strstr(sealed, "capture-000003.db"));
    tape_close(&t);
    size_t n;
    char *kept = tmp_read(mine, &n);
    assert_memory_equal(kept, "mine", 4);
    free(kept);
}

static void names_without_an_end_have_none(void **state)
{
    (void)state;
    struct tape t;
    char file[TMP_PATH], sealed[TMP_PATH];
    tape_open(&t, tmp_path(file, dir, "dir.d")); // the dot of the name, not of a folder
    assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
    assert_non_null(strstr(sealed, "/dir-000001.d"));
    tape_close(&t);
    tape_open(&t, tmp_path(file, dir, "plain"));
    assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
    assert_non_null(strstr(sealed, "/plain-000001"));
    tape_close(&t);
}

// A reader that stays keeps the rotation waiting, and is served on; afterwards it succeeds.
static void a_reader_keeps_it_waiting(void **state)
{
    (void)state;
    struct tape t;
    struct store *reader;
    struct store_query *q;
    char why[WHY_MAX];
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "a:1");
    assert_int_equal(store_open(&reader, path, STORE_READ, why), 0);
    assert_int_equal(store_rotate(t.s, NULL, 0), E_BUSY);
    assert_non_null(strstr(store_why(t.s), "somebody has it open"));
    assert_false(is_there("capture.db-next"));
    assert_false(is_there("capture-000001.db"));
    tape_http(&t, flow, "GET", "/", 200, VIEW_LIT("still written")); // the old file goes on
    assert_int_equal(store_query(reader, "SELECT path FROM txn", &q), 0);
    assert_int_equal(store_step(q), 1);
    store_query_free(q);
    store_close(reader);
    rotate(&t);
    tape_end(&t, flow);
    tape_close(&t);
    ask_sound(first);
    ask_sound(path);
}

static void nothing_is_lost_when_it_fails(void **state)
{
    (void)state;
    struct tape t;
    tape_open(&t, path);
    tape_flow(&t, "a:1");
    // The new file cannot be made: its name is a folder's that is not empty.
    char inner[TMP_PATH];
    assert_int_equal(mkdir(next, 0700), 0);
    tmp_write(tmp_path(inner, next, "x"), "", 0);
    assert_true(store_rotate(t.s, NULL, 0) < 0);
    tape_flow(&t, "a:2");
    assert_int_equal(unlink(inner), 0);
    assert_int_equal(rmdir(next), 0);
    rotate(&t);
    tape_close(&t);
    assert_string_equal(ask(first, "SELECT target FROM flow"), "a:1 a:2");
    ask_sound(first);
}

// As nobody, in a folder of nobody's: the exit status is 0, or the line that failed.
static int write_where_nothing_can_be_made(void)
{
#define CHECK(c)                                                                                   \
    do {                                                                                           \
        if (!(c))                                                                                  \
            return __LINE__ % 251 + 1;                                                             \
    } while (0)
    struct tape t;
    struct store *s;
    char why[WHY_MAX];
    CHECK(geteuid() != 0 || setuid(65534) == 0);
    CHECK(chmod(dir, 0500) == 0);
    CHECK(store_open(&s, path, STORE_WRITE, why) == E_REFUSED && strstr(why, path));
    CHECK(chmod(dir, 0700) == 0);
    tape_open(&t, path);
    tape_flow(&t, "a:1");
    CHECK(chmod(dir, 0500) == 0);
    CHECK(store_rotate(t.s, NULL, 0) == E_REFUSED && strstr(store_why(t.s), "-next"));
    tape_flow(&t, "a:2"); // it goes on
    CHECK(chmod(dir, 0700) == 0);
    CHECK(store_rotate(t.s, NULL, 0) == 0);
    tape_close(&t);
    return 0;
}

static void a_folder_that_cannot_be_written(void **state)
{
    (void)state;
    int status;
    if (geteuid() == 0)
        assert_int_equal(chown(dir, 65534, 65534), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(write_where_nothing_can_be_made());
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(ask(first, "SELECT target FROM flow"), "a:1 a:2");
    ask_sound(first);
    ask_sound(path);
}

// ---- cut short

// As a process leaves it that dies between the two renames.
static void it_is_ended_by_the_next_open(void **state)
{
    (void)state;
    struct tape t;
    tape_open(&t, path);
    tape_flow(&t, "a:1");
    rotate(&t);
    tape_close(&t);
    assert_int_equal(rename(path, next), 0);
    tape_open(&t, path);
    assert_int_equal(t.seq, 2);
    tape_flow(&t, "a:2");
    tape_close(&t);
    assert_false(is_there("capture.db-next"));
    assert_int_equal(seam(first, path), 0);
}

// The same between the second name and the rename: both names are the old file's.
static void it_is_ended_with_two_names(void **state)
{
    (void)state;
    struct tape t;
    tape_open(&t, path);
    tape_flow(&t, "a:1");
    rotate(&t);
    tape_close(&t);
    assert_int_equal(rename(path, next), 0);
    assert_int_equal(link(first, path), 0);
    tape_open(&t, path);
    assert_int_equal(t.seq, 2);
    tape_flow(&t, "a:2");
    tape_close(&t);
    assert_false(is_there("capture.db-next"));
    assert_string_equal(ask(first, "SELECT target FROM flow"), "a:1");
    assert_string_equal(ask(path, "SELECT target FROM flow WHERE NOT carried"), "a:2");
    assert_int_equal(seam(first, path), 0);
}

// Whoever looks for the file while it is rotated finds one, always a whole one.
static void there_is_a_file_at_any_time(void **state)
{
    (void)state;
    struct tape t;
    int status;
    tape_open(&t, path);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 2000; i++) {
            if (access(path, F_OK) != 0)
                _exit(1);
        }
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0)
        rotate(&t);
    assert_int_equal(status, 0);
    tape_close(&t);
}

// Through a link the file is the same: there is one writer, and sealed files stand beside the file.
static void a_link_to_the_capture(void **state)
{
    (void)state;
    struct tape t;
    struct store *other;
    char folder[TMP_PATH], name[TMP_PATH], sealed[TMP_PATH], why[WHY_MAX];
    tape_open(&t, path);
    tmp_path(folder, dir, "elsewhere");
    tmp_path(name, folder, "link.db");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(symlink(path, name), 0);
    assert_int_equal(store_open(&other, name, STORE_WRITE, why), E_BUSY);
    assert_int_equal(sums_of(name).streams_cut, 0); // it is being written
    tape_close(&t);
    assert_int_equal(sums_of(name).streams_cut, 1);
    tape_open(&t, name);
    assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
    assert_string_equal(sealed, first);
    tape_flow(&t, "a:1");
    tape_close(&t);
    assert_string_equal(ask(name, "SELECT target FROM flow"), "a:1");
}

// And as one leaves it that dies before them.
static void a_half_made_file_is_thrown_away(void **state)
{
    (void)state;
    struct tape t;
    char journal[TMP_PATH];
    tape_open(&t, path);
    tape_flow(&t, "a:1");
    tape_close(&t);
    tmp_write(next, "half", 4);
    tmp_write(tmp_path(journal, dir, "capture.db-next-journal"), "x", 1);
    tape_open(&t, path);
    assert_int_equal(t.seq, 2);
    assert_false(is_there("capture.db-next"));
    assert_false(is_there("capture.db-next-journal"));
    tape_close(&t);
}

static void rotate_until_killed(int ready)
{
    struct tape t;
    tape_open(&t, path);
    for (;;) {
        int64_t flow = tape_flow(&t, "a:1");
        tape_http(&t, flow, "GET", "/", 200, VIEW_LIT("some body"));
        tape_end(&t, flow);
        if (store_rotate(t.s, NULL, 0) != 0 || write(ready, "x", 1) != 1)
            _exit(1);
        t.flow_count = 0;
    }
}

static void a_kill_at_any_point_leaves_a_chain(void **state)
{
    (void)state;
    char later[TMP_PATH], name[64];
    for (int round = 0; round < 6; round++) {
        int pipes[2];
        char x;
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0)
            rotate_until_killed(pipes[1]);
        close(pipes[1]);
        for (int i = 0; i < 2; i++)
            assert_int_equal(read(pipes[0], &x, 1), 1);
        usleep((useconds_t)round * 1700);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(pipes[0]);
    }
    struct tape t;
    tape_open(&t, path);
    tape_close(&t);
    ask_sound(path);
    tmp_path(later, dir, "capture-000001.db");
    for (int i = 2; i == 2 || is_there(name); i++) {
        char earlier[TMP_PATH];
        memcpy(earlier, later, sizeof earlier);
        snprintf(name, sizeof name, "capture-%06d.db", i);
        tmp_path(later, dir, is_there(name) ? name : "capture.db");
        ask_sound(earlier);
        assert_int_equal(seam(earlier, later), 0);
    }
}

static void out_of_memory_is_an_error(void **state)
{
    (void)state;
    struct tape t;
    bool failed = true;
    tape_open(&t, path);
    tape_flow(&t, "a:1");
    for (long i = 0; failed; i++) {
        alloc_fail_at(i);
        int e = store_rotate(t.s, NULL, 0);
        failed = alloc_fail_end();
        assert_true(e == 0 || e == E_NOMEM || e == E_LIMIT);
        tape_flow(&t, "b:1"); // it goes on, with the old file or the new one
    }
    tape_close(&t);
    ask_sound(path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_sealed_file_stands_alone),
        TEST(a_flow_may_span_files),
        TEST(flows_that_are_over_stay_behind),
        TEST(streams_go_on_with_their_numbers),
        TEST(names_that_are_taken_are_passed_over),
        TEST(names_without_an_end_have_none),
        TEST(a_reader_keeps_it_waiting),
        TEST(nothing_is_lost_when_it_fails),
        TEST(a_folder_that_cannot_be_written),
        TEST(it_is_ended_by_the_next_open),
        TEST(it_is_ended_with_two_names),
        TEST(there_is_a_file_at_any_time),
        TEST(a_link_to_the_capture),
        TEST(a_half_made_file_is_thrown_away),
        TEST(a_kill_at_any_point_leaves_a_chain),
        TEST(out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
