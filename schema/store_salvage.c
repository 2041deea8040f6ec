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
// 3. Where txn can be read, but not what is joined to it, the row is given without: NULL for the
//    columns of the other tables.
// 4. The temporary database is a file without a name: memory stays bounded.
#include "schema/query.h"
#include "schema/scan.h"

#include <stdlib.h>

#define SQL_MAX (1u << 20)

// The view http, of txn alone.
static const char bare_http[] =
    "(SELECT t.id AS id,"
    " strftime('%Y-%m-%dT%H:%M:%S', t.start_us / 1000000, 'unixepoch')"
    " || printf('.%06dZ', t.start_us % 1000000) AS time,"
    " t.protocol AS protocol, NULL AS direction, t.method AS method, t.scheme AS scheme,"
    " t.host AS host, t.path AS path, t.query AS query,"
    " CASE WHEN t.scheme <> '' THEN t.scheme WHEN t.protocol = 'raw' THEN 'tcp' ELSE t.protocol END"
    " || '://' || t.host || iif(t.path = '*', '', t.path)"
    " || iif(t.query <> '', '?' || t.query, '') AS url,"
    " t.status AS status, t.version AS version, t.end_us - t.start_us AS duration,"
    " max(0, t.res_start_us - t.req_end_us) AS wait, t.req_size AS req_size,"
    " t.res_size AS res_size, t.req_type AS req_type, t.res_type AS res_type, NULL AS client,"
    " NULL AS server, NULL AS target, NULL AS requested, NULL AS front, t.flow AS flow, t.n AS n,"
    " t.state AS state, t.by_proxy AS by_proxy, t.note AS note, NULL AS sni, NULL AS pod,"
    " NULL AS namespace, NULL AS workload, NULL AS original, NULL AS outcome, t.start_us AS "
    "start_us, t.req_end_us AS req_end_us,"
    " t.res_start_us AS res_start_us, t.end_us AS end_us, t.req_body AS req_body,"
    " t.res_body AS res_body, t.req_stored AS req_stored, t.res_stored AS res_stored,"
    " t.req_wire AS req_wire, t.res_wire AS res_wire,"
    " iif(t.route <> '', t.route, t.path) AS route, NULL AS peer, NULL AS dial_us, NULL AS dns_us,"
    " t.id >> 40 AS stream, NULL AS req_head, NULL AS res_head, NULL AS interim,"
    " NULL AS req_trailers, NULL AS res_trailers, NULL AS redacted FROM txn t)";

enum { WHOLE, BARE, KINDS }; // of queries for one row
static const char *const sources[KINDS] = {"http", bare_http};

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
    struct store_query *one[KINDS]; // queries for one row; one of them lends q->stmt
};

void salvage_free(struct store_query *q)
{
    struct salvage *v = q->salvage;
    if (!v)
        return;
    for (int i = 0; i < KINDS; i++) {
        if (v->one[i])
            q->stmt = NULL; // it is one of these
        store_query_free(v->one[i]);
    }
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
    switch (order) { // ~ turns the order round, and knows no overflow
    case STORE_OLDEST_FIRST:
        return (struct place){store_int(q, start), answer, key};
    case STORE_NEWEST_FIRST:
        return (struct place){~store_int(q, start), ~answer, ~key};
    case STORE_SLOWEST_FIRST:
        return (struct place){~store_int(q, duration), 0, key};
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
static int open_judge(struct store_query *q, const char *source, struct store_query **judge)
{
    const struct filter *f = q->salvage->f;
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    int e = buf_printf(&sql,
                       "SELECT h.id, h.start_us, h.status, h.duration FROM %s AS h WHERE h.id = ?1"
                       " AND ",
                       source);
    if (e == 0)
        e = store_filter_clause(f, &sql, 2);
    if (e == 0)
        e = query_new(q->s, buf_view(&sql), judge);
    else
        store_refuse(q->s, e, "a query: %s", err_text(e));
    buf_clear(&sql);
    return e == 0 ? store_filter_bind(*judge, f, 2) : e;
}

static int put_listed(struct store_query *q, struct store_query *judge, sqlite3_stmt *insert,
                      int64_t id)
{
    struct salvage *v = q->salvage;
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

static int judge_one(struct store_query *q, struct store_query *const judges[KINDS],
                     sqlite3_stmt *insert, int64_t id)
{
    for (int i = 0; i < KINDS; i++) {
        sqlite3_reset(judges[i]->stmt);
        int e = store_bind_int(judges[i], 1, id);
        if (e == 0)
            e = store_step(judges[i]);
        if (e == 1)
            return put_listed(q, judges[i], insert, id);
        if (e != E_DAMAGED)
            return e;
    }
    q->skipped++;
    return 0;
}

static int fill_list(struct store_query *q, sqlite3_stmt *insert)
{
    struct scan scan = {.gap = count_gap, .arg = q};
    struct store_query *judges[KINDS] = {NULL};
    int e = 0;
    for (int i = 0; i < KINDS && e == 0; i++)
        e = open_judge(q, sources[i], &judges[i]);
    if (e == 0)
        e = scan_open(&scan, q->s, "txn", "id", NULL);
    while (e == 0 && (e = scan_next(&scan)) == 1)
        e = scan.last > q->salvage->after_id ? judge_one(q, judges, insert, scan.last) : 0;
    scan_close(&scan);
    for (int i = 0; i < KINDS; i++)
        store_query_free(judges[i]);
    return e;
}

// The queries for one row replace the one for all.
static int replace_query(struct store_query *q)
{
    struct salvage *v = q->salvage;
    int e = 0;
    for (int i = 0; i < KINDS && e == 0; i++) {
        struct buf sql;
        buf_init(&sql, SQL_MAX);
        e = transactions_select(&sql, sources[i]);
        if (e == 0)
            e = buf_printf(&sql, " WHERE h.id = ?1");
        if (e == 0)
            e = query_new(q->s, buf_view(&sql), &v->one[i]);
        buf_clear(&sql);
    }
    // Whatever came of it, the old one ends: salvage_free() knows the new ones.
    sqlite3_finalize(q->stmt);
    q->stmt = v->one[WHOLE] ? v->one[WHOLE]->stmt : NULL;
    return e;
}

// 1: the row is there, whole or bare; 0: it cannot be read.
static int read_listed(struct store_query *q, int64_t id)
{
    struct salvage *v = q->salvage;
    for (int i = 0; i < KINDS; i++) {
        q->stmt = v->one[i]->stmt;
        sqlite3_reset(q->stmt);
        sqlite3_bind_int64(q->stmt, 1, id);
        int rc = sqlite3_step(q->stmt);
        if (rc == SQLITE_ROW)
            return 1;
        int e = rc == SQLITE_DONE ? 0 : store_fail(q->s, rc, "reading");
        if (e != E_DAMAGED)
            return e;
        q->skipped++;
    }
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
        int e = read_listed(q, sqlite3_column_int64(v->ids, 0));
        if (e == 1)
            salvage_note(q);
        if (e != 0)
            return e;
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
