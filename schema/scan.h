// scan: a table's rows in the order of their row numbers, around places that cannot be read.
//
// Where SQLite says that the file is damaged, the scan looks for the next row that can be read
// (first in doubling steps, then by halving) and goes on there. What lies between is told as a gap.
// Between two damaged places a few rows that could be read may fall into the gap.
//
// Damage may also break the order of row numbers, or make pages come again. The scan gives such
// rows too, but goes on from where the order was last sound, always further on than the time
// before, and ends after more rows than the file has room for. So a row may come twice, but the
// scan ends.
#ifndef TAPEDECK_SCHEMA_SCAN_H
#define TAPEDECK_SCHEMA_SCAN_H

#include "schema/store_impl.h"

struct scan {
    struct store *s;
    const char *table;
    sqlite3_stmt *stmt, *probe; // the row number is the last column of stmt
    int64_t last;               // row number of the row at hand
    int64_t sure, before;       // the highest in sound order, and the one before it
    int64_t from, stuck;        // where stmt began; how far to jump when that did not help
    int64_t rows_left;          // before the file's room is used up
    // Rows from..to cannot be read; to INT64_MAX: nothing from there on.
    void (*gap)(void *arg, const char *table, int64_t from, int64_t to);
    void *arg;
};

// columns as in SELECT ("*"); where: a condition, or NULL. 0 or E_…; scan_close() is due in any
// case.
int scan_open(struct scan *c, struct store *s, const char *table, const char *columns,
              const char *where) MUST_CHECK;
// 1: a row is there; 0: the end; E_…: something else than damage.
int scan_next(struct scan *c) MUST_CHECK;
void scan_close(struct scan *c);

#endif
