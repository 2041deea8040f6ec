// http_exchange: one request and its answer.
//
//   request:  head_left → body → over ──────────────────────┐
//   answer:   HEAD (1xx …) → BODY → OVER ───────────────────┴→ PASS_DONE, or PASS_CLOSE when one
//               └─ 101 → PASS_TUNNEL                           side does not persist
//
// 1. The two go on side by side; the answer may be over first.
// 2. A server's head passes only when it is whole, so that a broken one can be answered 502. One
//    with faults that leave its framing certain passes, and the connections close behind it: the
//    client may read it otherwise.
// 3. PASS_DONE is said only when no byte is left of what the server sent: the next exchange must
//    not take it for its answer.
#include "proxy/front/http_exchange.h"

#define AMBIGUOUS (HTTP_BAD_LENGTH | HTTP_TWO_LENGTHS | HTTP_LENGTH_AND_TE | HTTP_BAD_TE)

void http_exchange_begin(struct http_exchange *x, const struct http_head *request, size_t head_left,
                         size_t head_max)
{
    *x = (struct http_exchange){
        .head_max = head_max,
        .is_head = view_eq(request->method, VIEW_LIT("HEAD")),
        .keeps = !request->close && (request->minor > 0 || request->keep_alive),
        .minor = request->minor,
        .head_left = head_left,
    };
    http_body_begin(&x->request, http_request_framing(request), request->length);
}

bool http_exchange_request_over(const struct http_exchange *x)
{
    return x->head_left == 0 && http_body_end(&x->request);
}

static enum front_pass over(const struct http_exchange *x)
{
    return x->persists ? PASS_DONE : PASS_CLOSE;
}

static enum front_pass broken(struct http_exchange *x, enum dir dir, const char *why)
{
    x->broken = dir;
    x->why = why;
    return PASS_BAD;
}

// Passes body bytes from in.p[*n] on. HTTP_BODY_MORE, _DONE or _BAD.
static enum http_body_step pass_body(struct http_body *b, struct view in, size_t *n)
{
    enum http_body_step step;
    do {
        struct view content;
        size_t used;
        step = http_body_step(b, view_from(in, *n), &content, &used);
        *n += used;
    } while (step == HTTP_BODY_CONTENT || step == HTTP_BODY_TRAILER);
    return step;
}

static enum front_pass pass_request(struct http_exchange *x, struct view in, size_t *n)
{
    if (http_exchange_request_over(x))
        return PASS_MORE;
    *n = in.n < x->head_left ? in.n : x->head_left;
    x->head_left -= *n;
    if (x->head_left > 0)
        return PASS_MORE;
    enum http_body_step step = pass_body(&x->request, in, n);
    if (step == HTTP_BODY_BAD)
        return broken(x, C2S, "broken chunked framing of the body");
    return step == HTTP_BODY_DONE && x->at == ANSWER_OVER ? over(x) : PASS_MORE;
}

static void answer_begin(struct http_exchange *x, const struct http_head *h,
                         enum http_framing framing)
{
    struct http_head request;
    request.close = !x->keeps;
    request.keep_alive = x->keeps;
    request.minor = x->minor;
    x->persists = http_persistent(&request, h) && framing != HTTP_UNTIL_CLOSE;
    http_body_begin(&x->answer, framing, h->length);
    x->at = ANSWER_BODY;
}

// Passes one head from in.p[*n] on. PASS_MORE: *n moved behind it (an interim answer, or the answer
// itself and x->at moved on), or it is not whole yet and *n stands.
static enum front_pass pass_head(struct http_exchange *x, struct view in, size_t *n)
{
    struct http_head h;
    size_t size;
    struct view rest = view_head(view_from(in, *n), x->head_max);
    int e = http_head_parse(rest, x->seen, false, &h, &size);
    x->seen = e == E_AGAIN ? rest.n : 0;
    if (e == E_AGAIN)
        return rest.n < x->head_max ? PASS_MORE : broken(x, S2C, "its head is too long");
    if (e)
        return broken(x, S2C, "it is no HTTP/1 answer");

    struct view method = x->is_head ? VIEW_LIT("HEAD") : VIEW_LIT("GET");
    enum http_framing framing = http_response_framing(&h, method);
    if ((h.faults & AMBIGUOUS) && framing != HTTP_NO_BODY)
        return broken(x, S2C, http_fault_text(h.faults & AMBIGUOUS));
    *n += size;
    if (h.faults)
        x->keeps = false;
    if (h.status == 101) {
        x->at = ANSWER_OVER;
        return PASS_TUNNEL;
    }
    if (h.status >= 200)
        answer_begin(x, &h, framing);
    return PASS_MORE;
}

static enum front_pass pass_answer(struct http_exchange *x, struct view in, size_t *n)
{
    while (x->at == ANSWER_HEAD) {
        size_t before = *n;
        enum front_pass verdict = *n < in.n ? pass_head(x, in, n) : PASS_MORE;
        if (verdict != PASS_MORE || *n == before)
            return verdict;
    }
    if (x->at == ANSWER_BODY) {
        enum http_body_step step = pass_body(&x->answer, in, n);
        if (step == HTTP_BODY_BAD)
            return broken(x, S2C, "broken chunked framing");
        if (step == HTTP_BODY_MORE)
            return PASS_MORE;
        x->at = ANSWER_OVER;
    }
    if (*n < in.n)
        return PASS_CLOSE;
    return http_exchange_request_over(x) ? over(x) : PASS_MORE;
}

enum front_pass http_exchange_pass(struct http_exchange *x, enum dir dir, struct view in, size_t *n)
{
    *n = 0;
    return dir == C2S ? pass_request(x, in, n) : pass_answer(x, in, n);
}

bool http_exchange_server_end(const struct http_exchange *x)
{
    return x->at == ANSWER_OVER || (x->at == ANSWER_BODY && http_body_end(&x->answer));
}
