// A capture's life with a fault at points all over it, ever further apart: SQLite finds no memory,
// or no room on the disk. Each step says so, or is done; what it said is true; it can be tried
// again when there is room.
#include "proto/digest.h"
#include "schema/store.h"
#include "tests/support/ask.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// ---- faults

enum fault { NONE, MEMORY, ROOM };
enum lasts { ONCE, FROM_THEN_ON };
static struct {
    enum fault kind;
    enum lasts lasts;
    long left; // calls that go well yet
    bool met;
} fault;
static sqlite3_mem_methods memory;
static ssize_t (*write_at)(int, const void *, size_t, off_t);
static int (*truncate_to)(int, off_t);

static void arm(enum fault kind, enum lasts lasts, long left)
{
    fault.kind = kind;
    fault.lasts = lasts;
    fault.left = left;
    fault.met = false;
}

static bool fails(enum fault kind)
{
    if (kind != fault.kind || fault.left-- > 0)
        return false;
    fault.left = fault.lasts == ONCE ? LONG_MAX : 0;
    fault.met = true;
    return true;
}

static void *get_memory(int n)
{
    return fails(MEMORY) ? NULL : memory.xMalloc(n);
}

static void *get_more(void *p, int n)
{
    return fails(MEMORY) ? NULL : memory.xRealloc(p, n);
}

static ssize_t write_or_not(int fd, const void *p, size_t n, off_t at)
{
    if (!fails(ROOM))
        return write_at(fd, p, n, at);
    errno = ENOSPC;
    return -1;
}

static int grow_or_not(int fd, off_t size)
{
    if (size == 0 || !fails(ROOM)) // making it shorter needs no room
        return truncate_to(fd, size);
    errno = ENOSPC;
    return -1;
}

static void put_faults(void)
{
    sqlite3_mem_methods mine;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory), SQLITE_OK);
    mine = memory;
    mine.xMalloc = get_memory;
    mine.xRealloc = get_more;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &mine), SQLITE_OK);
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    static const char *const writers[] = {"pwrite64", "pwrite"};
    for (int i = 0; i < 2 && !write_at; i++) {
        memcpy(&write_at, &(sqlite3_syscall_ptr){vfs->xGetSystemCall(vfs, writers[i])},
               sizeof write_at);
        sqlite3_syscall_ptr own;
        memcpy(&own, &(ssize_t(*)(int, const void *, size_t, off_t)){write_or_not}, sizeof own);
        if (write_at)
            assert_int_equal(vfs->xSetSystemCall(vfs, writers[i], own), SQLITE_OK);
    }
    sqlite3_syscall_ptr is = vfs->xGetSystemCall(vfs, "ftruncate"), own;
    memcpy(&truncate_to, &is, sizeof truncate_to);
    memcpy(&own, &(int (*)(int, off_t)){grow_or_not}, sizeof own);
    assert_int_equal(vfs->xSetSystemCall(vfs, "ftruncate", own), SQLITE_OK);
    assert_true(write_at && truncate_to);
}

// ---- the writer's life

static char dir[TMP_PATH], path[TMP_PATH], sealed[TMP_PATH];

struct life {
    struct store *s;
    int64_t stream, flow;
    uint64_t seq;
    int64_t txns;
    char why[WHY_MAX];
};

// The fourth refers to the content of the first, which is in the file before by then.
static int put_txn(struct life *l, int64_t n)
{
    static char body[20000];
    static unsigned char digest[DIGEST_SIZE];
    memset(body, (int)('a' + n % 3), sizeof body);
    if (n == 0)
        digest_once(view_n(body, sizeof body), digest);
    struct store_txn t = {.flow = l->flow,
                          .n = n,
                          .protocol = "http",
                          .method = "GET",
                          .path = "/orders/17",
                          .status = 200,
                          .req = {.end = 1, .head = VIEW_LIT("GET / HTTP/1.1\r\n\r\n")},
                          .res = {.end = 1, .body = view_n(body, sizeof body)}};
    if (n == 3)
        t.res = (struct store_half){.end = 1,
                                    .known = true,
                                    .digest = view_n(digest, sizeof digest),
                                    .body_size = sizeof body,
                                    .body_stored = sizeof body};
    return store_put_txn(l->s, store_key(l->stream, ++l->seq), &t);
}

