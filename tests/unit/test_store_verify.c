// Verify: what is sound is found sound; every row that is missing or changed is found, with its
// place.
#include "tests/support/ask.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH];
static struct tape t;

static int setup(void **state)
{
    (void)state;
    tmp_make(dir);
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tape_close(&t);
    tmp_remove(dir);
    return 0;
}

// ---- findings

struct findings {
    int of[VERIFY_NOTE + 1];
    char text[16384]; // "kind place: sentence\n" …
    size_t n;
};

static void keep(void *arg, enum verify_finding what, const char *place, const char *sentence)
{
    static const char *const kinds[] = {"damage", "hole", "ledger", "loss", "cut", "note"};
    struct findings *f = arg;
    f->of[what]++;
    if (f->n < sizeof f->text - 1)
        f->n += (size_t)snprintf(f->text + f->n, sizeof f->text - f->n, "%s %s: %s\n", kinds[what],
                                 place, sentence);
}

static struct findings found;

static struct verify_sums verify(const char *file)
{
    struct store *s;
    struct verify_sums sums;
    char why[WHY_MAX];
    memset(&found, 0, sizeof found);
    if (store_open(&s, file, STORE_READ, why) != 0)
        fail_msg("%s", why);
    if (store_verify(s, &sums, keep, NULL, &found) != 0)
        fail_msg("%s", store_why(s));
    store_close(s);
    assert_int_equal(sums.damages, found.of[VERIFY_DAMAGE]);
    return sums;
}

static void expect(const char *finding)
{
    if (!strstr(found.text, finding))
        fail_msg("\"%s\" is not among:\n%s", finding, found.text);
}

// ---- what is sound

static void a_sound_capture(void **state)
{
    (void)state;
    tape_everything(&t);
    struct verify_sums sums = verify(path);
    assert_int_equal(found.of[VERIFY_DAMAGE] + found.of[VERIFY_HOLE] + found.of[VERIFY_LEDGER], 0);
    assert_int_equal(found.of[VERIFY_CUT] + found.of[VERIFY_NOTE], 0);
    assert_int_equal(found.of[VERIFY_LOSS], 2);
    expect("loss 1099511627877: ring-full: 2 transactions, 0 whole flows, 100 bytes c2s, 2000 "
           "bytes s2c,"
           " from 2026-01-01T00:00:00.102000Z to 2026-01-01T00:00:00.102005Z");
    assert_int_equal(sums.streams, 1);
    assert_int_equal(sums.flows, 12);
    assert_int_equal(sums.flows_open, 1);
    assert_int_equal(sums.transactions, 60);
    assert_int_equal(sums.parts, 16);
    assert_int_equal(sums.lost_transactions, 2);
    assert_int_equal(sums.lost_flows, 1);
    for (int dir2 = 0; dir2 < 2; dir2++)
        assert_int_equal(sums.relayed[dir2],
                         sums.stored[dir2] + sums.omitted[dir2] + sums.lost[dir2]);
    assert_int_equal(sums.lost[0], 110);
    assert_int_equal(sums.lost[1], 2020);
    assert_int_equal(sums.flows_opened, 0);
}

static void flows_whose_tls_was_opened_are_counted(void **state)
{
    (void)state;
    static const char *const modes[] = {"opaque", "intercepted", "terminated", "refused", "failed"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        int64_t flow = tape_flow(&t, "a.test:443");
        tape_tls(&t, flow, "a.test", modes[i]);
        tape_end(&t, flow);
    }
    assert_int_equal(verify(path).flows_opened, 2);
    assert_int_equal(found.of[VERIFY_LEDGER] + found.of[VERIFY_DAMAGE], 0);
}

static void an_empty_capture_is_sound(void **state)
{
    (void)state;
    struct verify_sums sums = verify(path);
    assert_int_equal(found.n, 0);
    assert_int_equal(sums.streams, 1);
}

static int last_permille, calls;
static void watch(void *arg, int permille)
{
    (void)arg;
    assert_true(permille >= last_permille && permille <= 1000);
    last_permille = permille;
    calls++;
}

