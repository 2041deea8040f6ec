// row: a row on its way into a table: values bound by position, and summed as they go.
//
// The sum is XXH3 (64 bit) over the row's columns in declared order but `sum` itself; each as a tag
// and, little-endian, the integer (8 bytes) or the length (8 bytes) and the bytes.
#ifndef TAPEDECK_SCHEMA_ROW_H
#define TAPEDECK_SCHEMA_ROW_H

#include "proto/base/err.h"
#include "proto/base/view.h"

#include <sqlite3.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

// A sum under way. Small values are gathered first: a call into the hash costs more than a copy.
#define ROW_GATHER 512
struct row_sum {
    XXH3_state_t state;
    size_t n;
    unsigned char gathered[ROW_GATHER];
};
void row_sum_begin(struct row_sum *s);
void row_sum_null(struct row_sum *s);
void row_sum_int(struct row_sum *s, int64_t v);
void row_sum_text(struct row_sum *s, struct view v);
void row_sum_blob(struct row_sum *s, struct view v);
// A blob of n bytes that come one after the other.
void row_sum_blob_of(struct row_sum *s, uint64_t n);
void row_sum_blob_more(struct row_sum *s, struct view v);
int64_t row_sum_end(struct row_sum *s);
// Of bytes that have a sum of their own: plain XXH3.
int64_t row_bytes_sum(struct view v);

// Column i of a statement's current row, as it was stored.
void row_sum_column(struct row_sum *s, sqlite3_stmt *stmt, int i);
// The SQL function row_sum(value, …).
int row_sum_register(sqlite3 *db);

// Values are bound by reference: they stay where they are until row_insert() returns.
struct row {
    sqlite3_stmt *stmt;
    int i, rc; // the last position bound; the first error
    struct row_sum sum;
};
void row_begin(struct row *r, sqlite3_stmt *stmt);
void row_int(struct row *r, int64_t v);
void row_null(struct row *r);
void row_int_or_null(struct row *r, bool there, int64_t v);
void row_text(struct row *r, const char *v);      // NULL is ''
void row_text_view(struct row *r, struct view v); // an unset view is ''
void row_blob(struct row *r, struct view v);      // an unset view is NULL
void row_blob_unsummed(struct row *r, struct view v);
// Binds the sum behind the last value and runs the statement: SQLITE_DONE, or an extended error.
int row_insert(struct row *r) MUST_CHECK;

#endif
