// verify's verdicts, and what the others make of a capture that is damaged: what can be read is
// read, the rest is told.
#include "tests/support/program.h"
#include "tests/support/sample.h"

#include <jansson.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 3000

static struct sample sample;
static char *whole; // the file's bytes
static size_t size;

static int set_up(void **state)
{
    (void)state;
    sample_begin(&sample, "capture.db");
    sample_many(&sample, MANY);
    sample_finish(&sample);
    whole = tmp_read(sample.path, &size);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(whole);
    sample_remove(&sample);
    return 0;
}

static const char *copy_of(size_t n)
{
    static char path[TMP_PATH];
    tmp_write(tmp_path(path, sample.dir, "copy.db"), whole, n);
    return path;
}

static void verdict(const char *path, int code, const char *word)
{
    struct program p;
    TAPEDECK(&p, "verify", path);
    assert_int_equal(p.code, code);
    if (!strstr(p.out, word))
        fprintf(stderr, "not found: %s\nin: %s\n", word, p.out);
    assert_non_null(strstr(p.out, word));
    program_clear(&p);
    TAPEDECK(&p, "verify", path, "--json");
    assert_int_equal(p.code, code);
    json_t *j = json_loads(p.out, 0, NULL);
    assert_non_null(j);
    static const char *const words[] = {"complete", "losses", "broken"};
    assert_string_equal(json_string_value(json_object_get(j, "verdict")), words[code]);
    assert_int_equal(json_array_size(json_object_get(j, "findings")) > 0, code > 0);
    json_decref(j);
    program_clear(&p);
    TAPEDECK(&p, "verify", path, "--quiet");
    assert_int_equal(p.code, code);
    assert_int_equal(p.out_n + p.err_n, 0);
    program_clear(&p);
}

static void test_complete(void **state)
{
    (void)state;
    verdict(sample.path, 0, "3,000 of 3,000\n");
    verdict(sample.path, 0, "0 lost\n");
}

static void test_losses(void **state)
{
    struct sample s;
    (void)state;
    sample_begin(&s, "capture.db");
    sample_flow(&s, true);
    struct store_loss loss = {.flow = s.flow,
                              .cause = "ring-full",
                              .detail = "",
                              .transactions = 7,
                              .lost_c2s = 70,
                              .lost_s2c = 700,
                              .first_us = s.now_us,
                              .last_us = s.now_us};
    assert_int_equal(store_put_loss(s.store, store_key(s.stream, ++s.seq), &loss), 0);
    struct store_flow_end end = {.flow = s.flow,
                                 .at_us = s.now_us,
                                 .relayed_c2s = 70,
                                 .relayed_s2c = 700,
                                 .transactions = 7,
                                 .reason = "done",
                                 .detail = ""};
    assert_int_equal(store_put_flow_end(s.store, store_key(s.stream, ++s.seq), &end), 0);
    sample_finish(&s);
    verdict(s.path, 1, "0 of 7\n");
    verdict(s.path, 1, "ring-full");
    sample_remove(&s);
}

// Every number but the references becomes one of two, in turn.
static const char *copy_with(const char *even, const char *odd)
{
    const char *path = copy_of(size);
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(
            db,
            "SELECT 'UPDATE ' || m.name || ' SET ' || group_concat(p.name || ' = ' ||"
            " iif(p.cid % 2, ?2, ?1)) FROM sqlite_schema m, pragma_table_info(m.name) p"
            " WHERE m.type = 'table' AND p.type = 'INTEGER' AND NOT p.pk"
            " AND p.name NOT IN ('flow', 'req_body', 'res_body') GROUP BY m.name",
            -1, &stmt, NULL),
        SQLITE_OK);
    sqlite3_bind_text(stmt, 1, even, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, odd, -1, SQLITE_STATIC);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        assert_int_equal(
            sqlite3_exec(db, (const char *)sqlite3_column_text(stmt, 0), NULL, NULL, NULL),
            SQLITE_OK);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return path;
}

// Whoever reads such a file ends in good order (under UBSan: without an overflow).
static void test_numbers_of_any_size(void **state)
{
    (void)state;
    static const char *const ends[] = {"-9223372036854775808", "9223372036854775807"};
    for (int i = 0; i < 4; i++) {
        const char *path = copy_with(ends[i % 2], ends[i / 2]);
        const char *const commands[][7] = {
            {"tapedeck", "ls", path, "--order", "newest", "-n", "5"},
            {"tapedeck", "ls", path, "--order", "slowest", "-n", "5"},
            {"tapedeck", "ls", path, "--json"},
            {"tapedeck", "ls", path, "duration > 1s or wait < 5ms"},
            {"tapedeck", "stats", path, "--by", "client"},
            {"tapedeck", "stats", path, "--json"},
            {"tapedeck", "show", path, "1.2"},
            {"tapedeck", "export", "har", path},
            {"tapedeck", "export", "csv", path},
            {"tapedeck", "export", "curl", path},
        };
        for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
            struct program p;
            const char *words[8] = {NULL};
            memcpy(words, commands[k], sizeof commands[k]);
            program_run(&p, words, NULL, (struct view){NULL, 0});
            if (p.code != 0 && (p.code != 1 || strstr(p.err, "runtime error")))
                fail_msg("%s %s: %d: %s", words[1], words[2], p.code, p.err);
            program_clear(&p);
        }
        verdict(path, 2, "holes or damage");
    }
}

