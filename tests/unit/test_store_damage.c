// Damaged files: verify finds what was flipped or cut, and what can be read is still given.
#include "tests/support/ask.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL_ROWS  1260
#define PAGE_ROWS 120 // more than a page has

static char dir[TMP_PATH], path[TMP_PATH], copy[TMP_PATH];
static unsigned char *sound;
static size_t size, page_size;

static int setup(void **state)
{
    (void)state;
    struct tape t;
    tmp_make(dir);
    tmp_path(copy, dir, "copy.db");
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    tape_everything(&t);
    for (int i = 0; i < 120; i++) {
        int64_t flow = tape_flow(&t, "localhost:8080");
        for (int n = 0; n < 10; n++) {
            char name[32];
            snprintf(name, sizeof name, "/p%d/%d", i, n);
            tape_http(&t, flow, "GET", name, n == 5 ? 500 : 200, view_of(name));
        }
        tape_end(&t, flow);
    }
    tape_close(&t);
    sound = tmp_read(path, &size);
    page_size = (size_t)sound[16] << 8 | sound[17];
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(sound);
    tmp_remove(dir);
    return 0;
}

static void put_copy(const void *bytes, size_t n)
{
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    for (int i = 0; i < 3; i++) {
        char beside[TMP_PATH + 8];
        snprintf(beside, sizeof beside, "%s%s", copy, ends[i]);
        remove(beside);
    }
    tmp_write(copy, bytes, n);
}

static void put_flipped(size_t at)
{
    sound[at] ^= 0x10;
    put_copy(sound, size);
    sound[at] ^= 0x10;
}

// All values of all tables in one number, as SQLite alone reads them; 0: it cannot.
static uint64_t dump_of(const char *file)
{
    static const char *const tables[] = {"capture",  "stream", "flow",          "flow_end", "tls",
                                         "txn",      "head",   "link",          "body",     "part",
                                         "txn_open", "loss",   "unknown_record"};
    sqlite3 *db;
    uint64_t sum = 14695981039346656037ULL;
    int rc = sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && rc == SQLITE_OK; i++) {
        char sql[64];
        sqlite3_stmt *stmt;
        snprintf(sql, sizeof sql, "SELECT * FROM %s NOT INDEXED", tables[i]);
        rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
        while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            for (int c = 0; c < sqlite3_column_count(stmt); c++) {
                int type = sqlite3_column_type(stmt, c);
                const unsigned char *p = sqlite3_column_blob(stmt, c);
                int n = sqlite3_column_bytes(stmt, c);
                sum = (sum ^ (uint64_t)type) * 1099511628211ULL;
                for (int k = 0; k < n; k++)
                    sum = (sum ^ p[k]) * 1099511628211ULL;
            }
            rc = SQLITE_OK;
        }
        if (rc == SQLITE_DONE)
            rc = SQLITE_OK;
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
    return rc == SQLITE_OK ? sum : 0;
}

struct outcome {
    bool opened, found;
    int rows; // transactions that could be read
    int64_t skipped;
};

static int64_t place_of(const struct store_query *q, enum store_order order)
{
    switch (order) {
    case STORE_OLDEST_FIRST:
        return store_int(q, STORE_START_US);
    case STORE_NEWEST_FIRST:
        return ~store_int(q, STORE_START_US); // of any number, damaged ones too
    case STORE_SLOWEST_FIRST:
        return ~store_int(q, FIELD_DURATION);
    default:
        return store_int(q, FIELD_ID);
    }
}

// All transactions in that order; none may come twice.
static void read_all(struct store *s, enum store_order order, bool ordered, struct outcome *o)
{
    static int64_t seen[2000];
    struct store_query *q;
    int64_t last = INT64_MIN;
    int e = store_transactions(s, NULL, order, 0, 0, &q);
    o->rows = 0;
    if (e != 0) {
        assert_true(o->found); // the schema itself
        return;
    }
    while ((e = store_step(q)) == 1) {
        assert_true(o->rows < 2000);
        if (ordered)
            assert_true(place_of(q, order) >= last);
        last = place_of(q, order);
        seen[o->rows++] = store_int(q, FIELD_ID);
    }
    if (e != 0)
        fail_msg("reading: %s", store_why(s));
    for (int i = 0; i < o->rows && ordered; i++) {
        for (int k = 0; k < i; k++)
            assert_true(seen[i] != seen[k]);
    }
    o->skipped = store_skipped(q);
    store_query_free(q);
}

