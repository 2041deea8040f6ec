// The reader: queries, transactions by filter and order, bodies, SQL functions.
#include "tests/support/alloc.h"
#include "tests/support/ask.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH];
static struct tape t;
static struct store *s;

static int setup(void **state)
{
    (void)state;
    char why[WHY_MAX];
    tmp_make(dir);
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    tape_everything(&t);
    return store_open(&s, path, STORE_READ, why);
}

static int teardown(void **state)
{
    (void)state;
    store_close(s);
    tape_close(&t);
    tmp_remove(dir);
    return 0;
}

static struct filter *filter_of(const char *text)
{
    struct filter *f;
    size_t column;
    char why[WHY_MAX];
    if (filter_parse(view_of(text), 0, &f, &column, why) != 0)
        fail_msg("%s: %s", text, why);
    return f;
}

// The first column of all rows, joined by spaces. Frees q.
static const char *column(struct store_query *q, int i)
{
    static char out[8192];
    size_t n = 0;
    int e, rows = 0;
    out[0] = '\0';
    while ((e = store_step(q)) == 1 && n < sizeof out) {
        struct view v = store_bytes(q, i);
        if (!v.p)
            v = VIEW_LIT("NULL");
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", rows++ ? " " : "", (int)v.n, v.p);
    }
    if (e < 0)
        fail_msg("%s", store_why(s));
    assert_int_equal(store_skipped(q), 0);
    store_query_free(q);
    return out;
}

static const char *query(const char *sql)
{
    struct store_query *q;
    if (store_query(s, sql, &q) != 0)
        fail_msg("%s", store_why(s));
    return column(q, 0);
}

// The column of the transactions that the filter takes.
static const char *take(const char *text, enum store_order order, int64_t limit, int col)
{
    struct filter *f = filter_of(text);
    struct store_query *q;
    if (store_transactions(s, f, order, limit, 0, &q) != 0)
        fail_msg("%s: %s", text, store_why(s));
    const char *out = column(q, col);
    filter_free(f);
    return out;
}

// ---- queries

static void only_reading_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        int e;
    } cases[] = {
        {"DELETE FROM txn", E_REFUSED},
        {"UPDATE flow SET front = 'x'", E_REFUSED},
        {"CREATE TABLE mine (a)", E_REFUSED},
        {"VACUUM INTO '/tmp/never.db'", E_REFUSED},
        {"SELECT 1; DELETE FROM txn", E_SYNTAX},
        {"SELECT 1; SELECT 2", E_SYNTAX},
        {"", E_SYNTAX},
        {"-- nothing", E_SYNTAX},
        {"SELEC 1", E_SYNTAX},
        {"SELECT nothing FROM txn", E_SYNTAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store_query *q = NULL;
        assert_int_equal(store_query(s, cases[i].sql, &q), cases[i].e);
        assert_true(strlen(store_why(s)) > 0);
    }
    assert_string_equal(query("SELECT count(*) FROM txn; -- that is all"), "60");
    struct store_query *q;
    assert_int_equal(store_query(s, "SELECT a\nFROM txn", &q), E_SYNTAX);
    assert_non_null(strstr(store_why(s), "column 8"));
}

static void values_have_their_types(void **state)
{
    (void)state;
    struct store_query *q;
    assert_int_equal(
        store_query(s, "SELECT NULL AS a, ?1 AS b, 1.5 AS c, ?2 AS d, x'0001' AS e", &q), 0);
    assert_int_equal(store_bind_int(q, 1, INT64_MIN), 0);
    assert_int_equal(store_bind_text(q, 2, VIEW_LIT("a\0b")), 0);
    assert_true(store_bind_int(q, 3, 1) < 0);
    assert_int_equal(store_columns(q), 5);
    assert_string_equal(store_column_name(q, 2), "c");
    assert_int_equal(store_step(q), 1);
    static const enum store_type types[] = {STORE_NULL, STORE_INT, STORE_REAL, STORE_TEXT,
                                            STORE_BLOB};
    for (int i = 0; i < 5; i++)
        assert_int_equal(store_column_type(q, i), types[i]);
    assert_null(store_bytes(q, 0).p);
    assert_true(store_int(q, 1) == INT64_MIN);
    assert_true(store_real(q, 2) == 1.5);
    assert_int_equal(store_bytes(q, 3).n, 3);
    assert_int_equal(store_bytes(q, 4).n, 2);
    assert_int_equal(store_step(q), 0);
    store_query_free(q);
}

