// Content that a record refers to is found where it is, in the live file or in one before; where it
// is gone, that is told, and everything else adds up.
#include "schema/identity.h"
#include "tests/support/ask.h"
#include "tests/support/refer.h"

#include <unistd.h>

static uint64_t mark_of(struct store *s)
{
    struct store_identity id;
    assert_int_equal(store_identity(s, &id), 0);
    return store_identity_mark(&id);
}

// By its name a proxy knows whether what it sent is in the file that records go to.
static void each_file_has_a_name_of_its_own(void **state)
{
    (void)state;
    char other[TMP_PATH], why[WHY_MAX];
    struct store *s;
    uint64_t mark = mark_of(t.s);
    assert_int_not_equal(mark, 0);
    tape_close(&t);
    tape_open(&t, path);
    assert_true(mark_of(t.s) == mark);
    rotate();
    assert_true(mark_of(t.s) != mark && mark_of(t.s) != 0);
    assert_int_equal(store_open(&s, first, STORE_READ, why), 0);
    assert_true(mark_of(s) == mark);
    store_close(s);
    assert_int_equal(store_open(&s, tmp_path(other, dir, "other.db"), STORE_WRITE, why), 0);
    assert_true(mark_of(s) != mark);
    store_close(s);
}

static void content_of_the_live_file(void **state)
{
    (void)state;
    struct view small = view_n(large, 17000), many = view_n(large, 200000);
    int64_t flow = tape_flow(&t, "a:1"), k[4];
    tape_http(&t, flow, "GET", "/1", 200, small);
    tape_large(&t, flow, "/2", many, 60000);
    k[0] = known(flow, small, 17000);
    k[1] = known(flow, many, 200000);
    tape_close(&t); // what it remembered is gone
    struct tape was = t;
    tape_open(&t, path);
    memcpy(t.flows, was.flows, sizeof t.flows);
    t.flow_count = was.flow_count;
    k[2] = known(flow, small, 17000);
    k[3] = known(flow, many, 200000);
    tape_end(&t, flow);
    for (int i = 0; i < 4; i++)
        expect(path, k[i], i % 2 ? many : small);
    assert_string_equal(ask(path, "SELECT count(*) FROM body"), "2");
    assert_int_equal(verify(path).losses, 0);
}

static void content_of_a_file_before(void **state)
{
    (void)state;
    struct view all[] = {view_n(large, WIRE_KNOWN_MIN), view_n(large, 100000), view_n(large, LARGE),
                         view_n(large + 1, LARGE - 1)};
    int64_t flow = tape_flow(&t, "a:1"), k[5];
    for (int i = 0; i < 3; i++)
        tape_http(&t, flow, "GET", "/", 200, all[i]);
    tape_large(&t, flow, "/", all[3], 150000);
    // Kept in part.
    unsigned char digest[DIGEST_SIZE];
    struct store_txn cut = refers(view_n(large + 2, 50000), 20000, digest);
    cut.res.known = false;
    cut.res.body = view_n(large + 2, 20000);
    tape_txn(&t, flow, &cut);
    tape_end(&t, flow);
    for (int far = 1; far <= 4; far++) {
        rotate();
        tape_begin(&t);
        flow = tape_flow(&t, "a:1");
        if (far != 2) // what was copied once is found nearer
            for (int again = 0; again < 2; again++) {
                for (int i = 0; i < 4; i++)
                    k[i] = known(flow, all[i], (int64_t)all[i].n);
                k[4] = known(flow, view_n(large + 2, 50000), 20000);
            }
        tape_end(&t, flow);
        tape_commit(&t);
        if (far == 2)
            continue;
        for (int i = 0; i < 4; i++)
            expect(path, k[i], all[i]);
        expect(path, k[4], view_n(large + 2, 20000));
        assert_string_equal(ask(path, "SELECT count(*), count(bytes), sum(shared) FROM body"),
                            "5|5|5");
        assert_int_equal(verify(path).losses, 0);
    }
    assert_int_equal(verify(first).losses, 0);
}

