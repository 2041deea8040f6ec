// plan: read in one pass over the transactions of each file and one over its flows; flows are found
// by their key in a hash table while that lasts.
//
//   seen[hash] → flow → service          then flows sorted by time, items by flow and number
#include "tools/replay/plan_in.h"

#include "proto/base/fnv.h"
#include "tools/cli.h"

#include <stdio.h>
#include <stdlib.h>

const char *const plan_left_texts[LEFTS] = {
    [LEFT_TLS] = "of TLS that was not opened, or began within its connection",
    [LEFT_NO_REQUEST] = "answers that no request was recorded for",
    [LEFT_BY_PROXY] = "that the proxy itself answered",
    [LEFT_PROTOCOL] = "of protocols that cannot be sent again",
    [LEFT_DIRECTION] = "of the other direction (--direction)",
};

struct seen {
    int64_t id;
    uint32_t capture; // of several in a folder
};

struct loading {
    struct plan *p;
    const struct capture *c;
    const struct filter *f;
    uint32_t capture;  // at hand
    struct seen *seen; // by flow
    int64_t *tls_us;   // by flow
    uint32_t *table;   // of seen, by hash; PLAN_NONE: empty
    size_t table_size, flows_room, items_room;
};

int plan_nomem(void)
{
    cli_error("out of memory");
    return CLI_FAILED;
}

// ---- services

static bool same(const char *text, struct view v)
{
    return strlen(text) == v.n && (v.n == 0 || memcmp(text, v.p, v.n) == 0);
}

static char *copy(struct view v)
{
    return strndup(v.n ? v.p : "", v.n);
}

uint32_t plan_service_of(struct plan *p, struct view name, struct view requested, bool secure)
{
    for (size_t i = 0; i < p->n_services; i++)
        if (p->services[i].secure == secure && same(p->services[i].name, name))
            return (uint32_t)i;
    if (p->n_services == PLAN_SERVICES_MAX) {
        cli_error("more than %d destinations: a filter takes fewer", PLAN_SERVICES_MAX);
        return PLAN_NONE;
    }
    struct plan_service *more = realloc(p->services, (p->n_services + 1) * sizeof *more);
    if (!more) {
        plan_nomem();
        return PLAN_NONE;
    }
    p->services = more;
    struct plan_service *s = &p->services[p->n_services];
    *s = (struct plan_service){
        .secure = secure, .name = copy(name), .requested = copy(requested), .sni = strdup("")};
    p->n_services++;
    if (s->name && s->requested && s->sni)
        return (uint32_t)(p->n_services - 1);
    plan_nomem();
    return PLAN_NONE;
}

// ---- flows

static size_t slot_of(const struct loading *l, uint32_t capture, int64_t id)
{
    uint64_t h = fnv_more(fnv_more(FNV_START, &id, sizeof id), &capture, sizeof capture);
    size_t i = (size_t)(h ^ h >> 29) & (l->table_size - 1);
    while (l->table[i] != PLAN_NONE &&
           (l->seen[l->table[i]].id != id || l->seen[l->table[i]].capture != capture))
        i = (i + 1) & (l->table_size - 1);
    return i;
}

static int grow_table(struct loading *l)
{
    size_t size = l->table_size ? 2 * l->table_size : 1024;
    uint32_t *table = malloc(size * sizeof *table);
    if (!table)
        return E_NOMEM;
    memset(table, 0xff, size * sizeof *table);
    free(l->table);
    l->table = table;
    l->table_size = size;
    for (size_t i = 0; i < l->p->n_flows; i++)
        table[slot_of(l, l->seen[i].capture, l->seen[i].id)] = (uint32_t)i;
    return 0;
}

