// store_body: the content of a body, piece by piece.
//
//   body.bytes, up to STORE_BLOB_MAX  as SQLite has them
//   body.bytes, more                  by incremental I/O, which holds a page at a time
//   parts                             one after the other
//
// A piece is at most STORE_SLICE bytes, also where SQLite holds a larger one, so that whoever takes
// it can write it out as it comes. Parts are read in the order of their place in the content, those
// in earlier files first (store_earlier.c); one that begins behind where the last one ended leaves
// a hole, and ends the reading.
#include "schema/store_impl.h"

#include <stdlib.h>

// Bytes at..end - 1 are to be given yet.
struct range {
    int64_t at, end;
    bool checked; // parts against their sums
    bool hole;    // the next part does not follow
    store_take *take;
    void *arg;
};

static int give(struct view bytes, store_take *take, void *arg)
{
    int e = 0;
    while (bytes.n > 0 && e == 0) {
        struct view piece = view_head(bytes, STORE_SLICE);
        e = take(arg, piece);
        bytes = view_from(bytes, piece.n);
    }
    return e;
}

static struct view blob_of(sqlite3_stmt *stmt, int i)
{
    const void *p = sqlite3_column_blob(stmt, i);
    return view_n(p, (size_t)sqlite3_column_bytes(stmt, i));
}

// ---- bytes in the row

// A value of another type than a blob's, or no row, is damage.
static int blob_error(struct store *s, int rc)
{
    int e = store_fail(s, rc, "reading a body");
    return e == E_SYNTAX ? E_DAMAGED : e;
}

int store_blob(struct store *s, int64_t body, int64_t from, int64_t n, store_take *take, void *arg)
{
    sqlite3_blob *blob = NULL;
    char *room = malloc(STORE_SLICE);
    if (!room)
        return store_refuse(s, E_NOMEM, "out of memory");
    int rc = sqlite3_blob_open(s->db, "main", "body", "bytes", body, 0, &blob);
    int e = rc == SQLITE_OK ? 0 : blob_error(s, rc);
    if (e == 0 && sqlite3_blob_bytes(blob) < from + n)
        e = store_refuse(s, E_DAMAGED, "body %lld is cut", (long long)body);
    while (e == 0 && n > 0) {
        int piece = n < STORE_SLICE ? (int)n : STORE_SLICE;
        rc = sqlite3_blob_read(blob, room, piece, (int)from);
        e = rc == SQLITE_OK ? take(arg, view_n(room, (size_t)piece)) : blob_error(s, rc);
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
    return store_blob(s, body, 0, length, sum_slice, sum);
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

static int give_row(struct store *s, int64_t body, sqlite3_stmt *stmt, const struct range *r)
{
    int64_t length = sqlite3_column_int64(stmt, 4);
    int64_t end = length < r->end ? length : r->end, n = end > r->at ? end - r->at : 0;
    int e = n == 0 ? 0
            : length > STORE_BLOB_MAX
                ? store_blob(s, body, r->at, n, r->take, r->arg)
                : give(view_head(view_from(blob_of(stmt, 5), (size_t)r->at), (size_t)n), r->take,
                       r->arg);
    return e == 0 && end < r->end ? store_refuse(s, E_DAMAGED, "body %lld is cut", (long long)body)
                                  : e;
}

// ---- parts

static int give_part(struct store *s, sqlite3_stmt *stmt, bool first, struct range *r)
{
    int64_t begins = sqlite3_column_int64(stmt, 0), size = sqlite3_column_int64(stmt, 1);
    struct view bytes = blob_of(stmt, 2);
    bool follows = begins == r->at || (first && begins >= 0 && begins < r->at);
    r->hole = !follows || (int64_t)bytes.n != size || size < r->at - begins;
    if (r->hole)
        return 0;
    if (r->checked && row_bytes_sum(bytes) != sqlite3_column_int64(stmt, 3))
        return store_refuse(s, E_DAMAGED, "the content from byte %lld on is damaged",
                            (long long)begins);
    bytes = view_head(view_from(bytes, (size_t)(r->at - begins)), (size_t)(r->end - r->at));
    r->at += (int64_t)bytes.n;
    return give(bytes, r->take, r->arg);
}

// From r->at on, as far as they go.
static int walk_parts(struct store *s, const int64_t of[3], struct range *r)
{
    sqlite3_stmt *stmt;
    bool first = true;
    int rc = store_prepare(s, statement_sql[STATEMENT_BODY_RANGE], &stmt), e = 0;
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "reading a body");
    for (int i = 0; i < 3; i++)
        sqlite3_bind_int64(stmt, i + 1, of[i]);
    sqlite3_bind_int64(stmt, 4, r->at);
    for (; e == 0 && !r->hole && r->at < r->end && (rc = sqlite3_step(stmt)) == SQLITE_ROW;
         first = false)
        e = give_part(s, stmt, first, r);
    if (e == 0 && !r->hole && r->at < r->end && rc != SQLITE_DONE)
        e = store_fail(s, rc, "reading a body");
    sqlite3_finalize(stmt);
    return e;
}

static int give_parts(struct store *s, const int64_t of[3], struct range *r)
{
    int e =
        r->at == 0 && r->end > 0 ? store_parts_before(s, of, &r->at, r->end, r->take, r->arg) : 0;
    if (e == 0)
        e = walk_parts(s, of, r);
    if (e == 0 && r->at < r->end)
        return store_refuse(s, E_DAMAGED, "the content from byte %lld on is lost or damaged",
                            (long long)r->at);
    return e;
}

int store_parts(struct store *s, const int64_t of[3], int64_t *at, int64_t end, store_take *take,
                void *arg)
{
    struct range r = {.at = *at, .end = end, .checked = true, .take = take, .arg = arg};
    int e = walk_parts(s, of, &r);
    *at = r.at;
    return e;
}

// ---- either

// end < 0: to the end of what is stored.
static int read_body(struct store *s, int64_t body, struct range r)
{
    sqlite3_stmt *stmt;
    int rc = store_prepare(s, statement_sql[STATEMENT_BODY_ROW], &stmt), e;
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "reading a body");
    sqlite3_bind_int64(stmt, 1, body);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && r.end < 0)
        r.end = sqlite3_column_int64(stmt, 0);
    if (rc == SQLITE_DONE) {
        e = store_refuse(s, E_NOTFOUND, "no body %lld", (long long)body);
    } else if (rc != SQLITE_ROW) {
        e = store_fail(s, rc, "reading a body");
    } else if (sqlite3_column_type(stmt, 1) == SQLITE_NULL) {
        e = give_row(s, body, stmt, &r);
    } else {
        int64_t of[3];
        for (int i = 0; i < 3; i++)
            of[i] = sqlite3_column_int64(stmt, i + 1);
        e = give_parts(s, of, &r);
    }
    sqlite3_finalize(stmt);
    return e;
}

int store_body(struct store *s, int64_t body, int (*take)(void *arg, struct view piece), void *arg)
{
    return read_body(s, body, (struct range){.end = -1, .take = take, .arg = arg});
}

int store_body_range(struct store *s, int64_t body, int64_t from, int64_t n, store_take *take,
                     void *arg)
{
    return read_body(
        s, body,
        (struct range){.at = from, .end = from + n, .checked = true, .take = take, .arg = arg});
}
