// Content pulled piece by piece, and conversations chunk by chunk: many at once, each the same as
// when it is given; what is missing said once and again; with any allocation failing.
#include "tests/support/alloc.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"
#include "tools/chunks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZES 9
#define LARGE (700 * 1000)

static char dir[TMP_PATH], path[TMP_PATH], *earlier[2], *content;
static struct tape t;
static struct store *s;

static const struct {
    const char *path;
    size_t size, part; // part 0: in the row
} bodies[SIZES] = {
    {"/one", 1, 0},
    {"/slice", STORE_SLICE, 0},
    {"/slice1", STORE_SLICE + 1, 0},
    {"/row", 300000, 0},
    {"/large-row", LARGE, 0},
    {"/parts", 200001, 1000},
    {"/slices", 4 * STORE_SLICE, STORE_SLICE},
    {"/large-parts", LARGE - 1, 200000},
    {"/one-part", 100000, 100000},
};

static int setup(void **state)
{
    (void)state;
    char name[TMP_PATH];
    tmp_make(dir);
    content = malloc(LARGE + SIZES);
    assert_non_null(content);
    for (size_t i = 0; i < LARGE + SIZES; i++)
        content[i] = (char)(i * 31 + i / 251);
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    int64_t flow = tape_flow(&t, "a:1"), talk = tape_flow(&t, "b:2"), across = tape_flow(&t, "c:3");
    for (size_t i = 0; i < SIZES; i++)
        if (bodies[i].part)
            tape_large(&t, flow, bodies[i].path, view_n(content + i, bodies[i].size),
                       bodies[i].part);
        else
            tape_http(&t, flow, "GET", bodies[i].path, 200, view_n(content + i, bodies[i].size));
    tape_http(&t, flow, "GET", "/none", 204, (struct view){NULL, 0});
    tape_part(&t, talk, false, 0, VIEW_LIT("what "));
    tape_part(&t, across, true, 0, VIEW_LIT("one "));
    for (int i = 0; i < 2; i++) {
        char sealed[TMP_PATH];
        assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
        snprintf(name, sizeof name, "capture-%06d.db", i + 1);
        earlier[i] = strdup(tmp_path(sealed, dir, name));
        if (i == 0)
            tape_part(&t, talk, true, 0, VIEW_LIT("it"));
        tape_part(&t, across, true, i ? 8 : 4, i ? VIEW_LIT("thr ") : VIEW_LIT("two "));
    }
    tape_part(&t, talk, false, 5, VIEW_LIT("now"));
    struct store_txn said = {.protocol = "raw",
                             .req = {.end = 1, .parts = 2, .body_size = 8, .body_stored = 8},
                             .res = {.end = 1, .parts = 1, .body_size = 2, .body_stored = 2}};
    struct store_txn answer = {.protocol = "http",
                               .path = "/across",
                               .res = {.end = 1, .parts = 3, .body_size = 12, .body_stored = 12}};
    struct store_txn holed = {.protocol = "http",
                              .path = "/holed",
                              .res = {.end = 1, .parts = 3, .body_size = 15, .body_stored = 10}};
    tape_txn(&t, talk, &said);
    tape_txn(&t, across, &answer);
    tape_end(&t, talk);
    tape_part(&t, across, true, 0, VIEW_LIT("first"));
    tape_loss(&t, across, 0, 0, 5);
    tape_part(&t, across, true, 10, VIEW_LIT("third"));
    tape_txn(&t, across, &holed);
    tape_end(&t, across);
    tape_stop(&t);
    tape_close(&t);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(content);
    free(earlier[0]);
    free(earlier[1]);
    tmp_remove(dir);
    return 0;
}

static void open_file(const char *file)
{
    char why[WHY_MAX];
    alloc_leave();
    if (store_open(&s, file, STORE_READ, why) != 0)
        fail_msg("%s", why);
    alloc_enter();
}

static int64_t ask(const char *sql, const char *what)
{
    struct store_query *q;
    assert_int_equal(store_query(s, sql, &q), 0);
    assert_int_equal(store_bind_text(q, 1, view_of(what)), 0);
    assert_int_equal(store_step(q), 1);
    int64_t id = store_int(q, 0);
    store_query_free(q);
    return id;
}

static int64_t body_of(const char *what)
{
    return ask("SELECT res_body FROM txn WHERE path = ?1", what);
}

// Whether the piece is the content from *at on.
static void follows(size_t which, struct view piece, size_t *at)
{
    assert_true(piece.n > 0 && piece.n <= STORE_SLICE);
    assert_true(piece.n <= bodies[which].size - *at);
    assert_memory_equal(piece.p, content + which + *at, piece.n);
    *at += piece.n;
}