static void progress_goes_from_nothing_to_all(void **state)
{
    (void)state;
    struct store *s;
    struct verify_sums sums;
    char why[WHY_MAX];
    last_permille = calls = 0;
    tape_everything(&t);
    assert_int_equal(store_open(&s, path, STORE_READ, why), 0);
    assert_int_equal(store_verify(s, &sums, NULL, watch, NULL), 0);
    store_close(s);
    assert_int_equal(last_permille, 1000);
    assert_true(calls > 5);
}

// The writer goes on meanwhile: verify sees one moment.
static void write_meanwhile(void *arg, int permille)
{
    (void)permille;
    int64_t *flow = arg;
    if (t.seq < 400)
        tape_http(&t, *flow, "GET", "/more", 200, VIEW_LIT("more"));
}

static void a_capture_that_is_written_to(void **state)
{
    (void)state;
    struct store *s;
    struct verify_sums sums;
    char why[WHY_MAX];
    tape_everything(&t);
    int64_t flow = tape_flow(&t, "a:1");
    assert_int_equal(store_open(&s, path, STORE_READ, why), 0);
    assert_int_equal(store_verify(s, &sums, NULL, write_meanwhile, &flow), 0);
    store_close(s);
    assert_int_equal(sums.damages + sums.holes + sums.unbalanced, 0);
    assert_int_equal(sums.transactions, 60);
    tape_end(&t, flow);
    ask_sound(path);
}

static void a_process_that_died_is_told(void **state)
{
    (void)state;
    int64_t flow = tape_flow(&t, "a:1");
    tape_http(&t, flow, "GET", "/", 200, VIEW_LIT("x"));
    tape_flow(&t, "a:2");
    tape_restart(&t);
    tape_flow(&t, "a:3");
    struct verify_sums sums = verify(path);
    assert_int_equal(sums.flows_cut, 2);
    assert_int_equal(sums.flows_open, 1);
    assert_int_equal(sums.damages, 0);
    expect("cut stream 1: 2 flows ended with the proxy's process");
}

// ---- what is not

static void bytes_that_are_not_accounted_for(void **state)
{
    (void)state;
    int64_t flow = tape_flow(&t, "a:1");
    tape_http(&t, flow, "GET", "/", 200, VIEW_LIT("x"));
    struct tape_flow *f = &t.flows[0];
    int64_t s2c = f->s2c;
    f->s2c += 7; // relayed, but in no record
    f->n += 2;
    tape_end(&t, flow);
    struct verify_sums sums = verify(path);
    assert_int_equal(sums.unbalanced, 1);
    assert_int_equal(found.of[VERIFY_LEDGER], 2);
    assert_int_equal(found.of[VERIFY_DAMAGE], 0);
    char sentence[256];
    snprintf(sentence, sizeof sentence,
             "ledger flow %lld: s2c: %lld bytes relayed, but %lld accounted for", (long long)flow,
             (long long)s2c + 7, (long long)s2c);
    expect(sentence);
    expect("3 transactions, but 1 accounted for (1 kept, 0 filtered, 0 lost)");
}

static void numbers_that_never_came(void **state)
{
    (void)state;
    tape_flow(&t, "a:1");
    t.seq += 3;
    tape_flow(&t, "a:2");
    t.seq += 1;
    tape_flow(&t, "a:3");
    tape_begin(&t);
    t.seq += 5;
    tape_commit(&t); // told as committed, without a row
    struct verify_sums sums = verify(path);
    assert_int_equal(sums.holes, 9);
    assert_int_equal(found.of[VERIFY_HOLE], 3);
    expect("hole stream 1 seq 2..4: 3 records are missing");
    expect("hole stream 1 seq 6: 1 record is missing");
    expect("hole stream 1 seq 8..12: 5 records are missing");
}

static void a_flow_without_end_in_a_stream_with_one(void **state)
{
    (void)state;
    int64_t flow = tape_flow(&t, "a:1");
    tape_stop(&t);
    struct verify_sums sums = verify(path);
    assert_int_equal(sums.damages, 1);
    char sentence[128];
    snprintf(sentence, sizeof sentence, "damage flow %lld: its stream ended", (long long)flow);
    expect(sentence);
}

