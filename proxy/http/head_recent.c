#include "proxy/http/head_recent.h"

#include <stddef.h>

// A head without its headers; they stand last but for what they say together.
struct recent {
    const char *at;
    size_t n; // 0: none
    struct http_head head;
    char bytes[HEAD_RECENT_BYTES];
};

static _Thread_local struct recent recents[2]; // answers', requests'

static void copy(struct http_head *to, const struct http_head *from)
{
    memcpy(to, from, offsetof(struct http_head, headers));
    memcpy(to->headers, from->headers, from->count * sizeof from->headers[0]);
    memcpy(&to->faults, &from->faults, sizeof *to - offsetof(struct http_head, faults));
}

bool head_recent_take(struct view in, bool request, struct http_head *out, size_t *used)
{
    const struct recent *r = &recents[request];
    if (r->n == 0 || in.p != r->at || in.n < r->n || memcmp(in.p, r->bytes, r->n) != 0)
        return false;
    copy(out, &r->head);
    *used = r->n;
    return true;
}

void head_recent_put(const char *p, size_t n, const struct http_head *h)
{
    struct recent *r = &recents[h->is_request];
    if (n > sizeof r->bytes || h->count > HEAD_RECENT_HEADERS)
        return;
    r->at = p;
    r->n = n;
    memcpy(r->bytes, p, n);
    copy(&r->head, h);
}
