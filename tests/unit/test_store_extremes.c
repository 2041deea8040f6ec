// Numbers at the ends of their range, in rows that are damaged or made to hurt: they are told, or
// shown as they are, and nothing overflows or goes round for ever.
#include "schema/store.h"
#include "tests/support/ask.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LEAST "-9223372036854775808"
#define MOST  "9223372036854775807"

static char dir[TMP_PATH], path[TMP_PATH], sealed[TMP_PATH], why[WHY_MAX];

// Two files: the first is sealed, a flow spans both.
static int setup(void **state)
{
    (void)state;
    struct tape t;
    tmp_make(dir);
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    tape_everything(&t);
    assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
    int64_t flow = tape_flow(&t, "a:1");
    for (int i = 0; i < 5; i++)
        tape_http(&t, flow, "GET", "/", 200, VIEW_LIT("x"));
    tape_large(&t, flow, "/pieces", VIEW_LIT("a body in four pieces"), 6);
    tape_end(&t, flow);
    tape_close(&t);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

struct findings {
    int damages, holes;
    char first_hole[160];
};

static void keep(void *arg, enum verify_finding what, const char *place, const char *sentence)
{
    struct findings *f = arg;
    f->damages += what == VERIFY_DAMAGE;
    if (what == VERIFY_HOLE && f->holes++ == 0)
        snprintf(f->first_hole, sizeof f->first_hole, "%s: %s", place, sentence);
}

static struct verify_sums verify(const char *file, struct findings *f)
{
    struct store *s;
    struct verify_sums sums;
    *f = (struct findings){0};
    assert_int_equal(store_open(&s, file, STORE_READ, why), 0);
    assert_int_equal(store_verify(s, &sums, keep, NULL, f), 0);
    store_close(s);
    return sums;
}

// Every column of every table that holds numbers, at either end: it is told, and all can be read.
static void every_number_at_its_ends(void **state)
{
    (void)state;
    static const char *const values[] = {LEAST, MOST};
    char columns[4096], sql[256], *next;
    size_t n;
    void *bytes = tmp_read(sealed, &n);
    snprintf(columns, sizeof columns, "%s",
             ask(sealed, "SELECT group_concat(m.name || '.' || p.name) FROM sqlite_schema m,"
                         " pragma_table_info(m.name) p WHERE m.type = 'table' AND p.type ="
                         " 'INTEGER' AND m.name NOT LIKE 'sqlite%' AND NOT p.pk"));
    for (char *column = strtok_r(columns, ",", &next); column;
         column = strtok_r(NULL, ",", &next)) {
        char *dot = strchr(column, '.');
        *dot = '\0';
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", column);
        if (strcmp(ask(sealed, sql), "0") == 0)
            continue;
        for (int i = 0; i < 2; i++) {
            struct findings f;
            struct store *s;
            // (A reference that must be unique cannot have the value twice.)
            snprintf(sql, sizeof sql, "UPDATE OR IGNORE %s SET %s = %s", column, dot + 1,
                     values[i]);
            ask_change(sealed, sql);
            verify(sealed, &f);
            if (f.damages == 0)
                fail_msg("%s: goes unnoticed", sql);
            assert_int_equal(store_open(&s, sealed, STORE_READ, why), 0);
            for (int order = STORE_OLDEST_FIRST; order <= STORE_BY_ID; order++) {
                struct store_query *q;
                int e;
                assert_int_equal(store_transactions(s, NULL, (enum store_order)order, 0, 0, &q), 0);
                while ((e = store_step(q)) == 1)
                    ;
                assert_int_equal(e, 0);
                store_query_free(q);
            }
            store_close(s);
            unlink(sealed);
            tmp_write(sealed, bytes, n);
        }
    }
    free(bytes);
}

static void a_seam_of_extremes(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE capture SET number = " MOST,    "UPDATE capture SET number = " LEAST,
        "UPDATE stream SET last_seq = " MOST,   "UPDATE stream SET last_seq = " LEAST,
        "UPDATE stream SET first_seq = " LEAST, "UPDATE stream SET id = " MOST,
    };
    size_t n;
    void *bytes = tmp_read(sealed, &n);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct findings f = {0};
        struct store *a, *b;
        int64_t flows;
        ask_change(sealed, changes[i]);
        assert_int_equal(store_open(&a, sealed, STORE_READ, why), 0);
        assert_int_equal(store_open(&b, path, STORE_READ, why), 0);
        assert_int_equal(store_verify_seam(a, b, &flows, keep, &f), 0);
        store_close(a);
        store_close(b);
        if (strstr(changes[i], "first_seq") == NULL)
            assert_true(f.holes > 0); // the earlier file's first number is not the seam's
        unlink(sealed);
        tmp_write(sealed, bytes, n);
    }
    free(bytes);
}

