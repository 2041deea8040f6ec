// chunks: sorted without their bytes, which are fetched one by one, so that memory stays bounded by
// one piece. A piece that cannot be read is told and passed over; pieces that are in none of the
// files are counted against what the transaction says it had.
#include "tools/chunks.h"

#include "tools/cli.h"

static int64_t count_expected(struct store *s, int64_t flow, int64_t n)
{
    struct store_query *q = NULL;
    int64_t sum = 0;
    int e = store_query(s, "SELECT req_parts + res_parts FROM txn WHERE flow = ?1 AND n = ?2", &q);
    e = e ? e : store_bind_int(q, 1, flow);
    e = e ? e : store_bind_int(q, 2, n);
    if (!e && store_step(q) == 1)
        sum = store_int(q, 0);
    store_query_free(q);
    return sum;
}

struct walk {
    int64_t flow, n, found;
    int (*take)(void *arg, const struct chunk *c);
    void *arg;
};

static int chunks_in(void *arg, struct store *s)
{
    struct walk *w = arg;
    struct store_query *list = NULL, *bytes = NULL;
    int taken = 0;
    int e = store_query(s,
                        "SELECT id, s2c, first_us, last_us, at FROM part"
                        " WHERE flow = ?1 AND n = ?2 ORDER BY first_us, id",
                        &list);
    e = e ? e : store_query(s, "SELECT bytes FROM part WHERE id = ?1", &bytes);
    e = e ? e : store_bind_int(list, 1, w->flow);
    e = e ? e : store_bind_int(list, 2, w->n);
    while (!e && !taken && (e = store_step(list)) == 1) {
        struct chunk c = {.s2c = store_int(list, 1) != 0,
                          .first_us = store_int(list, 2),
                          .last_us = store_int(list, 3),
                          .at = store_int(list, 4)};
        store_rewind(bytes);
        e = store_bind_int(bytes, 1, store_int(list, 0));
        e = e ? e : store_step(bytes);
        if (e == 1) {
            c.bytes = store_bytes(bytes, 0);
            taken = w->take(w->arg, &c);
            w->found++;
        } else if (e < 0) {
            cli_damage("%s", store_why(s));
        }
        e = 0;
    }
    if (e < 0)
        cli_damage("%s", store_why(s));
    store_query_free(list);
    store_query_free(bytes);
    return taken;
}

int chunks_each(struct store *s, int64_t flow, int64_t n, int64_t *missing,
                int (*take)(void *arg, const struct chunk *c), void *arg)
{
    struct walk w = {.flow = flow, .n = n, .take = take, .arg = arg};
    int taken = store_each_of_flow(s, flow, chunks_in, &w);
    if (taken == E_NOMEM)
        cli_damage("out of memory: a conversation is not whole");
    *missing = taken ? 0 : count_expected(s, flow, n) - w.found;
    return taken;
}