static void test_hole(void **state)
{
    sqlite3 *db;
    const char *path = copy_of(size);
    (void)state;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "PRAGMA foreign_keys = OFF; DELETE FROM head WHERE txn IN (SELECT id FROM "
                     "txn LIMIT 3 OFFSET 100); DELETE FROM txn WHERE id IN (SELECT id FROM txn "
                     "LIMIT 3 OFFSET 100)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    verdict(path, 2, "stream 1 seq ");
    verdict(path, 2, "2,997 of 2,997 known; 3 records are missing");
}

static void test_no_capture(void **state)
{
    struct program p;
    char path[TMP_PATH];
    (void)state;
    tmp_write(tmp_path(path, sample.dir, "text.db"), "no database at all\n", 19);
    verdict(path, 2, "text.db");
    unlink(path);
    TAPEDECK(&p, "verify", "/nowhere/x.db");
    assert_int_equal(p.code, 2);
    program_clear(&p);
}

static size_t count_lines(const struct program *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->out_n; i++)
        n += p->out[i] == '\n';
    return n;
}

// Every reader ends by itself, tells damage when it gave less than all, and gives JSON that is
// whole. Only where an index leads past rows is there nothing that a reader could see; verify does.
// Answers the rows that ls gave.
static size_t readers(const char *path)
{
    struct program p;
    TAPEDECK(&p, "verify", path, "--quiet");
    bool broken = p.code == 2;
    assert_true(p.code == 0 || broken);
    program_clear(&p);
    TAPEDECK(&p, "ls", path, "--no-header");
    size_t rows = count_lines(&p);
    assert_true(p.code == 0 || (p.code == 1 && p.err_n > 0));
    assert_true(rows == MANY || broken);
    program_clear(&p);
    TAPEDECK(&p, "export", "jsonl", path, "-n", "500");
    assert_true(p.code == 0 || (p.code == 1 && p.err_n > 0));
    for (char *line = p.out, *end; (end = strchr(line, '\n')); line = end + 1) {
        json_t *j = json_loadb(line, (size_t)(end - line), JSON_ALLOW_NUL, NULL);
        assert_non_null(j);
        json_decref(j);
    }
    program_clear(&p);
    TAPEDECK(&p, "export", "har", path, "-n", "100", "--order", "slowest");
    assert_true(p.code == 0 || p.code == 1);
    if (p.out_n > 0) {
        json_t *j = json_loadb(p.out, p.out_n, JSON_ALLOW_NUL, NULL);
        assert_non_null(j);
        json_decref(j);
    }
    program_clear(&p);
    TAPEDECK(&p, "stats", path, "--json");
    json_t *j = json_loads(p.out, 0, NULL);
    int64_t counted = json_integer_value(json_object_get(j, "count"));
    assert_true(p.code == 0 || p.code == 1);
    assert_true(counted == MANY || (broken && (p.err_n > 0 || rows < MANY)));
    json_decref(j);
    program_clear(&p);
    TAPEDECK(&p, "show", path, "1.100");
    assert_true(p.code == 0 || p.code == 1);
    program_clear(&p);
    TAPEDECK(&p, "query", path, "SELECT count(*) FROM http");
    assert_true(p.code == 0 || p.code == 1);
    program_clear(&p);
    return rows;
}

static void test_flipped(void **state)
{
    size_t most = 0;
    (void)state;
    for (int i = 0; i < 24; i++) {
        size_t at = size / 24 * (size_t)i + 40 + (size_t)i * 101;
        char *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, whole, size);
        for (size_t k = at; k < at + 32 && k < size; k++)
            copy[k] = (char)(copy[k] ^ 0x5a);
        char path[TMP_PATH];
        tmp_write(tmp_path(path, sample.dir, "flipped.db"), copy, size);
        size_t rows = readers(path);
        most = rows > most ? rows : most;
        free(copy);
        unlink(path);
    }
    assert_int_equal(most, MANY);
}

static void test_cut_off(void **state)
{
    (void)state;
    for (size_t n = 0; n < 10; n++)
        readers(copy_of(size * n / 10));
    // Most of the rows are there still, and most of them are given.
    assert_true(readers(copy_of(size * 95 / 100)) > MANY / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_numbers_of_any_size),
        cmocka_unit_test(test_hole),
        cmocka_unit_test(test_no_capture),
        cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_cut_off),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
