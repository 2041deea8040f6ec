// open: the view open_transactions under the names of the view http, so that a filter's clause
// means the same.
#include "tools/open.h"

#include "proto/base/buf.h"

static const char select_open[] =
    "SELECT h.* FROM (SELECT o.id AS id, o.time AS time, o.protocol AS protocol,"
    " o.direction AS direction, o.method AS method, o.scheme AS scheme, o.host AS host,"
    " o.path AS path, o.query AS query, o.url AS url,"
    " o.status AS status, '' AS version, max(0, ?1 - o.first_us) AS duration, NULL AS wait,"
    " coalesce(o.req_so_far, 0) AS req_size, coalesce(o.res_so_far, 0) AS res_size,"
    " '' AS req_type, '' AS res_type, o.client AS client, f.server AS server,"
    " o.target AS target, f.requested AS requested, f.front AS front, o.flow AS flow, o.n AS n,"
    " 'open' AS state, 0 AS by_proxy, '' AS note,"
    " (SELECT l.sni FROM tls l WHERE l.flow = o.flow ORDER BY l.id LIMIT 1) AS sni,"
    " s.pod AS pod, s.namespace AS namespace, s.workload AS workload,"
    " NULL AS original, NULL AS outcome,"
    " o.first_us AS start_us, NULL AS req_head, NULL AS res_head, NULL AS req_body,"
    " NULL AS res_body"
    " FROM open_transactions o LEFT JOIN flow f ON f.id = o.flow"
    " LEFT JOIN stream s ON s.id = o.id >> 40) AS h"
    " WHERE h.id BETWEEN ?2 AND ?3 AND ";

int open_query(struct store *s, const struct filter *f, int64_t from, int64_t to, int64_t now_us,
               struct store_query **out)
{
    struct buf sql;
    struct store_query *q = NULL;
    buf_init(&sql, 1u << 20);
    int e = buf_add(&sql, select_open, sizeof select_open - 1);
    e = e ? e : store_filter_clause(f, &sql, 4);
    e = e ? e : buf_add(&sql, " ORDER BY h.start_us, h.id", sizeof " ORDER BY h.start_us, h.id");
    e = e ? e : store_query(s, buf_view(&sql).p, &q);
    e = e ? e : store_bind_int(q, 1, now_us);
    e = e ? e : store_bind_int(q, 2, from);
    e = e ? e : store_bind_int(q, 3, to);
    e = e ? e : store_filter_bind(q, f, 4);
    buf_clear(&sql);
    if (e) {
        store_query_free(q);
        q = NULL;
    }
    *out = q;
    return e;
}
