// plan_order: flows by their time, items by flow and number, all items by time; what flows are now
// known to be decides whether they can be sent at all.
#include "tools/cli.h"
#include "tools/replay/plan_in.h"

#include <stdlib.h>

static int by_number(const void *a, const void *b)
{
    const struct plan_item *x = a, *y = b;
    if (x->flow != y->flow)
        return x->flow < y->flow ? -1 : 1;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_start(const void *a, const void *b, void *arg)
{
    const struct plan_item *items = arg;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    if (items[i].start_us != items[k].start_us)
        return items[i].start_us < items[k].start_us ? -1 : 1;
    return i < k ? -1 : i > k; // the order by flow and number
}

static int by_opened(const void *a, const void *b, void *arg)
{
    const struct plan_flow *flows = arg;
    const struct plan_flow *x = &flows[*(const uint32_t *)a], *y = &flows[*(const uint32_t *)b];
    if (x->opened_us != y->opened_us)
        return x->opened_us < y->opened_us ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

// Items of the direction that is wanted, the others counted.
static void choose_direction(struct plan *p, enum plan_direction wanted)
{
    size_t kept = 0;
    for (size_t i = 0; wanted == PLAN_EITHER && i < p->n; i++)
        if (p->flows[p->items[i].flow].inbound)
            wanted = PLAN_INBOUND;
    for (size_t i = 0; i < p->n; i++) {
        bool inbound = p->flows[p->items[i].flow].inbound;
        if (wanted == PLAN_EITHER || inbound == (wanted == PLAN_INBOUND))
            p->items[kept++] = p->items[i];
        else
            p->left[LEFT_DIRECTION]++;
    }
    p->n = kept;
}

// first and count of each flow, whose items stand together; flows without any stay empty.
static void find_items(struct plan *p)
{
    for (size_t i = 0; i < p->n_flows; i++)
        p->flows[i].count = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct plan_flow *f = &p->flows[p->items[i].flow];
        if (f->count++ == 0)
            f->first = (uint32_t)i;
    }
}

// TLS that was opened: from the connection's beginning, or its items are left out.
static int secure_flows(struct plan *p, const int64_t *tls_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n_flows; i++) {
        struct plan_flow *f = &p->flows[i];
        int64_t tls = tls_us[i];
        if (tls == 0 || f->count == 0)
            continue;
        const struct plan_item *first = &p->items[f->first];
        if (first->kind == PLAN_RAW && first->start_us < tls) {
            f->service = PLAN_NONE;
            continue;
        }
        const struct plan_service *plain = &p->services[f->service];
        struct view sni = view_of(plain->sni);
        uint32_t service =
            plan_service_of(p, view_of(plain->name), view_of(plain->requested), true);
        if (service == PLAN_NONE)
            return CLI_FAILED;
        f->service = service;
        if (!*p->services[service].sni && sni.n > 0) {
            char *text = strndup(sni.p, sni.n);
            if (!text)
                return plan_nomem();
            free(p->services[service].sni);
            p->services[service].sni = text;
        }
    }
    for (size_t i = 0; i < p->n; i++)
        if (p->flows[p->items[i].flow].service != PLAN_NONE)
            p->items[kept++] = p->items[i];
        else
            p->left[LEFT_TLS]++;
    p->n = kept;
    return CLI_OK;
}

// Times within a flow do not go back, and a flow spans its items.
static void settle_times(struct plan *p)
{
    for (size_t i = 0; i < p->n_flows; i++) {
        struct plan_flow *f = &p->flows[i];
        int64_t before = INT64_MIN;
        for (size_t k = f->first; k < (size_t)f->first + f->count; k++) {
            struct plan_item *t = &p->items[k];
            t->start_us = t->start_us > before ? t->start_us : before;
            t->sent_us = t->sent_us > t->start_us ? t->sent_us : t->start_us;
            t->end_us = t->end_us > t->sent_us ? t->end_us : t->sent_us;
            before = t->start_us;
            f->closed_us = f->closed_us > t->end_us ? f->closed_us : t->end_us;
        }
        if (f->count > 0 && (f->opened_us == 0 || f->opened_us > p->items[f->first].start_us))
            f->opened_us = p->items[f->first].start_us;
    }
}

