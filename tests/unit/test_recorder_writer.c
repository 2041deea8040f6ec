// Batches and the writer: what is in a batch is stored once and whole, whatever the sink refuses or
// fails at; nothing is given up before it is told to.
#include "recorder/writer.h"
#include "tests/support/alloc.h"
#include "tests/support/frames.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// A sink that keeps numbers, and refuses what it is told to.
#define MAX 20000
struct fake {
    struct recorder_sink sink;
    struct {
        int64_t stream;
        uint64_t seq;
        bool kept;
    } rows[MAX];
    size_t count, committed;
    uint64_t progress[8], pending[8];
    bool ended[8], in_batch;
    int begin_fails, commit_fails, put_fails, stream_fails; // so many times, with error
    int error;
    uint64_t refused[8]; // numbers whose put is error_row
    uint64_t poison;     // a row that only lets the commit fail
    uint64_t unreadable; // E_SYNTAX
    uint64_t full_at;    // a row whose put is error
    int error_row;
    unsigned commits, rollbacks, tends;
    int64_t copies, copied; // by each put; in this batch
    struct retain_conf retain;
};

static struct fake *self(struct recorder_sink *s)
{
    return (struct fake *)s;
}

static bool once(int *times)
{
    return *times > 0 && (*times)--;
}

static int fake_stream(struct recorder_sink *s, const struct store_stream *st, uint64_t first_seq,
                       int64_t *id, uint64_t *last_seq)
{
    assert_false(self(s)->in_batch);
    if (once(&self(s)->stream_fails))
        return self(s)->error;
    *id = st->name[0];
    *last_seq = self(s)->progress[*id] ? self(s)->progress[*id] : first_seq - 1;
    return 0;
}

static int fake_begin(struct recorder_sink *s)
{
    struct fake *f = self(s);
    assert_false(f->in_batch);
    if (once(&f->begin_fails))
        return f->error;
    f->in_batch = true;
    f->count = f->committed;
    f->copied = 0;
    memcpy(f->pending, f->progress, sizeof f->pending);
    return 0;
}

static int add(struct fake *f, int64_t stream, uint64_t seq, bool kept)
{
    assert_true(f->in_batch && f->count < MAX);
    f->rows[f->count].stream = stream;
    f->rows[f->count].seq = seq;
    f->rows[f->count++].kept = kept;
    return 0;
}

static int fake_put(struct recorder_sink *s, int64_t stream, uint64_t seq, unsigned type,
                    struct view payload)
{
    struct fake *f = self(s);
    assert_int_equal(type, WIRE_LOSS);
    assert_int_equal(payload.n, seq % 50);
    if (seq == f->unreadable)
        return E_SYNTAX;
    for (int i = 0; i < 8; i++)
        if (f->refused[i] && f->refused[i] == seq)
            return f->error_row;
    if (once(&f->put_fails) || (f->full_at && seq == f->full_at))
        return f->error;
    f->copied += f->copies;
    return add(f, stream, seq, false);
}

static int fake_keep(struct recorder_sink *s, int64_t stream, uint64_t seq, unsigned type,
                     struct view payload)
{
    assert_int_equal(type, WIRE_LOSS);
    assert_int_equal(payload.n, seq % 50);
    return add(self(s), stream, seq, true);
}

static int fake_progress(struct recorder_sink *s, int64_t stream, uint64_t last_seq,
                         int64_t ended_us)
{
    assert_true(self(s)->in_batch);
    self(s)->pending[stream] = last_seq;
    self(s)->ended[stream] = ended_us != 0;
    return 0;
}

static int fake_commit(struct recorder_sink *s)
{
    struct fake *f = self(s);
    f->commits++;
    if (once(&f->commit_fails))
        return f->error;
    for (size_t i = f->committed; i < f->count; i++)
        if (f->rows[i].seq == f->poison && !f->rows[i].kept)
            return f->error_row;
    f->committed = f->count;
    memcpy(f->progress, f->pending, sizeof f->pending);
    f->in_batch = false;
    return 0;
}

static int64_t fake_copied(const struct recorder_sink *s)
{
    const struct fake *f = (const struct fake *)s;
    assert_true(f->in_batch);
    return f->copied;
}

