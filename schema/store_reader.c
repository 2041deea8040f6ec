// store_reader: the content of a body, pulled piece by piece.
//
//   bytes in the row, up to a slice  read with the row, when the reader is opened
//   bytes in the row, more           by incremental I/O, a slice at a time
//   parts                            one after the other: those in earlier files first
//                                    (store_earlier.c); one of more than a slice by incremental I/O
//
//   in ──part──part──hole or end──► next file ── … ──► s ──hole──► E_DAMAGED
//
// 1. Between two calls a reader holds one slice, and no statement under way: statements are the
//    store's, shared by all of its readers. Incremental I/O holds a page, and keeps the file's
//    state as it was.
// 2. Parts are read in the order of their place in the content. One that begins behind where the
//    last one ended leaves a hole; the first one may begin before.
// 3. An error stays.
#include "schema/store_impl.h"

#include <assert.h>
#include <stdlib.h>

struct store_reader {
    struct store *s;  // who was asked
    struct store *in; // who is read: s, or a file before it, which is the reader's
    size_t file;      // of in, among the files before s; their count: s
    size_t files;     // those to be read: to s, or only those before
    int64_t body, of[3];
    int64_t at, end;    // bytes at..end - 1 are to be given yet
    bool parts, loose;  // loose: who asks says what it means that not all is there
    bool checked;       // parts of s against their sums; those of other files are in any case
    bool first;         // the next part is the first one of its file
    int64_t last[2];    // at and id of the part before
    sqlite3_blob *blob; // of bytes that are more than a slice
    int blob_at;
    int64_t blob_left;
    int e;
    size_t held; // bytes of room that are to be given
    size_t size;
    char room[];
};

static struct view blob_of(sqlite3_stmt *stmt, int i)
{
    const void *p = sqlite3_column_blob(stmt, i);
    return view_n(p, (size_t)sqlite3_column_bytes(stmt, i));
}

static int reading(struct store *s, int rc)
{
    return store_fail(s, rc, "reading a body");
}

// ---- more than a slice

// n bytes from there on of that row's bytes are to be given.
static int open_blob(struct store_reader *r, const char *table, int64_t row, int64_t from,
                     int64_t n)
{
    int e = store_open_blob(r->in, table, row, from + n, &r->blob);
    r->blob_at = (int)from;
    r->blob_left = n;
    return e;
}

static void close_blob(struct store_reader *r)
{
    sqlite3_blob_close(r->blob);
    r->blob = NULL;
}

static int next_of_blob(struct store_reader *r, struct view *piece)
{
    int n = (int)(r->blob_left < (int64_t)r->size ? r->blob_left : (int64_t)r->size);
    int rc = sqlite3_blob_read(r->blob, r->room, n, r->blob_at);
    if (rc != SQLITE_OK)
        return store_blob_error(r->in, rc);
    r->blob_at += n;
    r->blob_left -= n;
    r->at += n;
    if (r->blob_left == 0)
        close_blob(r);
    *piece = view_n(r->room, (size_t)n);
    return 1;
}

// ---- parts

enum part_column { PART_ID, PART_AT, PART_SIZE, PART_SUM, PART_LENGTH, PART_BYTES };

static int refuse_changed(struct store_reader *r, int64_t begins)
{
    return store_refuse(r->in, E_DAMAGED, "the content from byte %lld on is damaged",
                        (long long)begins);
}

static int add_to_sum(void *arg, struct view piece)
{
    XXH3_64bits_update(arg, piece.p, piece.n);
    return 0;
}

static int prove_large(struct store_reader *r, sqlite3_stmt *stmt)
{
    XXH3_state_t sum;
    XXH3_64bits_reset(&sum);
    int e = store_blob(r->in, "part", sqlite3_column_int64(stmt, PART_ID), 0,
                       sqlite3_column_int64(stmt, PART_LENGTH), add_to_sum, &sum);
    if (e == 0 && (int64_t)XXH3_64bits_digest(&sum) != sqlite3_column_int64(stmt, PART_SUM))
        e = refuse_changed(r, sqlite3_column_int64(stmt, PART_AT));
    return e;
}

