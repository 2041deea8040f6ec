// store_body: bytes in a row in memory of one slice, by incremental I/O, which holds a page at a
// time; and whether a body's row fits its sum. The content of a body: store_reader.c.
#include "schema/store_impl.h"

#include <stdlib.h>

// ---- bytes in the row

// A value of another type than a blob's, or no row, is damage.
int store_blob_error(struct store *s, int rc)
{
    int e = store_fail(s, rc, "reading a body");
    return e == E_SYNTAX ? E_DAMAGED : e;
}

int store_open_blob(struct store *s, const char *table, int64_t row, int64_t size,
                    sqlite3_blob **out)
{
    *out = NULL;
    int rc = sqlite3_blob_open(s->db, "main", table, "bytes", row, 0, out);
    if (rc != SQLITE_OK)
        return store_blob_error(s, rc);
    if (sqlite3_blob_bytes(*out) >= size)
        return 0;
    sqlite3_blob_close(*out);
    *out = NULL;
    return store_refuse(s, E_DAMAGED, "%s %lld is cut", table, (long long)row);
}

int store_blob(struct store *s, const char *table, int64_t row, int64_t from, int64_t n,
               store_take *take, void *arg)
{
    sqlite3_blob *blob = NULL;
    char *room = malloc(STORE_SLICE);
    if (!room)
        return store_refuse(s, E_NOMEM, "out of memory");
    int e = store_open_blob(s, table, row, from + n, &blob);
    while (e == 0 && n > 0) {
        int piece = n < STORE_SLICE ? (int)n : STORE_SLICE;
        int rc = sqlite3_blob_read(blob, room, piece, (int)from);
        e = rc == SQLITE_OK ? take(arg, view_n(room, (size_t)piece)) : store_blob_error(s, rc);
        from += piece;
        n -= piece;
    }
    sqlite3_blob_close(blob);
    free(room);
    return e;
}

static int sum_slice(void *arg, struct view piece)
{
    row_sum_blob_more(arg, piece);
    return 0;
}

// Adds the bytes of the row that stmt has, of such a length, to its sum.
static int sum_bytes(struct store *s, sqlite3_stmt *stmt, int64_t body, struct row_sum *sum)
{
    enum { BYTES = 9, LENGTH };
    int64_t length = sqlite3_column_int64(stmt, LENGTH);
    if (length <= STORE_BLOB_MAX) {
        row_sum_column(sum, stmt, BYTES);
        return 0;
    }
    row_sum_blob_of(sum, (uint64_t)length);
    return store_blob(s, "body", body, 0, length, sum_slice, sum);
}

static int prove_row(struct store *s, int64_t body, sqlite3_stmt *stmt)
{
    enum { SUM = 8 };
    struct row_sum sum;
    row_sum_begin(&sum);
    for (int i = 0; i < SUM; i++)
        row_sum_column(&sum, stmt, i);
    int e = sum_bytes(s, stmt, body, &sum);
    if (e == 0 && row_sum_end(&sum) != sqlite3_column_int64(stmt, SUM))
        e = store_refuse(s, E_DAMAGED, "body %lld does not fit its sum", (long long)body);
    return e;
}

int store_prove_body(struct store *s, int64_t body)
{
    sqlite3_stmt *stmt;
    for (int i = 0; i < STORE_PROVED; i++)
        if (s->proved[i] == body)
            return 0;
    int rc = store_prepare(s, statement_sql[STATEMENT_BODY_PROOF], &stmt), e;
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "reading a body");
    sqlite3_bind_int64(stmt, 1, body);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        e = prove_row(s, body, stmt);
    else
        e = rc == SQLITE_DONE ? store_refuse(s, E_DAMAGED, "no body %lld", (long long)body)
                              : store_fail(s, rc, "reading a body");
    sqlite3_finalize(stmt);
    if (e == 0)
        s->proved[s->proved_next++ % STORE_PROVED] = body;
    return e;
}
