// row: see row.h. The encoding is part of the file format: it is described in 0001_init.sql.
#include "schema/row.h"

enum tag { TAG_NULL, TAG_INT, TAG_TEXT, TAG_BLOB, TAG_REAL };

void row_sum_begin(struct row_sum *s)
{
    XXH3_64bits_reset(&s->state);
    s->n = 0;
}

static void flush(struct row_sum *s)
{
    XXH3_64bits_update(&s->state, s->gathered, s->n);
    s->n = 0;
}

// The tag, and eight bytes unless it is NULL's.
static void put_head(struct row_sum *s, enum tag tag, uint64_t v)
{
    if (s->n + 9 > ROW_GATHER)
        flush(s);
    s->gathered[s->n++] = (unsigned char)tag;
    if (tag == TAG_NULL)
        return;
    for (int i = 0; i < 8; i++)
        s->gathered[s->n++] = (unsigned char)(v >> 8 * i);
}

static void put_more(struct row_sum *s, struct view v)
{
    if (v.n == 0)
        return;
    if (v.n > ROW_GATHER - s->n)
        flush(s);
    if (v.n > ROW_GATHER) {
        XXH3_64bits_update(&s->state, v.p, v.n);
        return;
    }
    memcpy(s->gathered + s->n, v.p, v.n);
    s->n += v.n;
}

static void put_bytes(struct row_sum *s, enum tag tag, struct view v)
{
    put_head(s, tag, v.n);
    put_more(s, v);
}

void row_sum_null(struct row_sum *s)
{
    put_head(s, TAG_NULL, 0);
}

void row_sum_int(struct row_sum *s, int64_t v)
{
    put_head(s, TAG_INT, (uint64_t)v);
}

void row_sum_text(struct row_sum *s, struct view v)
{
    put_bytes(s, TAG_TEXT, v);
}

void row_sum_blob(struct row_sum *s, struct view v)
{
    put_bytes(s, TAG_BLOB, v);
}

void row_sum_blob_of(struct row_sum *s, uint64_t n)
{
    put_head(s, TAG_BLOB, n);
}

void row_sum_blob_more(struct row_sum *s, struct view v)
{
    put_more(s, v);
}

int64_t row_sum_end(struct row_sum *s)
{
    flush(s);
    return (int64_t)XXH3_64bits_digest(&s->state);
}

int64_t row_bytes_sum(struct view v)
{
    return (int64_t)XXH3_64bits(v.p ? v.p : "", v.n);
}

// No table of ours holds a real: one there is damage, and must not pass for an integer.
static void put_real(struct row_sum *s, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_head(s, TAG_REAL, bits);
}

void row_sum_column(struct row_sum *s, sqlite3_stmt *stmt, int i)
{
    const void *p;
    switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_INTEGER:
        row_sum_int(s, sqlite3_column_int64(stmt, i));
        break;
    case SQLITE_FLOAT:
        put_real(s, sqlite3_column_double(stmt, i));
        break;
    case SQLITE_TEXT:
        p = sqlite3_column_text(stmt, i);
        row_sum_text(s, view_n(p, (size_t)sqlite3_column_bytes(stmt, i)));
        break;
    case SQLITE_BLOB:
        p = sqlite3_column_blob(stmt, i);
        row_sum_blob(s, view_n(p, (size_t)sqlite3_column_bytes(stmt, i)));
        break;
    default:
        row_sum_null(s);
    }
}

static void sql_row_sum(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct row_sum s;
    row_sum_begin(&s);
    for (int i = 0; i < argc; i++) {
        const void *p;
        switch (sqlite3_value_type(argv[i])) {
        case SQLITE_INTEGER:
            row_sum_int(&s, sqlite3_value_int64(argv[i]));
            break;
        case SQLITE_FLOAT:
            put_real(&s, sqlite3_value_double(argv[i]));
            break;
        case SQLITE_TEXT:
            p = sqlite3_value_text(argv[i]);
            row_sum_text(&s, view_n(p, (size_t)sqlite3_value_bytes(argv[i])));
            break;
        case SQLITE_BLOB:
            p = sqlite3_value_blob(argv[i]);
            row_sum_blob(&s, view_n(p, (size_t)sqlite3_value_bytes(argv[i])));
            break;
        default:
            row_sum_null(&s);
        }
    }
    sqlite3_result_int64(ctx, row_sum_end(&s));
}

int row_sum_register(sqlite3 *db)
{
    return sqlite3_create_function(db, "row_sum", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                   sql_row_sum, NULL, NULL);
}

void row_begin(struct row *r, sqlite3_stmt *stmt)
{
    r->stmt = stmt;
    r->i = 0;
    r->rc = SQLITE_OK;
    row_sum_begin(&r->sum);
}

static void keep_first(struct row *r, int rc)
{
    if (r->rc == SQLITE_OK)
        r->rc = rc;
}

void row_int(struct row *r, int64_t v)
{
    keep_first(r, sqlite3_bind_int64(r->stmt, ++r->i, v));
    row_sum_int(&r->sum, v);
}

void row_null(struct row *r)
{
    keep_first(r, sqlite3_bind_null(r->stmt, ++r->i));
    row_sum_null(&r->sum);
}

void row_int_or_null(struct row *r, bool there, int64_t v)
{
    if (there)
        row_int(r, v);
    else
        row_null(r);
}

void row_text_view(struct row *r, struct view v)
{
    if (!v.p)
        v = VIEW_LIT("");
    keep_first(r, sqlite3_bind_text64(r->stmt, ++r->i, v.p, v.n, SQLITE_STATIC, SQLITE_UTF8));
    row_sum_text(&r->sum, v);
}

void row_text(struct row *r, const char *v)
{
    row_text_view(r, view_of(v));
}

void row_blob_unsummed(struct row *r, struct view v)
{
    // A NULL pointer is bound as NULL, which is what an unset view means.
    keep_first(r, sqlite3_bind_blob64(r->stmt, ++r->i, v.p, v.n, SQLITE_STATIC));
}

void row_blob(struct row *r, struct view v)
{
    row_blob_unsummed(r, v);
    if (v.p)
        row_sum_blob(&r->sum, v);
    else
        row_sum_null(&r->sum);
}

int row_insert(struct row *r)
{
    keep_first(r, sqlite3_bind_int64(r->stmt, ++r->i, row_sum_end(&r->sum)));
    int rc = r->rc;
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(r->stmt);
        int again = sqlite3_reset(r->stmt);
        if (rc != SQLITE_DONE && again != SQLITE_OK)
            rc = again; // the extended code
    }
    return rc;
}
