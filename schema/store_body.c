// store_body: the content of a body, piece by piece.
//
// A piece is at most SLICE bytes, also where SQLite holds a larger one, so that whoever takes it
// can write it out as it comes. Parts are read in the order of their place in the content; one that
// begins behind where the last one ended leaves a hole, and ends the reading.
#include "schema/store_impl.h"

#define SLICE (64 * 1024)

typedef int body_take(void *arg, struct view piece);

static int give(struct view bytes, body_take *take, void *arg)
{
    int e = 0;
    while (bytes.n > 0 && e == 0) {
        struct view piece = view_head(bytes, SLICE);
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

static int give_part(struct store *s, sqlite3_stmt *stmt, int64_t *at, body_take *take, void *arg)
{
    int64_t begins = sqlite3_column_int64(stmt, 0), size = sqlite3_column_int64(stmt, 1);
    struct view bytes = blob_of(stmt, 2);
    if (begins != *at || (int64_t)bytes.n != size)
        return store_refuse(
            s, E_DAMAGED, "the content from byte %lld on is not in this file: lost, damaged, or %s",
            (long long)*at, "in an earlier file of the capture");
    *at += size;
    return give(bytes, take, arg);
}

static int give_parts(struct store *s, const int64_t of[3], int64_t stored, body_take *take,
                      void *arg)
{
    sqlite3_stmt *stmt;
    int64_t at = 0;
    int rc = store_prepare(s, statement_sql[STATEMENT_BODY_PARTS], &stmt), e = 0;
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "reading a body");
    for (int i = 0; i < 3; i++)
        sqlite3_bind_int64(stmt, i + 1, of[i]);
    while (e == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        e = give_part(s, stmt, &at, take, arg);
    if (e == 0 && rc != SQLITE_DONE)
        e = store_fail(s, rc, "reading a body");
    sqlite3_finalize(stmt);
    if (e == 0 && at < stored)
        e = store_refuse(s, E_DAMAGED,
                         "the content from byte %lld on is not in this file: lost or damaged",
                         (long long)at);
    return e;
}

int store_body(struct store *s, int64_t body, int (*take)(void *arg, struct view piece), void *arg)
{
    sqlite3_stmt *stmt;
    int rc = store_prepare(s, statement_sql[STATEMENT_BODY_ROW], &stmt), e;
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "reading a body");
    sqlite3_bind_int64(stmt, 1, body);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE) {
        e = store_refuse(s, E_NOTFOUND, "no body %lld", (long long)body);
    } else if (rc != SQLITE_ROW) {
        e = store_fail(s, rc, "reading a body");
    } else if (sqlite3_column_type(stmt, 1) == SQLITE_NULL) {
        struct view bytes = blob_of(stmt, 4);
        e = give(bytes, take, arg);
        if (e == 0 && (int64_t)bytes.n < sqlite3_column_int64(stmt, 0))
            e = store_refuse(s, E_DAMAGED, "body %lld is cut", (long long)body);
    } else {
        int64_t of[3], stored = sqlite3_column_int64(stmt, 0);
        for (int i = 0; i < 3; i++)
            of[i] = sqlite3_column_int64(stmt, i + 1);
        e = give_parts(s, of, stored, take, arg);
    }
    sqlite3_finalize(stmt);
    return e;
}
