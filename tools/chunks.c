// chunks: sorted without their bytes, which are fetched one by one, so that memory stays bounded by
// one piece. A piece that cannot be read is told and passed over; pieces that are in none of the
// files are counted against what the transaction says it had.
#include "tools/chunks.h"

#include "tools/cli.h"

#include <stdlib.h>

struct chunks {
    struct store *s, *in; // in: the file at hand, s or one before it
    size_t file;          // its number: store_file_of_flow()
    struct store_query *list, *bytes;
    int64_t flow, n, found;
};

static void leave_file(struct chunks *c)
{
    store_query_free(c->list);
    store_query_free(c->bytes);
    c->list = c->bytes = NULL;
    if (c->in != c->s)
        store_close(c->in);
    c->in = NULL;
}

// false: nothing can be read of it, which was told.
static bool ask_file(struct chunks *c)
{
    int e = store_query(c->in,
                        "SELECT id, s2c, first_us, last_us, at FROM part"
                        " WHERE flow = ?1 AND n = ?2 ORDER BY first_us, id",
                        &c->list);
    e = e ? e : store_query(c->in, "SELECT bytes FROM part WHERE id = ?1", &c->bytes);
    e = e ? e : store_bind_int(c->list, 1, c->flow);
    e = e ? e : store_bind_int(c->list, 2, c->n);
    if (e)
        cli_damage("%s", store_why(c->in));
    return e == 0;
}

// Leads to the first file from c->file on that can be asked; false: there is none.
static bool find_file(struct chunks *c)
{
    for (bool last = false; !last; c->file++) {
        c->in = store_file_of_flow(c->s, c->file);
        last = c->in == c->s;
        if (c->in && ask_file(c))
            return true;
        if (c->in)
            leave_file(c);
    }
    return false;
}

struct chunks *chunks_open(struct store *s, int64_t flow, int64_t n)
{
    struct chunks *c = calloc(1, sizeof *c);
    if (c) {
        *c = (struct chunks){.s = s, .flow = flow, .n = n};
        if (store_first_of_flow(s, flow, &c->file) == 0) {
            (void)find_file(c);
            return c;
        }
    }
    free(c);
    cli_damage("out of memory: a conversation is not whole");
    return NULL;
}

void chunks_close(struct chunks *c)
{
    if (!c)
        return;
    leave_file(c);
    free(c);
}

// 1: it is there; 0: it cannot be read, which was told.
static int fetch(struct chunks *c, struct chunk *out)
{
    const struct store_query *q = c->list;
    store_rewind(c->bytes);
    int e = store_bind_int(c->bytes, 1, store_int(q, 0));
    e = e ? e : store_step(c->bytes);
    if (e < 0)
        cli_damage("%s", store_why(c->in));
    if (e != 1)
        return 0;
    *out = (struct chunk){.s2c = store_int(q, 1) != 0,
                          .first_us = store_int(q, 2),
                          .last_us = store_int(q, 3),
                          .at = store_int(q, 4),
                          .bytes = store_bytes(c->bytes, 0)};
    c->found++;
    return 1;
}

bool chunks_next(struct chunks *c, struct chunk *out)
{
    while (c->in) {
        int e = store_step(c->list);
        if (e == 1 && fetch(c, out))
            return true;
        if (e == 1)
            continue;
        if (e < 0)
            cli_damage("%s", store_why(c->in));
        bool last = c->in == c->s;
        leave_file(c);
        c->file++;
        if (!last)
            (void)find_file(c);
    }
    return false;
}

int64_t chunks_missing(const struct chunks *c)
{
    struct store_query *q = NULL;
    int64_t sum = 0;
    int e =
        store_query(c->s, "SELECT req_parts + res_parts FROM txn WHERE flow = ?1 AND n = ?2", &q);
    e = e ? e : store_bind_int(q, 1, c->flow);
    e = e ? e : store_bind_int(q, 2, c->n);
    if (!e && store_step(q) == 1)
        sum = store_int(q, 0);
    store_query_free(q);
    return sum - c->found;
}

int chunks_each(struct store *s, int64_t flow, int64_t n, int64_t *missing,
                int (*take)(void *arg, const struct chunk *c), void *arg)
{
    struct chunks *c = chunks_open(s, flow, n);
    struct chunk one;
    int taken = c ? 0 : E_NOMEM;
    while (taken == 0 && chunks_next(c, &one))
        taken = take(arg, &one);
    *missing = taken ? 0 : chunks_missing(c);
    chunks_close(c);
    return taken;
}
