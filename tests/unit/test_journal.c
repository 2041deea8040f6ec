// The journal: its cursors, what is held, its file, and what is not taken for one.
#include "proxy/emit/journal.h"
#include "proxy/emit/journal_file.h"
#include "tests/support/alloc.h"
#include "tests/support/ring.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SMALL (JOURNAL_MIN)

static char dir[TMP_PATH], path[TMP_PATH];
static char why[WHY_MAX];

static int set_up(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "w0.ring");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static void test_put_send_ack(void **state)
{
    struct journal *j;
    struct journal_facts facts;
    struct iovec pieces[2];

    (void)state;
    assert_int_equal(journal_open(&j, NULL, 1000, 77, why), 0);
    journal_facts(j, &facts);
    assert_int_equal(facts.size, JOURNAL_MIN);
    assert_int_equal(facts.started_us, 77);
    assert_int_equal(facts.first_seq, 1);
    assert_int_equal(facts.next_seq, 1);
    assert_false(facts.recovered);
    assert_int_equal(journal_unsent(j, pieces), 0);
    for (int i = 0; i < 10; i++)
        assert_true(ring_put(j, 100, 0));
    assert_int_equal(ring_check_unsent(j, 1, 11), 10);
    journal_sent(j, 116 * 4 + 5); // in the midst of the fifth
    assert_true(journal_ack(j, 3));
    assert_int_equal(journal_unsent(j, pieces), 1);
    assert_int_equal(pieces[0].iov_len, 116 * 6 - 5);
    journal_resend(j, 3);
    ring_check_unsent(j, 4, 11);
    journal_resend(j, 7);
    ring_check_unsent(j, 8, 11);
    assert_true(journal_ack(j, 7));
    assert_false(journal_ack(j, 8)); // more than was sent
    ring_check_unsent(j, 9, 11);
    journal_resend(j, 10);
    assert_int_equal(journal_unsent(j, pieces), 0);
    assert_true(journal_ack(j, 10));
    journal_facts(j, &facts);
    assert_int_equal(facts.used, 0);
    assert_int_equal(facts.first_seq, 11);
    assert_true(ring_put(j, 1, 0)); // the ring begins at its beginning again
    assert_int_equal(journal_unsent(j, pieces), 1);
    assert_true(ring_put(j, 0, 0));
    ring_check_unsent(j, 11, 13);
    journal_close(j);
}

// All was sent when a frame goes behind a pad: what is acknowledged then was sent, pad or not.
static void test_ack_before_a_pad(void **state)
{
    static const size_t short_of_end[] = {20000, 5};

    (void)state;
    for (size_t i = 0; i < 2; i++) { // a pad that is marked, and one too short for a mark
        struct journal *j;
        struct iovec pieces[2];

        assert_int_equal(journal_open(&j, NULL, SMALL, 0, why), 0);
        assert_true(ring_put(j, 100000, 0));
        assert_true(ring_put(j, 100000, 0));
        journal_resend(j, 2); // all is sent
        assert_true(journal_ack(j, 1));
        assert_true(ring_put(j, SMALL - 200000 - 3 * WIRE_HEADER - short_of_end[i], 0));
        journal_resend(j, 3);
        assert_true(ring_put(j, 70000, 0));
        ring_check_unsent(j, 4, 5);
        assert_true(journal_ack(j, 2));
        assert_true(journal_ack(j, 3));
        ring_check_unsent(j, 4, 5);
        assert_int_equal(journal_unsent(j, pieces), 1);
        assert_int_equal(pieces[0].iov_len, WIRE_HEADER + 70000);
        journal_sent(j, pieces[0].iov_len);
        assert_int_equal(journal_unsent(j, pieces), 0);
        assert_true(journal_ack(j, 4));
        journal_close(j);
    }
}

static void test_full_and_held(void **state)
{
    struct journal *j;

    (void)state;
    assert_int_equal(journal_open(&j, NULL, SMALL, 0, why), 0);
    assert_null(journal_room(j, WIRE_PAYLOAD_MAX + 1, 0));
    assert_null(journal_room(j, SMALL, 0));
    assert_false(journal_hold(j, SMALL));
    assert_true(journal_hold(j, 50 * 216));
    uint64_t next = 1;
    while (ring_put(j, 1000, 0))
        next++;
    while (ring_put(j, 10, 0))
        next++;
    assert_false(journal_hold(j, 100));
    for (int i = 0; i < 50; i++, next++) // what was held always finds room
        assert_true(ring_put(j, 200, 216));
    ring_check(j, 1, next);
    journal_resend(j, next - 1);
    assert_true(journal_ack(j, 20));
    assert_true(journal_hold(j, 100));
    journal_unhold(j, 100);
    journal_close(j);
}

