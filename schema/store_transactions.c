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

// True of all rows, and says to SQLite that the index txn_start is the way: else it would sort what
// it takes for few rows, and read all others on the way there.
#define IN_TIME " AND h.start_us >= -9223372036854775808"

const char *transactions_order(enum store_order order)
{
    switch (order) {
    case STORE_OLDEST_FIRST:
        return IN_TIME " ORDER BY h.start_us, h.status, h.id"; // as the index has it
    case STORE_NEWEST_FIRST:
        return IN_TIME " ORDER BY h.start_us DESC, h.status DESC, h.id DESC";
    case STORE_SLOWEST_FIRST:
        return " ORDER BY h.duration DESC, h.id";
    default:
        return " ORDER BY h.id";
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

int store_transactions(struct store *s, const struct filter *f, enum store_order order,
                       int64_t limit, int64_t after_id, struct store_query **out)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    int e = transactions_select(&sql, "http");
    if (e == 0)
        e = buf_printf(&sql, " WHERE ");
    if (e == 0)
        e = store_filter_clause(f, &sql, 1);
    if (e == 0 && after_id > 0)
        e = buf_printf(&sql, " AND h.id > %lld", (long long)after_id);
    if (e == 0)
        e = buf_printf(&sql, "%s", transactions_order(order));
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