// A transaction whose pieces were lost: the loss is told behind it, and a rotation may come
// between.
static void a_loss_that_the_next_file_tells(void **state)
{
    (void)state;
    char first[TMP_PATH];
    struct store_txn txn = {.protocol = "http",
                            .path = "/torn",
                            .res = {.end = 1, .parts = 3, .body_size = 15, .body_stored = 6}};
    int64_t flow = tape_flow(&t, "a:1");
    tape_part(&t, flow, true, 5, VIEW_LIT("third"));
    tape_part(&t, flow, true, 14, VIEW_LIT("!"));
    tape_txn(&t, flow, &txn);
    assert_int_equal(store_rotate(t.s, NULL, 0), 0);
    tape_loss(&t, flow, 0, 0, 9);
    tape_end(&t, flow);
    tmp_path(first, dir, "capture-000001.db");
    ask_sound(first);
    ask_sound(path);

    // What is taken out by hand is a hole there, too.
    ask_change(first, "DELETE FROM part WHERE at = 5");
    verify(first);
    expect("hole stream 1 seq 2: 1 record is missing");
}

// A flow that ended has told all of its losses.
static void pieces_that_no_loss_tells_of(void **state)
{
    (void)state;
    struct store_txn txn = {.protocol = "http",
                            .path = "/torn",
                            .res = {.end = 1, .parts = 2, .body_size = 10, .body_stored = 5}};
    int64_t flow = tape_flow(&t, "a:1");
    tape_part(&t, flow, true, 5, VIEW_LIT("third"));
    tape_txn(&t, flow, &txn);
    tape_end(&t, flow);
    verify(path);
    assert_int_equal(found.of[VERIFY_DAMAGE], 2);
    expect("its parts hold 5 of 5 bytes, the first 0 without a hole");
    expect("1 parts of its answer are there, not 2");
}

static const char *const tables[] = {"capture", "stream",   "flow", "carried", "flow_end",
                                     "tls",     "txn",      "head", "link",    "body",
                                     "part",    "txn_open", "loss", "restart", "unknown_record"};
#define TABLES (sizeof tables / sizeof tables[0])

// Two files, so that there are carried flows; a restart, so that every table has a row.
static void make_two_files(char later[TMP_PATH])
{
    tape_everything(&t);
    assert_int_equal(store_rotate(t.s, NULL, 0), 0);
    tape_everything(&t);
    tape_restart(&t);
    tmp_path(later, dir, "capture.db");
    // All of it into the file itself, so that copies of the file are whole.
    tape_close(&t);
}

static void restore(const char *file, const void *bytes, size_t n)
{
    char beside[TMP_PATH + 8];
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    for (int i = 0; i < 3; i++) {
        snprintf(beside, sizeof beside, "%s%s", file, ends[i]);
        remove(beside);
    }
    tmp_write(file, bytes, n);
}

// How many rows the table has, and the row number of its i-th.
static long rows_of(const char *file, const char *table)
{
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return strtol(ask(file, sql), NULL, 10);
}

static bool says_anything(const char *file)
{
    struct verify_sums sums = verify(file);
    return sums.damages + sums.holes + sums.unbalanced > 0;
}

static void every_row_that_is_deleted_is_missed(void **state)
{
    (void)state;
    char file[TMP_PATH], sql[128];
    size_t n;
    make_two_files(file);
    void *bytes = tmp_read(file, &n);
    assert_false(says_anything(file));
    for (size_t i = 0; i < TABLES; i++) {
        long rows = rows_of(file, tables[i]);
        assert_true(rows > 0);
        for (long k = 0; k < rows; k += rows / 7 + 1) {
            snprintf(sql, sizeof sql,
                     "DELETE FROM %s WHERE rowid = (SELECT rowid FROM %s LIMIT 1 OFFSET %ld)",
                     tables[i], tables[i], k);
            ask_change(file, sql);
            if (!says_anything(file))
                fail_msg("nothing is found after: %s", sql);
            restore(file, bytes, n);
        }
    }
    free(bytes);
    tape_open(&t, path);
}

