// head_recent: see head_recent.h.
//
// 1. bytes are the n bytes that stood at `at` when they were parsed to head. head's views lead to
//    `at`, whose memory is somebody else's: so they are worth something only where the same bytes
//    stand at the same place again, which is looked at each time.
// 2. What head says hangs on these bytes and on their kind alone. How much of them was judged
//    before (`from` of http_head_parse()) is not asked: it saves work, and never changes what is
//    said of a head that is all there. Nor is what stands behind it.
// 3. Only a head that was parsed without an error is put here.
// 4. Of the headers as many are copied as there are; the rest of that array is never looked at.
#include "proxy/http/head_recent.h"

#include <stddef.h>

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