static void only_so_many_files_are_looked_through(void **state)
{
    (void)state;
    struct view small = view_n(large, 17000);
    int64_t flow = tape_flow(&t, "a:1");
    tape_http(&t, flow, "GET", "/1", 200, small);
    tape_end(&t, flow);
    for (int i = 0; i < 16; i++)
        rotate();
    flow = tape_flow(&t, "a:1");
    known(flow, small, 17000); // sixteen before
    tape_end(&t, flow);
    assert_int_equal(verify(path).losses, 0);
    tape_http(&t, tape_flow(&t, "a:1"), "GET", "/1", 200, view_n(large + 5, 17000));
    for (int i = 0; i < 17; i++)
        rotate();
    flow = tape_flow(&t, "a:1");
    known(flow, view_n(large + 5, 17000), 17000);
    assert_int_equal(store_gone(t.s), 1);
    tape_end(&t, flow);
    assert_int_equal(store_gone(t.s), 0);
    assert_int_equal(verify(path).losses, 1);
}

static void content_that_is_gone_is_a_loss(void **state)
{
    (void)state;
    unsigned char digest[2][DIGEST_SIZE];
    int64_t flow = tape_flow(&t, "a:1");
    tape_http(&t, flow, "GET", "/", 200, view_n(large, 17000));
    known(flow, view_n(large, 17000), 17000);
    // Of another one, of which other bytes are kept, and of one with a request that is gone too.
    known(flow, view_n(large + 1, 17000), 17000);
    known(flow, view_n(large, 17000), 16500);
    struct store_txn both = refers(view_n(large + 2, 6000), 6000, digest[0]);
    struct store_txn other = refers(view_n(large + 3, 7000), 7000, digest[1]);
    both.req = other.res;
    both.account.stored_c2s = other.account.stored_s2c;
    int64_t id = tape_txn(&t, flow, &both);
    tape_end(&t, flow);
    struct told told = verify(path);
    assert_int_equal(told.losses, 3);
    assert_int_equal(told.sums.lost[1], 17003 + 16503 + 6003);
    assert_int_equal(told.sums.lost[0], 7003);
    assert_int_equal(told.sums.relayed[1],
                     told.sums.stored[1] + told.sums.omitted[1] + told.sums.lost[1]);
    assert_int_equal(told.sums.transactions, 5);
    assert_non_null(strstr(told.last, "content-gone"));
    assert_string_equal(
        ask(path, "SELECT cause, lost_c2s, lost_s2c, length(detail), flow IS NOT NULL FROM loss"
                  " WHERE id = (SELECT max(id) FROM txn)"),
        "content-gone|7003|6003|71|1");
    // The row says all the same what it was.
    assert_string_equal(ask(path, "SELECT req_size, req_stored, res_size, res_stored, stored_c2s,"
                                  " stored_s2c FROM txn ORDER BY id DESC LIMIT 1"),
                        "7000|0|6000|0|19|19");
    expect(path, id, view_n("", 0));
    assert_string_equal(ask(path, "SELECT size, stored, length(bytes), shared FROM body"
                                  " WHERE id IN (SELECT req_body FROM txn) ORDER BY id"),
                        "7000|0|0|1");
    // The loss is part of its record: neither is right without the other.
    ask_change(path, "DELETE FROM loss WHERE id = (SELECT max(id) FROM txn)");
    struct told after = {0};
    struct store *s;
    char why[WHY_MAX];
    assert_int_equal(store_open(&s, path, STORE_READ, why), 0);
    assert_int_equal(store_verify(s, &after.sums, found, NULL, &after), 0);
    assert_int_equal(after.sums.unbalanced, 1);
    store_close(s);
    ask_change(path, "UPDATE loss SET id = id + 100000");
    assert_int_equal(store_open(&s, path, STORE_READ, why), 0);
    assert_int_equal(store_verify(s, &after.sums, found, NULL, &after), 0);
    assert_true(after.sums.damages >= 2);
    store_close(s);
}