// What a value becomes: another one of the same kind that its table allows.
static const char *other_value(const char *table, const char *column)
{
    if (strcmp(column, "labels") == 0 || strcmp(column, "settings") == 0)
        return "'{\"x\":1}'";
    if (strcmp(column, "direction") == 0)
        return "iif(direction = 'inbound', 'outbound', 'inbound')";
    if (strcmp(column, "first_speaker") == 0)
        return "'server'";
    if (strcmp(column, "state") == 0)
        return "iif(state = 'complete', 'unanswered', 'complete')";
    if (strcmp(column, "name") == 0 || strcmp(column, "digest") == 0)
        return column[0] == 'n' ? "randomblob(16)" : "randomblob(32)";
    if (strcmp(table, "link") == 0 && strcmp(column, "original") == 0)
        return "coalesce(original, 0) + 1";
    return NULL;
}

static void every_value_that_is_changed_is_noticed(void **state)
{
    (void)state;
    char file[TMP_PATH], sql[10240];
    size_t n;
    make_two_files(file);
    void *bytes = tmp_read(file, &n);
    for (size_t i = 0; i < TABLES; i++) {
        char columns[1024];
        snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%s')", tables[i]);
        snprintf(columns, sizeof columns, "%s", ask(file, sql));
        for (char *column = columns, *end; column && *column; column = end) {
            end = strchr(column, ' ');
            if (end)
                *end++ = '\0';
            if (strcmp(tables[i], "capture") == 0 && strcmp(column, "id") == 0)
                continue; // can only be 1
            const char *value = other_value(tables[i], column);
            char changed[8192];
            snprintf(changed, sizeof changed,
                     "CASE typeof(%s) WHEN 'integer' THEN %s + 1 WHEN 'text' THEN %s || 'x'"
                     " WHEN 'blob' THEN CAST(%s || x'01' AS BLOB) ELSE %s END",
                     column, column, column, column,
                     strstr("ended_us status flow n s2c req_body", column) ? "1" : "x'01'");
            snprintf(sql, sizeof sql,
                     "UPDATE OR IGNORE %s SET %s = %s WHERE rowid = (SELECT max(rowid) FROM %s)",
                     tables[i], column, value ? value : changed, tables[i]);
            ask_change(file, sql);
            if (!says_anything(file))
                fail_msg("nothing is found after: %s", sql);
            restore(file, bytes, n);
        }
    }
    free(bytes);
    tape_open(&t, path);
}

static void references_that_lead_nowhere(void **state)
{
    (void)state;
    static const struct {
        const char *change, *finding;
    } cases[] = {
        {"DELETE FROM flow WHERE id = (SELECT min(flow) FROM txn)",
         "its flow 1099511627777 has no row"},
        {"DELETE FROM body WHERE id = 1", "body 1 has no row"},
        {"DELETE FROM head WHERE txn = (SELECT min(id) FROM txn)", "the heads of transaction"},
        {"DELETE FROM link WHERE original IS NULL", "the link of transaction"},
        {"DELETE FROM txn WHERE beside & 2", "has no row"},
        {"UPDATE txn SET beside = 1 WHERE beside = 3", "should have no link"},
        {"UPDATE part SET bytes = NULL WHERE id = (SELECT min(id) FROM part)",
         "its bytes are gone, and no body of flow"},
        {"UPDATE body SET flow = NULL WHERE bytes IS NULL", "it is not clear where the bytes"},
        {"UPDATE txn SET n = 0 WHERE n = 1", "has its number"},
        {"UPDATE restart SET id = (SELECT max(id) FROM txn)",
         "its number stands for another record"},
        {"UPDATE stream SET id = 9", "has no row, but"},
        {"UPDATE stream SET last_seq = 50", "is outside of its stream's 1..50"},
        {"DELETE FROM part WHERE at > 0 AND n = 0", "parts of its answer are there, not"},
        {"DELETE FROM capture", "has 0 rows instead of one"},
        {"DROP VIEW http", "damage view http: is missing"},
        {"DROP INDEX txn_flow", "damage index txn_flow: is missing"},
        {"DROP TABLE loss", "damage table loss: is missing"},
        {"DROP INDEX txn_flow; CREATE INDEX txn_flow ON txn (path)",
         "damage index txn_flow: is not defined as it should be"},
        {"PRAGMA application_id = 5", "damage header: the application id is 5"},
    };
    char file[TMP_PATH];
    size_t n;
    tape_everything(&t);
    tape_restart(&t);
    tape_close(&t);
    memcpy(file, path, sizeof file);
    void *bytes = tmp_read(file, &n);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask_change(file, cases[i].change);
        verify(file);
        assert_true(found.of[VERIFY_DAMAGE] > 0);
        expect(cases[i].finding);
        restore(file, bytes, n);
    }
    free(bytes);
    tape_open(&t, path);
}

