// A recorded head made for another target: whatever it is, all but Host and the request's target
// stays as it is.
//
// Input: a byte that says what is wanted; the head.
#include "proxy/http/head.h"
#include "tools/replay/request.h"
#include "tools/replay/schedule.h"

#include <stdlib.h>

#define HEAD_MAX (64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok)
        abort();
}

// Headers but Host are the same, in their order.
static void same_headers(const struct http_head *a, const struct http_head *b, bool keep)
{
    need(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        need(view_eq(a->headers[i].name, b->headers[i].name));
        bool host = view_ieq(a->headers[i].name, VIEW_LIT("host"));
        need(
            view_eq(b->headers[i].value, host && !keep ? VIEW_LIT("new:81") : a->headers[i].value));
    }
}

static void schedules(struct view text)
{
    char why[WHY_MAX];
    struct schedule s;
    int64_t before = -1;
    (void)!schedule_speed(&s, text, why);
    if (schedule_rate(&s, text, why) && schedule_stages(&s, text, why))
        return;
    uint64_t n = schedule_count(&s);
    for (uint64_t k = 0; k < n && k < 100; k++) {
        int64_t at = schedule_at(&s, k);
        need(at >= before && at != SCHEDULE_END);
        before = at;
    }
    need(n == UINT64_MAX || schedule_at(&s, n) == SCHEDULE_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_head a, b;
    struct buf out;
    size_t used;
    if (size == 0 || size > HEAD_MAX)
        return 0;
    bool keep = data[0] & 1;
    const char *prefix = data[0] & 2 ? "/v2" : "";
    struct view head = view_n(data + 1, size - 1);
    schedules(head);
    buf_init(&out, 2 * HEAD_MAX * 8);
    need(request_head(head, keep ? NULL : "new:81", prefix, &out) == 0);
    if (keep && !*prefix)
        need(view_eq(buf_view(&out), head));
    // Where it is one head and nothing but that, it stays one.
    if (http_head_parse(head, 0, true, &a, &used) == 0 && used == head.n && a.method.p == head.p &&
        !(a.faults & ~(unsigned)(HTTP_BAD_HOST | HTTP_LENGTH_AND_TE | HTTP_TWO_LENGTHS))) {
        need(http_head_parse(buf_view(&out), 0, true, &b, &used) == 0 && used == buf_len(&out));
        need(view_eq(a.method, b.method) && a.minor == b.minor);
        same_headers(&a, &b, keep);
    }
    buf_clear(&out);
    return 0;
}
