// verify_rows: the sum of each row, and the digests of bodies and parts.
//
// The walk is the same for all tables: every column but `sum` goes into the sum, in declared order;
// the bytes of a part do not, since they have their digest.
#include "schema/verify.h"

#include "proto/digest.h"

#include <stdlib.h>

#define PROGRESS_EVERY 1000

struct table {
    struct verify *v;
    struct scan scan;
    const char *name;
    int columns;       // without the row number that the scan adds
    int sum, unsummed; // columns; -1: none
    int digest, bytes, size, stored;
};

static int column_of(const struct table *t, const char *name)
{
    for (int i = 0; i < t->columns; i++) {
        const char *is = sqlite3_column_name(t->scan.stmt, i);
        if (is && strcmp(is, name) == 0)
            return i;
    }
    return -1;
}

static void check_sum(struct table *t)
{
    struct row_sum sum;
    row_sum_begin(&sum);
    for (int i = 0; i < t->columns; i++) {
        if (i != t->sum && i != t->unsummed)
            row_sum_column(&sum, t->scan.stmt, i);
    }
    if (row_sum_end(&sum) != sqlite3_column_int64(t->scan.stmt, t->sum))
        verify_say_row(t->v, VERIFY_DAMAGE, t->name, t->scan.last, "its values do not fit its sum");
}

// The bytes that stand in the row itself.
static void check_digest(struct table *t)
{
    sqlite3_stmt *stmt = t->scan.stmt;
    unsigned char made[DIGEST_SIZE];
    if (sqlite3_column_type(stmt, t->bytes) == SQLITE_NULL)
        return;
    const void *bytes = sqlite3_column_blob(stmt, t->bytes);
    int n = sqlite3_column_bytes(stmt, t->bytes);
    int64_t stored = sqlite3_column_int64(stmt, t->stored);
    if (n != stored)
        verify_say_row(t->v, VERIFY_DAMAGE, t->name, t->scan.last, "has %d bytes instead of %lld",
                       n, (long long)stored);
    if (sqlite3_column_type(stmt, t->digest) == SQLITE_NULL ||
        stored != sqlite3_column_int64(stmt, t->size))
        return; // of a body that is kept in part, the digest is that of the whole
    digest_once(view_n(bytes, (size_t)n), made);
    const void *is = sqlite3_column_blob(stmt, t->digest);
    if (sqlite3_column_bytes(stmt, t->digest) != DIGEST_SIZE || memcmp(is, made, DIGEST_SIZE) != 0)
        verify_say_row(t->v, VERIFY_DAMAGE, t->name, t->scan.last,
                       "its bytes do not fit its digest");
}

static void count(struct verify_sums *sums, const char *table)
{
    const struct {
        const char *table;
        int64_t *n;
    } counts[] = {
        {"stream", &sums->streams},   {"flow", &sums->flows}, {"carried", &sums->flows_carried},
        {"txn", &sums->transactions}, {"part", &sums->parts}, {"body", &sums->bodies},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        *counts[i].n += strcmp(table, counts[i].table) == 0;
}

static int check_table(struct verify *v, const char *name, int64_t *done)
{
    struct table t = {.v = v, .name = name, .scan = {.gap = verify_gap, .arg = v}};
    int e = scan_open(&t.scan, v->s, name, "*", NULL);
    if (e != 0) {
        int rc = sqlite3_extended_errcode(v->s->db);
        scan_close(&t.scan);
        return verify_error(v, rc, name);
    }
    t.columns = sqlite3_column_count(t.scan.stmt) - 1;
    t.sum = column_of(&t, "sum");
    t.digest = column_of(&t, "digest");
    t.bytes = column_of(&t, "bytes");
    t.size = column_of(&t, "size");
    t.stored = column_of(&t, "stored");
    if (t.stored < 0)
        t.stored = t.size;
    t.unsummed = strcmp(name, "part") == 0 ? t.bytes : -1;
    if (t.sum < 0) {
        verify_say(v, VERIFY_DAMAGE, name, "has no column sum");
        scan_close(&t.scan);
        return 0;
    }
    while ((e = scan_next(&t.scan)) == 1) {
        check_sum(&t);
        if (t.digest >= 0 && t.bytes >= 0 && t.size >= 0)
            check_digest(&t);
        count(v->sums, name);
        if (++*done % PROGRESS_EVERY == 0)
            verify_progress(v, *done, v->rows);
    }
    scan_close(&t.scan);
    return e;
}

int verify_rows(struct verify *v)
{
    int64_t done = 0, captures = 0;
    int e = 0;
    for (int i = 0; verify_tables[i] && e == 0; i++)
        e = check_table(v, verify_tables[i], &done);
    if (e == 0 && store_scalar(v->s, "SELECT count(*) FROM capture", &captures) == SQLITE_OK &&
        captures != 1)
        verify_say(v, VERIFY_DAMAGE, "capture", "has %lld rows instead of one",
                   (long long)captures);
    return e;
}