static void many_are_read_in_turn(void **state)
{
    (void)state;
    struct store_reader *r[2 * SIZES];
    size_t at[2 * SIZES] = {0}, done = 0;
    open_file(earlier[0]);
    for (size_t i = 0; i < 2 * SIZES; i++)
        assert_int_equal(store_reader_open(s, body_of(bodies[i / 2].path), &r[i]), 0);
    for (size_t turn = 0; done < 2 * SIZES; turn++)
        for (size_t i = 0; i < 2 * SIZES; i++) {
            struct view piece;
            if (!r[i] || (turn + i) % 3 == 0)
                continue;
            int e = store_reader_next(r[i], &piece);
            if (e == 1) {
                follows(i / 2, piece, &at[i]);
                continue;
            }
            assert_int_equal(e, 0);
            assert_int_equal(at[i], bodies[i / 2].size);
            assert_int_equal(store_reader_next(r[i], &piece), 0);
            store_reader_close(r[i]);
            r[i] = NULL;
            done++;
        }
    store_close(s);
}

static void what_is_missing_is_said_again(void **state)
{
    (void)state;
    struct store_reader *r = NULL;
    struct view piece;
    open_file(path);
    assert_int_equal(store_reader_open(s, 999999, &r), E_NOTFOUND);
    assert_null(r);
    assert_int_equal(store_reader_open(s, body_of("/across"), &r), E_GONE);
    assert_int_equal(store_reader_open(s, body_of("/holed"), &r), 0);
    assert_int_equal(store_reader_next(r, &piece), 1);
    assert_true(view_eq(piece, VIEW_LIT("first")));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_reader_next(r, &piece), E_DAMAGED);
        assert_non_null(strstr(store_why(s), "byte 5"));
    }
    store_reader_close(r);
    store_close(s);
}

static void pieces_of_earlier_files_come_first(void **state)
{
    (void)state;
    static const char *const pieces[] = {"one ", "two ", "thr "};
    struct store_reader *r[2];
    struct view piece;
    open_file(path);
    store_set_earlier(s, earlier, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_reader_open(s, body_of("/across"), &r[i]), 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(store_reader_next(r[i % 2], &piece), 1);
        assert_true(view_eq(piece, view_of(pieces[i / 2])));
    }
    assert_int_equal(store_reader_next(r[0], &piece), 0);
    store_reader_close(r[0]);
    store_reader_close(r[1]);
    assert_int_equal(store_reader_open(s, body_of("/across"), &r[0]), 0); // closed in the middle
    assert_int_equal(store_reader_next(r[0], &piece), 1);
    store_reader_close(r[0]);
    store_close(s);
}

static void conversations_are_pulled_side_by_side(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t at;
        bool s2c;
    } said[] = {{"what ", 0, false}, {"it", 0, true}, {"now", 5, false}};
    struct chunks *c[2];
    struct chunk one;
    open_file(path);
    int64_t flow = ask("SELECT flow FROM txn WHERE protocol = ?1", "raw");
    for (int with = 1; with >= 0; with--) {
        store_set_earlier(s, earlier, with ? 2 : 0);
        for (int i = 0; i < 2; i++)
            assert_non_null(c[i] = chunks_open(s, flow, 0));
        for (int i = with ? 0 : 4; i < 6; i++) {
            assert_true(chunks_next(c[i % 2], &one));
            assert_true(view_eq(one.bytes, view_of(said[i / 2].text)));
            assert_int_equal(one.at, said[i / 2].at);
            assert_int_equal(one.s2c, said[i / 2].s2c);
        }
        assert_false(chunks_next(c[0], &one));
        assert_false(chunks_next(c[0], &one));
        assert_int_equal(chunks_missing(c[0]), with ? 0 : 2);
        chunks_close(c[0]);
        chunks_close(c[1]);
    }
    chunks_close(NULL);
    store_close(s);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t which = 0; which < SIZES; which++)
        for (long i = 0, failed = 1; failed; i++) {
            struct store_reader *r = NULL;
            struct view piece;
            size_t at = 0;
            open_file(earlier[0]);
            int64_t body = body_of(bodies[which].path);
            alloc_fail_at(i);
            int e = store_reader_open(s, body, &r);
            if (e == 0)
                while ((e = store_reader_next(r, &piece)) == 1)
                    follows(which, piece, &at);
            failed = alloc_fail_end();
            assert_true(e == 0 ? at == bodies[which].size : failed && e == E_NOMEM);
            store_reader_close(r);
            store_close(s);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_are_read_in_turn),
        cmocka_unit_test(what_is_missing_is_said_again),
        cmocka_unit_test(pieces_of_earlier_files_come_first),
        cmocka_unit_test(conversations_are_pulled_side_by_side),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