static int add_flow(struct loading *l, int64_t id)
{
    struct plan *p = l->p;
    if (p->n_flows == l->flows_room) {
        size_t room = l->flows_room ? 2 * l->flows_room : 256;
        struct plan_flow *flows = realloc(p->flows, room * sizeof *flows);
        p->flows = flows ? flows : p->flows;
        struct seen *seen = flows ? realloc(l->seen, room * sizeof *seen) : NULL;
        l->seen = seen ? seen : l->seen;
        int64_t *tls_us = seen ? realloc(l->tls_us, room * sizeof *tls_us) : NULL;
        l->tls_us = tls_us ? tls_us : l->tls_us;
        if (!tls_us)
            return E_NOMEM;
        l->flows_room = room;
    }
    if (2 * (p->n_flows + 1) > l->table_size && grow_table(l))
        return E_NOMEM;
    uint32_t i = (uint32_t)p->n_flows;
    l->seen[i] = (struct seen){.id = id, .capture = l->capture};
    l->tls_us[i] = 0;
    p->flows[i] = (struct plan_flow){.id = id, .service = PLAN_NONE};
    l->table[slot_of(l, l->capture, id)] = i;
    p->n_flows++;
    return 0;
}

// PLAN_NONE: not one of the plan's.
static uint32_t find_flow(const struct loading *l, int64_t id)
{
    return l->table_size ? l->table[slot_of(l, l->capture, id)] : PLAN_NONE;
}

// ---- items

enum {
    ID,
    PROTOCOL,
    DIRECTION,
    TARGET,
    REQUESTED,
    CLIENT,
    FLOW,
    N,
    BY_PROXY,
    START,
    REQ_END,
    RES_START,
    END
};
static const char items_sql[] =
    "SELECT h.id, h.protocol, h.direction, h.target, h.requested, h.client, h.flow, h.n,"
    " h.by_proxy, h.start_us, h.req_end_us, h.res_start_us, h.end_us FROM http AS h WHERE ";

static uint32_t client_of(struct view address)
{
    size_t n = address.n;
    while (n > 0 && address.p[n - 1] != ':')
        n--;
    return fnv_fold(fnv_more(FNV_START, address.p, n));
}

static bool is_left(struct plan *p, const struct store_query *q, uint8_t *kind)
{
    struct view protocol = store_bytes(q, PROTOCOL);
    enum plan_left why = LEFTS;
    *kind = PLAN_HTTP;
    if (view_eq(protocol, VIEW_LIT("raw")))
        *kind = PLAN_RAW;
    else if (view_eq(protocol, VIEW_LIT("tls")))
        why = LEFT_TLS;
    else if (!view_eq(protocol, VIEW_LIT("http")))
        why = LEFT_PROTOCOL;
    else if (store_column_type(q, REQ_END) == STORE_NULL)
        why = LEFT_NO_REQUEST;
    else if (store_int(q, BY_PROXY))
        why = LEFT_BY_PROXY;
    if (why == LEFTS)
        return false;
    p->left[why]++;
    return true;
}

static int add_item(struct loading *l, const struct store_query *q, size_t file)
{
    struct plan *p = l->p;
    uint8_t kind;
    if (is_left(p, q, &kind))
        return CLI_OK;
    uint32_t flow = find_flow(l, store_int(q, FLOW));
    if (flow == PLAN_NONE) {
        if (add_flow(l, store_int(q, FLOW)))
            return plan_nomem();
        flow = (uint32_t)(p->n_flows - 1);
        struct plan_flow *f = &p->flows[flow];
        f->service = plan_service_of(p, store_bytes(q, TARGET), store_bytes(q, REQUESTED), false);
        if (f->service == PLAN_NONE)
            return CLI_FAILED;
        f->client = client_of(store_bytes(q, CLIENT));
        f->inbound = view_eq(store_bytes(q, DIRECTION), VIEW_LIT("inbound"));
    }
    if (p->n == PLAN_ITEMS_MAX) {
        cli_error("more than %d transactions: a filter takes fewer", PLAN_ITEMS_MAX);
        return CLI_FAILED;
    }
    if (p->n == l->items_room) {
        size_t room = l->items_room ? 2 * l->items_room : 1024;
        struct plan_item *more = realloc(p->items, room * sizeof *more);
        if (!more)
            return plan_nomem();
        p->items = more;
        l->items_room = room;
    }
    int64_t start = store_int(q, START), end = store_int(q, END);
    bool asked = store_column_type(q, REQ_END) != STORE_NULL;
    p->items[p->n++] = (struct plan_item){
        .id = store_int(q, ID),
        .start_us = start,
        .end_us = end > start ? end : start,
        .sent_us = asked ? store_int(q, REQ_END) : start,
        .flow = flow,
        .n = (uint32_t)store_int(q, N),
        .file = (uint32_t)file,
        .kind = kind,
        .answered = store_column_type(q, RES_START) != STORE_NULL,
    };
    return CLI_OK;
}

