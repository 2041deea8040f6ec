// verify_sequences: each number of each stream is in the file once.
//
// A record's key is its row number, whatever table it is in, so the tables are walked side by side
// in the order of their keys, and merged: at every step the smallest key comes next.
//
//   flow      1  .  .  4 ...
//   txn       .  2  3  .          key ──► stream, number ──► the number that is due?
//   flow_end  .  .  .  5
//
// Flows that were carried over belong to an earlier file's numbers and are passed over.
#include "schema/verify.h"

#include <stdio.h>

#define PROGRESS_EVERY 4096
#define SEQ_MASK       (((int64_t)1 << STORE_SEQ_BITS) - 1)

static const struct {
    const char *table, *where;
} records[] = {
    {"flow", "carried = 0"}, {"flow_end", NULL}, {"tls", NULL},
    {"txn", NULL},           {"txn_open", NULL}, {"part", NULL},
    {"loss", NULL},          {"restart", NULL},  {"unknown_record", NULL},
};
#define RECORDS (sizeof records / sizeof records[0])

struct merge {
    struct verify *v;
    struct scan scans[RECORDS];
    bool there[RECORDS]; // the scan stands on a row
    struct scan streams;
    bool stream_there;
    int64_t stream, first, last;   // of the stream at hand; stream 0: none
    int64_t due;                   // the number that should come next
    int64_t key;                   // the one before, whatever stream
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

static void say_hole(struct merge *m, int64_t from, int64_t to)
{
    char place[96];
    int64_t n = to - from + 1;
    m->v->sums->holes += n;
    if (n == 1)
        snprintf(place, sizeof place, "stream %lld seq %lld", (long long)m->stream,
                 (long long)from);
    else
        snprintf(place, sizeof place, "stream %lld seq %lld..%lld", (long long)m->stream,
                 (long long)from, (long long)to);
    verify_say(m->v, VERIFY_HOLE, place, "%lld record%s missing", (long long)n,
               n == 1 ? " is" : "s are");
}

static void end_stream(struct merge *m)
{
    if (m->stream != 0 && m->due <= m->last)
        say_hole(m, m->due, m->last);
    m->stream = 0;
}

static void end_strange(struct merge *m)
{
    if (m->strange_rows > 0)
        verify_say_row(m->v, VERIFY_DAMAGE, "stream", m->strange,
                       "has no row, but %lld records of it are there", (long long)m->strange_rows);
    m->strange_rows = 0;
}

// Makes id the stream at hand, if it has a row. The streams before it end.
static int to_stream(struct merge *m, int64_t id)
{
    end_stream(m);
    while (m->stream_there && m->streams.last <= id) {
        m->stream = m->streams.last;
        m->first = sqlite3_column_int64(m->streams.stmt, 0);
        m->last = sqlite3_column_int64(m->streams.stmt, 1);
        m->due = m->first;
        int e = advance(&m->streams, &m->stream_there);
        if (e != 0)
            return e;
        if (m->stream != id)
            end_stream(m);
    }
    return 0;
}

static int take_key(struct merge *m, int64_t key, const char *table)
{
    int64_t id = key >> STORE_SEQ_BITS, seq = key & SEQ_MASK;
    int e = 0;
    if (key == m->key) {
        verify_say_row(m->v, VERIFY_DAMAGE, table, key, "its number stands for another record too");
        return 0;
    }
    m->key = key;
    if (id != m->stream)
        e = to_stream(m, id);
    if (e != 0)
        return e;
    if (id != m->stream) {
        if (id != m->strange)
            end_strange(m);
        m->strange = id;
        m->strange_rows++;
        return 0;
    }
    if (seq < m->first || seq > m->last) {
        verify_say_row(m->v, VERIFY_DAMAGE, table, key,
                       "its number %lld is outside of its stream's %lld..%lld", (long long)seq,
                       (long long)m->first, (long long)m->last);
        return 0;
    }
    if (seq > m->due)
        say_hole(m, m->due, seq - 1);
    m->due = seq + 1;
    return 0;
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
        e = take_key(m, m->scans[least].last, records[least].table);
        if (e == 0)
            e = advance(&m->scans[least], &m->there[least]);
        if (e != 0)
            return e;
        if (++done % PROGRESS_EVERY == 0)
            verify_progress(m->v, done, m->v->rows);
    }
    end_strange(m);
    return to_stream(m, INT64_MAX);
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
    struct merge m = {.v = v, .key = -1};
    int e = open_scan(v, &m.streams, &m.stream_there, "stream", "first_seq, last_seq", NULL);
    for (size_t i = 0; i < RECORDS && e == 0; i++)
        e = open_scan(v, &m.scans[i], &m.there[i], records[i].table, "id", records[i].where);
    if (e == 0)
        e = merge_all(&m);
    for (size_t i = 0; i < RECORDS; i++)
        scan_close(&m.scans[i]);
    scan_close(&m.streams);
    end_stream(&m);
    return e;
}