// A seam that cannot be judged: it is said of which file.
static void a_seam_without_an_end(void **state)
{
    (void)state;
    const char *const files[] = {sealed, path};
    for (int i = 0; i < 2; i++) {
        struct findings f = {0};
        struct store *a, *b;
        int64_t flows;
        ask_change(files[i], "DELETE FROM capture");
        assert_int_equal(store_open(&a, sealed, STORE_READ, why), 0);
        assert_int_equal(store_open(&b, path, STORE_READ, why), 0);
        assert_int_equal(store_verify_seam(a, b, &flows, keep, &f), E_DAMAGED);
        assert_non_null(strstr(store_why(a), files[i]));
        store_close(a);
        store_close(b);
        ask_change(files[i], "INSERT INTO capture VALUES (1, randomblob(16), 1, '', 0, 1, 0)");
    }
}

// Row numbers below zero, and nothing behind them that can be read.
static void a_scan_ends(void **state)
{
    (void)state;
    struct findings f;
    char sql[512];
    size_t n;
    // The table has several pages, the first of them with such row numbers only.
    ask_change(path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
                     " INSERT INTO unknown_record SELECT i - 1000, 7, 0, randomblob(400) FROM n");
    ask_change(path, "PRAGMA journal_mode = DELETE");
    snprintf(sql, sizeof sql, "%s",
             ask(path, "SELECT group_concat(pageno) FROM dbstat WHERE name = 'unknown_record'"
                       " AND pagetype = 'leaf'"));
    unsigned char *bytes = tmp_read(path, &n);
    size_t page_size = (size_t)bytes[16] << 8 | bytes[17];
    char *next, *page = strtok_r(sql, ",", &next);
    assert_non_null(page);
    while ((page = strtok_r(NULL, ",", &next))) // all but the first
        memset(bytes + (strtoul(page, NULL, 10) - 1) * page_size, 0xff, 16);
    unlink(path);
    tmp_write(path, bytes, n);
    free(bytes);
    alarm(60);
    verify(path, &f);
    alarm(0);
    assert_true(f.damages > 0);
}

// What the emitter would take for acknowledged is never a number that no stream can have.
static void a_stream_of_impossible_numbers(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE stream SET last_seq = -1",    "UPDATE stream SET last_seq = 1 << 40",
        "UPDATE stream SET last_seq = " MOST, "UPDATE stream SET id = " MOST,
        "UPDATE stream SET id = 0",
    };
    struct store_stream st = {.name = "tape"};
    size_t n;
    void *bytes = tmp_read(path, &n);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct store *s;
        int64_t id;
        uint64_t last;
        ask_change(path, changes[i]);
        assert_int_equal(store_open(&s, path, STORE_WRITE, why), 0);
        assert_int_equal(store_stream(s, &st, 1, &id, &last), E_DAMAGED);
        assert_non_null(strstr(store_why(s), "stream"));
        store_close(s);
        unlink(path);
        tmp_write(path, bytes, n);
    }
    free(bytes);
}

static void a_body_of_the_highest_number(void **state)
{
    (void)state;
    struct store *s;
    struct store_txn txn = {
        .protocol = "http", .path = "/", .res = {.end = 1, .body = VIEW_LIT("new")}};
    ask_change(path, "UPDATE body SET id = " MOST " WHERE id = (SELECT max(id) FROM body)");
    assert_int_equal(store_open(&s, path, STORE_WRITE, why), 0);
    assert_int_equal(store_begin(s), 0);
    // Not E_EXISTS: it is not the transaction that is there already.
    assert_int_equal(store_put_txn(s, store_key(1, 1000), &txn), E_DAMAGED);
    store_rollback(s);
    store_close(s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_number_at_its_ends),       TEST(a_seam_of_extremes),
        TEST(a_seam_without_an_end),          TEST(a_scan_ends),
        TEST(a_stream_of_impossible_numbers), TEST(a_body_of_the_highest_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