// Flows without items go; the others by their time.
static int sort_flows(struct plan *p)
{
    size_t kept = 0;
    uint32_t *order = calloc(p->n_flows + 1, sizeof *order);
    uint32_t *rank = calloc(p->n_flows + 1, sizeof *rank);
    struct plan_flow *flows = calloc(p->n_flows + 1, sizeof *flows);
    for (size_t i = 0; order && i < p->n_flows; i++)
        if (p->flows[i].count > 0)
            order[kept++] = (uint32_t)i;
    if (order && rank && flows) {
        qsort_r(order, kept, sizeof *order, by_opened, p->flows);
        for (size_t i = 0; i < kept; i++) {
            flows[i] = p->flows[order[i]];
            rank[order[i]] = (uint32_t)i;
        }
        for (size_t i = 0; i < p->n; i++)
            p->items[i].flow = rank[p->items[i].flow];
        free(p->flows);
        p->flows = flows;
        p->n_flows = kept;
        flows = NULL;
    }
    bool ok = order && rank;
    free(order);
    free(rank);
    ok = ok && !flows;
    free(flows);
    return ok ? CLI_OK : plan_nomem();
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void shift_times(struct plan *p)
{
    int64_t zero = INT64_MAX;
    for (size_t i = 0; i < p->n_flows; i++)
        zero = earlier(zero, p->flows[i].opened_us);
    p->length_us = 0;
    for (size_t i = 0; i < p->n_services; i++)
        p->services[i].items = 0;
    for (size_t i = 0; i < p->n_flows; i++) {
        p->flows[i].opened_us -= zero;
        p->flows[i].closed_us -= zero;
        p->services[p->flows[i].service].items += p->flows[i].count;
    }
    for (size_t i = 0; i < p->n; i++) {
        p->items[i].start_us -= zero;
        p->items[i].sent_us -= zero;
        p->items[i].end_us -= zero;
        if (p->items[i].end_us > p->length_us)
            p->length_us = p->items[i].end_us;
    }
    p->started_us += zero;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

// How many flows were open at once.
static int find_peak(struct plan *p)
{
    int64_t *ends = calloc(p->n_flows + 1, sizeof *ends);
    if (!ends)
        return plan_nomem();
    p->peak = 0;
    for (size_t i = 0; i < p->n_flows; i++)
        ends[i] = p->flows[i].closed_us;
    qsort(ends, p->n_flows, sizeof *ends, by_time);
    for (size_t i = 0, ended = 0; i < p->n_flows; i++) {
        while (ends[ended] < p->flows[i].opened_us)
            ended++;
        if (i + 1 - ended > p->peak)
            p->peak = (uint32_t)(i + 1 - ended);
    }
    free(ends);
    return CLI_OK;
}

// Flows, items and order, of the items that are there.
static int arrange(struct plan *p)
{
    int code = sort_flows(p);
    if (code || p->n == 0)
        return code;
    qsort(p->items, p->n, sizeof *p->items, by_number);
    find_items(p);
    shift_times(p);
    code = find_peak(p);
    free(p->order);
    p->order = code ? NULL : calloc(p->n, sizeof *p->order);
    if (!p->order)
        return code ? code : plan_nomem();
    for (size_t i = 0; i < p->n; i++)
        p->order[i] = (uint32_t)i;
    qsort_r(p->order, p->n, sizeof *p->order, by_start, p->items);
    return CLI_OK;
}

int plan_put_in_order(struct plan *p, const int64_t *tls_us, enum plan_direction direction)
{
    choose_direction(p, direction);
    if (p->n > 0)
        qsort(p->items, p->n, sizeof *p->items, by_number);
    find_items(p);
    int code = secure_flows(p, tls_us);
    if (code)
        return code;
    find_items(p);
    settle_times(p);
    return arrange(p);
}

int plan_leave(struct plan *p, const bool *left)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++)
        if (!left[p->flows[p->items[i].flow].service])
            p->items[kept++] = p->items[i];
    if (kept == p->n)
        return CLI_OK;
    p->n = kept;
    find_items(p);
    return arrange(p);
}
