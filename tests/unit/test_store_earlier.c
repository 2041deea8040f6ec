// What began in one file of a capture and ended in a later one, for whoever reads it: all of it
// from their folder, and without the first files the reason why not.
#include "proto/digest.h"
#include "tests/support/ask.h"
#include "tests/support/program.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE 300000 // of the body
#define PART 50000

static char dir[TMP_PATH], path[TMP_PATH], *content;
static struct tape t;
static int64_t body_txn, talk_txn;

static void rotate(void)
{
    if (store_rotate(t.s, NULL, 0) != 0)
        fail_msg("%s", store_why(t.s));
}

// Two flows over files 2 to 4 (capture.db): an answer in parts whose digest is not known, which is
// therefore not made whole in one file, and a conversation. File 1 has nothing of them, nor has
// file 3 of the conversation.
static int setup(void **state)
{
    (void)state;
    tmp_make(dir);
    content = malloc(SIZE);
    assert_non_null(content);
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (char)(i * 31 + i / 251);
    memcpy(content, "the front", 9);
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    int64_t first = tape_flow(&t, "a:1");
    tape_http(&t, first, "GET", "/small", 200, VIEW_LIT("x"));
    tape_end(&t, first);
    rotate();
    int64_t body = tape_flow(&t, "b:2"), talk = tape_flow(&t, "c:3");
    tape_http(&t, body, "GET", "/before", 200, VIEW_LIT("y"));
    tape_part(&t, talk, false, 0, VIEW_LIT("what is "));
    for (size_t at = 0; at < SIZE; at += PART) {
        if (at == 2 * PART || at == 4 * PART)
            rotate();
        tape_part(&t, body, true, (int64_t)at, view_n(content + at, PART));
    }
    tape_part(&t, talk, false, 8, VIEW_LIT("it?"));
    tape_part(&t, talk, true, 0, VIEW_LIT("all"));
    struct store_txn answer = {.protocol = "http",
                               .method = "GET",
                               .scheme = "http",
                               .host = "b",
                               .path = "/body",
                               .version = "1.1",
                               .status = 200,
                               .req = {.end = 1, .head = VIEW_LIT("GET /body HTTP/1.1\r\n\r\n")},
                               .res = {.end = 1,
                                       .head = VIEW_LIT("HTTP/1.1 200 OK\r\n\r\n"),
                                       .parts = SIZE / PART,
                                       .body_size = SIZE,
                                       .body_stored = SIZE}};
    struct store_txn said = {.protocol = "raw",
                             .req = {.end = 1, .parts = 2, .body_size = 11, .body_stored = 11},
                             .res = {.end = 1, .parts = 1, .body_size = 3, .body_stored = 3}};
    body_txn = tape_txn(&t, body, &answer);
    talk_txn = tape_txn(&t, talk, &said);
    tape_end(&t, body);
    tape_end(&t, talk);
    tape_stop(&t);
    tape_close(&t);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(content);
    tmp_remove(dir);
    return 0;
}

static void take_away(const char *name)
{
    char file[TMP_PATH];
    assert_int_equal(unlink(tmp_path(file, dir, name)), 0);
}

// `tapedeck` in the folder, with that exit code.
static void runs(struct program *p, int code, const char *words)
{
    char script[512];
    snprintf(script, sizeof script, "cd %s\ntapedeck %s", dir, words);
    program_shell(p, script);
    if (p->code != code)
        fail_msg("%s: exit %d\n%s%s", words, p->code, p->out, p->err);
}

static const char *show_body(const char *file, const char *more)
{
    static char words[256];
    snprintf(words, sizeof words, "show %s %lld %s", file, (long long)body_txn, more);
    return words;
}

static void a_folder_has_all_of_it(void **state)
{
    (void)state;
    struct program p;
    runs(&p, 0, show_body(".", "--body response"));
    assert_int_equal(p.out_n, SIZE);
    assert_memory_equal(p.out, content, SIZE);
    program_clear(&p);
    runs(&p, 0, show_body(".", "--raw --body response"));
    assert_int_equal(p.out_n, SIZE + 19);
    assert_memory_equal(p.out + 19, content, SIZE);
    program_clear(&p);
    runs(&p, 0, "export jsonl . 'protocol = raw'");
    assert_true(program_says(p.out, "\"what is \""));
    assert_true(program_says(p.out, "\"it?\""));
    assert_null(strstr(p.out, "chunks_missing"));
    program_clear(&p);
    runs(&p, 0, "export raw . 'protocol = raw'");
    assert_string_equal(p.out, "what is it?all");
    program_clear(&p);
    runs(&p, 0, "ls . 'res.body ~ \"the front\"' --json");
    assert_true(program_says(p.out, "/body"));
    program_clear(&p);
}

static void one_file_says_where_the_rest_is(void **state)
{
    (void)state;
    struct program p;
    runs(&p, 1, show_body("capture.db", "--body response"));
    assert_int_equal(p.out_n, 0);
    assert_true(program_says(
        p.err, "the content begins in an earlier file of the capture: name their folder, to read "
               "capture-000003.db as well"));
    assert_true(program_says(p.err, "its beginning is in none of the files that were read"));
    program_clear(&p);
    runs(&p, 0, "export jsonl capture.db 'protocol = raw'");
    assert_true(program_says(p.out, "\"chunks_missing\":1"));
    program_clear(&p);
}

