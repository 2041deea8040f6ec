// A live view: everything that is committed, once, through rotations, until it is told to end.
#include "tests/support/program.h"
#include "tests/support/sample.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void get(struct sample *s, const char *path, int status)
{
    char req[200], res[100];
    snprintf(req, sizeof req, "GET %s HTTP/1.1\r\nHost: api.test\r\n\r\n", path);
    snprintf(res, sizeof res, "HTTP/1.1 %d Some\r\n\r\n", status);
    struct sample_txn t = {.method = "GET",
                           .path = path,
                           .status = status,
                           .req = {.head = view_of(req)},
                           .res = {.head = view_of(res)}};
    sample_http(s, &t);
}

static void start(struct program *p, const struct sample *s, const char *const *more)
{
    const char *words[16] = {"tapedeck",  more[0],       s->path,
                             "--columns", "status,path", "--no-header"};
    for (int i = 1; more[i]; i++)
        words[5 + i] = more[i];
    program_start(p, words, NULL);
}

static void test_tail(void **state)
{
    struct sample s;
    struct program p;
    (void)state;
    sample_begin(&s, "capture.db");
    sample_flow(&s, true);
    for (int i = 0; i < 5; i++) {
        char path[16];
        snprintf(path, sizeof path, "/old/%d", i);
        get(&s, path, 200);
    }
    sample_commit(&s);
    start(&p, &s, (const char *const[]){"tail", "-n", "2", NULL});
    assert_true(program_wait_for(&p, "200  /old/4\n"));
    assert_string_equal(p.out, "200  /old/3\n200  /old/4\n");
    get(&s, "/new/1", 200);
    sample_commit(&s);
    assert_true(program_wait_for(&p, "200  /new/1\n"));
    int64_t first = s.stream; // another worker's stream has lower numbers still to come
    uint64_t seq = s.seq;
    store_rollback(s.store);
    sample_stream(&s, 2);
    assert_int_equal(store_begin(s.store), 0);
    sample_flow(&s, false);
    get(&s, "/other/1", 200);
    sample_commit(&s);
    assert_true(program_wait_for(&p, "200  /other/1\n"));
    s.stream = first;
    s.seq = seq;
    sample_flow(&s, true);
    get(&s, "/new/2", 200);
    sample_commit(&s);
    assert_true(program_wait_for(&p, "200  /new/2\n"));
    sample_close(&s);
    program_end(&p, SIGINT);
    assert_int_equal(p.code, 0);
    assert_int_equal(p.err_n, 0);
    assert_string_equal(p.out, "200  /old/3\n200  /old/4\n200  /new/1\n200  /other/1\n"
                               "200  /new/2\n");
    program_clear(&p);
    sample_remove(&s);
}

static void test_filter_and_open(void **state)
{
    struct sample s;
    struct program p;
    (void)state;
    sample_begin(&s, "capture.db");
    sample_flow(&s, true);
    get(&s, "/a", 500);
    sample_commit(&s);
    start(&p, &s, (const char *const[]){"ls", "--follow", "path != /skip", NULL});
    assert_true(program_wait_for(&p, "500  /a\n"));
    sample_open(&s, "/long");
    sample_flow(&s, true);
    get(&s, "/skip", 200);
    sample_commit(&s);
    assert_true(program_wait_for(&p, "  -  /long [open]\n"));
    get(&s, "/b", 200);
    sample_commit(&s);
    assert_true(program_wait_for(&p, "200  /b\n"));
    program_end(&p, SIGTERM);
    assert_int_equal(p.code, 0);
    assert_null(strstr(p.out, "/skip"));
    program_clear(&p);
    sample_close(&s);
    sample_remove(&s);
}

// What is open has the names that it will have when it is over, so that one filter takes both.
static void test_open_names(void **state)
{
    struct sample s;
    struct program p;
    char open[512];
    (void)state;
    sample_begin(&s, "capture.db");
    sample_flow(&s, true);
    struct store_txn_open o = {.flow = s.flow,
                               .n = s.n,
                               .first_us = s.now_us,
                               .protocol = "raw",
                               .method = "",
                               .scheme = "",
                               .host = "",
                               .path = "",
                               .query = ""};
    assert_int_equal(store_put_txn_open(s.store, store_key(s.stream, ++s.seq), &o), 0);
    sample_commit(&s);
    TAPEDECK(&p, "ls", s.path, "--open", "--no-header", "--columns", "url,host,target",
             "url ~ \"^tcp://\" and host = \"localhost:80\"");
    assert_string_equal(p.err, "");
    assert_string_equal(p.out, "tcp://localhost:80  localhost:80  localhost:80\n");
    snprintf(open, sizeof open, "%s", p.out);
    program_clear(&p);
    sample_raw(&s, (const char *const[]){"hello", NULL});
    sample_commit(&s);
    TAPEDECK(&p, "ls", s.path, "--no-header", "--columns", "url,host,target");
    assert_string_equal(p.out, open);
    program_clear(&p);
    sample_close(&s);
    sample_remove(&s);
}