static uint64_t fake_file(struct recorder_sink *s)
{
    assert_false(self(s)->in_batch);
    return 77;
}

static void fake_rollback(struct recorder_sink *s)
{
    self(s)->rollbacks++;
    self(s)->in_batch = false;
}

static void fake_tend(struct recorder_sink *s, int64_t now_us)
{
    (void)now_us;
    self(s)->tends++;
}

static void fake_set_retain(struct recorder_sink *s, const struct retain_conf *retain)
{
    self(s)->retain = *retain;
}

static const char *fake_why(const struct recorder_sink *s)
{
    (void)s;
    return "the fake says no";
}

static const struct recorder_sink_ops fake_ops = {
    .name = "fake",
    .stream = fake_stream,
    .begin = fake_begin,
    .put = fake_put,
    .keep = fake_keep,
    .progress = fake_progress,
    .commit = fake_commit,
    .copied = fake_copied,
    .file = fake_file,
    .rollback = fake_rollback,
    .tend = fake_tend,
    .set_retain = fake_set_retain,
    .why = fake_why,
};

static struct fake *fake;

static int set_up(void **state)
{
    (void)state;
    fake = calloc(1, sizeof *fake);
    fake->sink.ops = &fake_ops;
    fake->error_row = E_RANGE;
    fake->error = E_FULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(fake);
    return 0;
}

static void fill(struct batch *b, int64_t stream, uint64_t from, uint64_t to)
{
    static const char bytes[50];
    for (uint64_t seq = from; seq <= to; seq++)
        assert_int_equal(
            batch_add(b, (uint64_t)stream + 100, stream, seq, WIRE_LOSS, view_n(bytes, seq % 50)),
            0);
}

// Everything of a stream from .. to is stored once, in order; how many of it unread.
static size_t check(int64_t stream, uint64_t from, uint64_t to)
{
    uint64_t next = from;
    size_t kept = 0;
    for (size_t i = 0; i < fake->committed; i++) {
        if (fake->rows[i].stream != stream)
            continue;
        assert_int_equal(fake->rows[i].seq, next++);
        kept += fake->rows[i].kept;
    }
    assert_int_equal(next, to + 1);
    assert_int_equal(fake->progress[stream], to);
    return kept;
}

static void a_batch_has_its_limits(void **state)
{
    (void)state;
    struct batch b;
    assert_int_equal(batch_init(&b, 10, 1000), 0);
    assert_true(batch_is_empty(&b));
    fill(&b, 1, 1, 9);
    assert_false(batch_is_due(&b));
    fill(&b, 1, 10, 10);
    assert_true(batch_is_due(&b));
    assert_int_equal(batch_add(&b, 1, 1, 11, 1, VIEW_LIT("")), E_FULL);
    assert_int_equal(batch_add_hello(&b, 1, VIEW_LIT("x")), E_FULL);
    batch_reset(&b);
    assert_true(batch_is_empty(&b));
    // One frame of the greatest size fits whatever the limit.
    char *big = calloc(1, WIRE_PAYLOAD_MAX);
    fill(&b, 1, 1, 3);
    assert_int_equal(batch_add(&b, 1, 1, 4, 1, view_n(big, WIRE_PAYLOAD_MAX)), 0);
    assert_true(batch_is_due(&b));
    assert_int_equal(batch_add(&b, 1, 1, 5, 1, VIEW_LIT("")), E_FULL);
    batch_reset(&b);
    // A hello must not wait.
    assert_int_equal(batch_add_hello(&b, 1, VIEW_LIT("hello")), 0);
    assert_true(batch_is_due(&b));
    assert_false(batch_is_empty(&b));
    batch_reset(&b);
    assert_int_equal(batch_add_bye(&b, 1, 1, 5), 0);
    assert_false(batch_is_empty(&b));
    free(big);
    batch_clear(&b);
    // So many streams and hellos, and not one more.
    assert_int_equal(batch_init(&b, 1000, 100000), 0);
    for (int i = 0; i < BATCH_STREAMS_MAX; i++)
        assert_int_equal(batch_add(&b, 1, i + 1, 1, 1, VIEW_LIT("")), 0);
    assert_int_equal(batch_add(&b, 1, 9999, 1, 1, VIEW_LIT("")), E_FULL);
    assert_int_equal(batch_add_bye(&b, 1, 9999, 1), E_FULL);
    assert_int_equal(batch_add(&b, 1, 7, 2, 1, VIEW_LIT("")), 0);
    for (int i = 0; i < BATCH_HELLOS_MAX; i++)
        assert_int_equal(batch_add_hello(&b, 1, VIEW_LIT("x")), 0);
    assert_int_equal(batch_add_hello(&b, 1, VIEW_LIT("x")), E_FULL);
    batch_clear(&b);
    for (long i = 0, failed = 1; failed; i++) {
        alloc_fail_at(i);
        int e = batch_init(&b, 10, 1000);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        batch_clear(&b);
    }
}