// Opens the copy as the tools do: verifies it, and reads all transactions.
static struct outcome look(enum store_order order, bool ordered)
{
    struct outcome o = {0};
    struct store *s;
    struct verify_sums sums;
    char why[WHY_MAX];
    int e = store_open(&s, copy, STORE_READ, why);
    if (e != 0) {
        assert_true(e == E_DAMAGED || e == E_VERSION);
        assert_true(strlen(why) > 0);
        o.found = true;
        return o;
    }
    o.opened = true;
    if (store_verify(s, &sums, NULL, NULL, NULL) != 0)
        fail_msg("verify: %s", store_why(s));
    o.found = sums.damages + sums.holes + sums.unbalanced > 0;
    read_all(s, order, ordered, &o);
    store_close(s);
    return o;
}

// What is changed is found; what is not found has changed nothing that anybody reads. And nearly
// all rows are still there.
static void a_flipped_bit(void **state)
{
    (void)state;
    uint64_t whole = dump_of(path);
    int flips = 0, unopened = 0, few = 0;
    assert_true(whole != 0);
    for (size_t at = 0; at < size; at += at < 100 ? 3 : 2311) {
        put_flipped(at);
        struct outcome o = look(STORE_OLDEST_FIRST, false);
        flips++;
        unopened += !o.opened;
        few += o.rows < ALL_ROWS - PAGE_ROWS;
        if (!o.found && dump_of(copy) != whole)
            fail_msg("the bit at %zu is not found", at);
    }
    assert_true(unopened <= 2); // a version of the schema that might be a later one's
    assert_true(few <= unopened + 2);
}

static void a_lost_page(void **state)
{
    (void)state;
    uint64_t whole = dump_of(path);
    unsigned char *bytes = malloc(size);
    int few = 0;
    for (size_t page = 0; page < size / page_size; page++) {
        memcpy(bytes, sound, size);
        memset(bytes + page * page_size,
               page % 3 == 0   ? 0
               : page % 3 == 1 ? 0xff
                               : 0x5a,
               page_size);
        put_copy(bytes, size);
        // The page is gone, and its values with it: the order of what is left still holds.
        struct outcome o = look((enum store_order)(page % 4), true);
        few += o.rows < ALL_ROWS - PAGE_ROWS;
        if (!o.found && dump_of(copy) != whole)
            fail_msg("page %zu is lost, and nothing is found", page + 1);
        if (o.rows < ALL_ROWS && o.opened && o.skipped == 0)
            fail_msg("page %zu is lost, %d rows are left, and nothing is said", page + 1, o.rows);
    }
    free(bytes);
    assert_true(few <= 1); // the root of txn, from where all of its rows are reached
}

static void a_file_that_was_cut(void **state)
{
    (void)state;
    int rows = ALL_ROWS + 1;
    for (int tenth = 9; tenth >= 0; tenth--) {
        for (int odd = 0; odd < 2; odd++) {
            size_t n = size / 10 * (size_t)tenth / page_size * page_size + (odd ? 1234 : 0);
            if (n == 0)
                continue;
            put_copy(sound, n);
            struct outcome o = look(STORE_OLDEST_FIRST, true);
            assert_true(o.found);
            if (tenth >= 6)
                assert_true(o.opened && o.rows > 0);
            assert_true(o.rows <= rows + PAGE_ROWS);
            rows = o.rows;
        }
    }
}

static void many_bits_at_once(void **state)
{
    (void)state;
    unsigned char *bytes = malloc(size);
    uint32_t random = 12345;
    for (int round = 0; round < 30; round++) {
        memcpy(bytes, sound, size);
        for (int i = 0; i < 10 + round * 8; i++) {
            random = random * 1664525 + 1013904223;
            bytes[random % size] ^= (unsigned char)(1u << (random >> 29));
        }
        put_copy(bytes, size);
        struct outcome o = look((enum store_order)(round % 4), false);

        assert_true(o.found);
        if (o.opened)
            assert_true(o.rows > 0);
    }
    free(bytes);
}

