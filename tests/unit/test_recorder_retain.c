// Rotation is due when it should be; only sealed files of this capture are deleted, oldest first.
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "recorder/retain.h"
#include "schema/pack.h"
#include "tests/support/alloc.h"
#include "tests/support/ask.h"
#include "tests/support/tape.h"
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

#define PAGE 512 // of the captures made here, which have two

static char dir[TMP_PATH];
static struct retain known;

static int set_up(void **state)
{
    (void)state;
    tmp_make(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    retain_clear(&known);
    tmp_remove(dir);
    return 0;
}

static void put(const char *name, const void *bytes, size_t size, int64_t age)
{
    char path[TMP_PATH];
    tmp_write(tmp_path(path, dir, name), bytes, size);
    struct timespec times[2] = {{.tv_sec = NOW / US_PER_S - age}, {.tv_sec = NOW / US_PER_S - age}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

// The row of a file of capture 'A', as much of it as tells which file it is; number 0x2BCDEF, in
// static memory of 2 * PAGE bytes.
static unsigned char *page_pair(const char *previous)
{
    static unsigned char bytes[2 * PAGE];
    static char of[64] = "?";
    char path[TMP_PATH], sql[512];
    size_t n;
    if (strcmp(of, previous) == 0)
        return bytes;
    tmp_write(tmp_path(path, dir, "pages"), "", 0);
    snprintf(sql, sizeof sql,
             "PRAGMA journal_mode = OFF; PRAGMA page_size = 512;"
             "PRAGMA application_id = 0x54415045;"
             "CREATE TABLE capture (id INTEGER PRIMARY KEY, name, number, previous);"
             "INSERT INTO capture VALUES (1, CAST('AAAAAAAAAAAAAAAA' AS BLOB), 0x2BCDEF, '%s')",
             previous);
    ask_change(path, sql);
    unsigned char *made = tmp_read(path, &n);
    assert_int_equal(n, sizeof bytes);
    memcpy(bytes, made, n);
    free(made);
    unlink(path);
    snprintf(of, sizeof of, "%s", previous);
    return bytes;
}

// A file of so many pages, last changed age seconds before NOW, of capture letter.
static void make_row(const char *name, char letter, int number, const char *previous, size_t pages,
                     int64_t age)
{
    unsigned char bytes[16 * PAGE] = {0};
    assert_true(pages >= 2 && pages <= 16);
    memcpy(bytes, page_pair(previous), 2 * PAGE);
    unsigned char *capture = memmem(bytes, 2 * PAGE, "AAAAAAAAAAAAAAAA", 16);
    assert_non_null(capture);
    assert_memory_equal(capture + 16, "\x2b\xcd\xef", 3);
    memset(capture, letter, 16);
    for (int i = 0; i < 3; i++)
        capture[16 + i] = (unsigned char)(number >> (16 - 8 * i));
    put(name, bytes, pages * PAGE, age);
}

// A sealed file as rotation leaves it: its number is that of its name.
static void make(const char *name, size_t pages, int64_t age)
{
    const char *dash = strrchr(name, '-');
    make_row(name, 'A', dash ? (int)strtol(dash + 1, NULL, 10) : 0, "", pages, age);
}

static bool there(const char *name)
{
    char path[TMP_PATH];
    return tmp_there(tmp_path(path, dir, name));
}

static int sweep_at(const struct retain_conf *c, const char *path, int64_t live, int number,
                    const char *previous)
{
    struct retain_live l = {.path = path, .size = live, .id.number = number};
    memset(l.id.name, 'A', sizeof l.id.name);
    snprintf(l.id.previous, sizeof l.id.previous, "%s", previous);
    return retain_sweep(&known, c, &l, NOW);
}

static int sweep(const struct retain_conf *c, const char *name, int64_t live)
{
    char path[TMP_PATH];
    return sweep_at(c, tmp_path(path, dir, name), live, 999, "");
}

// What the log says during a sweep; to be freed.
static char *said(const struct retain_conf *c, const char *name, int deletes)
{
    char path[TMP_PATH];
    int real = dup(STDERR_FILENO);
    int fd = open(tmp_path(path, dir, "log"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(fd, STDERR_FILENO);
    int n = sweep(c, name, 1);
    dup2(real, STDERR_FILENO);
    close(fd);
    close(real);
    assert_int_equal(n, deletes);
    return tmp_read(path, NULL);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        n++;
    return n;
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
    make("capture.db", 2, 9999);
    for (int i = 1; i <= 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "capture-%06d.db", i);
        make(name, 2, 0);
    }
    put("capture-000001.db-wal", "0123456789", 10, 0);
    put("capture-000001.db-shm", "0123456789", 10, 0);
    struct retain_conf c = {.keep_files = 3};
    assert_int_equal(sweep(&c, "capture.db", 2 * PAGE), 2);
    assert_false(there("capture-000001.db"));
    assert_false(there("capture-000001.db-wal"));
    assert_false(there("capture-000001.db-shm"));
    assert_false(there("capture-000002.db"));
    assert_true(there("capture-000003.db"));
    assert_int_equal(sweep(&c, "capture.db", 2 * PAGE), 0);
    // All files together, the live one as well.
    c = (struct retain_conf){.keep_size = 8 * PAGE - 1};
    assert_int_equal(sweep(&c, "capture.db", 2 * PAGE), 1);
    assert_false(there("capture-000003.db"));
    c.keep_size = 1;
    assert_int_equal(sweep(&c, "capture.db", 2 * PAGE), 2);
    assert_true(there("capture.db"));
    assert_int_equal(sweep(&c, "capture.db", 2 * PAGE), 0);
}

static void age_counts_from_the_last_change(void **state)
{
    (void)state;
    make("capture-000001.db", 2, 100);
    make("capture-000002.db", 2, 60);
    make("capture-000003.db", 2, 59);
    struct retain_conf c = {.keep_age_us = 60 * US_PER_S};
    assert_int_equal(sweep(&c, "capture.db", 1), 2);
    assert_true(there("capture-000003.db"));
}

static void the_names_of_others_are_safe(void **state)
{
    (void)state;
    static const char *const others[] = {
        "capture.db",          "capture.db-wal",           "capture-1.db",
        "capture-00001.db",    "capture-000001.dbx",       "capture-000001.db.bak",
        "xcapture-000001.db",  "capture-00000a.db",        "capture-000001",
        "capture--000001.db",  "capture-+00001.db",        "other-000001.db",
        "capture-000001.db-x", "Capture-000001.db",        "capture- 000001.db",
        "capture-000000.db",   "capture-0000000000001.db", "capture-1000000.db",
        "capture-2026110.db",  "capture-20261101.db"};
    char path[TMP_PATH], link[TMP_PATH];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        make(others[i], 2, 9999);
    assert_int_equal(mkdir(tmp_path(path, dir, "capture-000007.db"), 0700), 0);
    assert_int_equal(
        symlink(tmp_path(path, dir, "other-000001.db"), tmp_path(link, dir, "capture-000008.db")),
        0);
    make("capture-999999.db", 2, 9999); // the highest there is
    struct retain_conf c = {.keep_age_us = 1};
    assert_int_equal(sweep(&c, "capture.db", 1), 1);
    assert_false(there("capture-999999.db"));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(there(others[i]));
    assert_true(there("capture-000007.db") && there("capture-000008.db"));
}

// A name of the form is not enough: what is not this file of this capture neither goes nor counts.
static void the_files_of_others_are_safe(void **state)
{
    (void)state;
    struct retain_conf c = {.keep_files = 2};
    char *damaged = calloc(1, 2 * PAGE);
    memcpy(damaged, page_pair(""), 100);
    make("capture-000001.db", 2, 9999);
    make("capture-000002.db", 2, 9999);
    make("capture-000003.db", 2, 9999);
    put("capture-000000.db", "", 0, 9999);
    put("capture-000004.db", "my notes", 8, 9999);
    put("capture-000005.db", "", 0, 9999);
    make_row("capture-000006.db", 'B', 6, "", 2, 9999); // another capture's
    make_row("capture-000007.db", 'A', 3, "", 2, 9999); // a copy
    make_row("capture-000008.db", 'A', 11, "", 2, 9999);
    put("capture-000009.db", damaged, 2 * PAGE, 9999);
    make("capture-202611.db", 2, 0); // number and all: it can only be ours
    char *text = said(&c, "capture.db", 2);
    assert_false(there("capture-000001.db") || there("capture-000002.db"));
    assert_int_equal(count(text, "is left alone"), 6);
    for (int i = 4; i <= 9; i++) {
        char name[64];
        snprintf(name, sizeof name, "file=\"capture-%06d.db\"", i);
        assert_int_equal(count(text, name), 1);
        snprintf(name, sizeof name, "capture-%06d.db", i);
        assert_true(there(name));
    }
    free(text);
    // Once, and no more as long as they are there.
    text = said(&c, "capture.db", 0);
    assert_string_equal(text, "");
    free(text);
    put("capture-000004.db", "more notes", 10, 1);
    c = (struct retain_conf){.keep_size = 1, .keep_files = 1, .keep_age_us = 1};
    text = said(&c, "capture.db", 2);
    assert_int_equal(count(text, "is left alone"), 0);
    assert_false(there("capture-000003.db") || there("capture-202611.db"));
    for (int i = 4; i <= 9; i++) {
        char name[64];
        snprintf(name, sizeof name, "capture-%06d.db", i);
        assert_true(there(name));
    }
    free(text);
    free(damaged);
}

// A file that becomes another under its name is looked into again.
static void a_file_that_changed_is_looked_into_again(void **state)
{
    (void)state;
    struct retain_conf c = {.keep_files = 1};
    make("capture-000001.db", 2, 5);
    make("capture-000002.db", 2, 5);
    c.keep_files = 5;
    assert_int_equal(sweep(&c, "capture.db", 1), 0);
    char path[TMP_PATH];
    unlink(tmp_path(path, dir, "capture-000001.db"));
    put("capture-000001.db", "my notes", 8, 5);
    put("capture-000003.db", "my notes", 8, 5);
    c.keep_files = 1;
    assert_int_equal(sweep(&c, "capture.db", 1), 0);
    assert_true(there("capture-000001.db") && there("capture-000002.db"));
    unlink(tmp_path(path, dir, "capture-000003.db"));
    make("capture-000003.db", 2, 5);
    assert_int_equal(sweep(&c, "capture.db", 1), 1);
    assert_true(there("capture-000001.db") && there("capture-000003.db"));
    assert_false(there("capture-000002.db"));
}

// Where a name was taken, the files have higher numbers in their names than in themselves.
static void files_behind_a_taken_name_are_ours(void **state)
{
    (void)state;
    struct retain_conf c = {.keep_files = 1};
    char path[TMP_PATH];
    tmp_path(path, dir, "capture.db");
    put("capture-000001.db", "my notes", 8, 5);
    make_row("capture-000002.db", 'A', 1, "", 2, 5);
    make_row("capture-000003.db", 'A', 2, "capture-000002.db", 2, 5);
    make_row("capture-000004.db", 'A', 3, "capture-000003.db", 2, 5);
    make_row("capture-000009.db", 'A', 2, "capture-000002.db", 2, 5); // copies
    make_row("capture-000010.db", 'A', 3, "capture-000003.db", 2, 5);
    assert_int_equal(sweep_at(&c, path, 1, 4, "capture-000004.db"), 2);
    assert_false(there("capture-000002.db") || there("capture-000003.db"));
    assert_true(there("capture-000001.db") && there("capture-000004.db"));
    assert_true(there("capture-000009.db") && there("capture-000010.db"));
    assert_int_equal(sweep_at(&c, path, 1, 4, "capture-000004.db"), 0);
}

// What the store itself makes: the live file with a second name is neither deleted nor disturbed.
static void files_of_the_store_are_known(void **state)
{
    (void)state;
    struct tape t;
    struct retain_live live = {.size = 1};
    struct retain_conf c = {.keep_files = 1};
    char path[TMP_PATH], second[TMP_PATH];
    tape_open(&t, tmp_path(path, dir, "day.sqlite"));
    for (int i = 0; i < 3; i++) {
        tape_http(&t, tape_flow(&t, "api:80"), "GET", "/", 200, VIEW_LIT("hello"));
        assert_int_equal(store_rotate(t.s, NULL, 0), 0);
    }
    tape_http(&t, tape_flow(&t, "api:80"), "GET", "/", 200, VIEW_LIT("hello"));
    assert_int_equal(link(path, tmp_path(second, dir, "day-000004.sqlite")), 0);
    live.path = store_path(t.s);
    assert_int_equal(store_identity(t.s, &live.id), 0);
    assert_int_equal(live.id.number, 4);
    assert_string_equal(live.id.previous, "day-000003.sqlite");
    c.keep_size = 1;
    live.before_stays = true; // the file before it is wanted yet
    assert_int_equal(retain_sweep(&known, &c, &live, clock_wall_us()), 2);
    assert_int_equal(retain_sweep(&known, &c, &live, clock_wall_us()), 0);
    assert_true(there("day-000003.sqlite") && there("day-000004.sqlite") && there("day.sqlite"));
    assert_false(there("day-000001.sqlite") || there("day-000002.sqlite"));
    live.before_stays = false;
    assert_int_equal(retain_sweep(&known, &c, &live, clock_wall_us()), 1);
    assert_false(there("day-000003.sqlite"));
    unlink(second);
    tape_close(&t);
    ask_sound(path);
}

static void a_capture_may_have_any_name(void **state)
{
    (void)state;
    struct retain_conf c = {.keep_files = 1};
    make("tape-000001", 2, 5);
    make("tape-000002", 2, 5);
    assert_int_equal(sweep(&c, "tape", 1), 1);
    assert_false(there("tape-000001"));
    make("a.b-000001.c", 2, 5);
    make("a.b-000002.c", 2, 5);
    assert_int_equal(sweep(&c, "a.b.c", 1), 1);
    make(".hidden-000001", 2, 5);
    make(".hidden-000002", 2, 5);
    assert_int_equal(sweep(&c, ".hidden", 1), 1);
    make("day-202611-000001.db", 2, 5);
    make("day-202611-000002.db", 2, 5);
    assert_int_equal(sweep(&c, "day-202611.db", 1), 1);
    // A relative path without a folder.
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    make("tape-000003", 2, 5);
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(sweep_at(&c, "tape", 1, 4, ""), 1);
    assert_int_equal(chdir(before), 0);
}

// A folder with more files than one sweep deletes: the oldest go, the rest at the next sweeps.
static void any_number_of_files_is_swept(void **state)
{
    (void)state;
    enum { FILES = 3 * RETAIN_SWEEP_MAX + 100, KEPT = 50 };
    char name[64];
    for (int i = 0; i < FILES; i++) { // not in the order of their numbers
        snprintf(name, sizeof name, "capture-%06d.db", (int)((i * 7919LL) % FILES) + 1);
        make(name, 2, 5);
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
    assert_int_equal(sweep_at(&c, "/nonexistent/folder/x.db", 1, 1, ""), E_NOTFOUND);
    for (long i = 0, failed = 1; failed; i++) {
        make("capture-000001.db", 2, 5);
        make("capture-000002.db", 2, 5);
        retain_clear(&known);
        alloc_fail_at(i);
        int n = sweep(&c, "capture.db", 1);
        failed = alloc_fail_end();
        assert_int_equal(n, failed ? E_NOMEM : 1);
    }
    c = (struct retain_conf){0};
    assert_int_equal(sweep(&c, "capture.db", 1), 0); // nothing to do is not even looked up
}

static int waiting_at(const char *of, int64_t now_us, char names[8][32])
{
    char path[TMP_PATH], *paths[8];
    int n = retain_plain(&known, tmp_path(path, dir, of), now_us, paths, 8);
    for (int i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "%s", strrchr(paths[i], '/') + 1);
        free(paths[i]);
    }
    return n;
}

static int waiting(const char *of, char names[8][32])
{
    return waiting_at(of, NOW, names);
}

// What cannot be packed does not stand before the others, is tried again ever less often, and at
// once when it was changed.
static void what_cannot_be_packed_waits(void **state)
{
    (void)state;
    char path[TMP_PATH], names[8][32];
    const int64_t minute = RETAIN_AGAIN_MIN_US;
    int64_t now = NOW;
    struct retain_conf c = {.pack = true};
    for (int i = 1; i <= 12; i++) {
        char name[64];
        snprintf(name, sizeof name, "capture-%06d.db", i);
        make(name, 2, 100);
    }
    assert_int_equal(sweep(&c, "capture.db", 0), 0);
    for (int i = 1; i <= 10; i++) {
        char name[64];
        snprintf(name, sizeof name, "capture-%06d.db", i);
        assert_true(retain_has(&known, tmp_path(path, dir, name)));
        assert_true(retain_stays(&known, path, now));
    }
    assert_false(retain_has(&known, "/elsewhere/capture-000013.db"));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(waiting_at("capture.db", now, names), 2);
        assert_string_equal(names[0], "capture-000011.db");
        assert_int_equal(sweep(&c, "capture.db", 0), 0);
    }
    retain_packed(&known, tmp_path(path, dir, "capture-000011.db"));
    assert_int_equal(waiting_at("capture.db", now, names), 1);
    // A minute, two, four, … a day.
    tmp_path(path, dir, "capture-000001.db");
    int64_t wait = minute;
    for (int i = 0; i < 300; i++) {
        waiting_at("capture.db", now + wait - 1, names);
        assert_string_not_equal(names[0], "capture-000001.db");
        waiting_at("capture.db", now + wait, names);
        assert_string_equal(names[0], "capture-000001.db");
        now += wait;
        assert_false(retain_stays(&known, path, now));
        wait = wait * 2 < RETAIN_AGAIN_MAX_US ? wait * 2 : RETAIN_AGAIN_MAX_US;
    }
    assert_int_equal(wait, RETAIN_AGAIN_MAX_US);
    // A clock that was set back, and a change.
    assert_int_equal(waiting_at("capture.db", now - 1, names), 8);
    assert_string_equal(names[0], "capture-000001.db");
    waiting_at("capture.db", now, names);
    assert_string_not_equal(names[0], "capture-000001.db");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(sweep(&c, "capture.db", 0), 0);
    assert_int_equal(waiting_at("capture.db", now, names), 8);
    assert_string_equal(names[0], "capture-000001.db");
    assert_true(retain_stays(&known, path, now));
}

static void packed_files_count_as_they_are(void **state)
{
    (void)state;
    char path[TMP_PATH], why[WHY_MAX], names[8][32];
    struct stat st;
    struct retain_conf c = {.pack = true};
    assert_true(retain_sweeps(&c));
    for (int i = 1; i <= 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "capture-%06d.db", i);
        make(name, 16, 100);
    }
    make_row("capture-000004.db", 'B', 4, "", 16, 100); // of another capture
    assert_int_equal(sweep(&c, "capture.db", 0), 0);
    assert_int_equal(waiting("capture.db", names), 3);
    assert_string_equal(names[0], "capture-000001.db");
    // Packed, a file is a small one of the same age.
    assert_int_equal(pack_file(tmp_path(path, dir, "capture-000001.db"), NULL, NULL, NULL, why), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 4 * PAGE);
    assert_int_equal(sweep(&c, "capture.db", 0), 0);
    assert_int_equal(waiting("capture.db", names), 2);
    assert_string_equal(names[0], "capture-000002.db");
    c.keep_size = 2 * 16 * PAGE + st.st_size;
    assert_int_equal(sweep(&c, "capture.db", 0), 0);
    c.keep_size--;
    put("capture-000001.db" PACK_BESIDE, "Tapedeck packing and more", 25, 0);
    put("capture-000002.db" PACK_BESIDE, "somebody's own", 14, 0);
    assert_int_equal(sweep(&c, "capture.db", 0), 1);
    assert_false(there("capture-000001.db") || there("capture-000001.db" PACK_BESIDE));
    assert_true(there("capture-000002.db"));
    // What was deleted just now does not wait.
    c = (struct retain_conf){.pack = true, .keep_age_us = 100 * US_PER_S};
    assert_int_equal(sweep(&c, "capture.db", 0), 2);
    assert_int_equal(waiting("capture.db", names), 0);
    assert_true(there("capture-000004.db") && there("capture-000002.db" PACK_BESIDE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rotation_is_due_by_size_or_age, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_files_go_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(age_counts_from_the_last_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_names_of_others_are_safe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_files_of_others_are_safe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_changed_is_looked_into_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(files_behind_a_taken_name_are_ours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_of_the_store_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_capture_may_have_any_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_number_of_files_is_swept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_packed_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(packed_files_count_as_they_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_folder_or_memory_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
