// scan: see scan.h.
#include "schema/scan.h"

#include <stdio.h>

#define ROWS_A_PAGE 600 // more than a page of ours has room for

static bool is_damage(int rc)
{
    return (rc & 0xff) == SQLITE_CORRUPT || rc == SQLITE_IOERR_SHORT_READ;
}

static int prepare(struct scan *c, sqlite3_stmt **out, const char *columns, const char *where,
                   const char *end)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "SELECT %s FROM %s NOT INDEXED WHERE rowid >= ?1%s%s ORDER BY rowid%s", columns,
             c->table, where ? " AND " : "", where ? where : "", end);
    int rc = store_prepare(c->s, sql, out);
    return rc == SQLITE_OK ? 0 : store_fail(c->s, rc, c->table);
}

// Begins stmt at that row number.
static void begin_at(struct scan *c, int64_t from)
{
    sqlite3_reset(c->stmt);
    sqlite3_bind_int64(c->stmt, 1, from);
    c->from = from;
}

int scan_open(struct scan *c, struct store *s, const char *table, const char *columns,
              const char *where)
{
    char with_id[256];
    int64_t pages = 0;
    c->s = s;
    c->table = table;
    c->stmt = c->probe = NULL;
    c->last = c->sure = c->before = INT64_MIN;
    c->stuck = 1;
    snprintf(with_id, sizeof with_id, "%s, rowid", columns);
    int e = prepare(c, &c->stmt, with_id, where, "");
    if (e == 0)
        e = prepare(c, &c->probe, "rowid", NULL, " LIMIT 1");
    if (e != 0)
        return e;
    c->rows_left = store_scalar(s, "PRAGMA page_count", &pages) == SQLITE_OK && pages > 0
                       ? (pages + 1) * ROWS_A_PAGE
                       : INT64_MAX;
    begin_at(c, INT64_MIN);
    return 0;
}

void scan_close(struct scan *c)
{
    sqlite3_finalize(c->stmt);
    sqlite3_finalize(c->probe);
    c->stmt = c->probe = NULL;
}

// Can rows be read from id on? 1: yes, *found is the first; 0: there is none (*found is INT64_MAX);
// -1: damage.
static int probe(struct scan *c, int64_t id, int64_t *found)
{
    sqlite3_bind_int64(c->probe, 1, id);
    int rc = sqlite3_step(c->probe);
    *found = rc == SQLITE_ROW ? sqlite3_column_int64(c->probe, 0) : INT64_MAX;
    sqlite3_reset(c->probe);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

static int64_t sum_or_max(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

// The first row number from id on where reading works again; 0: nowhere (*found is INT64_MAX).
static int find_way(struct scan *c, int64_t id, int64_t *found)
{
    int64_t bad = id, good = id, at = INT64_MAX;
    int there = -1;
    for (int64_t step = 1; there < 0; step = sum_or_max(step, step)) {
        good = sum_or_max(id, step);
        there = probe(c, good, &at);
        if (there < 0 && good == INT64_MAX)
            return 0;
        if (there < 0)
            bad = good;
    }
    *found = at;
    while (good - 1 > bad) {
        int64_t middle = bad + (good - bad) / 2;
        int here = probe(c, middle, &at);
        if (here < 0) {
            bad = middle;
        } else {
            good = middle;
            there = here;
            *found = at;
        }
    }
    return there;
}

// Where to try again: behind the last row in sound order, and in any case further on than the last
// time. Our row numbers are above 0: one below came of damage, and the way there leads nowhere.
static int64_t retry_from(struct scan *c)
{
    int64_t from = c->sure < 0 ? 0 : sum_or_max(c->sure, 1);
    if (from > c->from) {
        c->stuck = 1;
        return from;
    }
    from = sum_or_max(c->from, c->stuck);
    c->stuck = sum_or_max(c->stuck, c->stuck);
    return from;
}

// Behind damage: finds where to go on. 1: the statement stands before a row that can be found.
static int go_around(struct scan *c)
{
    int64_t from = retry_from(c), found = INT64_MAX;
    if (from == INT64_MAX)
        return 0;
    sqlite3_reset(c->stmt);
    int there = probe(c, from, &found);
    if (there > 0 && found >= from) {
        // The row itself can be found, but not all of it be read.
        c->gap(c->arg, c->table, from, found);
        c->sure = found;
        begin_at(c, sum_or_max(found, 1));
        return found < INT64_MAX;
    }
    if (there < 0)
        there = find_way(c, from, &found);
    if (found < from)
        found = from;
    c->gap(c->arg, c->table, from, found == INT64_MAX ? found : found - 1);
    begin_at(c, found);
    return there > 0 && found < INT64_MAX;
}

static void note_order(struct scan *c)
{
    if (c->last > c->sure) {
        c->before = c->sure;
        c->sure = c->last;
    } else if (c->last > c->before) {
        c->sure = c->last; // what seemed so far ahead was out of order itself
    }
}

int scan_next(struct scan *c)
{
    for (;;) {
        int rc = sqlite3_step(c->stmt);
        if (rc == SQLITE_ROW && c->rows_left-- > 0) {
            c->last = sqlite3_column_int64(c->stmt, sqlite3_column_count(c->stmt) - 1);
            note_order(c);
            return 1;
        }
        if (rc == SQLITE_ROW) {
            c->gap(c->arg, c->table, c->sure, INT64_MAX);
            return 0;
        }
        if (rc == SQLITE_DONE)
            return 0;
        if (!is_damage(rc))
            return store_fail(c->s, rc, c->table);
        if (!go_around(c))
            return 0;
    }
}