static struct batch *new_batch(size_t records)
{
    struct batch *b = malloc(sizeof *b);
    assert_int_equal(batch_init(b, records, 1 << 20), 0);
    return b;
}

static void free_batch(struct batch *b)
{
    batch_clear(b);
    free(b);
}

static void a_batch_is_one_commit(void **state)
{
    (void)state;
    struct writer *w = writer_new(&fake->sink, 1000);
    struct batch *b = new_batch(1000);
    for (uint64_t i = 0; i < 100; i++) { // streams in turns
        fill(b, 1, i + 1, i + 1);
        fill(b, 2, i + 5, i + 5);
    }
    assert_int_equal(batch_add_bye(b, 102, 2, 104), 0);
    assert_int_equal(writer_commit(w, b), 0);
    assert_int_equal(fake->commits, 1);
    assert_int_equal(b->file, 77);
    assert_int_equal(check(1, 1, 100), 0);
    assert_int_equal(check(2, 5, 104), 0);
    assert_false(fake->ended[1]);
    assert_true(fake->ended[2]);
    // A bye alone is stored too.
    batch_reset(b);
    assert_int_equal(batch_add_bye(b, 101, 1, 100), 0);
    assert_int_equal(writer_commit(w, b), 0);
    assert_true(fake->ended[1]);
    assert_int_equal(fake->progress[1], 100);
    free_batch(b);
    writer_free(w);
}

static void refused_rows_are_kept_unread(void **state)
{
    (void)state;
    static const int errors[] = {E_RANGE, E_EXISTS, E_LIMIT};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        memset(fake->refused, 0, sizeof fake->refused);
        fake->count = fake->committed = 0;
        fake->error_row = errors[i];
        fake->refused[0] = 1;
        fake->refused[1] = 50;
        fake->refused[2] = 51;
        fake->refused[3] = 500;
        fake->unreadable = 77;
        struct writer *w = writer_new(&fake->sink, 1000);
        struct batch *b = new_batch(1000);
        fill(b, 1, 1, 500);
        assert_int_equal(writer_commit(w, b), 0);
        assert_int_equal(check(1, 1, 500), 5);
        free_batch(b);
        writer_free(w);
    }
}

static void a_commit_that_fails_for_one_row_finds_it(void **state)
{
    (void)state;
    static const uint64_t places[] = {1, 2, 333, 499, 500};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        fake->count = fake->committed = 0;
        fake->commits = 0;
        fake->poison = places[i];
        struct writer *w = writer_new(&fake->sink, 1000);
        struct batch *b = new_batch(1000);
        fill(b, 1, 1, 500);
        assert_int_equal(writer_commit(w, b), 0);
        assert_int_equal(check(1, 1, 500), 1);
        assert_true(fake->commits < 100);
        free_batch(b);
        writer_free(w);
    }
}

static void many_bad_rows_do_not_take_for_ever(void **state)
{
    (void)state;
    struct writer *w = writer_new(&fake->sink, 1000);
    struct batch *b = new_batch(8000);
    fake->unreadable = 4000;
    for (int i = 0; i < 8; i++)
        fake->refused[i] = 1000 + (uint64_t)i;
    fill(b, 1, 1, 8000);
    assert_int_equal(writer_commit(w, b), 0);
    assert_int_equal(check(1, 1, 8000), 9);
    assert_true(fake->rollbacks <= 9);
    free_batch(b);
    writer_free(w);
}

