// verify_sequences: each number of each stream is in the file once.
//
// A record's key is its row number, whatever table it is in, so the tables are walked side by side
// in the order of their keys, and merged: at every step the smallest key comes next.
//
//   flow      1  .  .  4 ...
//   txn       .  2  3  .          key ──► stream, number ──► the number that is due?
//   flow_end  .  .  .  5
//
// Streams are few, and held. Flows that were carried over belong to an earlier file's numbers and
// are passed over.
#include "schema/verify.h"

#include <stdio.h>
#include <stdlib.h>

#define PROGRESS_EVERY 4096
#define SEQ_MASK       (((int64_t)1 << STORE_SEQ_BITS) - 1)

static const struct {
    const char *table, *where;
} records[] = {
    {"flow", "carried = 0"},
    {"flow_end", NULL},
    {"tls", NULL},
    {"txn", NULL},
    {"txn_open", NULL},
    {"part", NULL},
    {"restart", NULL},
    {"unknown_record", NULL},
    {"loss", "cause <> 'content-gone'"}, // those belong to the record with their number
};
#define RECORDS (sizeof records / sizeof records[0])

struct stream {
    int64_t id, first, last;
    int64_t due; // the number that should come next
};

struct merge {
    struct verify *v;
    struct scan scans[RECORDS];
    bool there[RECORDS]; // the scan stands on a row
    struct stream *streams;
    size_t stream_count, at;       // at: of the key before
    int64_t strange, strange_rows; // a stream without a row, and its records
};

// A gap in here was told by verify_rows already.
static void pass_over(void *arg, const char *table, int64_t from, int64_t to)
{
    (void)arg;
    (void)table;
    (void)from;
    (void)to;
}

static int advance(struct scan *scan, bool *there)
{
    int e = scan_next(scan);
    *there = e == 1;
    return e < 0 ? e : 0;
}

static void say_hole(struct merge *m, const struct stream *s, int64_t from, int64_t to)
{
    char place[96];
    int64_t n = to - from + 1;
    m->v->sums->holes += n;
    if (n == 1)
        snprintf(place, sizeof place, "stream %lld seq %lld", (long long)s->id, (long long)from);
    else
        snprintf(place, sizeof place, "stream %lld seq %lld..%lld", (long long)s->id,
                 (long long)from, (long long)to);
    verify_say(m->v, VERIFY_HOLE, place, "%lld record%s missing", (long long)n,
               n == 1 ? " is" : "s are");
}

static void end_streams(struct merge *m)
{
    for (size_t i = 0; i < m->stream_count; i++) {
        struct stream *s = &m->streams[i];
        if (s->due <= s->last)
            say_hole(m, s, s->due, s->last);
    }
}

static void end_strange(struct merge *m)
{
    if (m->strange_rows > 0)
        verify_say_row(m->v, VERIFY_DAMAGE, "stream", m->strange,
                       "has no row, but %lld records of it are there", (long long)m->strange_rows);
    m->strange_rows = 0;
}

static int compare_streams(const void *a, const void *b)
{
    const struct stream *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

// What no stream can have was told by verify_rows; here it must not overflow.
static int64_t within_range(int64_t seq)
{
    return seq < 0 ? 0 : seq > SEQ_MASK ? SEQ_MASK : seq;
}

// The streams of the file, each with where it begins and ends.
static int read_streams(struct merge *m)
{
    struct scan scan = {.gap = pass_over};
    size_t room = 0;
    int e = scan_open(&scan, m->v->s, "stream", "first_seq, last_seq", NULL);
    while (e == 0 && (e = scan_next(&scan)) == 1) {
        if (m->stream_count == room) {
            room = room * 2 + 16;
            struct stream *more = reallocarray(m->streams, room, sizeof *more);
            if (!more) {
                e = store_refuse(m->v->s, E_NOMEM, "verifying: out of memory");
                break;
            }
            m->streams = more;
        }
        int64_t first = within_range(sqlite3_column_int64(scan.stmt, 0));
        int64_t last = within_range(sqlite3_column_int64(scan.stmt, 1));
        m->streams[m->stream_count++] = (struct stream){scan.last, first, last, first};
        e = 0;
    }
    scan_close(&scan);
    if (m->stream_count > 1)
        qsort(m->streams, m->stream_count, sizeof *m->streams, compare_streams);
    return e;
}

static struct stream *find_stream(struct merge *m, int64_t id)
{
    struct stream key = {.id = id}, *found;
    if (m->at < m->stream_count && m->streams[m->at].id == id)
        return &m->streams[m->at];
    found = m->stream_count == 0
                ? NULL
                : bsearch(&key, m->streams, m->stream_count, sizeof key, compare_streams);
    if (found)
        m->at = (size_t)(found - m->streams);
    return found;
}

static void take_key(struct merge *m, int64_t key, const char *table)
{
    int64_t id = key >> STORE_SEQ_BITS, seq = key & SEQ_MASK;
    struct stream *s = find_stream(m, id);
    if (!s) {
        if (id != m->strange)
            end_strange(m);
        m->strange = id;
        m->strange_rows++;
    } else if (seq < s->first || seq > s->last) {
        verify_say_row(m->v, VERIFY_DAMAGE, table, key,
                       "its number %lld is outside of its stream's %lld..%lld", (long long)seq,
                       (long long)s->first, (long long)s->last);
    } else if (seq < s->due) {
        verify_say_row(m->v, VERIFY_DAMAGE, table, key,
                       "its number stands for another record too, or is out of order");
    } else {
        if (seq > s->due)
            say_hole(m, s, s->due, seq - 1);
        s->due = seq + 1;
    }
}

static int merge_all(struct merge *m)
{
    int64_t done = 0;
    int e = 0;
    for (;;) {
        size_t least = RECORDS;
        for (size_t i = 0; i < RECORDS; i++) {
            if (m->there[i] && (least == RECORDS || m->scans[i].last < m->scans[least].last))
                least = i;
        }
        if (least == RECORDS)
            break;
        take_key(m, m->scans[least].last, records[least].table);
        e = advance(&m->scans[least], &m->there[least]);
        if (e != 0)
            return e;
        if (++done % PROGRESS_EVERY == 0)
            verify_progress(m->v, done, m->v->rows);
    }
    end_strange(m);
    end_streams(m);
    return 0;
}

// A table that cannot be opened has been told as missing: the merge goes on without it.
static int open_scan(struct verify *v, struct scan *scan, bool *there, const char *table,
                     const char *columns, const char *where)
{
    scan->gap = pass_over;
    int e = scan_open(scan, v->s, table, columns, where);
    *there = false;
    if (e == 0)
        return advance(scan, there);
    return e == E_DAMAGED || e == E_SYNTAX ? 0 : e;
}

int verify_sequences(struct verify *v)
{
    struct merge m = {.v = v};
    int e = read_streams(&m);
    if (e == E_DAMAGED || e == E_SYNTAX)
        e = 0; // told by verify_rows
    for (size_t i = 0; i < RECORDS && e == 0; i++)
        e = open_scan(v, &m.scans[i], &m.there[i], records[i].table, "id", records[i].where);
    if (e == 0)
        e = merge_all(&m);
    for (size_t i = 0; i < RECORDS; i++)
        scan_close(&m.scans[i]);
    free(m.streams);
    return e;
}