// The damage shows after the first rows are out: what was given comes not again, a limit holds.
static void damage_under_way(void **state)
{
    (void)state;
    static const enum store_order orders[] = {STORE_OLDEST_FIRST, STORE_NEWEST_FIRST, STORE_BY_ID};
    char sql[128], why[WHY_MAX];
    long page = strtol(ask(path, "SELECT pageno FROM dbstat WHERE name = 'txn' AND"
                                 " path LIKE '/00%' ORDER BY path LIMIT 1 OFFSET 5"),
                       NULL, 10);
    assert_true(page > 1);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM txn");
    unsigned char *bytes = malloc(size);
    memcpy(bytes, sound, size);
    memset(bytes + (size_t)(page - 1) * page_size, 0xff, page_size);
    put_copy(bytes, size);
    free(bytes);
    for (size_t i = 0; i < 3; i++) {
        struct store *s;
        struct outcome all = {0};
        struct store_query *q;
        assert_int_equal(store_open(&s, copy, STORE_READ, why), 0);
        read_all(s, orders[i], true, &all);
        assert_true(all.rows > ALL_ROWS - PAGE_ROWS && all.rows < ALL_ROWS);
        assert_int_equal(all.skipped, 1);
        int rows = 0;
        assert_int_equal(store_transactions(s, NULL, orders[i], all.rows - 7, 0, &q), 0);
        while (store_step(q) == 1)
            rows++;
        assert_int_equal(rows, all.rows - 7);
        store_query_free(q);
        store_close(s);
    }
}

static void a_filter_on_a_damaged_index(void **state)
{
    (void)state;
    char why[WHY_MAX];
    long page =
        strtol(ask(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'txn_start'"), NULL, 10);
    unsigned char *bytes = malloc(size);
    memcpy(bytes, sound, size);
    memset(bytes + (size_t)(page - 1) * page_size, 0xff, page_size);
    put_copy(bytes, size);
    free(bytes);
    struct store *s;
    struct filter *f;
    size_t column;
    struct store_query *q;
    int rows = 0;
    assert_int_equal(store_open(&s, copy, STORE_READ, why), 0);
    assert_int_equal(filter_parse(VIEW_LIT("status = 500"), 0, &f, &column, why), 0);
    assert_int_equal(store_transactions(s, f, STORE_OLDEST_FIRST, 0, 0, &q), 0);
    while (store_step(q) == 1)
        rows++;
    assert_int_equal(rows, 120);
    store_query_free(q);
    filter_free(f);
    store_close(s);
}

// A filter that names every field there is, on a file whose flows cannot be read: all are known,
// and a row that lacks them is given when the rest of it fits.
static void a_filter_on_all_fields(void **state)
{
    (void)state;
    char text[2048], why[WHY_MAX];
    size_t n = 0, column;
    for (int i = 0; i < FIELD_COLUMNS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s or ", filter_fields[i].name);
    snprintf(
        text + n, sizeof text - n,
        "req.header[\"a\"] or res.header[\"a\"] or req.body contains \"x\" or res.body ~ \"x\"");
    long page =
        strtol(ask(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'flow'"), NULL, 10);
    unsigned char *bytes = malloc(size);
    memcpy(bytes, sound, size);
    memset(bytes + (size_t)(page - 1) * page_size, 0xff, page_size);
    put_copy(bytes, size);
    free(bytes);
    struct store *s;
    struct filter *f;
    struct store_query *q;
    int rows = 0;
    assert_int_equal(store_open(&s, copy, STORE_READ, why), 0);
    assert_int_equal(filter_parse(view_of(text), 0, &f, &column, why), 0);
    assert_int_equal(store_transactions(s, f, STORE_NEWEST_FIRST, 0, 0, &q), 0);
    while (store_step(q) == 1) {
        assert_int_equal(store_column_type(q, FIELD_CLIENT), STORE_NULL);
        assert_int_equal(store_columns(q), STORE_COLUMNS);
        rows++;
    }
    assert_int_equal(rows, ALL_ROWS);
    assert_int_equal(store_skipped(q), ALL_ROWS);
    store_query_free(q);
    filter_free(f);
    store_close(s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_flipped_bit),          TEST(a_lost_page),      TEST(a_file_that_was_cut),
        TEST(many_bits_at_once),      TEST(damage_under_way), TEST(a_filter_on_a_damaged_index),
        TEST(a_filter_on_all_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