// The part that stmt has: 1: some of it is ready; 0: it does not follow.
static int take_part(struct store_reader *r, sqlite3_stmt *stmt)
{
    int64_t begins = sqlite3_column_int64(stmt, PART_AT);
    int64_t size = sqlite3_column_int64(stmt, PART_SIZE);
    int64_t length = sqlite3_column_int64(stmt, PART_LENGTH);
    bool checked = r->checked || r->in != r->s;
    bool follows = begins == r->at || (r->first && begins >= 0 && begins < r->at);
    r->first = false;
    if (!follows || length != size || size < r->at - begins)
        return 0;
    int64_t from = r->at - begins, n = size - from;
    if (n > r->end - r->at)
        n = r->end - r->at;
    if (length > STORE_SLICE) {
        int e = checked ? prove_large(r, stmt) : 0;
        e = e ? e : open_blob(r, "part", sqlite3_column_int64(stmt, PART_ID), from, n);
        return e ? e : 1;
    }
    struct view bytes = blob_of(stmt, PART_BYTES);
    if (checked && row_bytes_sum(bytes) != sqlite3_column_int64(stmt, PART_SUM))
        return refuse_changed(r, begins);
    if (n > 0)
        memcpy(r->room, bytes.p + from, (size_t)n);
    r->held = (size_t)n;
    return 1;
}

// The next part of r->in: 1: some of it is ready; 0: none there follows.
static int find_part(struct store_reader *r)
{
    sqlite3_stmt *stmt = store_statement(r->in, r->first ? STATEMENT_PART_FIRST //
                                                         : STATEMENT_PART_NEXT);
    if (!stmt)
        return store_error(r->in->db, sqlite3_extended_errcode(r->in->db));
    for (int i = 0; i < 3; i++)
        sqlite3_bind_int64(stmt, i + 1, r->of[i]);
    sqlite3_bind_int64(stmt, 4, r->first ? r->at : r->last[0]);
    if (!r->first)
        sqlite3_bind_int64(stmt, 5, r->last[1]);
    int rc = sqlite3_step(stmt), e = 0;
    if (rc == SQLITE_ROW) {
        r->last[0] = sqlite3_column_int64(stmt, PART_AT);
        r->last[1] = sqlite3_column_int64(stmt, PART_ID);
        e = take_part(r, stmt);
    } else if (rc != SQLITE_DONE) {
        e = reading(r->in, rc);
    }
    sqlite3_reset(stmt);
    return e;
}

static void close_file(struct store_reader *r)
{
    if (r->blob)
        close_blob(r);
    if (r->in != r->s)
        store_close(r->in);
    r->in = NULL;
}

static int open_file(struct store_reader *r)
{
    r->first = true;
    if (r->file == r->s->earlier_count || r->s->mode != STORE_READ) {
        r->in = r->s;
        return 0;
    }
    int e = store_open_earlier(r->s, r->file, &r->in);
    if (e == E_GONE)
        return store_refuse(r->s, e, "%s, which has some of the content, is gone",
                            r->s->earlier[r->file]);
    return e;
}

static int next_of_parts(struct store_reader *r, struct view *piece)
{
    while (r->at < r->end && r->file < r->files) {
        int e = r->in ? 0 : open_file(r);
        if (e == 0 && (e = find_part(r)) == 0) { // no more of it here
            close_file(r);
            r->file++;
        }
        if (e < 0 && r->in && r->in != r->s)
            memcpy(r->s->why, r->in->why, sizeof r->s->why);
        if (e < 0)
            return e;
        if (r->blob)
            return next_of_blob(r, piece);
        if (r->held > 0) {
            *piece = view_n(r->room, r->held);
            r->at += (int64_t)r->held;
            r->held = 0;
            return 1;
        }
    }
    if (r->at == r->end || r->loose)
        return 0;
    return store_refuse(r->s, E_DAMAGED, "the content from byte %lld on is lost or damaged",
                        (long long)r->at);
}

// ---- bytes in the row

static int next_of_row(struct store_reader *r, struct view *piece)
{
    if (r->held > 0) {
        *piece = view_n(r->room, r->held);
        r->at += (int64_t)r->held;
        r->held = 0;
        return 1;
    }
    return r->at == r->end ? 0
                           : store_refuse(r->s, E_DAMAGED, "body %lld is cut", (long long)r->body);
}

// ---- opening

enum row_column { ROW_STORED, ROW_FLOW, ROW_N, ROW_S2C, ROW_LENGTH, ROW_BYTES };

// What is to be given of bytes at..end - 1 has at most so many.
static struct store_reader *make(struct store *s, int64_t at, int64_t end)
{
    size_t size = end - at < STORE_SLICE ? (size_t)(end > at ? end - at : 0) : STORE_SLICE;
    struct store_reader *r = malloc(sizeof *r + size);
    if (!r) {
        store_refuse(s, E_NOMEM, "out of memory");
        return NULL;
    }
    *r = (struct store_reader){.s = s, .at = at, .end = end, .size = size};
    r->file = s->earlier_count;
    r->files = s->earlier_count + 1;
    return r;
}

