// store_read: queries: prepared, checked to read only, stepped.
#include "schema/query.h"

#include <limits.h>
#include <stdlib.h>

static int prepare(struct store *s, struct view sql, sqlite3_stmt **out, const char **tail)
{
    if (sql.n > INT_MAX)
        return store_refuse(s, E_LIMIT, "a statement of %zu bytes", sql.n);
    int rc = sqlite3_prepare_v2(s->db, sql.p, (int)sql.n, out, tail);
    if (rc == SQLITE_OK)
        return 0;
    int at = sqlite3_error_offset(s->db);
    if (at < 0)
        return store_fail(s, rc, "preparing a query");
    return store_refuse(s, store_error(s->db, rc), "%s, at column %d", sqlite3_errmsg(s->db),
                        at + 1);
}

int query_new(struct store *s, struct view sql, struct store_query **out)
{
    struct store_query *q = calloc(1, sizeof *q);
    if (!q)
        return store_refuse(s, E_NOMEM, "out of memory");
    q->s = s;
    int e = prepare(s, sql, &q->stmt, NULL);
    if (e != 0)
        free(q);
    else
        *out = q;
    return e;
}

// Is there another statement behind the first one? SQLite is the judge: comments are none.
static bool goes_on(struct store *s, const char *tail)
{
    while (*tail) {
        sqlite3_stmt *stmt = NULL;
        const char *next = tail;
        int rc = sqlite3_prepare_v2(s->db, tail, -1, &stmt, &next);
        sqlite3_finalize(stmt);
        if (rc != SQLITE_OK || stmt)
            return true;
        if (next == tail)
            break;
        tail = next;
    }
    return false;
}

int store_query(struct store *s, const char *sql, struct store_query **out)
{
    sqlite3_stmt *stmt = NULL;
    const char *tail = sql;
    int e = prepare(s, view_of(sql), &stmt, &tail);
    if (e != 0)
        return e;
    if (!stmt)
        e = store_refuse(s, E_SYNTAX, "there is no statement in the query");
    else if (!sqlite3_stmt_readonly(stmt))
        e = store_refuse(s, E_REFUSED, "a query only reads; this statement would write");
    else if (goes_on(s, tail))
        e = store_refuse(s, E_SYNTAX, "one statement at a time");
    struct store_query *q = e == 0 ? calloc(1, sizeof *q) : NULL;
    if (e == 0 && !q)
        e = store_refuse(s, E_NOMEM, "out of memory");
    if (e != 0) {
        sqlite3_finalize(stmt);
        return e;
    }
    q->s = s;
    q->stmt = stmt;
    *out = q;
    return 0;
}

void store_query_free(struct store_query *q)
{
    if (!q)
        return;
    salvage_free(q);
    sqlite3_finalize(q->stmt);
    free(q);
}

static int bound(struct store_query *q, int rc)
{
    return rc == SQLITE_OK ? 0 : store_fail(q->s, rc, "binding a value");
}

int store_bind_int(struct store_query *q, int i, int64_t v)
{
    return bound(q, sqlite3_bind_int64(q->stmt, i, v));
}

int store_bind_text(struct store_query *q, int i, struct view v)
{
    return bound(
        q, sqlite3_bind_text64(q->stmt, i, v.p ? v.p : "", v.n, SQLITE_TRANSIENT, SQLITE_UTF8));
}

void store_rewind(struct store_query *q)
{
    sqlite3_reset(q->stmt);
}

int store_step(struct store_query *q)
{
    int rc = sqlite3_step(q->stmt);
    if (rc == SQLITE_ROW) {
        if (q->salvage)
            salvage_note(q);
        return 1;
    }
    if (rc == SQLITE_DONE)
        return q->next ? q->next(q) : 0;
    int e = store_fail(q->s, rc, "reading");
    return e == E_DAMAGED && q->damaged ? q->damaged(q) : e;
}

int64_t store_skipped(const struct store_query *q)
{
    return q->skipped;
}

int store_columns(const struct store_query *q)
{
    return sqlite3_column_count(q->stmt);
}

const char *store_column_name(const struct store_query *q, int i)
{
    const char *name = sqlite3_column_name(q->stmt, i);
    return name ? name : "";
}

enum store_type store_column_type(const struct store_query *q, int i)
{
    switch (sqlite3_column_type(q->stmt, i)) {
    case SQLITE_INTEGER:
        return STORE_INT;
    case SQLITE_FLOAT:
        return STORE_REAL;
    case SQLITE_TEXT:
        return STORE_TEXT;
    case SQLITE_BLOB:
        return STORE_BLOB;
    default:
        return STORE_NULL;
    }
}

int64_t store_int(const struct store_query *q, int i)
{
    return sqlite3_column_int64(q->stmt, i);
}

double store_real(const struct store_query *q, int i)
{
    return sqlite3_column_double(q->stmt, i);
}

struct view store_bytes(const struct store_query *q, int i)
{
    // The type decides: asking a blob for text would make SQLite copy it.
    int type = sqlite3_column_type(q->stmt, i);
    if (type == SQLITE_NULL)
        return (struct view){NULL, 0};
    const void *p =
        type == SQLITE_BLOB ? sqlite3_column_blob(q->stmt, i) : sqlite3_column_text(q->stmt, i);
    size_t n = (size_t)sqlite3_column_bytes(q->stmt, i);
    return view_n(p ? p : "", p ? n : 0);
}