// Each way in which the file before cannot be asked: the search ends, nothing else happens.
static void files_that_cannot_be_asked(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct view small = view_n(large + way, 17000);
        int64_t flow = tape_flow(&t, "a:1");
        tape_http(&t, flow, "GET", "/1", 200, small);
        tape_end(&t, flow);
        char sealed[TMP_PATH];
        assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
        if (way == 0)
            unlink(sealed);
        else if (way == 1)
            tmp_write(sealed, large, 17000);
        else if (way == 2)
            ask_change(sealed, "UPDATE capture SET name = zeroblob(16)");
        else
            ask_change(sealed, "UPDATE body SET bytes = zeroblob(17000) WHERE stored = 17000");
        flow = tape_flow(&t, "a:1");
        known(flow, small, 17000);
        tape_end(&t, flow);
        assert_int_equal(verify(path).losses, 1);
    }
}

// Puts a piece that is like n bytes at `at` of content.
static void like(int64_t flow, int64_t at, struct view content, int64_t n)
{
    unsigned char digest[DIGEST_SIZE];
    digest_once(content, digest);
    struct tape_flow *f = NULL;
    for (int i = 0; i < t.flow_count; i++)
        if (t.flows[i].id == flow)
            f = &t.flows[i];
    assert_non_null(f);
    tape_begin(&t);
    struct store_part p = {.flow = flow,
                           .n = f->n,
                           .first_us = 7,
                           .last_us = 8,
                           .at = at,
                           .s2c = true,
                           .like = view_n(digest, sizeof digest),
                           .size = n,
                           .account = {.stored_s2c = n}};
    f->s2c += n;
    assert_int_equal(store_put_part(t.s, store_key(t.stream, t.seq++), &p), 0);
    tape_commit(&t);
}

// So that a batch may end before it is too large.
static void copies_are_counted(void **state)
{
    (void)state;
    struct view is = view_n(large, 300000);
    int64_t flow = tape_flow(&t, "a:1");
    tape_http(&t, flow, "GET", "/", 200, is);
    tape_begin(&t);
    known(flow, is, 300000);
    assert_int_equal(store_copied(t.s), 0); // it is there
    assert_false(store_asked_before(t.s));
    tape_commit(&t);
    tape_end(&t, flow);
    rotate();
    flow = tape_flow(&t, "a:1");
    tape_begin(&t);
    known(flow, is, 300000);
    assert_int_equal(store_copied(t.s), 300000);
    known(flow, is, 300000);
    assert_int_equal(store_copied(t.s), 300000);
    tape_commit(&t);
    assert_true(store_asked_before(t.s));
    like(flow, 0, is, 1000);
    assert_int_equal(store_copied(t.s), 1000);
    assert_false(store_asked_before(t.s));
}

static int64_t end_parts(int64_t flow, struct view content, int64_t parts)
{
    unsigned char digest[DIGEST_SIZE];
    struct store_txn txn = refers(content, (int64_t)content.n, digest);
    txn.res.known = false;
    txn.res.parts = parts;
    txn.res.body_wire = 0;
    txn.account.stored_s2c = 19;
    return tape_txn(&t, flow, &txn);
}

static void parts_that_are_like_others(void **state)
{
    (void)state;
    char *changed = malloc(LARGE);
    assert_non_null(changed);
    for (int way = 0; way < 3; way++) { // parts, bytes in one row, parts in the file before
        struct view is = view_n(large + way, LARGE - 100);
        memcpy(changed, is.p, is.n);
        changed[500000] ^= 1;
        int64_t flow = tape_flow(&t, "a:1");
        if (way == 1)
            tape_http(&t, flow, "GET", "/", 200, is);
        else
            tape_large(&t, flow, "/", is, 100001);
        if (way == 2)
            rotate();
        like(flow, 0, is, 200000);
        like(flow, 200000, is, 250000);
        tape_part(&t, flow, true, 450000, view_n(changed + 450000, is.n - 450000));
        int64_t id = end_parts(flow, view_n(changed, is.n), 3);
        tape_end(&t, flow);
        expect(path, id, view_n(changed, is.n));
        known(flow = tape_flow(&t, "a:1"), view_n(changed, is.n), (int64_t)is.n);
        tape_end(&t, flow);
        assert_int_equal(verify(path).losses, 0);
        if (way == 2)
            assert_int_equal(verify(first).losses, 0);
    }
    free(changed);
}