static void a_failing_sink_loses_nothing(void **state)
{
    (void)state;
    static const int errors[] = {E_FULL, E_IO, E_BUSY, E_NOMEM, E_DAMAGED, E_REFUSED};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct writer *w = writer_new(&fake->sink, 1000);
        struct batch *b = new_batch(1000);
        fake->count = fake->committed = 0;
        fake->error = errors[i];
        fill(b, 1, 1, 100);
        fake->begin_fails = 1;
        assert_int_equal(writer_commit(w, b), errors[i]);
        assert_int_equal(fake->committed, 0);
        fake->put_fails = 1;
        assert_int_equal(writer_commit(w, b), errors[i]);
        fake->commit_fails = 1;
        assert_int_equal(writer_commit(w, b), errors[i]);
        assert_int_equal(fake->committed, 0);
        assert_int_equal(writer_commit(w, b), 0);
        assert_int_equal(check(1, 1, 100), 0);
        free_batch(b);
        writer_free(w);
    }
}

static void what_was_committed_is_not_tried_again(void **state)
{
    (void)state;
    struct writer *w = writer_new(&fake->sink, 1000);
    struct batch *b = new_batch(1000);
    fill(b, 1, 1, 100);
    // A refused row parts the batch; behind it the disk is full, and later is not.
    fake->refused[0] = 40;
    fake->error = E_FULL;
    fake->full_at = 60;
    assert_int_equal(writer_commit(w, b), E_FULL);
    assert_int_equal(b->done, 40);
    assert_int_equal(fake->committed, 40);
    fake->full_at = 0;
    assert_int_equal(writer_commit(w, b), 0);
    assert_int_equal(check(1, 1, 100), 1);
    // The frames are done; a hello behind them fails and is tried alone.
    struct buf hello;
    buf_init(&hello, FRAMES_MAX);
    frames_hello(&hello, 3, 1, 1);
    batch_reset(b);
    fill(b, 1, 101, 110);
    assert_int_equal(batch_add_hello(b, 5, view_from(buf_view(&hello), WIRE_HEADER)), 0);
    fake->stream_fails = 1;
    assert_int_equal(writer_commit(w, b), E_FULL);
    assert_int_equal(b->done, 10);
    assert_int_equal(writer_commit(w, b), 0);
    assert_int_equal(check(1, 1, 110), 1);
    assert_int_equal(b->hellos[0].error, 0);
    assert_int_equal(b->hellos[0].id, 3);
    assert_int_equal(b->hellos[0].last_seq, 0);
    buf_clear(&hello);
    free_batch(b);
    writer_free(w);
}

// What records stand for counts as much as what they bring: no commit has more than a batch's bytes
// of it, and one record's.
static void a_batch_of_many_references_is_parted(void **state)
{
    (void)state;
    struct writer *w = writer_new(&fake->sink, 1000);
    struct batch *b = new_batch(100);
    fill(b, 1, 1, 50);
    fill(b, 2, 1, 50);
    assert_int_equal(batch_add_bye(b, 102, 2, 50), 0);
    fake->copies = (int64_t)b->bytes_max / 10 + 1;
    fake->poison = 17; // of both streams: a commit that fails is parted further
    assert_int_equal(writer_commit(w, b), 0);
    assert_int_equal(b->done, 100);
    assert_true(fake->commits >= 10);
    assert_int_equal(check(1, 1, 50), 1);
    assert_int_equal(check(2, 1, 50), 1);
    assert_true(fake->ended[2] && !fake->ended[1]);
    fake->poison = 0;
    fake->commits = 0;
    batch_reset(b);
    fill(b, 1, 51, 100);
    assert_int_equal(writer_commit(w, b), 0);
    assert_int_equal(fake->commits, 5);
    assert_int_equal(check(1, 1, 100), 1);
    // Each of them more than a batch.
    fake->copies = (int64_t)b->bytes_max;
    fake->commits = 0;
    batch_reset(b);
    fill(b, 1, 101, 107);
    assert_int_equal(writer_commit(w, b), 0);
    assert_int_equal(fake->commits, 7);
    assert_int_equal(check(1, 1, 107), 1);
    free_batch(b);
    writer_free(w);
}