static void what_began_in_a_file_that_is_gone(void **state)
{
    (void)state;
    struct program p;
    take_away("capture-000001.db");
    runs(&p, 0, show_body(".", "--body response"));
    assert_int_equal(p.out_n, SIZE);
    program_clear(&p);
    take_away("capture-000002.db");
    runs(&p, 1, show_body(".", "--body response"));
    assert_int_equal(p.out_n, 0);
    assert_true(program_says(
        p.err,
        "the content began in an earlier file of the capture, and capture-000002.db is gone"));
    assert_null(strstr(p.err, "damaged"));
    program_clear(&p);
    runs(&p, 1, "export jsonl . 'path = /body'");
    assert_true(program_says(p.out, "its beginning is in none of the files that were read"));
    program_clear(&p);
}

// The walk back does not go on behind a file that is not the one that was before.
static void a_file_of_another_capture_is_none_of_it(void **state)
{
    (void)state;
    struct program p;
    char file[TMP_PATH];
    ask_change(tmp_path(file, dir, "capture-000003.db"),
               "UPDATE capture SET name = randomblob(16)");
    runs(&p, 1, show_body(".", "--body response"));
    assert_int_equal(p.out_n, 0);
    assert_true(program_says(p.err, "name their folder, to read capture-000003.db as well"));
    program_clear(&p);
}

// ---- verify

static void verify_tells_what_is_gone(void **state)
{
    (void)state;
    static const char whole[] =
        "transactions      4 of 4\n"
        "flows             3 ended\n"
        "client to server  160 bytes relayed = 160 stored + 0 left out + 0 lost\n"
        "server to client  300186 bytes relayed = 300186 stored + 0 left out + 0 lost\n"
        "verdict           complete\n";
    struct program p;
    runs(&p, 0, "verify . | tr -d ,");
    assert_string_equal(p.out, whole);
    program_clear(&p);
    take_away("capture-000001.db");
    take_away("capture-000002.db");
    runs(&p, 0, "verify . | tr -d ,");
    assert_true(program_says(
        p.out, "300104 bytes relayed = 200022 stored + 0 left out + 0 lost + 100082 in files that "
               "are gone\n"));
    assert_true(program_says(p.out, " in files that are gone\n"));
    assert_true(program_says(
        p.out, "content           2 bodies that end here began in files that are gone\n"));
    assert_true(
        program_says(p.out, "verdict           complete but for what is in files that are gone\n"));
    assert_true(program_says(p.out, "it began in an earlier file"));
    program_clear(&p);
    runs(&p, 0, "verify . --quiet");
    program_clear(&p);
    runs(&p, 0, "verify . --json");
    assert_true(program_says(p.out, "\"bodies_begun_earlier\": 2"));
    assert_true(program_says(p.out, "\"verdict\": \"complete\""));
    program_clear(&p);
    runs(&p, 0, "verify capture.db");
    assert_true(program_says(p.out, " in earlier files\n"));
    program_clear(&p);
}

// No flow is counted twice, and none less than once.
static void verify_of_a_folder_with_a_hole(void **state)
{
    (void)state;
    struct program p;
    take_away("capture-000003.db");
    runs(&p, 2, "verify .");
    assert_true(program_says(
        p.out,
        "hole: ./capture.db: it is file 4 of its capture, and ./capture-000002.db file 2\n"));
    assert_true(program_says(p.out, "flows             3 ended\n"));
    assert_true(program_says(p.out, "verdict           holes or damage\n"));
    program_clear(&p);
    take_away("capture-000002.db");
    runs(&p, 2, "verify .");
    assert_true(
        program_says(p.out, "it is file 4 of its capture, and ./capture-000001.db file 1\n"));
    assert_true(program_says(p.out, "flows             3 ended\n"));
    program_clear(&p);
}

// What is made whole in no file is proved over all of them.
static void add_over_files(bool wrong)
{
    struct program p;
    unsigned char digest[DIGEST_SIZE];
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "d:4");
    tape_part(&t, flow, false, 0, VIEW_LIT("one "));
    rotate();
    tape_part(&t, flow, false, 4, VIEW_LIT("two"));
    digest_once(wrong ? VIEW_LIT("two one") : VIEW_LIT("one two"), digest);
    struct store_txn said = {.protocol = "raw",
                             .req = {.end = 1,
                                     .parts = 2,
                                     .body_size = 7,
                                     .body_stored = 7,
                                     .digest = view_n(digest, sizeof digest)}};
    tape_txn(&t, flow, &said);
    tape_end(&t, flow);
    tape_stop(&t);
    tape_close(&t);
    runs(&p, wrong ? 2 : 0, "verify .");
    if (wrong)
        assert_true(
            program_says(p.out, "its parts, with those in earlier files, do not fit its digest"));
    program_clear(&p);
}

static void verify_takes_the_digest_over_files(void **state)
{
    (void)state;
    add_over_files(false);
    add_over_files(true);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_folder_has_all_of_it),
        TEST(one_file_says_where_the_rest_is),
        TEST(what_began_in_a_file_that_is_gone),
        TEST(a_file_of_another_capture_is_none_of_it),
        TEST(verify_tells_what_is_gone),
        TEST(verify_of_a_folder_with_a_hole),
        TEST(verify_takes_the_digest_over_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