static int open_row(struct store_reader *r, sqlite3_stmt *stmt)
{
    int64_t length = sqlite3_column_int64(stmt, ROW_LENGTH);
    int64_t end = length < r->end ? length : r->end, n = end > r->at ? end - r->at : 0;
    r->in = r->s;
    if (n > 0 && length > STORE_SLICE)
        return open_blob(r, "body", r->body, r->at, n);
    if (n > 0)
        memcpy(r->room, blob_of(stmt, ROW_BYTES).p + r->at, (size_t)n);
    r->held = (size_t)n;
    return 0;
}

static int open_parts(struct store_reader *r, const int64_t of[3])
{
    r->parts = true;
    memcpy(r->of, of, sizeof r->of);
    return r->at == 0 && r->end > 0 ? store_find_before(r->s, of, &r->file) : 0;
}

// end < 0: to the end of what is stored.
static int open_range(struct store *s, int64_t body, int64_t at, int64_t end, bool checked,
                      struct store_reader **out)
{
    sqlite3_stmt *stmt = store_statement(s, STATEMENT_BODY_ROW);
    struct store_reader *r = NULL;
    *out = NULL;
    if (!stmt)
        return store_error(s->db, sqlite3_extended_errcode(s->db));
    sqlite3_bind_int64(stmt, 1, body);
    int rc = sqlite3_step(stmt), e = 0;
    if (rc == SQLITE_DONE) {
        e = store_refuse(s, E_NOTFOUND, "no body %lld", (long long)body);
    } else if (rc != SQLITE_ROW) {
        e = reading(s, rc);
    } else {
        int64_t of[3];
        r = make(s, at, end < 0 ? sqlite3_column_int64(stmt, ROW_STORED) : end);
        for (int i = 0; i < 3; i++)
            of[i] = sqlite3_column_int64(stmt, ROW_FLOW + i);
        if (r) {
            r->body = body;
            r->checked = checked;
        }
        e = !r                                                   ? E_NOMEM
            : sqlite3_column_type(stmt, ROW_FLOW) == SQLITE_NULL ? open_row(r, stmt)
                                                                 : open_parts(r, of);
    }
    sqlite3_reset(stmt);
    if (e != 0)
        store_reader_close(r);
    else
        *out = r;
    return e;
}

int store_reader_open(struct store *s, int64_t body, struct store_reader **out)
{
    return open_range(s, body, 0, -1, false, out);
}

int store_reader_next(struct store_reader *r, struct view *piece)
{
    *piece = (struct view){NULL, 0};
    if (r->e < 0)
        return r->e;
    int e = r->blob    ? next_of_blob(r, piece)
            : r->parts ? next_of_parts(r, piece)
                       : next_of_row(r, piece);
    r->e = e < 0 ? e : 0;
    return e;
}

void store_reader_close(struct store_reader *r)
{
    if (!r)
        return;
    if (r->in)
        close_file(r);
    free(r);
}

// ---- all at once

static int give_all(struct store_reader *r, store_take *take, void *arg)
{
    struct view piece;
    int e;
    while ((e = store_reader_next(r, &piece)) == 1)
        if ((e = take(arg, piece)) != 0)
            break;
    return e;
}

int store_body(struct store *s, int64_t body, int (*take)(void *arg, struct view piece), void *arg)
{
    struct store_reader *r;
    int e = store_reader_open(s, body, &r);
    e = e ? e : give_all(r, take, arg);
    store_reader_close(r);
    return e;
}

int store_body_range(struct store *s, int64_t body, int64_t from, int64_t n, store_take *take,
                     void *arg)
{
    struct store_reader *r;
    int e = open_range(s, body, from, from + n, true, &r);
    e = e ? e : give_all(r, take, arg);
    store_reader_close(r);
    return e;
}

// Of the files before s from the one of this number on, or of s alone where it is their count.
static int give_parts(struct store *s, const int64_t of[3], size_t file, int64_t *at, int64_t end,
                      store_take *take, void *arg)
{
    struct store_reader *r = make(s, *at, end);
    if (!r)
        return E_NOMEM;
    memcpy(r->of, of, sizeof r->of);
    r->parts = r->loose = r->checked = true;
    r->file = file;
    r->files = file < s->earlier_count ? s->earlier_count : file + 1;
    int e = give_all(r, take, arg);
    *at = r->at;
    store_reader_close(r);
    return e;
}

int store_parts(struct store *s, const int64_t of[3], int64_t *at, int64_t end, store_take *take,
                void *arg)
{
    return give_parts(s, of, s->earlier_count, at, end, take, arg);
}

int store_parts_before(struct store *s, const int64_t of[3], int64_t *at, int64_t end,
                       store_take *take, void *arg)
{
    size_t first;
    int e = store_find_before(s, of, &first);
    return e == 0 && first < s->earlier_count ? give_parts(s, of, first, at, end, take, arg) : e;
}