// 0, 1 for an error that was told, or an error of the store.
static int read_items(struct loading *l, struct store *s, size_t file)
{
    struct store_query *q = NULL;
    struct buf sql;
    int failed = 0;
    buf_init(&sql, 64 * 1024);
    int e = buf_add(&sql, items_sql, sizeof items_sql - 1);
    e = e ? e : store_filter_clause(l->f, &sql, 1);
    e = e ? e : buf_add(&sql, "", 1);
    e = e ? e : store_query(s, buf_view(&sql).p, &q);
    e = e ? e : store_filter_bind(q, l->f, 1);
    while (!e && !failed && (e = store_step(q)) == 1) {
        failed = add_item(l, q, file);
        e = 0;
    }
    store_query_free(q);
    buf_clear(&sql);
    return failed ? failed : e;
}

// ---- what is known of flows

typedef void flow_row(struct loading *l, uint32_t flow, const struct store_query *q);

static void take_begin(struct loading *l, uint32_t flow, const struct store_query *q)
{
    l->p->flows[flow].opened_us = store_int(q, 1);
}

static void take_end(struct loading *l, uint32_t flow, const struct store_query *q)
{
    l->p->flows[flow].closed_us = store_int(q, 1);
}

static void take_tls(struct loading *l, uint32_t flow, const struct store_query *q)
{
    struct plan_service *s = &l->p->services[l->p->flows[flow].service];
    l->tls_us[flow] = store_int(q, 1);
    if (*s->sni || store_bytes(q, 2).n == 0)
        return;
    char *sni = copy(store_bytes(q, 2));
    if (!sni)
        return;
    free(s->sni);
    s->sni = sni;
}

static int each_flow(struct loading *l, struct store *s, const char *sql, flow_row *take)
{
    struct store_query *q = NULL;
    int e = store_query(s, sql, &q);
    while (!e && (e = store_step(q)) == 1) {
        uint32_t flow = find_flow(l, store_int(q, 0));
        if (flow != PLAN_NONE)
            take(l, flow, q);
        e = 0;
    }
    store_query_free(q);
    return e;
}

static int read_file(struct loading *l, size_t i)
{
    struct store *s = capture_open_file(l->c, i);
    if (!s)
        return CLI_OK;
    if (i > 0 && !capture_follows(l->c, i))
        l->capture++;
    int e = read_items(l, s, i);
    e = e ? e : each_flow(l, s, "SELECT id, at_us FROM flow", take_begin);
    e = e ? e : each_flow(l, s, "SELECT flow, at_us FROM flow_end", take_end);
    e = e ? e
          : each_flow(l, s,
                      "SELECT flow, at_us, sni FROM tls WHERE mode = 'intercepted' OR mode ="
                      " 'terminated'",
                      take_tls);
    if (e < 0)
        cli_damage("%s", store_why(s));
    store_close(s);
    return e > 0 ? e : CLI_OK;
}

static int none(const struct plan *p)
{
    cli_error("there is nothing to send");
    for (int i = 0; i < LEFTS; i++)
        if (p->left[i])
            fprintf(stderr, "(left out: %llu %s)\n", (unsigned long long)p->left[i],
                    plan_left_texts[i]);
    return CLI_FAILED;
}

int plan_load(struct plan *p, const struct capture *c, const struct filter *f,
              enum plan_direction direction)
{
    struct loading l = {.p = p, .c = c, .f = f};
    int code = CLI_OK;
    *p = (struct plan){0};
    for (size_t i = 0; i < c->n && !code; i++)
        code = read_file(&l, i);
    code = code ? code : plan_put_in_order(p, l.tls_us, direction);
    free(l.seen);
    free(l.tls_us);
    free(l.table);
    if (!code && p->n == 0)
        code = cli_result() == CLI_OK ? none(p) : CLI_FAILED;
    return code;
}

void plan_clear(struct plan *p)
{
    for (size_t i = 0; i < p->n_services; i++) {
        free(p->services[i].name);
        free(p->services[i].requested);
        free(p->services[i].sni);
    }
    free(p->services);
    free(p->flows);
    free(p->items);
    free(p->order);
    *p = (struct plan){0};
}
