// store_salvage: store_transactions() on a damaged file goes on with what can be read.
//
//   step ── damage ──► list: every readable transaction that the filter takes and that has not
//                      been given out, with its place in the order, into a temporary database
//                ──► then each by its id, in that order
//
// 1. The list is made from the table txn alone, around what cannot be read (scan.h); each row is
//    then judged by a query for its id, so that no index is needed and a bad place costs only its
//    own rows.
// 2. Rows are ordered by (k, status, tie), as transactions_order() has it. What was given out
//    before the damage showed is known by the last row's place: everything up to it has been given
//    out, or cannot be read.
// 3. The temporary database is a file without a name: memory stays bounded.
#include "schema/query.h"
#include "schema/scan.h"

#include <stdlib.h>

#define SQL_MAX (1u << 20)

struct place {
    int64_t k, status, tie;
};

struct salvage {
    const struct filter *f;
    enum store_order order;
    int64_t limit, after_id; // 0: none
    int64_t given;
    struct place last; // of the row given out last
    sqlite3 *db;       // the list
    sqlite3_stmt *ids;
};

void salvage_free(struct salvage *v)
{
    if (!v)
        return;
    sqlite3_finalize(v->ids);
    sqlite3_close(v->db);
    free(v);
}

// The row at hand of a query with these columns.
static struct place place_of(enum store_order order, const struct store_query *q, int id, int start,
                             int status, int duration)
{
    int64_t key = store_int(q, id);
    // NULL comes before all numbers.
    int64_t answer = store_column_type(q, status) == STORE_NULL ? INT32_MIN : store_int(q, status);
    switch (order) {
    case STORE_OLDEST_FIRST:
        return (struct place){store_int(q, start), answer, key};
    case STORE_NEWEST_FIRST:
        return (struct place){-store_int(q, start), -answer, -key};
    case STORE_SLOWEST_FIRST:
        return (struct place){-store_int(q, duration), 0, key};
    default:
        return (struct place){key, 0, 0};
    }
}

void salvage_note(struct store_query *q)
{
    struct salvage *v = q->salvage;
    v->last = place_of(v->order, q, FIELD_ID, STORE_START_US, FIELD_STATUS, FIELD_DURATION);
    v->given++;
}

static bool is_behind(const struct salvage *v, struct place p)
{
    if (v->given == 0 || p.k != v->last.k)
        return v->given == 0 || p.k > v->last.k;
    return p.status != v->last.status ? p.status > v->last.status : p.tie > v->last.tie;
}

static void count_gap(void *arg, const char *table, int64_t from, int64_t to)
{
    struct store_query *q = arg;
    (void)table;
    (void)from;
    (void)to;
    q->skipped++;
}

