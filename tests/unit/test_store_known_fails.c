// Content that a record refers to and that cannot be had, now or at all: what is a loss, what is
// not, and of what.
#include "tests/support/alloc.h"
#include "tests/support/ask.h"
#include "tests/support/refer.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

// A batch with one reference: what putting it answers.
static int try_known(int64_t flow, struct view content, bool commit)
{
    unsigned char digest[DIGEST_SIZE];
    struct store_txn txn = refers(content, (int64_t)content.n, digest);
    txn.flow = flow;
    txn.n = 1000 + (int64_t)t.seq;
    assert_int_equal(store_begin(t.s), 0);
    int e = store_put_txn(t.s, store_key(t.stream, t.seq + 1000), &txn);
    if (e == 0 && commit)
        assert_int_equal(store_commit(t.s), 0);
    else
        store_rollback(t.s);
    return e;
}

// What is there, and only cannot be had now, is no loss: the batch is tried again. Not for ever.
static void a_file_that_cannot_be_asked_now(void **state)
{
    (void)state;
    struct view is = view_n(large, 30000);
    int64_t flow = tape_flow(&t, "a:1");
    struct rlimit all, none;
    sqlite3 *db;
    tape_http(&t, flow, "GET", "/1", 200, is);
    tape_end(&t, flow);
    rotate();
    flow = tape_flow(&t, "a:1");
    // Without a descriptor.
    int fd = open("/dev/null", O_RDONLY);
    close(fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    none = all;
    none.rlim_cur = (rlim_t)fd;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(try_known(flow, is, false), E_IO);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    assert_int_equal(store_gone(t.s), 0);
    assert_non_null(strstr(store_why(t.s), "content of an earlier file is asked for"));
    // Locked.
    assert_int_equal(sqlite3_open(first, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 1; i < 30; i++) {
        assert_int_equal(try_known(flow, is, false), E_BUSY);
        assert_int_equal(store_gone(t.s), 0);
    }
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(try_known(flow, is, false), 0);
    assert_int_equal(store_gone(t.s), 0);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(try_known(flow, is, false), 0);
    assert_int_equal(store_gone(t.s), 1);
    sqlite3_close(db);
    int64_t id = known(flow, is, 30000);
    tape_end(&t, flow);
    expect(path, id, is);
    assert_int_equal(verify(path).losses, 0);
}

// Of content that is kept in part the digest proves nothing, nor does it of a piece.
static void damaged_content_is_not_copied(void **state)
{
    (void)state;
    unsigned char digest[DIGEST_SIZE];
    for (int way = 0; way < 4; way++) { // short or long, the file before or the live one
        int64_t n = way % 2 ? 400000 : 20000;
        struct view is = view_n(large + way, LARGE - 10);
        int64_t flow = tape_flow(&t, "a:1");
        struct store_txn cut = refers(is, n, digest);
        char sealed[TMP_PATH], sql[128];
        cut.res.known = false;
        cut.res.body = view_n(is.p, (size_t)n);
        tape_txn(&t, flow, &cut);
        assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
        if (way >= 2) // copied while it is sound
            known(flow, is, n);
        snprintf(sql, sizeof sql, "UPDATE body SET bytes = zeroblob(%lld) WHERE stored = %lld",
                 (long long)n, (long long)n);
        ask_change(sealed, sql);
        if (way >= 2)
            ask_change(path, sql);
        tape_begin(&t);
        struct store_part p = {.flow = flow,
                               .n = 900,
                               .s2c = true,
                               .like = view_n(digest, sizeof digest),
                               .size = 9000,
                               .account = {.stored_s2c = 0}};
        assert_int_equal(store_put_part(t.s, store_key(t.stream, t.seq++), &p), 0);
        if (way < 2)
            known(flow, is, n);
        assert_int_equal(store_gone(t.s), way < 2 ? 2 : 1);
        store_rollback(t.s);
        t.batch = false;
        assert_string_equal(ask(path, "SELECT count(*) FROM part WHERE size = 9000"), "0");
        rotate();
    }
}

// What the head left out, and the trailers, are not of the content that is gone.
static void a_loss_is_of_the_content_alone(void **state)
{
    (void)state;
    static const struct {
        int64_t head, body, omitted, cut, trailers, lost;
    } cases[] = {
        {100, 20000, 0, 0, 0, 20000},    {100, 20000, 60, 0, 0, 20000},
        {100, 20000, 60, 0, 30, 19970},  {100, 20000, 3060, 3000, 0, 17000},
        {100, 20000, 3060, 0, 0, 17040}, {100, 20000, 5000, 2000, 10, 15090},
        {100, 20000, 20090, 0, 0, 10},   {100, 20, 0, 0, 30, 0},
    };
    int64_t flow = tape_flow(&t, "a:1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char digest[DIGEST_SIZE];
        char wanted[64];
        struct store_txn txn = refers(view_n(large + i, 20000), 20000 - cases[i].cut, digest);
        txn.res.trailers = view_n(large, (size_t)cases[i].trailers);
        txn.res.body_wire = cases[i].body;
        txn.res.wire = cases[i].head + cases[i].body;
        txn.account.omitted_s2c = cases[i].omitted;
        txn.account.stored_s2c = txn.res.wire - cases[i].omitted;
        tape_txn(&t, flow, &txn);
        snprintf(wanted, sizeof wanted, "%lld|%lld", (long long)cases[i].lost,
                 (long long)(txn.account.stored_s2c - cases[i].lost));
        assert_string_equal(ask(path, "SELECT l.lost_s2c, t.stored_s2c FROM loss l JOIN txn t"
                                      " ON t.id = l.id ORDER BY t.id DESC LIMIT 1"),
                            wanted);
    }
}

// Without memory it fails as a whole, and does not when there is some again.
static void out_of_memory(void **state)
{
    (void)state;
    unsigned char digest[DIGEST_SIZE];
    struct view is = view_n(large, 300000);
    int64_t flow = tape_flow(&t, "a:1");
    tape_http(&t, flow, "GET", "/", 200, is);
    tape_end(&t, flow);
    rotate();
    flow = tape_flow(&t, "a:1");
    struct store_txn txn = refers(is, 300000, digest);
    struct store_part p = {
        .flow = flow, .n = 1, .s2c = true, .like = view_n(digest, sizeof digest), .size = 70000};
    txn.flow = flow;
    int failed = 0, e = E_NOMEM;
    for (long i = 0; e != 0 && i < 10000; i++) {
        assert_int_equal(store_begin(t.s), 0);
        alloc_fail_at(i);
        e = store_put_txn(t.s, store_key(t.stream, t.seq + 1), &txn);
        if (e == 0)
            e = store_put_part(t.s, store_key(t.stream, t.seq), &p);
        bool met = alloc_fail_end();
        if (e != 0)
            assert_int_equal(e, E_NOMEM);
        failed += e != 0;
        if (e == 0 && met) // done without it: then rightly
            e = E_NOMEM;
        struct store_query *q;
        assert_int_equal(store_query(t.s, "SELECT count(*) FROM loss", &q), 0);
        assert_int_equal(store_step(q), 1);
        assert_int_equal(store_int(q, 0), 0);
        store_query_free(q);
        store_rollback(t.s);
    }
    assert_int_equal(e, 0);
    assert_true(failed > 3);
    known(flow, is, 300000);
    tape_end(&t, flow);
    assert_int_equal(verify(path).losses, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_cannot_be_asked_now),
        TEST(damaged_content_is_not_copied),
        TEST(a_loss_is_of_the_content_alone),
        TEST(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