// Thousands of findings are counted, not listed; losses are listed all.
static void a_flood_of_findings_is_bounded(void **state)
{
    (void)state;
    tape_begin(&t);
    for (int i = 0; i < 1500; i++) {
        tape_flow(&t, "a:1");
        t.flow_count = 0;
        tape_loss(&t, 0, 1, 1, 1);
    }
    tape_commit(&t);
    ask_change(path, "UPDATE flow SET at_us = 1");
    struct verify_sums sums;
    struct store *s;
    char why[WHY_MAX];
    memset(&found, 0, sizeof found);
    assert_int_equal(store_open(&s, path, STORE_READ, why), 0);
    assert_int_equal(store_verify(s, &sums, keep, NULL, &found), 0);
    store_close(s);
    assert_int_equal(sums.damages, 1500);
    assert_int_equal(found.of[VERIFY_DAMAGE], VERIFY_FINDINGS_MAX);
    assert_int_equal(found.of[VERIFY_LOSS], 1500);
    assert_int_equal(found.of[VERIFY_NOTE], 1);
    assert_int_equal(sums.lost_transactions, 1500);
}

// What a user adds is no damage.
static void own_views_and_indexes_are_welcome(void **state)
{
    (void)state;
    tape_everything(&t);
    ask_change(path, "CREATE VIEW mine AS SELECT * FROM http; CREATE INDEX mine2 ON txn (path);"
                     "CREATE TABLE notes (txn INTEGER, note TEXT); ANALYZE");
    verify(path);
    assert_int_equal(found.of[VERIFY_DAMAGE], 0);
}

static void seams_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *change, *finding;
    } cases[] = {
        {"UPDATE stream SET first_seq = first_seq + 5", "hole stream 1: "},
        {"DELETE FROM stream", "it goes on, but not in"},
        {"UPDATE flow SET carried = 0", "it is open, but not carried into"},
        {"UPDATE flow SET id = id + 1 WHERE carried", "goes on with it, but it is not open here"},
        {"UPDATE capture SET number = 7", "is file 7 of its capture"},
        {"UPDATE capture SET name = randomblob(16)", "is of another capture"},
    };
    char file[TMP_PATH], first[TMP_PATH], why[WHY_MAX];
    size_t n;
    make_two_files(file);
    tmp_path(first, dir, "capture-000001.db");
    void *bytes = tmp_read(file, &n);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store *a, *b;
        int64_t flows;
        ask_change(file, cases[i].change);
        memset(&found, 0, sizeof found);
        assert_int_equal(store_open(&a, first, STORE_READ, why), 0);
        assert_int_equal(store_open(&b, file, STORE_READ, why), 0);
        assert_int_equal(store_verify_seam(a, b, &flows, keep, &found), 0);
        store_close(a);
        store_close(b);
        expect(cases[i].finding);
        restore(file, bytes, n);
    }
    free(bytes);
    tape_open(&t, path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_sound_capture),
        TEST(flows_whose_tls_was_opened_are_counted),
        TEST(an_empty_capture_is_sound),
        TEST(progress_goes_from_nothing_to_all),
        TEST(a_capture_that_is_written_to),
        TEST(a_process_that_died_is_told),
        TEST(bytes_that_are_not_accounted_for),
        TEST(numbers_that_never_came),
        TEST(a_flow_without_end_in_a_stream_with_one),
        TEST(a_loss_that_the_next_file_tells),
        TEST(pieces_that_no_loss_tells_of),
        TEST(every_row_that_is_deleted_is_missed),
        TEST(every_value_that_is_changed_is_noticed),
        TEST(references_that_lead_nowhere),
        TEST(a_flood_of_findings_is_bounded),
        TEST(own_views_and_indexes_are_welcome),
        TEST(seams_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