// Of a folder with two captures only one could be followed.
static void test_two_captures(void **state)
{
    struct sample s;
    struct program p;
    char second[TMP_PATH], script[3 * TMP_PATH];
    (void)state;
    sample_begin(&s, "one.db");
    sample_flow(&s, true);
    get(&s, "/a", 200);
    sample_close(&s);
    size_t n;
    char *bytes = tmp_read(s.path, &n);
    tmp_write(tmp_path(second, s.dir, "two.db"), bytes, n);
    free(bytes);
    snprintf(script, sizeof script,
             "timeout 5 tapedeck tail %s; echo $?; timeout 5 tapedeck ls --follow %s; echo $?",
             s.dir, s.dir);
    program_shell(&p, script);
    assert_string_equal(p.out, "2\n2\n");
    assert_non_null(strstr(p.err, "one.db"));
    assert_non_null(strstr(p.err, "two.db"));
    program_clear(&p);
    sample_remove(&s);
}

// Rows of several files, each shown once, whichever file they are in by now.
static void rotation(const char *live, const char *sealed)
{
    struct sample s;
    struct program p;
    char want[1024];
    size_t n = 0;
    sample_begin(&s, live);
    sample_flow(&s, true);
    get(&s, "/0", 200);
    sample_commit(&s);
    start(&p, &s, (const char *const[]){"tail", "-n", "1", NULL});
    assert_true(program_wait_for(&p, "200  /0\n"));
    for (int i = 1; i <= 12; i++) {
        char path[16], line[32];
        snprintf(path, sizeof path, "/row/%d", i);
        snprintf(line, sizeof line, "200  /row/%d\n", i);
        n += (size_t)snprintf(want + n, sizeof want - n, "%s", line);
        get(&s, path, 200);
        if (i % 3 == 0)
            sample_rotate(&s);
        else
            sample_commit(&s);
        if (i % 4 == 0)
            if (!program_wait_for(&p, line))
                fail_msg("%s never came; so far: %s%s", line, p.out, p.err);
    }
    sample_close(&s);
    assert_true(program_wait_for(&p, "200  /row/12\n"));
    program_end(&p, SIGINT);
    assert_int_equal(p.code, 0);
    const char *rows = strstr(p.out, "200  /row/1\n");
    assert_non_null(rows);
    assert_string_equal(rows, want);
    program_clear(&p);
    // The folder has them all, in their order.
    TAPEDECK(&p, "ls", s.dir, "--columns", "status,path", "--no-header", "path ~ ^/row");
    assert_string_equal(p.out, want);
    program_clear(&p);
    // Its stream never said its end: that is all there is to say about them.
    TAPEDECK(&p, "verify", s.dir, "--json");
    assert_int_equal(p.code, 1);
    assert_non_null(strstr(p.out, "never said its end"));
    program_clear(&p);
    // As a rotation leaves the folder for a moment: the last file has two names.
    char second[TMP_PATH];
    assert_int_equal(link(s.path, tmp_path(second, s.dir, sealed)), 0);
    TAPEDECK(&p, "ls", s.dir, "--columns", "status,path", "--no-header", "path ~ ^/row");
    assert_string_equal(p.out, want);
    program_clear(&p);
    sample_remove(&s);
}

static void test_rotation(void **state)
{
    (void)state;
    rotation("capture.db", "capture-000005.db");
    rotation("day.sqlite", "day-000005.sqlite");
    rotation("tape", "tape-000005");
}

