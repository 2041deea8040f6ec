// The journal against a plain model: what was put is given back once, in order, whatever happens;
// also when the process is killed between any two stores.
#include "proxy/emit/journal_file.h"
#include "tests/support/random.h"
#include "tests/support/ring.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
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
    ring_check(j, first, next);
    assert_true(ring_put(j, 33, 0) || next - first > 2); // and it can go on
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
    size_t some = JOURNAL_PAGE + random_next(seed) % (n - JOURNAL_PAGE);

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
    switch (random_next(seed) % 6) {
    case 0:
        return random_next(seed) % 8;
    case 1:
        return random_next(seed) % 70000;
    case 2:
        return 4000 + random_next(seed) % 200;
    default:
        return random_next(seed) % 1500;
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
    bool everything = random_next(seed) % 2;
    size_t take = everything ? all : random_next(seed) % (all + 1), left = take;
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
        assert_true(ring_filled(frame.payload, frame.seq));
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

    switch (random_next(seed) % 8) {
    case 0:
    case 1:
    case 2:
        appended = ring_put(j, some_size(seed), 0);
        break;
    case 3:
        if (journal_hold(j, 300))
            m->held += 300;
        break;
    case 4:
        if (m->held) {
            assert_true(ring_put(j, random_next(seed) % 284, 300));
            m->held -= 300;
            appended = true;
        }
        break;
    case 5:
        if (m->held && random_next(seed) % 2) {
            journal_unhold(j, 300);
            m->held -= 300;
        }
        break;
    case 6:
        read_some(j, r, seed);
        break;
    default:
        if (random_next(seed) % 8 == 0) { // a new connection
            if (r->next < m->next && random_next(seed) % 2) {
                // Told that it has more than it was sent.
                assert_false(journal_ack(j, r->next));
                m->first = r->next + 1;
                forgot = true;
            }
            journal_resend(j, m->first - 1);
            r->next = m->first;
            r->n = 0;
        } else if (r->next > m->first) {
            uint64_t seq = m->first + random_next(seed) % (r->next - m->first);
            if (random_next(seed) % 3 == 0)
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
    ring_check(j, m.first, m.next);
    while (m.held) {
        assert_true(ring_put(j, 284, 300));
        m.held -= 300;
        m.next++;
    }
    ring_check(j, m.first, m.next);
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
        if (ring_put(j, some_size(&seed), 0))
            __atomic_add_fetch(&p->put, 1, __ATOMIC_RELEASE);
        if (random_next(&seed) % 8 == 0) {
            uint64_t seq = p->acked + random_next(&seed) % (p->put - p->acked + 1);
            if (random_next(&seed) % 4 == 0)
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
            live_until_killed(p, random_next(&seed));
        struct timespec nap = {0, (long)(random_next(&seed) % 3000000) + 500000};
        nanosleep(&nap, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));

        struct journal *j;
        struct journal_facts facts;
        random_next(&seed);
        assert_int_equal(journal_open(&j, path, SMALL, 0, why), 0);
        assert_string_equal(why, "");
        journal_facts(j, &facts);
        assert_true(facts.next_seq == p->put + 1 || facts.next_seq == p->put + 2);
        assert_true(facts.first_seq <= p->acked + 1);
        ring_check(j, facts.first_seq, facts.next_seq);
        journal_close(j);
    }
    munmap(p, sizeof *p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test_setup_teardown(test_model_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kill_9, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
