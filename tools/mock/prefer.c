// prefer: see prefer.h.
#include "tools/mock/prefer.h"

#include "tools/mock/reason.h"

#include <stdlib.h>
#include <string.h>

static bool says(struct view v, const char *name, struct view *value)
{
    size_t n = strlen(name);
    if (v.n <= n || !view_ieq(view_head(v, n), view_of(name)))
        return false;
    *value = view_trim(view_from(v, n));
    return true;
}

static bool number(struct view v, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9' || *out > INT64_MAX / 16)
            return false;
        *out = *out * 10 + v.p[i] - '0';
    }
    return v.n > 0;
}

// "1.42", as ls prints it, or the number itself.
static bool id_of(struct view v, int64_t *out)
{
    int64_t stream, seq;
    size_t dot = view_find(v, '.');
    if (dot == v.n)
        return number(v, out);
    if (!number(view_head(v, dot), &stream) || !number(view_from(v, dot + 1), &seq))
        return false;
    *out = store_key(stream, (uint64_t)seq);
    return true;
}

// Of those like it, one with that status.
static uint32_t with_status(struct end *e, uint32_t like, unsigned status)
{
    const struct index *ix = e->tape->mock->index;
    const struct index_entry *it = index_entry(ix, like);
    const struct index_endpoint *endpoint = index_endpoint(ix, it->endpoint);
    uint32_t looked = 0;
    struct recorded its;
    for (uint32_t k = 0; endpoint && k < endpoint->n && looked < PREFER_LOOKS_MAX; k++) {
        uint32_t number = index_endpoint_entry(ix, it->endpoint, k);
        const struct index_entry *other = index_entry(ix, number);
        if (other->path != it->path || other->query != it->query)
            continue;
        looked++;
        if (recorded_row(e->tape->rows, other->file, other->id, &its) &&
            its.row.half[1].status == (int64_t)status)
            return number;
    }
    return INDEX_NONE;
}

static void make(struct ask *a, unsigned status)
{
    a->kind = ASK_OWN;
    buf_reset(&a->own);
    if (buf_printf(&a->own, "HTTP/1.1 %u %s\r\n%sTapedeck-Made: status\r\n\r\n", status,
                   reason_of(status),
                   status == 204 || status == 304 ? "" : "Content-Length: 0\r\n"))
        buf_clear(&a->own);
    a->own_head = buf_len(&a->own);
}

static bool take_status(struct end *e, struct ask *a, const struct match_request *r,
                        unsigned status)
{
    struct tape *t = e->tape;
    struct match_found found;
    int n = match_take(t->match, r, &e->match, &found);
    if (n < 0)
        return false;
    uint32_t entry = n == 1 ? with_status(e, found.entry, status) : INDEX_NONE;
    if (entry == INDEX_NONE) {
        make(a, status);
        return true;
    }
    if (entry != found.entry)
        match_take_this(t->match, entry, &e->match);
    a->kind = ASK_HIT;
    a->entry = entry;
    return true;
}

bool prefer_take(struct end *e, struct ask *a, const struct match_request *r)
{
    struct view v = e->heard.prefer, value;
    int64_t n;
    if (says(v, "status=", &value) && number(value, &n) && n >= 200 && n <= 599)
        return take_status(e, a, r, (unsigned)n);
    if (!says(v, "original=", &value) || !id_of(value, &n))
        return false;
    uint32_t entry = index_find_id(e->tape->mock->index, n);
    if (entry == INDEX_NONE)
        return false;
    match_take_this(e->tape->match, entry, &e->match);
    a->kind = ASK_HIT;
    a->entry = entry;
    return true;
}