static void parts_like_what_is_gone(void **state)
{
    (void)state;
    struct view is = view_n(large, 300000);
    int64_t flow = tape_flow(&t, "a:1");
    like(flow, 0, is, 100000);
    tape_part(&t, flow, true, 100000, view_from(is, 100000));
    end_parts(flow, is, 2);
    known(flow, is, 300000); // the same content, which is not whole
    tape_end(&t, flow);
    assert_string_equal(ask(path, "SELECT at, size, length(bytes), stored_s2c FROM part"),
                        "0|0|0|0 100000|200000|200000|200000");
    struct told told = verify(path);
    assert_int_equal(told.losses, 2);
    assert_int_equal(told.sums.lost[1], 100000 + 300003);
}

static void a_batch_that_is_rolled_back_brought_nothing(void **state)
{
    (void)state;
    unsigned char digest[DIGEST_SIZE];
    struct view small = view_n(large, 17000), old = view_n(large + 9, LARGE - 9);
    int64_t flow = tape_flow(&t, "a:1");
    tape_http(&t, flow, "GET", "/", 200, old);
    tape_end(&t, flow);
    rotate();
    flow = tape_flow(&t, "a:1");
    for (int i = 0; i < 2; i++) {
        struct store_txn brings = refers(small, 17000, digest);
        struct store_txn copied = refers(old, (int64_t)old.n, digest);
        brings.flow = copied.flow = flow;
        brings.res.known = false;
        brings.res.body = small;
        assert_int_equal(store_begin(t.s), 0);
        assert_int_equal(store_put_txn(t.s, store_key(t.stream, t.seq + 5), &brings), 0);
        assert_int_equal(store_put_txn(t.s, store_key(t.stream, t.seq + 6), &copied), 0);
        store_rollback(t.s);
    }
    assert_string_equal(ask(path, "SELECT count(*) FROM body"), "0");
    known(flow, small, 17000);
    int64_t id = known(flow, old, (int64_t)old.n);
    tape_end(&t, flow);
    expect(path, id, old);
    assert_int_equal(verify(path).losses, 1);
}

static void a_body_on_both_sides_of_a_rotation(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) { // one rotation, two, with a hole, without the first file
        struct view is = view_n(large + way, LARGE - 100);
        int64_t flow = tape_flow(&t, "a:1");
        char sealed[TMP_PATH];
        tape_part(&t, flow, true, 0, view_n(is.p, 100000));
        tape_part(&t, flow, true, 100000, view_n(is.p + 100000, 150000));
        assert_int_equal(store_rotate(t.s, sealed, sizeof sealed), 0);
        if (way == 2)
            tape_loss(&t, flow, 0, 0, 50000);
        else
            tape_part(&t, flow, true, 250000, view_n(is.p + 250000, 50000));
        if (way == 1)
            rotate();
        if (way == 3)
            unlink(sealed);
        tape_part(&t, flow, true, 300000, view_from(is, 300000));
        int64_t id = end_parts(flow, is, 4);
        known(flow, is, (int64_t)is.n);
        tape_end(&t, flow);
        if (way < 2)
            expect(path, id, is);
        assert_string_equal(ask(path, "SELECT shared FROM body WHERE id = (SELECT res_body FROM txn"
                                      " WHERE res_parts = 4 ORDER BY id DESC LIMIT 1)"),
                            way < 2 ? "1" : "0");
        assert_int_equal(verify(path).losses, way == 2 ? 2 : way == 3);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_file_has_a_name_of_its_own),
        TEST(content_of_the_live_file),
        TEST(content_of_a_file_before),
        TEST(only_so_many_files_are_looked_through),
        TEST(content_that_is_gone_is_a_loss),
        TEST(files_that_cannot_be_asked),
        TEST(parts_that_are_like_others),
        TEST(parts_like_what_is_gone),
        TEST(a_batch_that_is_rolled_back_brought_nothing),
        TEST(a_body_on_both_sides_of_a_rotation),
        TEST(copies_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
