// verify_rows: the sum of each row, the digests of bodies, the sums of the bytes of parts.
//
// The walk is the same for all tables: every column but `sum` goes into the sum, in declared order;
// the bytes of a part do not, since they have a sum of their own. The bytes of a large body are
// read slice by slice.
#include "schema/verify.h"

#include "proto/digest.h"

#include <assert.h>
#include <stdlib.h>

#define PROGRESS_EVERY 1000

// Of the table body.
static_assert(STORE_BLOB_MAX == 262144, "up to which bytes are read with their row");
static const char body_columns[] =
    "id, digest, size, stored, shared, flow, n, s2c, sum,"
    " iif(length(bytes) <= 262144, bytes, NULL) AS bytes, length(bytes) AS length";

struct table {
    struct verify *v;
    struct scan scan;
    const char *name;
    int columns;       // without the row number that the scan adds
    int sum, unsummed; // columns; -1: none
    int digest, bytes, bytes_sum, size, stored;
    int length; // of bytes, where they are given up to STORE_BLOB_MAX only
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

static void say(struct table *t, const char *sentence)
{
    verify_say_row(t->v, VERIFY_DAMAGE, t->name, t->scan.last, "%s", sentence);
}

// The digest is that of the whole, and all of that is here.
static bool has_digest(const struct table *t)
{
    sqlite3_stmt *stmt = t->scan.stmt;
    return sqlite3_column_type(stmt, t->digest) != SQLITE_NULL &&
           sqlite3_column_int64(stmt, t->stored) == sqlite3_column_int64(stmt, t->size);
}

static void compare_digest(struct table *t, const unsigned char made[DIGEST_SIZE])
{
    const void *is = sqlite3_column_blob(t->scan.stmt, t->digest);
    if (sqlite3_column_bytes(t->scan.stmt, t->digest) != DIGEST_SIZE ||
        memcmp(is, made, DIGEST_SIZE) != 0)
        say(t, "its bytes do not fit its digest");
}

// The bytes that stand in the row itself, given whole.
static void check_bytes(struct table *t)
{
    sqlite3_stmt *stmt = t->scan.stmt;
    unsigned char made[DIGEST_SIZE];
    if (sqlite3_column_type(stmt, t->bytes) == SQLITE_NULL)
        return;
    const void *p = sqlite3_column_blob(stmt, t->bytes);
    struct view bytes = view_n(p, (size_t)sqlite3_column_bytes(stmt, t->bytes));
    if (t->bytes_sum >= 0 && row_bytes_sum(bytes) != sqlite3_column_int64(stmt, t->bytes_sum))
        say(t, "its bytes do not fit their sum");
    if (t->digest >= 0 && has_digest(t)) {
        digest_once(bytes, made);
        compare_digest(t, made);
    }
}

struct slices {
    struct row_sum sum;
    struct digest_state digest;
};

static int take_slice(void *arg, struct view piece)
{
    struct slices *all = arg;
    row_sum_blob_more(&all->sum, piece);
    digest_more(&all->digest, piece);
    return 0;
}

// A row whose bytes are long is read once more, for these; they are its last column.
static int check_long(struct table *t, struct row_sum *sum, int64_t length)
{
    unsigned char made[DIGEST_SIZE];
    struct slices all = {.sum = *sum};
    row_sum_blob_of(&all.sum, (uint64_t)length);
    digest_begin(&all.digest);
    int e = store_blob(t->v->s, "body", t->scan.last, 0, length, take_slice, &all);
    digest_end(&all.digest, made);
    *sum = all.sum;
    if (e == 0 && t->digest >= 0 && has_digest(t))
        compare_digest(t, made);
    return e;
}

// 0; E_…: it could not be checked, for another reason than damage.
static int check_row(struct table *t)
{
    struct row_sum sum;
    sqlite3_stmt *stmt = t->scan.stmt;
    bool is_long = t->length >= 0 && sqlite3_column_int64(stmt, t->length) > STORE_BLOB_MAX;
    int e = 0;
    row_sum_begin(&sum);
    for (int i = 0; i < t->columns; i++) {
        if (i != t->sum && i != t->unsummed && i != t->length && !(is_long && i == t->bytes))
            row_sum_column(&sum, stmt, i);
    }
    if (is_long)
        e = check_long(t, &sum, sqlite3_column_int64(stmt, t->length));
    else if (t->bytes >= 0)
        check_bytes(t);
    int64_t made = row_sum_end(&sum);
    if (e == E_DAMAGED)
        say(t, "its bytes cannot be read");
    else if (e == 0 && made != sqlite3_column_int64(stmt, t->sum))
        say(t, "its values do not fit its sum");
    return e == E_DAMAGED ? 0 : e;
}

// How many they should be.
static void check_length(struct table *t)
{
    sqlite3_stmt *stmt = t->scan.stmt;
    int of = t->length >= 0 ? t->length : t->bytes;
    if (sqlite3_column_type(stmt, of) == SQLITE_NULL)
        return;
    int64_t stored = sqlite3_column_int64(stmt, t->stored);
    int64_t n = t->length >= 0 ? sqlite3_column_int64(stmt, of) : sqlite3_column_bytes(stmt, of);
    if (n != stored)
        verify_say_row(t->v, VERIFY_DAMAGE, t->name, t->scan.last, "has %lld bytes instead of %lld",
                       (long long)n, (long long)stored);
}

static void count(struct verify_sums *sums, const char *table)
{
    const struct {
        const char *table;
        int64_t *n;
    } counts[] = {
        {"stream", &sums->streams}, {"flow", &sums->flows},  {"txn", &sums->transactions},
        {"part", &sums->parts},     {"body", &sums->bodies},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        *counts[i].n += strcmp(table, counts[i].table) == 0;
}

static void find_columns(struct table *t)
{
    t->columns = sqlite3_column_count(t->scan.stmt) - 1;
    t->sum = column_of(t, "sum");
    t->digest = column_of(t, "digest");
    t->bytes = column_of(t, "bytes");
    t->bytes_sum = column_of(t, "bytes_sum");
    t->length = column_of(t, "length");
    t->size = column_of(t, "size");
    t->stored = column_of(t, "stored");
    if (t->stored < 0)
        t->stored = t->size;
    t->unsummed = t->bytes_sum >= 0 ? t->bytes : -1;
}

static int check_table(struct verify *v, const char *name, int64_t *done)
{
    struct table t = {.v = v, .name = name, .scan = {.gap = verify_gap, .arg = v}};
    int e = scan_open(&t.scan, v->s, name, strcmp(name, "body") == 0 ? body_columns : "*", NULL);
    if (e != 0) {
        int rc = sqlite3_extended_errcode(v->s->db);
        scan_close(&t.scan);
        return verify_error(v, rc, name);
    }
    find_columns(&t);
    if (t.sum < 0) {
        verify_say(v, VERIFY_DAMAGE, name, "has no column sum");
        scan_close(&t.scan);
        return 0;
    }
    while ((e = scan_next(&t.scan)) == 1) {
        e = check_row(&t);
        if (e != 0)
            break;
        if (t.bytes >= 0 && t.size >= 0)
            check_length(&t);
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