// In a folder captures are known by what they are, and what they are made of by their names.
static void test_folder(void **state)
{
    struct sample s;
    struct program p;
    char path[TMP_PATH];
    size_t n;
    (void)state;
    sample_begin(&s, "day.sqlite");
    sample_flow(&s, true);
    for (int i = 0; i < 3; i++) {
        get(&s, "/a", 200);
        sample_rotate(&s);
    }
    get(&s, "/b", 200);
    // As a rotation that goes on leaves it.
    sample_commit(&s);
    char *bytes = tmp_read(tmp_path(path, s.dir, "day-000001.sqlite"), &n);
    tmp_write(tmp_path(path, s.dir, "day.sqlite-next"), bytes, n);
    tmp_write(tmp_path(path, s.dir, "notes.txt"), "my notes", 8);
    tmp_write(tmp_path(path, s.dir, "notes-202611.txt"), "my notes", 8);
    tmp_write(tmp_path(path, s.dir, "day-20261101.sqlite"), "my notes", 8);
    TAPEDECK(&p, "ls", s.dir, "--columns", "path", "--no-header");
    assert_string_equal(p.out, "/a\n/a\n/a\n/b\n");
    assert_string_equal(p.err, "");
    program_clear(&p);
    sample_close(&s);
    unlink(tmp_path(path, s.dir, "day.sqlite-next"));
    TAPEDECK(&p, "verify", s.dir);
    if (!strstr(p.out, "transactions      4 of 4\n"))
        fail_msg("%s%s", p.out, p.err);
    program_clear(&p);
    // One that is no database any more is not left out in silence.
    memset(bytes, 'x', 100);
    tmp_write(tmp_path(path, s.dir, "day-000001.sqlite"), bytes, n);
    TAPEDECK(&p, "verify", s.dir);
    assert_int_equal(p.code, 2);
    assert_non_null(strstr(p.out, "day-000001.sqlite"));
    program_clear(&p);
    free(bytes);
    sample_remove(&s);
    // A capture may be called so by itself.
    sample_begin(&s, "day-next");
    sample_flow(&s, true);
    get(&s, "/a", 200);
    sample_commit(&s);
    TAPEDECK(&p, "ls", s.dir, "--columns", "path", "--no-header");
    assert_string_equal(p.out, "/a\n");
    program_clear(&p);
    sample_close(&s);
    tmp_remove(s.dir);
    tmp_make(s.dir);
    tmp_write(tmp_path(path, s.dir, "notes-202611.txt"), "my notes", 8);
    TAPEDECK(&p, "ls", s.dir);
    assert_int_equal(p.code, 1);
    assert_non_null(strstr(p.err, "no capture in this folder"));
    program_clear(&p);
    sample_remove(&s);
}

// A folder that is rotated while it is read is whole all the same.
static void test_verify_while_rotated(void **state)
{
    struct sample s;
    struct program p;
    (void)state;
    sample_begin(&s, "capture.db");
    sample_flow(&s, true);
    for (int i = 0; i < 8; i++) {
        program_start(&p, (const char *const[]){"tapedeck", "verify", s.dir, NULL}, NULL);
        for (int j = 0; j < 4; j++) {
            get(&s, "/", 200);
            sample_rotate(&s);
        }
        program_end(&p, 0);
        if (p.code != 0)
            fail_msg("verify: %d: %s%s", p.code, p.out, p.err);
        program_clear(&p);
    }
    sample_close(&s);
    // The one flow went through all files.
    TAPEDECK(&p, "verify", s.dir);
    if (!strstr(p.out, "flows             0 ended, 1 open\n"))
        fail_msg("%s", p.out);
    program_clear(&p);
    // So did its one stream; that of another capture is another.
    TAPEDECK(&p, "verify", s.dir, "--json");
    assert_non_null(strstr(p.out, "\"streams\": 1,"));
    program_clear(&p);
    char other[TMP_PATH];
    size_t size;
    void *copy = tmp_read(s.path, &size);
    tmp_write(tmp_path(other, s.dir, "other.db"), copy, size);
    free(copy);
    TAPEDECK(&p, "verify", s.dir, "--json");
    assert_non_null(strstr(p.out, "\"streams\": 2,"));
    program_clear(&p);
    sample_remove(&s);
}

static void test_reader_goes_away(void **state)
{
    struct sample s;
    struct program p;
    char script[2 * TMP_PATH];
    (void)state;
    sample_begin(&s, "capture.db");
    sample_flow(&s, true);
    get(&s, "/a", 200);
    sample_close(&s);
    snprintf(script, sizeof script, "{ tapedeck tail %s; echo ended $? >&2; } | head -n 1", s.path);
    program_shell(&p, script); // it ends although nothing more is written
    assert_string_equal(p.err, "ended 0\n");
    program_clear(&p);
    sample_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_filter_and_open),
        cmocka_unit_test(test_open_names),
        cmocka_unit_test(test_two_captures),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_verify_while_rotated),
        cmocka_unit_test(test_reader_goes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