static void a_hello_that_is_refused_harms_no_other(void **state)
{
    (void)state;
    struct writer *w = writer_new(&fake->sink, 1000);
    struct batch *b = new_batch(10);
    struct buf hello;
    buf_init(&hello, FRAMES_MAX);
    frames_hello(&hello, 3, 1, 1);
    struct view payload = view_from(buf_view(&hello), WIRE_HEADER);
    assert_int_equal(batch_add_hello(b, 5, VIEW_LIT("\xff")), 0);
    assert_int_equal(batch_add_hello(b, 6, payload), 0);
    assert_int_equal(batch_add_hello(b, 7, payload), 0);
    fake->error = E_LIMIT;
    fake->stream_fails = 1;
    assert_int_equal(writer_commit(w, b), 0);
    assert_int_equal(b->hellos[0].error, E_SYNTAX);
    assert_int_equal(b->hellos[1].error, E_LIMIT);
    assert_int_equal(b->hellos[2].error, 0);
    buf_clear(&hello);
    free_batch(b);
    writer_free(w);
}

// ---- the thread

static struct batch *wait_for(struct writer *w)
{
    struct pollfd p = {.fd = writer_fd(w), .events = POLLIN};
    for (;;) {
        assert_int_equal(poll(&p, 1, 60000), 1);
        struct batch *b = writer_take(w);
        if (b)
            return b;
    }
}

static void the_thread_waits_out_a_full_disk(void **state)
{
    (void)state;
    struct writer *w = writer_new(&fake->sink, 1000);
    struct batch *b = new_batch(100);
    struct retain_conf retain = {.keep_files = 3};
    struct writer_counts n;
    fill(b, 1, 1, 100);
    fake->commit_fails = 20;
    assert_int_equal(writer_start(w), 0);
    writer_submit(w, b);
    assert_ptr_equal(wait_for(w), b);
    assert_int_equal(b->error, 0);
    assert_null(writer_take(w));
    batch_reset(b);
    fill(b, 1, 101, 150);
    writer_set_retain(w, &retain);
    writer_submit(w, b);
    assert_ptr_equal(wait_for(w), b);
    writer_get_counts(w, &n);
    assert_int_equal(n.records, 150);
    assert_int_equal(n.batches, 2);
    assert_int_equal(n.failures, 20);
    writer_free(w);
    assert_int_equal(check(1, 1, 150), 0);
    assert_int_equal(fake->retain.keep_files, 3);
    assert_true(fake->tends >= 2);
    free_batch(b);
}

static void told_to_stop_it_gives_the_batch_back(void **state)
{
    (void)state;
    struct writer *w = writer_new(&fake->sink, 60 * 1000000);
    struct batch *b = new_batch(100);
    fill(b, 1, 1, 100);
    fake->begin_fails = 1000000;
    assert_int_equal(writer_start(w), 0);
    writer_submit(w, b);
    writer_stop(w);
    assert_ptr_equal(wait_for(w), b);
    assert_int_equal(b->error, E_FULL);
    assert_int_equal(b->done, 0);
    // What comes after that is tried, once.
    fake->begin_fails = 0;
    writer_submit(w, b);
    assert_ptr_equal(wait_for(w), b);
    assert_int_equal(b->error, 0);
    writer_free(w);
    assert_int_equal(check(1, 1, 100), 0);
    free_batch(b);
}

static void a_writer_needs_memory(void **state)
{
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        alloc_fail_at(i);
        struct writer *w = writer_new(&fake->sink, 1000);
        failed = alloc_fail_end();
        assert_true((w == NULL) == failed);
        writer_free(w);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_batch_has_its_limits),
        TEST(a_batch_is_one_commit),
        TEST(refused_rows_are_kept_unread),
        TEST(a_commit_that_fails_for_one_row_finds_it),
        TEST(many_bad_rows_do_not_take_for_ever),
        TEST(a_failing_sink_loses_nothing),
        TEST(what_was_committed_is_not_tried_again),
        TEST(a_batch_of_many_references_is_parted),
        TEST(a_hello_that_is_refused_harms_no_other),
        TEST(the_thread_waits_out_a_full_disk),
        TEST(told_to_stop_it_gives_the_batch_back),
        TEST(a_writer_needs_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
