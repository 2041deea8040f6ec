// recorded: a load for each capture.
#include "tools/mock/recorded.h"

#include "tools/cli.h"

#include <stdlib.h>

struct recorded_reader {
    const struct index *ix;
    struct load *loads; // by capture
    size_t count;
};

struct recorded_reader *recorded_new(const struct index *ix, const struct capture *captures,
                                     size_t count)
{
    struct recorded_reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->ix = ix;
    r->loads = calloc(count + 1, sizeof *r->loads);
    bool whole = r->loads != NULL;
    for (; whole && r->count < count; r->count++)
        whole = load_init(&r->loads[r->count], &captures[r->count], 0) == CLI_OK;
    if (whole)
        return r;
    recorded_free(r);
    return NULL;
}

void recorded_free(struct recorded_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++)
        load_clear(&r->loads[i]);
    free(r->loads);
    free(r);
}

static struct load *load_of(struct recorded_reader *r, uint32_t file, size_t *at)
{
    size_t capture;
    index_file(r->ix, file, &capture, at);
    return &r->loads[capture];
}

static void look(struct recorded *out)
{
    const struct load_row *row = &out->row;
    int64_t asked = row->req_end_us, wait = row->res_start_us - asked;
    out->http = view_eq(row->protocol, VIEW_LIT("http"));
    out->server_ended = !row->half[1].cut && (asked == 0 || asked >= row->end_us);
    out->wait_us = asked > 0 && wait > 0 ? wait : 0;
}

bool recorded_row(struct recorded_reader *r, uint32_t file, int64_t id, struct recorded *out)
{
    size_t at;
    struct load *l = load_of(r, file, &at);
    bool there = load_row(l, at, id, &out->row);
    if (there)
        look(out);
    return there;
}

bool recorded_behind(struct recorded_reader *r, uint32_t file, int64_t flow, int64_t n,
                     struct recorded *out)
{
    size_t at;
    struct load *l = load_of(r, file, &at);
    bool there = load_behind(l, at, flow, n, &out->row);
    if (there)
        look(out);
    return there;
}

bool recorded_reset(struct recorded_reader *r, uint32_t file, int64_t flow)
{
    size_t at;
    struct load_flow f;
    struct load *l = load_of(r, file, &at);
    return load_flow(l, at, flow, &f) && view_eq(f.reason, VIEW_LIT("server-reset"));
}