// ---- transactions

static void columns_are_the_fields(void **state)
{
    (void)state;
    struct store_query *q, *view;
    assert_int_equal(store_transactions(s, NULL, STORE_BY_ID, 0, 0, &q), 0);
    assert_int_equal(store_query(s, "SELECT * FROM http", &view), 0);
    assert_int_equal(store_columns(q), STORE_COLUMNS);
    for (int i = 0; i < FIELD_COLUMNS; i++) {
        assert_string_equal(store_column_name(q, i), filter_fields[i].name);
        assert_string_equal(store_column_name(view, i), filter_fields[i].name);
    }
    assert_string_equal(store_column_name(q, STORE_START_US), "start_us");
    assert_string_equal(store_column_name(q, STORE_END_US), "end_us");
    assert_string_equal(store_column_name(q, STORE_RES_BODY), "res_body");
    assert_string_equal(store_column_name(q, STORE_DNS_US), "dns_us");
    int rows = 0;
    while (store_step(q) == 1)
        rows++;
    assert_int_equal(rows, 60);
    store_query_free(q);
    store_query_free(view);
}

static void filters_take_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *paths;
    } cases[] = {
        {"status = 503 and path ~ \"^/users/(8|108|208)/\"",
         "/users/8/items /users/108/items /users/208/items"},
        {"not status and path ~ \"^/users/(7|107|207)/\"",
         "/users/7/items /users/107/items /users/207/items"},
        {"path in (\"/kept\", \"/open\")", "/kept /open"},
        {"res.header[\"content-type\"] = \"video/mp4\"", "/large /large"},
        {"res_type ~ video", "/large /large"},
        {"req.header[\"Host\"] = \"api.test\" and path = \"/kept\"", "/kept"},
        {"res.body contains \"still\"", "/open"},
        {"res.body ~ \"^kep\"", "/kept"},
        {"protocol = raw and sni = \"db.test\"", " "},
        {"req.body contains \"lo\nme\"", " "}, // over two pieces
        {"pod = \"nobody\"", ""},
        {"res_size > 100KiB", "/large /large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(take(cases[i].filter, STORE_OLDEST_FIRST, 0, FIELD_PATH),
                            cases[i].paths);
}

static void orders_and_limits(void **state)
{
    (void)state;
    assert_string_equal(take("path ~ \"^/(kept|open|large)\"", STORE_OLDEST_FIRST, 0, FIELD_PATH),
                        "/large /large /kept /open");
    assert_string_equal(take("path ~ \"^/(kept|open|large)\"", STORE_NEWEST_FIRST, 3, FIELD_PATH),
                        "/open /kept /large");
    assert_string_equal(take("status = 503", STORE_NEWEST_FIRST, 2, FIELD_PATH),
                        "/users/508/items /users/408/items");
    assert_string_equal(take("status >= 500", STORE_NEWEST_FIRST, 2, FIELD_PATH),
                        "/users/508/items /users/408/items");
    assert_string_equal(take("status in (503, 201)", STORE_OLDEST_FIRST, 1, FIELD_PATH),
                        "/users/8/items");
    assert_string_equal(take("protocol = http and (not status or path = \"/kept\")",
                             STORE_SLOWEST_FIRST, 2, FIELD_PATH),
                        "/kept /users/7/items");
    struct store_query *q;
    assert_int_equal(store_transactions(s, NULL, STORE_BY_ID, 2, store_key(1, 2), &q), 0);
    assert_string_equal(column(q, FIELD_ID), "1099511627779 1099511627780");
}

// A reader sees whole batches, while the writer goes on.
static void readers_see_whole_batches(void **state)
{
    (void)state;
    tape_begin(&t);
    int64_t flow = tape_flow(&t, "a:1");
    tape_http(&t, flow, "GET", "/batch", 200, VIEW_LIT("x"));
    assert_string_equal(query("SELECT count(*) FROM txn WHERE path = '/batch'"), "0");
    tape_http(&t, flow, "GET", "/batch", 200, VIEW_LIT("y"));
    tape_commit(&t);
    assert_string_equal(query("SELECT count(*) FROM txn WHERE path = '/batch'"), "2");
}