// A flow with two pieces of a body that ends in the next batch, and some transactions.
static int put_rows(struct life *l, bool first)
{
    struct store_flow f = {.front = "fixed", .client = "10.0.0.1:1", .target = "a:1"};
    int e = 0;
    if (first) {
        l->flow = store_key(l->stream, ++l->seq);
        e = store_put_flow(l->s, l->flow, &f);
    }
    for (int i = 0; i < 3 && e == 0; i++)
        e = put_txn(l, l->txns + i);
    struct store_part p = {.flow = l->flow,
                           .n = 6,
                           .s2c = true,
                           .at = first ? 0 : 5,
                           .bytes = first ? VIEW_LIT("piece") : VIEW_LIT(" by piece")};
    if (e == 0)
        e = store_put_part(l->s, store_key(l->stream, ++l->seq), &p);
    struct store_txn t = {.flow = l->flow,
                          .n = 6,
                          .protocol = "http",
                          .res = {.end = 1, .parts = 2, .body_size = 14, .body_stored = 14}};
    unsigned char digest[DIGEST_SIZE];
    digest_once(VIEW_LIT("piece by piece"), digest);
    t.res.digest = view_n(digest, sizeof digest);
    if (e == 0 && !first)
        e = store_put_txn(l->s, store_key(l->stream, ++l->seq), &t);
    struct store_flow_end end = {.flow = l->flow, .transactions = 7};
    if (e == 0 && !first)
        e = store_put_flow_end(l->s, store_key(l->stream, ++l->seq), &end);
    return e;
}

static int batch(struct life *l, bool first)
{
    uint64_t seq = l->seq;
    int e = store_begin(l->s);
    if (e != 0)
        return e;
    e = put_rows(l, first);
    if (e == 0)
        e = store_put_progress(l->s, l->stream, l->seq, first ? 0 : 1);
    if (e == 0)
        e = store_commit(l->s);
    if (e != 0) {
        store_rollback(l->s);
        l->seq = seq;
    } else {
        l->txns += first ? 3 : 4;
    }
    return e;
}

static int do_open(struct life *l)
{
    return store_open(&l->s, path, STORE_WRITE, l->why);
}

static int do_stream(struct life *l)
{
    static const struct store_stream st = {.name = "faults"};
    uint64_t last;
    return store_stream(l->s, &st, 1, &l->stream, &last);
}

static int do_first(struct life *l)
{
    return batch(l, true);
}

static int do_rotate(struct life *l)
{
    return store_rotate(l->s, sealed, sizeof sealed);
}

static int do_second(struct life *l)
{
    return batch(l, false);
}

static int do_close(struct life *l)
{
    store_close(l->s);
    l->s = NULL;
    return 0;
}

static int (*const steps[])(struct life *) = {do_open,   do_stream, do_first,
                                              do_rotate, do_second, do_close};
#define STEPS (sizeof steps / sizeof steps[0])

static void check_files(const struct life *l)
{
    char counts[64];
    ask_sound(sealed);
    ask_sound(path);
    assert_int_equal(l->txns, 7);
    snprintf(counts, sizeof counts, "%s+%s", ask(sealed, "SELECT count(*) FROM txn"), "4");
    assert_string_equal(counts, "3+4");
    assert_string_equal(ask(path, "SELECT count(*) FROM txn"), "4");
    assert_string_equal(ask(path, "SELECT count(*) FROM flow_end"), "1");
    assert_string_equal(ask(path, "SELECT count(*) FROM loss"), "0");
    assert_string_equal(ask(path, "SELECT bytes FROM body WHERE size = 14"), "piece by piece");
    assert_string_equal(ask(path, "SELECT count(*) FROM body WHERE size = 20000"), "3");
}

// Whether the fault was met.
static bool live(size_t faulty, enum fault kind, enum lasts lasts, long left)
{
    struct life l = {0};
    bool met = false;
    tmp_make(dir);
    tmp_path(path, dir, "capture.db");
    for (size_t i = 0; i < STEPS; i++) {
        arm(i == faulty ? kind : NONE, lasts, left);
        int e = steps[i](&l);
        met |= fault.met;
        arm(NONE, ONCE, 0);
        if (e != 0) {
            int due = kind == MEMORY ? E_NOMEM : E_FULL;
            if (i != faulty || e != due)
                fail_msg("step %zu, fault at %ld: %s: %s", i, left, err_text(e),
                         l.s ? store_why(l.s) : l.why);
            assert_non_null(strstr(l.s ? store_why(l.s) : l.why, path));
            e = steps[i](&l); // now it can be done
            if (e != 0)
                fail_msg("step %zu after a fault at %ld: %s: %s", i, left, err_text(e),
                         l.s ? store_why(l.s) : l.why);
        }
    }
    check_files(&l);
    tmp_remove(dir);
    return met;
}

static void no_room_at_any_write(void **state)
{
    (void)state;
    for (size_t step = 0; step < STEPS; step++) {
        long i = 0;
        while (live(step, ROOM, FROM_THEN_ON, i))
            i += 1 + i / 12;
        assert_true(i > 0);
    }
}

