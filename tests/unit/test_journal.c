// The journal against a plain model: what was put is given back once, in order, whatever happens.
#include "proxy/emit/journal.h"
#include "proxy/emit/journal_file.h"
#include "tests/support/alloc.h"
#include "tests/support/tmp.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SMALL (JOURNAL_MIN)

static char dir[TMP_PATH], path[TMP_PATH], copy[TMP_PATH];
static char why[WHY_MAX];

static int set_up(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "w0.ring");
    tmp_path(copy, dir, "copy.ring");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static uint64_t chance(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

// A record's payload follows from its number and size.
static void fill(unsigned char *p, size_t n, uint64_t seq)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(seq * 131 + i * 7 + (i >> 8));
}

static bool filled(struct view v, uint64_t seq)
{
    for (size_t i = 0; i < v.n; i++) {
        if ((unsigned char)v.p[i] != (unsigned char)(seq * 131 + i * 7 + (i >> 8)))
            return false;
    }
    return true;
}

static bool put(struct journal *j, size_t n, size_t from_reserve)
{
    struct journal_facts facts;
    journal_facts(j, &facts);
    unsigned char *p = journal_room(j, n, from_reserve);
    if (!p)
        return false;
    fill(p, n, facts.next_seq);
    assert_int_equal(journal_commit(j, WIRE_PART, n), facts.next_seq);
    return true;
}

// All frames that are not sent, checked and counted; they stay unsent.
static uint64_t check_frames(struct journal *j, uint64_t first, uint64_t next)
{
    struct iovec pieces[2];
    uint64_t seq = first;
    int n = journal_unsent(j, pieces);

    for (int i = 0; i < n; i++) {
        struct view in = view_n(pieces[i].iov_base, pieces[i].iov_len);
        while (in.n) {
            struct wire_frame frame;
            size_t used;
            assert_int_equal(wire_take(in, &frame, &used), 0);
            assert_int_equal(frame.kind, WIRE_RECORD);
            assert_int_equal(frame.seq, seq);
            assert_true(filled(frame.payload, seq));
            seq++;
            in = view_from(in, used);
        }
    }
    assert_int_equal(seq, next);
    return seq - first;
}

static void check_all(struct journal *j, uint64_t first, uint64_t next)
{
    struct journal_facts facts;
    journal_facts(j, &facts);
    assert_int_equal(facts.next_seq, next);
    assert_int_equal(facts.first_seq, first);
    journal_resend(j, 0);
    check_frames(j, first, next);
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
        assert_true(put(j, 100, 0));
    assert_int_equal(check_frames(j, 1, 11), 10);
    journal_sent(j, 116 * 4 + 5); // in the midst of the fifth
    assert_true(journal_ack(j, 3));
    assert_int_equal(journal_unsent(j, pieces), 1);
    assert_int_equal(pieces[0].iov_len, 116 * 6 - 5);
    journal_resend(j, 3);
    check_frames(j, 4, 11);
    journal_resend(j, 7);
    check_frames(j, 8, 11);
    assert_true(journal_ack(j, 7));
    assert_false(journal_ack(j, 8)); // more than was sent
    check_frames(j, 9, 11);
    journal_resend(j, 10);
    assert_int_equal(journal_unsent(j, pieces), 0);
    assert_true(journal_ack(j, 10));
    journal_facts(j, &facts);
    assert_int_equal(facts.used, 0);
    assert_int_equal(facts.first_seq, 11);
    assert_true(put(j, 1, 0)); // the ring begins at its beginning again
    assert_int_equal(journal_unsent(j, pieces), 1);
    assert_true(put(j, 0, 0));
    check_frames(j, 11, 13);
    journal_close(j);
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
    while (put(j, 1000, 0))
        next++;
    while (put(j, 10, 0))
        next++;
    assert_false(journal_hold(j, 100));
    for (int i = 0; i < 50; i++, next++) // what was held always finds room
        assert_true(put(j, 200, 216));
    check_all(j, 1, next);
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
        while (put(j, 200000, 0))
            next++;
        check_all(j, first, next);
        journal_resend(j, next - 1);
        assert_true(journal_ack(j, next - 1));
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
        assert_true(put(j, 50, 0));
    journal_close(j);

    // Frames are there: the same stream, the old size.
    assert_int_equal(journal_open(&j, path, 400000, 6, why), 0);
    journal_facts(j, &facts);
    assert_memory_equal(stream, facts.stream, sizeof stream);
    assert_true(facts.recovered);
    assert_int_equal(facts.size, 303104);
    assert_int_equal(facts.started_us, 5);
    check_all(j, 1, 6);
    assert_true(put(j, 9, 0));
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
        check_all(j, 7, 7);
        journal_close(j);
    }
    assert_int_equal(journal_open(&j, path, 270000, 6, why), 0);
    assert_true(put(j, 9, 0));
    journal_said_bye(j);
    journal_close(j); // not acknowledged: stays
    assert_int_equal(journal_open(&j, path, 270000, 6, why), 0);
    check_all(j, 7, 8);
    journal_resend(j, 7);
    assert_true(journal_ack(j, 7));
    journal_said_bye(j);
    journal_close(j);
    assert_int_equal(access(path, F_OK), -1);
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
    assert_true(put(j, 10, 0));
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
        assert_true(put(j, 100, 0));
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
    check_all(j, 1, 5);
    journal_close(j);
    memset(whole, 0, 8); // its making was never finished
    tmp_write(path, whole, n);
    assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
    assert_string_equal(why, "");
    check_all(j, 1, 1);
    journal_close(j);
    free(whole);
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