// ---- bodies

static int keep(void *arg, struct view piece)
{
    assert_true(piece.n <= 64 * 1024);
    return buf_add_view(arg, piece);
}

static void bodies_come_piece_by_piece(void **state)
{
    (void)state;
    struct buf b;
    struct store_query *q;
    buf_init(&b, 1 << 20);
    assert_int_equal(store_query(s, "SELECT res_body FROM http WHERE path = '/large'", &q), 0);
    for (int i = 0; i < 2; i++) { // in parts; the second is the first one's
        assert_int_equal(store_step(q), 1);
        buf_reset(&b);
        assert_int_equal(store_body(s, store_int(q, 0), keep, &b), 0);
        assert_int_equal(buf_len(&b), 200000);
        for (size_t k = 0; k < 200000; k += 997)
            assert_int_equal(b.p[k], (char)(k * 7 + k / 251));
    }
    store_query_free(q);
    assert_int_equal(store_query(s, "SELECT req_body FROM http WHERE protocol = 'raw'", &q), 0);
    assert_int_equal(store_step(q), 1);
    buf_reset(&b);
    assert_int_equal(store_body(s, store_int(q, 0), keep, &b), 0);
    assert_true(view_eq(buf_view(&b), VIEW_LIT("hello\nme\n")));
    store_query_free(q);
    assert_int_equal(store_body(s, 999999, keep, &b), E_NOTFOUND);
    buf_clear(&b);
}

static int stop(void *arg, struct view piece)
{
    (void)piece;
    ++*(int *)arg;
    return 7;
}

static void whoever_takes_may_stop(void **state)
{
    (void)state;
    int calls = 0;
    struct store_query *q;
    assert_int_equal(store_query(s, "SELECT res_body FROM http WHERE path = '/large'", &q), 0);
    assert_int_equal(store_step(q), 1);
    assert_int_equal(store_body(s, store_int(q, 0), stop, &calls), 7);
    assert_int_equal(calls, 1);
    store_query_free(q);
}

static void a_missing_piece_is_told(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    int64_t flow = tape_flow(&t, "a:1");
    tape_part(&t, flow, true, 0, VIEW_LIT("first"));
    tape_loss(&t, flow, 0, 0, 5);
    tape_part(&t, flow, true, 10, VIEW_LIT("third"));
    struct store_txn txn = {.protocol = "http",
                            .path = "/holed",
                            .res = {.end = 1, .parts = 3, .body_size = 15, .body_stored = 10}};
    tape_txn(&t, flow, &txn);
    struct store_query *q;
    assert_int_equal(store_query(s, "SELECT res_body FROM http WHERE path = '/holed'", &q), 0);
    assert_int_equal(store_step(q), 1);
    assert_int_equal(store_body(s, store_int(q, 0), keep, &b), E_DAMAGED);
    assert_non_null(strstr(store_why(s), "byte 5"));
    assert_true(view_eq(buf_view(&b), VIEW_LIT("first"))); // what comes before it was given
    store_query_free(q);
    buf_clear(&b);
}

// ---- functions