static void test_memory_is_given_back(void **state)
{
    struct journal *j;
    uint64_t next = 1;

    (void)state;
    assert_int_equal(journal_open(&j, NULL, 16u << 20, 0, why), 0);
    for (int i = 0; i < 3; i++) {
        uint64_t first = next;
        while (ring_put(j, 200000, 0))
            next++;
        ring_check(j, first, next);
        journal_rest(j); // not while it holds anything
        journal_resend(j, next - 1);
        assert_true(journal_ack(j, next - 1));
        journal_rest(j); // it was used lately
        journal_rest(j);
    }
    journal_close(j);
}

// ---- files

static void test_file_comes_and_goes(void **state)
{
    struct journal *j, *second;
    struct journal_facts facts;
    struct stat st;
    unsigned char stream[16];

    (void)state;
    assert_int_equal(journal_open(&j, path, 300000, 5, why), 0);
    assert_string_equal(why, "");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true((uint64_t)st.st_blocks * 512 >= 300000); // the disk cannot become full beneath us
    assert_int_equal(journal_open(&second, path, 300000, 5, why), E_BUSY);
    assert_non_null(strstr(why, path));
    journal_facts(j, &facts);
    memcpy(stream, facts.stream, sizeof stream);
    for (int i = 0; i < 5; i++)
        assert_true(ring_put(j, 50, 0));
    journal_close(j);

    // Frames are there: the same stream, the old size.
    assert_int_equal(journal_open(&j, path, 400000, 6, why), 0);
    journal_facts(j, &facts);
    assert_memory_equal(stream, facts.stream, sizeof stream);
    assert_true(facts.recovered);
    assert_int_equal(facts.size, 303104);
    assert_int_equal(facts.started_us, 5);
    ring_check(j, 1, 6);
    assert_true(ring_put(j, 9, 0));
    journal_resend(j, 6);
    assert_true(journal_ack(j, 6));
    journal_close(j);

    // None is there, but the stream never ended: it goes on, in a ring of the new size.
    for (int i = 0; i < 3; i++) {
        uint64_t sizes[] = {400000, 270000, 270000};
        assert_int_equal(journal_open(&j, path, sizes[i], 6, why), 0);
        journal_facts(j, &facts);
        assert_memory_equal(stream, facts.stream, sizeof stream);
        assert_true(facts.recovered);
        assert_int_equal(facts.size, (sizes[i] + 4095) / 4096 * 4096);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, facts.size + JOURNAL_PAGE);
        ring_check(j, 7, 7);
        journal_close(j);
    }
    assert_int_equal(journal_open(&j, path, 270000, 6, why), 0);
    assert_true(ring_put(j, 9, 0));
    journal_said_bye(j);
    journal_close(j); // not acknowledged: stays
    assert_int_equal(journal_open(&j, path, 270000, 6, why), 0);
    ring_check(j, 7, 8);
    journal_resend(j, 7);
    assert_true(journal_ack(j, 7));
    journal_said_bye(j);
    journal_close(j);
    assert_int_equal(access(path, F_OK), -1);
}

// Killed between the stores of head and next_seq, and again before anything new was written.
static void test_killed_twice(void **state)
{
    struct journal *j;
    struct journal_facts facts;
    uint64_t behind = 4;
    size_t n;

    (void)state;
    assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
    for (int i = 0; i < 4; i++)
        assert_true(ring_put(j, 100, 0));
    journal_close(j);
    unsigned char *whole = tmp_read(path, &n);
    memcpy(whole + offsetof(struct journal_header, next_seq), &behind, sizeof behind);
    tmp_write(path, whole, n);
    free(whole);
    assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
    assert_string_equal(why, "");
    ring_check(j, 1, 5);
    journal_sent(j, 4 * 116);
    assert_true(journal_ack(j, 4));
    journal_close(j);
    assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
    journal_facts(j, &facts);
    assert_int_equal(facts.next_seq, 5);
    journal_close(j);
}

static void test_giving_follows_no_link(void **state)
{
    char victim[TMP_PATH];
    struct journal *j;
    struct stat st;

    (void)state;
    tmp_write(tmp_path(victim, dir, "victim"), "mine", 4);
    assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(victim, path), 0);
    uint32_t to = geteuid() == 0 ? 2102 : geteuid();
    assert_int_equal(journal_give(j, to), 0);
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_uid, geteuid());
    journal_close(j);
}

static void expect_set_aside(const char *what)
{
    char damaged[TMP_PATH];
    struct journal *j;
    struct journal_facts facts;

    tmp_path(damaged, dir, "w0.ring.damaged");
    unlink(damaged);
    assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
    if (!strstr(why, what))
        fail_msg("expected %s in: %s", what, why);
    assert_int_equal(access(damaged, F_OK), 0);
    journal_facts(j, &facts);
    assert_false(facts.recovered);
    assert_int_equal(facts.next_seq, 1);
    assert_true(ring_put(j, 10, 0));
    journal_close(j);
}