// ---- against the model, and killed between any two stores

struct model {
    uint64_t first, next; // numbers in the ring
    uint64_t acked_of_file;
    size_t held;
};

// Opens a copy of the file as a killed process would have left it.
static void recover(const unsigned char *bytes, size_t n, uint64_t first, uint64_t next)
{
    struct journal *j;

    tmp_write(copy, bytes, n);
    assert_int_equal(journal_open(&j, copy, SMALL, 0, why), 0);
    assert_string_equal(why, "");
    check_all(j, first, next);
    assert_true(put(j, 33, 0) || next - first > 2); // and it can go on
    journal_close(j);
    unlink(copy);
}

// The states between before and after, in the order of the stores.
static void killed_while_appending(const unsigned char *before, const unsigned char *after,
                                   size_t n, uint64_t *seed, const struct model *m)
{
    unsigned char *mixed = malloc(n);
    struct journal_header *h = (struct journal_header *)(void *)mixed;
    const struct journal_header *to = (const struct journal_header *)(const void *)after;
    size_t some = JOURNAL_PAGE + chance(seed) % (n - JOURNAL_PAGE);

    memcpy(mixed, before, n);
    memcpy(mixed + JOURNAL_PAGE, after + JOURNAL_PAGE, some - JOURNAL_PAGE);
    recover(mixed, n, m->first, m->next);
    memcpy(mixed + JOURNAL_PAGE, after + JOURNAL_PAGE, n - JOURNAL_PAGE);
    recover(mixed, n, m->first, m->next);
    h->head = to->head;
    recover(mixed, n, m->first, m->next + 1);
    h->next_seq = to->next_seq;
    assert_memory_equal(mixed, after, n);
    recover(mixed, n, m->first, m->next + 1);
    free(mixed);
}

static void killed_while_forgetting(const unsigned char *before, const unsigned char *after,
                                    size_t n, const struct model *m, uint64_t first)
{
    unsigned char *mixed = malloc(n);
    struct journal_header *h = (struct journal_header *)(void *)mixed;
    const struct journal_header *to = (const struct journal_header *)(const void *)after;

    memcpy(mixed, before, n);
    recover(mixed, n, m->first, m->next);
    if (first == m->next) {
        h->tail = h->head;
        recover(mixed, n, first, m->next);
        h->head = 0;
        recover(mixed, n, first, m->next);
        h->tail = 0;
    } else {
        h->tail = to->tail;
    }
    assert_memory_equal(mixed, after, n);
    recover(mixed, n, first, m->next);
    free(mixed);
}

static size_t some_size(uint64_t *seed)
{
    switch (chance(seed) % 6) {
    case 0:
        return chance(seed) % 8;
    case 1:
        return chance(seed) % 70000;
    case 2:
        return 4000 + chance(seed) % 200;
    default:
        return chance(seed) % 1500;
    }
}

// The connection: what has been taken out so far, as a reader would see it.
struct reader {
    unsigned char part[SMALL];
    size_t n;
    uint64_t next;
};

static void read_some(struct journal *j, struct reader *r, uint64_t *seed)
{
    struct iovec pieces[2];
    int n = journal_unsent(j, pieces);
    size_t all = 0;

    for (int i = 0; i < n; i++)
        all += pieces[i].iov_len;
    size_t take = all ? chance(seed) % (all + 1) : 0, left = take;
    for (int i = 0; i < n && left; i++) {
        size_t now = left < pieces[i].iov_len ? left : pieces[i].iov_len;
        assert_true(r->n + now <= sizeof r->part);
        memcpy(r->part + r->n, pieces[i].iov_base, now);
        r->n += now;
        left -= now;
    }
    journal_sent(j, take);
    struct view in = view_n(r->part, r->n);
    struct wire_frame frame;
    size_t used;
    while (wire_take(in, &frame, &used) == 0) {
        assert_int_equal(frame.seq, r->next);
        assert_true(filled(frame.payload, frame.seq));
        r->next++;
        in = view_from(in, used);
    }
    memmove(r->part, in.p, in.n);
    r->n = in.n;
}