static void functions_on_heads(void **state)
{
    (void)state;
    static const char head[] = "'HTTP/1.1 200 OK' || char(13,10) || 'A: 1' || char(13,10) ||"
                               " 'a:  two ' || char(13,10) || 'Content-Type: x/y' || char(13,10) ||"
                               " 'odd' || char(10) || 'Q: \"\\' || char(9) || char(1) ||"
                               " char(13,10,13,10)";
    static const struct {
        const char *call, *result;
    } cases[] = {
        {"header(%s, 'A')", "1"},
        {"header(%s, 'content-type')", "x/y"},
        {"header(%s, 'none')", "NULL"},
        {"header(%s, 'HTTP/1.1 200 OK')", "NULL"},
        {"header(NULL, 'a') || %s", "NULL"},
        {"content_type(%s)", "x/y"},
        {"headers(%s)", "[[\"A\",\"1\"],[\"a\",\"two\"],[\"Content-Type\",\"x/y\"],[\"\",\"odd\"],"
                        "[\"Q\",\"\\\"\\\\\\u0009\\u0001\"]]"},
        {"json_valid(headers(%s))", "1"},
        {"json_quote('\"\\' || char(9, 228) || x'FF') || substr(%s, 1, 0)",
         "\"\\\"\\\\\\u0009\u00e4\xff\""},
        {"json_quote(NULL) || json_quote(5) || json_quote(json('[1]')) || substr(%s, 1, 0)",
         "null5[1]"},
        {"headers(x'') || substr(%s, 1, 0)", "[]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[1100], call[1024];
        const char *at = strstr(cases[i].call, "%s");
        snprintf(call, sizeof call, "%.*s%s%s", (int)(at - cases[i].call), cases[i].call, head,
                 at + 2);
        snprintf(sql, sizeof sql, "SELECT %s", call);
        assert_string_equal(query(sql), cases[i].result);
    }
}

static void headers_of_any_bytes_are_json(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a += 5) {
        for (int b = 0; b < 256; b += 3) {
            char sql[256];
            snprintf(sql, sizeof sql, "SELECT json_valid(headers(x'580A583A%02X%02XC3A4%02X'))", a,
                     b, b);
            assert_string_equal(query(sql), "1");
        }
    }
    assert_string_equal(query("SELECT headers(x'580A583AFF')"), "[[\"X\",\"\\u00ff\"]]");
    assert_string_equal(query("SELECT headers(x'580A583AC3A4')"), "[[\"X\",\"\u00e4\"]]");
}

static void functions_on_text(void **state)
{
    (void)state;
    static const struct {
        const char *call, *result;
    } cases[] = {
        {"query_param('a=1&b=x%20y+z&a=2', 'a')", "1"},
        {"query_param('a=1&b=x%20y+z', 'b')", "x y z"},
        {"query_param('a%3d=%4', 'a=')", "%4"},
        {"query_param('a&b=', 'a')", ""},
        {"query_param('a&b=', 'c')", "NULL"},
        {"query_param('', 'c')", "NULL"},
        {"regexp('^a+b$', 'aab')", "1"},
        {"'aab' REGEXP '^b'", "0"},
        {"regexp('a', NULL)", "NULL"},
        {"regexp('b.d', x'610062636465')", "1"}, // behind a NUL
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "SELECT %s", cases[i].call);
        assert_string_equal(query(sql), cases[i].result);
    }
    struct store_query *q;
    assert_int_equal(store_query(s, "SELECT regexp('(', 'x')", &q), 0);
    assert_int_equal(store_step(q), E_SYNTAX);
    assert_non_null(strstr(store_why(s), "bad pattern"));
    store_query_free(q);
}

// A match may lie across the seams of pieces, at every place.
static void bodies_are_searched_over_their_seams(void **state)
{
    (void)state;
    char content[64];
    for (size_t size = 1; size <= 9; size++) {
        char sql[256];
        int64_t flow = tape_flow(&t, "a:1");
        snprintf(content, sizeof content, "....aab..aaab..needle-%zu", size);
        int64_t id = tape_large(&t, flow, "/seams", view_of(content), size);
        static const struct {
            const char *call;
            char result;
        } cases[] = {
            {"body_contains(res_body, 'aaab')", '1'},
            {"body_contains(res_body, 'needle-')", '1'},
            {"body_contains(res_body, '.')", '1'},
            {"body_contains(res_body, 'aaaa')", '0'},
            {"body_contains(res_body, '')", '1'},
            {"body_contains(res_body, 'needle-x')", '0'},
            {"body_matches(res_body, 'a{3}b')", '1'},
            {"body_matches(res_body, 'a{4}')", '0'},
            {"body_contains(req_body, 'aaab')", 'N'},
            {"body_contains(777777, 'x')", '0'},
            {"body_contains(res_body, '....aab..aaab..needle-')", '1'},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            snprintf(sql, sizeof sql, "SELECT %s FROM txn WHERE id = %lld", cases[i].call,
                     (long long)id);
            assert_int_equal(query(sql)[0], cases[i].result);
        }
    }
}

