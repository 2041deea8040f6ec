// store_transactions: transactions by filter and order.
#include "schema/query.h"

#include <stdio.h>

#define SQL_MAX (1u << 20)

int transactions_select(struct buf *sql, const char *source)
{
    // As in enum store_column.
    static const char more[] = ", h.start_us, h.req_end_us, h.res_start_us, h.end_us, h.req_body,"
                               " h.res_body, h.req_stored, h.res_stored, h.dial_us, h.dns_us";
    int e = buf_printf(sql, "SELECT ");
    for (int i = 0; i < FIELD_COLUMNS && e == 0; i++)
        e = buf_printf(sql, "%sh.%s", i == 0 ? "" : ", ", filter_fields[i].name);
    return e == 0 ? buf_printf(sql, "%s FROM %s AS h", more, source) : e;
}

const char *transactions_order(enum store_order order)
{
    switch (order) {
    case STORE_OLDEST_FIRST:
        return "h.start_us, h.status, h.id"; // as the indexes have it
    case STORE_NEWEST_FIRST:
        return "h.start_us DESC, h.status DESC, h.id DESC";
    case STORE_SLOWEST_FIRST:
        return "h.duration DESC, h.id";
    default:
        return "h.id";
    }
}

static int make(struct store *s, struct buf *sql, int e, const struct filter *f,
                struct store_query **out)
{
    *out = NULL;
    if (e == 0)
        e = query_new(s, buf_view(sql), out);
    else
        store_refuse(s, e, "a query: %s", err_text(e));
    if (e == 0)
        e = store_filter_bind(*out, f, 1);
    buf_clear(sql);
    if (e != 0) {
        store_query_free(*out);
        *out = NULL;
    }
    return e;
}

// ---- a hint for SQLite
//
// Asked for a range of status in the order of time, SQLite cannot know whether few rows match. It
// walks the index txn_start then, which is right for many; for few, the index txn_status and
// sorting is.

#define FEW 20000 // rows that are sorted sooner than a million are passed over

struct range {
    int64_t from, to;
    bool narrowed;
};

static void narrow(struct range *r, int64_t from, int64_t to)
{
    r->from = from > r->from ? from : r->from;
    r->to = to < r->to ? to : r->to;
    r->narrowed = true;
}

// What the tests that must all hold say about status.
static void status_range(const struct filter_node *node, struct range *r)
{
    if (!node)
        return;
    if (node->op == OP_AND) {
        status_range(node->left, r);
        status_range(node->right, r);
    } else if (node->field == FIELD_STATUS && node->value) {
        int64_t v = node->value->number;
        if (node->op == OP_GE || (node->op == OP_GT && v < INT64_MAX))
            narrow(r, node->op == OP_GE ? v : v + 1, INT64_MAX);
        else if (node->op == OP_LE || (node->op == OP_LT && v > INT64_MIN))
            narrow(r, INT64_MIN, node->op == OP_LE ? v : v - 1);
    }
}

static bool few_match(struct store *s, const struct filter *f, int64_t limit)
{
    struct range r = {INT64_MIN, INT64_MAX, false};
    char sql[192];
    int64_t few = limit > 0 && limit < FEW / 20 ? limit * 20 : FEW, n;
    if (f)
        status_range(filter_root(f), &r);
    if (!r.narrowed)
        return false;
    snprintf(
        sql, sizeof sql,
        "SELECT count(*) FROM (SELECT 1 FROM txn WHERE status BETWEEN %lld AND %lld LIMIT %lld)",
        (long long)r.from, (long long)r.to, (long long)few + 1);
    return store_scalar(s, sql, &n) == SQLITE_OK && n <= few;
}

// ----

int store_transactions(struct store *s, const struct filter *f, enum store_order order,
                       int64_t limit, int64_t after_id, struct store_query **out)
{
    struct buf sql;
    bool by_time = order == STORE_OLDEST_FIRST || order == STORE_NEWEST_FIRST;
    buf_init(&sql, SQL_MAX);
    int e = transactions_select(&sql, "http");
    if (e == 0)
        e = buf_printf(&sql, " WHERE ");
    if (e == 0)
        e = store_filter_clause(f, &sql, 1);
    if (e == 0 && after_id > 0)
        e = buf_printf(&sql, " AND h.id > %lld", (long long)after_id);
    if (e == 0)
        e = buf_printf(&sql, " ORDER BY %s%s", by_time && few_match(s, f, limit) ? "+" : "",
                       transactions_order(order));
    if (e == 0 && limit > 0)
        e = buf_printf(&sql, " LIMIT %lld", (long long)limit);
    e = make(s, &sql, e, f, out);
    if (e == 0)
        e = salvage_new(*out, f, order, limit, after_id);
    if (e != 0) {
        store_query_free(*out);
        *out = NULL;
    }
    return e;
}