static void step(struct journal *j, struct model *m, struct reader *r, uint64_t *seed,
                 bool with_kill)
{
    unsigned char *before = with_kill ? tmp_read(path, NULL) : NULL;
    size_t n = SMALL + JOURNAL_PAGE;
    struct model old = *m;
    bool appended = false, forgot = false;

    switch (chance(seed) % 8) {
    case 0:
    case 1:
    case 2:
        appended = put(j, some_size(seed), 0);
        break;
    case 3:
        if (journal_hold(j, 300))
            m->held += 300;
        break;
    case 4:
        if (m->held) {
            assert_true(put(j, chance(seed) % 284, 300));
            m->held -= 300;
            appended = true;
        }
        break;
    case 5:
        if (m->held && chance(seed) % 2) {
            journal_unhold(j, 300);
            m->held -= 300;
        }
        break;
    case 6:
        read_some(j, r, seed);
        break;
    default:
        if (chance(seed) % 8 == 0) { // a new connection
            journal_resend(j, m->first - 1);
            r->next = m->first;
            r->n = 0;
        } else if (r->next > m->first) {
            uint64_t seq = m->first + chance(seed) % (r->next - m->first);
            if (chance(seed) % 3 == 0)
                seq = r->next - 1;
            assert_true(journal_ack(j, seq));
            m->first = seq + 1;
            forgot = true;
        }
    }
    m->next += appended;
    if (before && (appended || forgot)) {
        unsigned char *after = tmp_read(path, NULL);
        if (appended)
            killed_while_appending(before, after, n, seed, &old);
        else
            killed_while_forgetting(before, after, n, &old, m->first);
        free(after);
    }
    free(before);
    struct journal_facts facts;
    journal_facts(j, &facts);
    assert_int_equal(facts.first_seq, m->first);
    assert_int_equal(facts.next_seq, m->next);
    assert_int_equal(facts.reserved, m->held);
    assert_true(facts.used <= facts.size);
}

static void run_model(uint64_t seed, int steps, int kill_every)
{
    struct model m = {.first = 1, .next = 1};
    struct reader *r = calloc(1, sizeof *r);
    struct journal *j;

    r->next = 1;
    assert_int_equal(journal_open(&j, kill_every ? path : NULL, SMALL, 0, why), 0);
    for (int i = 0; i < steps; i++)
        step(j, &m, r, &seed, kill_every && i % kill_every == 0);
    check_all(j, m.first, m.next);
    while (m.held) {
        assert_true(put(j, 284, 300));
        m.held -= 300;
        m.next++;
    }
    check_all(j, m.first, m.next);
    journal_close(j);
    unlink(path);
    free(r);
}

static void test_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++)
        run_model(seed * 0x9e3779b97f4a7c15u, 5000, 0);
}

static void test_model_killed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++)
        run_model(seed * 0xd1342543de82ef95u, 1500, 23);
}

// ---- killed for good

struct progress {
    uint64_t put, acked;
};

static void live_until_killed(struct progress *p, uint64_t seed)
{
    struct journal *j;
    struct journal_facts facts;

    if (journal_open(&j, path, SMALL, 0, why) != 0)
        _exit(1);
    journal_facts(j, &facts);
    if (facts.next_seq != p->put + 1 && facts.next_seq != p->put + 2)
        _exit(2);
    p->put = facts.next_seq - 1;
    for (;;) {
        if (put(j, some_size(&seed), 0))
            __atomic_add_fetch(&p->put, 1, __ATOMIC_RELEASE);
        if (chance(&seed) % 8 == 0) {
            uint64_t seq = p->acked + chance(&seed) % (p->put - p->acked + 1);
            if (chance(&seed) % 4 == 0)
                seq = p->put;
            journal_resend(j, p->put);
            __atomic_store_n(&p->acked, seq, __ATOMIC_RELEASE);
            journal_ack(j, seq);
        }
    }
}

static void test_kill_9(void **state)
{
    struct progress *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t seed = 4711;

    (void)state;
    assert_ptr_not_equal(p, MAP_FAILED);
    for (int i = 0; i < 60; i++) {
        pid_t child = fork();
        if (child == 0)
            live_until_killed(p, chance(&seed));
        struct timespec nap = {0, (long)(chance(&seed) % 3000000) + 500000};
        nanosleep(&nap, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));

        struct journal *j;
        struct journal_facts facts;
        chance(&seed);
        assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
        assert_string_equal(why, "");
        journal_facts(j, &facts);
        assert_true(facts.next_seq == p->put + 1 || facts.next_seq == p->put + 2);
        assert_true(facts.first_seq <= p->acked + 1);
        check_all(j, facts.first_seq, facts.next_seq);
        journal_close(j);
    }
    munmap(p, sizeof *p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_send_ack),
        cmocka_unit_test(test_full_and_held),
        cmocka_unit_test(test_memory_is_given_back),
        cmocka_unit_test_setup_teardown(test_file_comes_and_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test(test_model),
        cmocka_unit_test_setup_teardown(test_model_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kill_9, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