// Text is found wherever it is; a pattern, which needs the content in one piece, near enough to the
// beginning.
static void long_bodies_are_searched(void **state)
{
    (void)state;
    char sql[256];
    const size_t far = 64u << 20;
    char *content = malloc(far + 16);
    assert_non_null(content);
    memset(content, '.', far);
    memcpy(content + far - 4, "near", 4);
    memcpy(content + far, "and then far off", 16);
    int64_t id = tape_large(&t, tape_flow(&t, "a:1"), "/long", view_n(content, far + 16), 4 << 20);
    free(content);
    snprintf(sql, sizeof sql,
             "SELECT body_contains(res_body, 'far off') || body_contains(res_body, 'farther') || "
             "body_matches(res_body, 'ne[a]r') || body_matches(res_body, 'far') FROM txn "
             "WHERE id = %lld",
             (long long)id);
    assert_string_equal(query(sql), "1010");
}

// ---- places

// What a user without any right to write sees: its exit status is 0 when all rows are there.
static int count_as_nobody(const char *file)
{
    char why[WHY_MAX];
    struct store *r;
    struct store_query *q;
    if (geteuid() == 0 && setuid(65534) != 0)
        return 2;
    if (store_open(&r, file, STORE_READ, why) != 0 ||
        store_query(r, "SELECT count(*) FROM txn", &q) != 0 || store_step(q) != 1) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    int rows = (int)store_int(q, 0);
    store_query_free(q);
    store_close(r);
    return rows == 60 ? 0 : 3;
}

// As on a read-only medium: SQLite cannot share a file in WAL mode there, but nobody writes to it.
static void a_file_that_cannot_be_written_is_read(void **state)
{
    (void)state;
    char place[TMP_PATH], file[TMP_PATH], why[WHY_MAX];
    size_t n;
    store_close(s);
    tape_close(&t); // the last one: now all of it is in the file
    assert_int_equal(mkdir(tmp_path(place, dir, "place %25?#"), 0700), 0);
    void *bytes = tmp_read(path, &n);
    tmp_write(tmp_path(file, place, "copy.db"), bytes, n);
    free(bytes);
    if (geteuid() == 0) {
        assert_int_equal(chown(file, 65534, 65534), 0);
        assert_int_equal(chown(place, 65534, 65534), 0);
        assert_int_equal(chmod(dir, 0711), 0);
    }
    assert_int_equal(chmod(file, 0400), 0);
    assert_int_equal(chmod(place, 0500), 0);
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(count_as_nobody(file));
    waitpid(child, &status, 0);
    assert_int_equal(chmod(place, 0700), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    tape_open(&t, path);
    assert_int_equal(store_open(&s, path, STORE_READ, why), 0);
}

static void out_of_memory_is_an_error(void **state)
{
    (void)state;
    bool failed = true;
    struct filter *f = filter_of("res.body contains \"zzz\" and res.body ~ \"x\" and path ~ large");
    for (long i = 0; failed; i++) {
        char why[WHY_MAX];
        struct store *r = NULL;
        struct store_query *q = NULL;
        alloc_fail_at(i);
        int e = store_open(&r, path, STORE_READ, why);
        if (e == 0)
            e = store_transactions(r, f, STORE_OLDEST_FIRST, 0, 0, &q);
        if (e == 0)
            e = store_step(q);
        store_query_free(q);
        q = NULL;
        failed = alloc_fail_end();
        store_query_free(q);
        store_close(r);
        if (!failed)
            assert_int_equal(e, 0);
        if (e != 0)
            assert_int_equal(e, E_NOMEM);
    }
    filter_free(f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_reading_is_allowed),
        TEST(values_have_their_types),
        TEST(columns_are_the_fields),
        TEST(filters_take_what_they_say),
        TEST(orders_and_limits),
        TEST(readers_see_whole_batches),
        TEST(bodies_come_piece_by_piece),
        TEST(whoever_takes_may_stop),
        TEST(a_missing_piece_is_told),
        TEST(functions_on_heads),
        TEST(headers_of_any_bytes_are_json),
        TEST(functions_on_text),
        TEST(bodies_are_searched_over_their_seams),
        TEST(long_bodies_are_searched),
        TEST(a_file_that_cannot_be_written_is_read),
        TEST(out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