static int open_list(struct store_query *q, sqlite3_stmt **insert)
{
    struct salvage *v = q->salvage;
    int rc = sqlite3_open_v2(
        "", &v->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(
            v->db,
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE list (k, status, tie, id, PRIMARY KEY (k, status, tie)) WITHOUT ROWID;"
            "BEGIN",
            NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(v->db, "INSERT OR IGNORE INTO list VALUES (?1, ?2, ?3, ?4)", -1,
                                insert, NULL);
    return rc == SQLITE_OK ? 0 : store_fail(q->s, rc, "listing what can be read");
}

// The query that judges one transaction: its place, when the filter takes it. ?1 is its id.
static int open_judge(struct store_query *q, struct store_query **judge)
{
    const struct filter *f = q->salvage->f && filter_root(q->salvage->f) ? q->salvage->f : NULL;
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    int e = buf_printf(
        &sql, "SELECT h.id, h.start_us, h.status, h.duration FROM http AS h WHERE h.id = ?1 AND (");
    if (e == 0)
        e = f ? store_filter_clause(f, &sql, 2) : buf_printf(&sql, "1");
    if (e == 0)
        e = buf_printf(&sql, ")");
    if (e == 0)
        e = query_new(q->s, buf_view(&sql), judge);
    else
        store_refuse(q->s, e, "a query: %s", err_text(e));
    buf_clear(&sql);
    return e == 0 && f ? store_filter_bind(*judge, f, 2) : e;
}

static int judge_one(struct store_query *q, struct store_query *judge, sqlite3_stmt *insert,
                     int64_t id)
{
    struct salvage *v = q->salvage;
    sqlite3_reset(judge->stmt);
    int e = store_bind_int(judge, 1, id);
    if (e == 0)
        e = store_step(judge);
    if (e == E_DAMAGED) {
        q->skipped++;
        return 0;
    }
    if (e != 1)
        return e;
    struct place p = place_of(v->order, judge, 0, 1, 2, 3);
    if (!is_behind(v, p))
        return 0;
    sqlite3_bind_int64(insert, 1, p.k);
    sqlite3_bind_int64(insert, 2, p.status);
    sqlite3_bind_int64(insert, 3, p.tie);
    sqlite3_bind_int64(insert, 4, id);
    int rc = sqlite3_step(insert);
    sqlite3_reset(insert);
    return rc == SQLITE_DONE ? 0 : store_fail(q->s, rc, "listing what can be read");
}

static int fill_list(struct store_query *q, sqlite3_stmt *insert)
{
    struct scan scan = {.gap = count_gap, .arg = q};
    struct store_query *judge = NULL;
    int e = open_judge(q, &judge);
    int more = e == 0 ? scan_open(&scan, q->s, "txn", "id", NULL) : e;
    while (more == 0 && (more = scan_next(&scan)) == 1) {
        if (scan.last > q->salvage->after_id)
            more = judge_one(q, judge, insert, scan.last);
        else
            more = 0;
    }
    scan_close(&scan);
    store_query_free(judge);
    return more;
}

// The query for one row replaces the one for all.
static int replace_query(struct store_query *q)
{
    struct buf sql;
    struct store_query *one = NULL;
    buf_init(&sql, SQL_MAX);
    int e = transactions_select(&sql);
    if (e == 0)
        e = buf_printf(&sql, " WHERE h.id = ?1");
    if (e == 0)
        e = query_new(q->s, buf_view(&sql), &one);
    buf_clear(&sql);
    if (e != 0)
        return e;
    sqlite3_finalize(q->stmt);
    q->stmt = one->stmt;
    one->stmt = NULL;
    store_query_free(one);
    return 0;
}

static int next_listed(struct store_query *q)
{
    struct salvage *v = q->salvage;
    while (v->limit == 0 || v->given < v->limit) {
        int rc = sqlite3_step(v->ids);
        if (rc == SQLITE_DONE)
            return 0;
        if (rc != SQLITE_ROW)
            return store_fail(q->s, rc, "reading the list of what can be read");
        sqlite3_reset(q->stmt);
        sqlite3_bind_int64(q->stmt, 1, sqlite3_column_int64(v->ids, 0));
        rc = sqlite3_step(q->stmt);
        if (rc == SQLITE_ROW) {
            salvage_note(q);
            return 1;
        }
        if (rc == SQLITE_DONE)
            continue;
        int e = store_fail(q->s, rc, "reading");
        if (e != E_DAMAGED)
            return e;
        q->skipped++;
    }
    return 0;
}

static int begin(struct store_query *q)
{
    struct salvage *v = q->salvage;
    sqlite3_stmt *insert = NULL;
    q->damaged = NULL;
    int e = open_list(q, &insert);
    if (e == 0)
        e = fill_list(q, insert);
    sqlite3_finalize(insert);
    if (e == 0)
        e = replace_query(q);
    if (e != 0)
        return e;
    int rc =
        sqlite3_prepare_v2(v->db, "SELECT id FROM list ORDER BY k, status, tie", -1, &v->ids, NULL);
    if (rc != SQLITE_OK)
        return store_fail(q->s, rc, "listing what can be read");
    q->next = q->damaged = next_listed;
    return next_listed(q);
}

int salvage_new(struct store_query *q, const struct filter *f, enum store_order order,
                int64_t limit, int64_t after_id)
{
    struct salvage *v = calloc(1, sizeof *v);
    if (!v)
        return store_refuse(q->s, E_NOMEM, "out of memory");
    v->f = f;
    v->order = order;
    v->limit = limit;
    v->after_id = after_id;
    q->salvage = v;
    q->damaged = begin;
    return 0;
}