static void test_damage(void **state)
{
    struct journal *j;
    size_t n;

    (void)state;
    tmp_write(path, "something else that is long enough", 34);
    expect_set_aside("cut short");
    char text[9000];
    memset(text, 'x', sizeof text);
    tmp_write(path, text, sizeof text);
    expect_set_aside("no journal");

    unlink(path);
    assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
    for (int i = 0; i < 4; i++)
        assert_true(ring_put(j, 100, 0));
    journal_close(j);
    unsigned char *whole = tmp_read(path, &n);
    struct {
        size_t at;
        unsigned char flip;
        const char *what;
    } flips[] = {
        {offsetof(struct journal_header, version), 2, "another version"},
        {offsetof(struct journal_header, stream), 1, "header is damaged"},
        {offsetof(struct journal_header, size) + 5, 1, "cut short"},
        {offsetof(struct journal_header, size), 1, "cut short"},
        {offsetof(struct journal_header, head), 1, "not whole"},
        {offsetof(struct journal_header, head) + 6, 1, "offsets"},
        {offsetof(struct journal_header, tail), 4, "frame"},
        {offsetof(struct journal_header, next_seq), 4, "do not end"},
        {JOURNAL_PAGE + 1, 1, "not whole"},        // a length
        {JOURNAL_PAGE + 116 + 3, 1, "frame"},      // a length
        {JOURNAL_PAGE + 116 + 4, 1, "order"},      // a kind
        {JOURNAL_PAGE + 2 * 116 + 15, 1, "order"}, // a number
    };
    for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
        whole[flips[i].at] ^= flips[i].flip;
        tmp_write(path, whole, n);
        expect_set_aside(flips[i].what);
        whole[flips[i].at] ^= flips[i].flip;
    }
    tmp_write(path, whole, 4096 + 200);
    expect_set_aside("cut short");
    tmp_write(path, whole, n); // and undamaged it is taken
    assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
    assert_string_equal(why, "");
    ring_check(j, 1, 5);
    journal_close(j);
    memset(whole, 0, 8); // its making was never finished
    tmp_write(path, whole, n);
    assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
    assert_string_equal(why, "");
    ring_check(j, 1, 1);
    journal_close(j);
    free(whole);
}

static void test_damaged_ones_are_kept(void **state)
{
    static const char *const names[] = {"w0.ring.damaged", "w0.ring.damaged.2",
                                        "w0.ring.damaged.3"};
    struct journal *j;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char text[64], aside[TMP_PATH];
        size_t n;
        snprintf(text, sizeof text, "damage %zu, and long enough to be looked at", i);
        tmp_write(path, text, strlen(text));
        assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
        journal_close(j);
        tmp_path(aside, dir, names[i]);
        assert_non_null(strstr(why, names[i]));
        char *kept = tmp_read(aside, &n);
        assert_int_equal(n, strlen(text));
        assert_memory_equal(kept, text, n);
        free(kept);
    }
}

static void test_refusals(void **state)
{
    struct journal *j;
    char odd[TMP_PATH];

    (void)state;
    tmp_path(odd, dir, "no/such/dir");
    assert_int_equal(journal_open(&j, odd, SMALL, 0, why), E_IO);
    assert_non_null(strstr(why, odd));
    assert_int_equal(journal_open(&j, dir, SMALL, 0, why), E_IO);
    tmp_path(odd, dir, "fifo");
    assert_int_equal(mkfifo(odd, 0600), 0);
    assert_int_equal(journal_open(&j, odd, SMALL, 0, why), E_IO);
    assert_non_null(strstr(why, "regular"));
    assert_int_equal(journal_open(&j, NULL, UINT64_MAX, 0, why), E_RANGE);
    assert_int_equal(journal_open(&j, NULL, (uint64_t)1 << 62, 0, why), E_NOMEM);

    // A file system that is full.
    struct rlimit old, low = {100000, 100000};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_int_equal(journal_open(&j, path, SMALL, 0, why), E_FULL);
    assert_non_null(strstr(why, "limit of the size of files"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(access(path, F_OK), -1); // and nothing is left that would fill it more

    tmp_write(path, "damaged, and long enough to be looked at", 40);
    for (long i = 0, failed = 1; failed; i++) {
        alloc_fail_at(i);
        int e = journal_open(&j, path, SMALL, 0, why);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
    }
    journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_send_ack),
        cmocka_unit_test(test_ack_before_a_pad),
        cmocka_unit_test(test_full_and_held),
        cmocka_unit_test(test_memory_is_given_back),
        cmocka_unit_test_setup_teardown(test_file_comes_and_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_giving_follows_no_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_ones_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