static void no_memory_at_any_step(void **state)
{
    (void)state;
    for (size_t step = 0; step < STEPS; step++) {
        for (int lasts = ONCE; lasts <= FROM_THEN_ON; lasts++) {
            for (long i = 0; live(step, MEMORY, (enum lasts)lasts, i); i += 1 + i / 2)
                ;
        }
    }
}

// ---- the reader's

struct seen {
    int64_t rows, damages, bytes;
};

static int count_bytes(void *arg, struct view piece)
{
    ((struct seen *)arg)->bytes += (int64_t)piece.n;
    return 0;
}

static void count_damage(void *arg, enum verify_finding what, const char *place,
                         const char *sentence)
{
    (void)place;
    (void)sentence;
    ((struct seen *)arg)->damages += what <= VERIFY_LEDGER;
}

static int read_rows(struct store *s, struct seen *seen)
{
    struct store_query *q;
    int e = store_transactions(s, NULL, STORE_SLOWEST_FIRST, 0, 0, &q);
    if (e != 0)
        return e;
    while ((e = store_step(q)) == 1) {
        seen->rows++;
        int64_t body = store_int(q, STORE_RES_BODY);
        if (body != 0 && (e = store_body(s, body, count_bytes, seen)) != 0)
            break;
    }
    store_query_free(q);
    return e;
}

static int read_all(struct seen *seen)
{
    struct store *s;
    struct verify_sums sums;
    char why[WHY_MAX];
    *seen = (struct seen){0};
    int e = store_open(&s, path, STORE_READ, why);
    if (e != 0)
        return e;
    e = read_rows(s, seen);
    if (e == 0)
        e = store_verify(s, &sums, count_damage, NULL, seen);
    store_close(s);
    return e;
}

// It reads all, or says that it could not: nothing is left out, or taken for damage.
static void read_without_memory(const struct seen *all, enum lasts lasts)
{
    struct seen seen;
    bool met = true;
    for (long i = 0; met; i += 1 + i / 8) {
        arm(MEMORY, lasts, i);
        int e = read_all(&seen);
        met = fault.met;
        arm(NONE, ONCE, 0);
        if (e != 0 && e != E_NOMEM)
            fail_msg("fault at %ld: %s", i, err_text(e));
        if (e == 0) {
            assert_int_equal(seen.rows, all->rows);
            assert_int_equal(seen.bytes, all->bytes);
        }
        if (e == 0 && seen.damages != 0)
            fail_msg("fault at %ld: taken for damage", i);
    }
}

// Bytes for which there is no memory are not missing.
static void no_memory_for_a_body(void **state)
{
    (void)state;
    struct tape t;
    struct store *s;
    char why[WHY_MAX];
    tmp_make(dir);
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    tape_everything(&t);
    tape_close(&t);
    const char *ids = ask(path, "SELECT (SELECT id FROM body WHERE flow IS NULL AND stored > 5000),"
                                " (SELECT id FROM body WHERE flow IS NOT NULL)");
    int64_t bodies[] = {strtoll(ids, NULL, 10), strtoll(strchr(ids, '|') + 1, NULL, 10)};
    for (int b = 0; b < 2; b++) {
        bool met = true;
        for (long i = 0; met; i++) {
            struct seen seen = {0};
            assert_int_equal(store_open(&s, path, STORE_READ, why), 0);
            arm(MEMORY, ONCE, i);
            int e = store_body(s, bodies[b], count_bytes, &seen);
            met = fault.met;
            arm(NONE, ONCE, 0);
            if (e != 0 && e != E_NOMEM)
                fail_msg("body %d, fault at %ld: %s", b, i, store_why(s));
            store_close(s);
        }
    }
    tmp_remove(dir);
}

static void no_memory_for_a_reader(void **state)
{
    (void)state;
    struct tape t;
    struct seen all;
    tmp_make(dir);
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    tape_everything(&t);
    tape_close(&t);
    assert_int_equal(read_all(&all), 0);
    assert_true(all.rows > 50 && all.bytes > 400000 && all.damages == 0);
    read_without_memory(&all, ONCE);
    read_without_memory(&all, FROM_THEN_ON);
    tmp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_room_at_any_write),
        cmocka_unit_test(no_memory_at_any_step),
        cmocka_unit_test(no_memory_for_a_body),
        cmocka_unit_test(no_memory_for_a_reader),
    };
    put_faults();
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); // where thousands of syncs cost nothing
    return cmocka_run_group_tests(tests, NULL, NULL);
}
