// http1: watches HTTP/1.0 and 1.1, any number of exchanges on a flow, pipelined or not.
//
//   C2S:  HEAD ─request head→ BODY ─its end→ HEAD …     a new transaction n at each request head
//   S2C:  HEAD ─answer head─→ BODY ─its end→ HEAD …     belongs to the oldest unanswered request
//          └ 1xx: interim
//
// 1. The unanswered requests are newest - pending + 1 … newest; each one's method is kept in two
//    bits, so the state is small however deep the pipeline is.
// 2. A transaction ends when both its halves have. Only the newest request can still be open while
//    its answer has ended ("early"). An answer that nobody asked for is a transaction of its own.
// 3. Bodies pass straight on. Only an unfinished head and an unfinished trailer section stay with
//    the tap, which offers them again; "scanned" and "kept" make that linear.
// 4. C2S bytes wait (stay unused) behind a request that may end HTTP here (CONNECT, Upgrade) until
//    it is answered, and behind PENDING_MAX unanswered requests.
// 5. Where the framing of a request is ambiguous, all that follows is its body and, once it is
//    answered, the flow is LOST; behind such an answer it is LOST at once. Other faults of a head
//    do not matter here: what passes is recorded, not judged.
//
// Elsewhere: the grammar (http/head.c, http/body.c), what is ambiguous (http1_doubt.c), what only
// looks like it (http1_alike.c).
#include "proxy/decode/http1_alike.h"
#include "proxy/decode/http1_doubt.h"
#include "proxy/emit/sink.h"
#include "proxy/http/body.h"
#include "proxy/http/target.h"

#include <ctype.h>
#include <stdio.h>

#define PENDING_MAX 256 // transactions under way: the emitter's EMIT_PENDING_MAX
#define METHOD_MAX  32  // characters of a method that is guessed to be one

enum { HEAD, BODY };

enum kind { KIND_OTHER, KIND_HEAD, KIND_CONNECT };

struct half {
    unsigned char phase; // HEAD, BODY
    uint32_t scanned;    // bytes of an unfinished head that were looked at
    uint32_t kept;       // bytes left unused that body has stepped over: the trailers so far
    uint32_t trailers;   // of these, the trailer section proper
    struct http_body body;
};

struct http1 {
    struct half half[2]; // by enum dir
    uint64_t newest;     // n of the newest request
    uint64_t answer;     // n of the answer in BODY
    unsigned pending;    // requests whose final answer has not ended
    unsigned doubts;     // faults that make the newest request's end uncertain
    bool early;          // the answer to the newest request ended before it did
    bool unasked;        // the answer in BODY belongs to no request
    bool blocked;        // the newest request may end HTTP here
    unsigned char kinds[PENDING_MAX / 4];
};

// Heads are parsed here: too large for each flow's state. What is needed of a head behind
// message_begin() is taken out before: a sink may come here again, for another flow.
static _Thread_local struct http_head scratch;

static void lost_note(struct decode_ctx *ctx, const char *what, const char *why)
{
    snprintf(ctx->note, sizeof ctx->note, "%s: %s", what, why);
}

static void kind_set(struct http1 *h, uint64_t n, enum kind kind)
{
    unsigned char *byte = &h->kinds[n % PENDING_MAX / 4];
    unsigned shift = (unsigned)(n % 4) * 2;
    *byte = (unsigned char)((*byte & ~(3U << shift)) | (unsigned)kind << shift);
}

static struct view method_of(const struct http1 *h, uint64_t n)
{
    switch (h->kinds[n % PENDING_MAX / 4] >> (n % 4 * 2) & 3) {
    case KIND_HEAD:
        return VIEW_LIT("HEAD");
    case KIND_CONNECT:
        return VIEW_LIT("CONNECT");
    default:
        return view_n(NULL, 0);
    }
}

static enum kind kind_of(struct view method)
{
    if (view_eq(method, VIEW_LIT("HEAD")))
        return KIND_HEAD;
    return view_eq(method, VIEW_LIT("CONNECT")) ? KIND_CONNECT : KIND_OTHER;
}

static void txn_end(struct decode_ctx *ctx, uint64_t n, const char *note)
{
    ctx->sink->ops->txn_end(ctx->sink, n, note);
}

static bool is_full(const struct http1 *h)
{
    return h->pending + h->unasked >= PENDING_MAX;
}

static void request_over(struct http1 *h, struct decode_ctx *ctx)
{
    if (h->early)
        txn_end(ctx, h->newest, "");
    h->early = false;
}

static void answer_over(struct http1 *h, struct decode_ctx *ctx)
{
    if (is_full(h))
        ctx->wake = true;
    if (h->unasked) {
        txn_end(ctx, h->answer, "");
        h->unasked = false;
        return;
    }
    h->pending--;
    if (h->blocked && h->answer == h->newest) {
        h->blocked = false;
        ctx->wake = true;
    }
    if (h->answer == h->newest && h->half[C2S].phase == BODY)
        h->early = true;
    else
        txn_end(ctx, h->answer, "");
}

// The message of that direction ends. wire: bytes of it that the sink has not been told of.
static void message_end(struct http1 *h, struct decode_ctx *ctx, enum dir dir, enum msg_end how,
                        struct view trailers, uint64_t wire)
{
    struct half *half = &h->half[dir];
    half->phase = HEAD;
    half->kept = half->trailers = 0;
    ctx->sink->ops->msg_end(ctx->sink, dir == C2S ? h->newest : h->answer, dir, how, trailers, wire,
                            ctx->now_us);
    if (dir == C2S)
        request_over(h, ctx);
    else
        answer_over(h, ctx);
}

static void body_bytes(struct http1 *h, struct decode_ctx *ctx, enum dir dir, struct view content,
                       size_t wire)
{
    if (wire > 0)
        ctx->sink->ops->msg_body(ctx->sink, dir == C2S ? h->newest : h->answer, dir, content, wire,
                                 ctx->now_us);
}

// Where the trailer section begins within bytes that were stepped over, from the state before them;
// in.n when it does not.
static size_t trailers_begin(struct http_body before, struct view in)
{
    struct view content;
    size_t n;
    if (http_body_step(&before, in, &content, &n) != HTTP_BODY_TRAILER)
        return in.n;
    return (size_t)(content.p - in.p);
}

// The body goes on behind in, or breaks: trailers stay unused, all else was told or is now.
static void body_pause(struct http1 *h, struct decode_ctx *ctx, enum dir dir, struct view in,
                       size_t told, size_t at, size_t *used)
{
    struct half *half = &h->half[dir];
    if (half->trailers) {
        half->kept = (uint32_t)(at - told);
        *used = told;
        return;
    }
    body_bytes(h, ctx, dir, view_n(in.p, 0), at - told);
    *used = at;
}

// The message is over when the phase is HEAD again.
static enum decode_verdict body_feed(struct http1 *h, struct decode_ctx *ctx, enum dir dir,
                                     struct view in, size_t *used)
{
    struct half *half = &h->half[dir];
    struct view content;
    size_t told = 0, at = half->kept, n;
    for (;;) {
        struct http_body before = half->body;
        struct view rest = view_from(in, at);
        enum http_body_step step = http_body_step(&half->body, rest, &content, &n);
        at += n;
        switch (step) {
        case HTTP_BODY_CONTENT:
            body_bytes(h, ctx, dir, content, at - told);
            told = at;
            break;
        case HTTP_BODY_TRAILER:
            if (half->trailers == 0) {
                size_t begin = (size_t)(content.p - in.p);
                body_bytes(h, ctx, dir, view_n(in.p, 0), begin - told);
                told = begin;
            }
            half->trailers = (uint32_t)(content.p + content.n - (in.p + told));
            break;
        case HTTP_BODY_DONE:
            *used = at;
            message_end(h, ctx, dir, MSG_COMPLETE, view_head(view_from(in, told), half->trailers),
                        at - told);
            return DECODE_MORE;
        case HTTP_BODY_MORE:
            body_pause(h, ctx, dir, in, told, at, used);
            return DECODE_MORE;
        case HTTP_BODY_BAD:
            if (!half->trailers)
                at = at - n + trailers_begin(before, view_head(rest, n));
            body_pause(h, ctx, dir, in, told, at, used);
            lost_note(ctx, "http", "broken chunked framing");
            return DECODE_LOST;
        }
    }
}

// The host that an authority names, without its userinfo; nothing where it is no plain one.
static struct view host_of(struct view authority)
{
    const char *at = authority.n ? memrchr(authority.p, '@', authority.n) : NULL;
    if (at)
        authority = view_from(authority, (size_t)(at + 1 - authority.p));
    return http_host_plain(authority) ? authority : view_n(NULL, 0);
}

// Where the target names an authority or a scheme of its own, they win over the Host header.
static void split_target(struct sink_msg *m, struct view target)
{
    if (view_eq(m->method, VIEW_LIT("CONNECT"))) {
        m->host = host_of(target);
        return;
    }
    size_t scheme = http_scheme_run(target);
    if (scheme > 0) {
        m->scheme = view_head(target, scheme);
        target = view_from(target, scheme + 3);
        size_t end = 0;
        while (end < target.n && !memchr("/?#", target.p[end], 3))
            end++;
        m->host = host_of(view_head(target, end));
        target = view_from(target, end);
        if (target.n == 0 || target.p[0] != '/')
            m->path = VIEW_LIT("/");
    }
    size_t mark = view_find(target, '?');
    if (mark > 0)
        m->path = view_head(target, mark);
    if (mark < target.n)
        m->query = view_from(target, mark + 1);
}

static struct view version_text(const struct http_head *head)
{
    static const char texts[] = "1.01.11.21.31.41.51.61.71.81.9";
    return view_n(texts + (head->minor % 10) * 3, 3);
}

// used: the head with the empty lines before it. doubtful: its body may hold other messages.
static void message_begin(struct decode_ctx *ctx, uint64_t n, enum dir dir, struct view in,
                          size_t used, bool interim, bool doubtful)
{
    const struct http_head *head = &scratch;
    const char *start = dir == C2S ? head->method.p : in.p;
    struct sink_msg m = {
        .n = n,
        .dir = dir,
        .protocol = "http",
        .at_us = ctx->first_us,
        .interim = interim,
        .by_proxy = dir == S2C && ctx->by_proxy,
        .unreadable = doubtful,
        .head = view_n(start, (size_t)(in.p + used - start)),
        .head_wire = used,
        .http = head,
        .version = version_text(head),
        .status = head->status,
    };
    if (dir == C2S) {
        const struct http_header *host = http_head_find(head, VIEW_LIT("host"));
        m.method = head->method;
        m.scheme = ctx->facts->secured ? VIEW_LIT("https") : VIEW_LIT("http");
        if (host)
            m.host = host_of(host->value);
        split_target(&m, head->target);
    }
    ctx->sink->ops->msg_begin(ctx->sink, &m);
}

// A whole head at the front of in, into scratch: true. Otherwise *verdict is LOST, or MORE to wait.
static bool head_take(struct half *half, struct decode_ctx *ctx, enum dir dir, struct view in,
                      size_t *used, enum decode_verdict *verdict)
{
    int r = http_head_parse(in, half->scanned, dir == C2S, &scratch, used);
    *verdict = DECODE_LOST;
    half->scanned = 0;
    if (r == 0 && *used <= TAP_HOLD_MAX)
        return true;
    if (r == E_AGAIN && in.n < TAP_HOLD_MAX) {
        *verdict = DECODE_MORE;
        half->scanned = (uint32_t)in.n;
    } else if (r == E_SYNTAX) {
        lost_note(ctx, "not http", dir == C2S ? "bad start line" : "bad status line");
    } else {
        lost_note(ctx, "http", "head larger than 80 KiB");
    }
    *used = 0;
    return false;
}

static bool must_wait(const struct http1 *h)
{
    return h->blocked || is_full(h);
}

static enum decode_verdict request_feed(struct http1 *h, struct decode_ctx *ctx, struct view in,
                                        size_t *used)
{
    struct half *half = &h->half[C2S];
    enum decode_verdict verdict = DECODE_MORE;
    if (in.n == 0)
        return verdict;
    if (must_wait(h)) {
        if (in.n < TAP_HOLD_MAX)
            return verdict;
        lost_note(ctx, "http", "more than 80 KiB behind unanswered requests");
        return DECODE_LOST;
    }
    if (!head_take(half, ctx, C2S, in, used, &verdict))
        return verdict;
    h->newest = ctx->next_n++;
    h->pending++;
    kind_set(h, h->newest, kind_of(scratch.method));
    h->blocked = scratch.upgrade || kind_of(scratch.method) == KIND_CONNECT;
    h->doubts = http1_doubts(&scratch, view_head(in, *used), true);
    half->phase = BODY;
    http_body_begin(&half->body, h->doubts ? HTTP_UNTIL_CLOSE : http_request_framing(&scratch),
                    scratch.length);
    message_begin(ctx, h->newest, C2S, in, *used, false, h->doubts != 0);
    return DECODE_MORE;
}

static enum decode_verdict answer_feed(struct http1 *h, struct decode_ctx *ctx, struct view in,
                                       size_t *used)
{
    struct half *half = &h->half[S2C];
    enum decode_verdict verdict = DECODE_MORE;
    if (in.n == 0 || !head_take(half, ctx, S2C, in, used, &verdict))
        return verdict;
    bool asked = h->pending > 0, interim = scratch.status < 200 && scratch.status != 101;
    uint64_t n = asked ? h->newest - h->pending + 1 : ctx->next_n++;
    struct view method = asked ? method_of(h, n) : view_n(NULL, 0);
    enum http_framing framing = http_response_framing(&scratch, method);
    unsigned doubts = http1_doubts(&scratch, view_head(in, *used), framing != HTTP_NO_BODY);
    bool over = scratch.status == 101 || (method.n == 7 && scratch.status < 300);
    http_body_begin(&half->body, framing, scratch.length);
    message_begin(ctx, n, S2C, in, *used, interim, doubts != 0);
    if (doubts)
        lost_note(ctx, "ambiguous framing", http_fault_text(doubts));
    if (interim && !asked)
        txn_end(ctx, n, ctx->note);
    if (!interim) {
        h->answer = n;
        h->unasked = !asked;
        half->phase = BODY;
    }
    if (doubts)
        return DECODE_LOST;
    if (!over || interim)
        return DECODE_MORE;
    message_end(h, ctx, S2C, MSG_COMPLETE, view_n(NULL, 0), 0);
    return DECODE_SWITCH;
}

// What in holds cannot be used, and no more is coming.
static void last_note(const struct http1 *h, struct decode_ctx *ctx, enum dir dir, struct view in)
{
    while (in.n > 0 && (in.p[0] == '\r' || in.p[0] == '\n'))
        in = view_from(in, 1);
    if (h->half[dir].kept)
        lost_note(ctx, "http", "ended within a trailer section");
    else if (in.n == 0)
        lost_note(ctx, "http", "an empty line behind the last message");
    else if (dir == C2S && must_wait(h))
        lost_note(ctx, "http", "ended before the answer that this waited for");
    else
        lost_note(ctx, "http", dir == C2S ? "ended within a request head" : "ended within a head");
}

static enum decode_verdict http1_feed(void *d, struct decode_ctx *ctx, enum dir dir, struct view in,
                                      size_t *used)
{
    struct http1 *h = d;
    struct half *half = &h->half[dir];
    *used = 0;
    for (;;) {
        if (dir == S2C && h->doubts && h->pending == 0 && half->phase == HEAD) {
            lost_note(ctx, "ambiguous framing", http_fault_text(h->doubts));
            return DECODE_LOST;
        }
        struct view rest = view_from(in, *used);
        unsigned char phase = half->phase;
        enum decode_verdict verdict;
        size_t n = 0;
        if (phase == BODY)
            verdict = body_feed(h, ctx, dir, rest, &n);
        else if (dir == C2S)
            verdict = request_feed(h, ctx, rest, &n);
        else
            verdict = answer_feed(h, ctx, rest, &n);
        *used += n;
        if (verdict != DECODE_MORE)
            return verdict;
        // What waited in the other direction comes before the rest of this one.
        if (ctx->wake)
            return DECODE_MORE;
        // Neither a byte was used nor a message ended: the rest must wait.
        if (n == 0 && half->phase == phase)
            break;
        ctx->first_us = ctx->now_us;
    }
    if (ctx->last && *used < in.n) {
        last_note(h, ctx, dir, view_from(in, *used));
        return DECODE_LOST;
    }
    return DECODE_MORE;
}

static void http1_end(void *d, struct decode_ctx *ctx, enum dir dir)
{
    struct http1 *h = d;
    struct half *half = &h->half[dir];
    if (half->phase != BODY)
        return;
    bool whole = http_body_end(&half->body) && !(dir == C2S && h->doubts);
    message_end(h, ctx, dir, whole ? MSG_UNTIL_CLOSE : MSG_CUT, view_n(NULL, 0), 0);
}

static void http1_clear(void *d, struct decode_ctx *ctx)
{
    struct http1 *h = d;
    struct sink_flow *sink = ctx->sink;
    struct view none = view_n(NULL, 0);
    if (h->doubts && ctx->note[0] == '\0')
        lost_note(ctx, "ambiguous framing", http_fault_text(h->doubts));
    if (h->half[C2S].phase == BODY)
        sink->ops->msg_end(sink, h->newest, C2S, MSG_CUT, none, 0, ctx->now_us);
    if (h->half[S2C].phase == BODY)
        sink->ops->msg_end(sink, h->answer, S2C, MSG_CUT, none, 0, ctx->now_us);
    if (h->early)
        txn_end(ctx, h->newest, ctx->note);
    if (h->unasked)
        txn_end(ctx, h->answer, ctx->note);
    for (; h->pending > 0; h->pending--)
        txn_end(ctx, h->newest - h->pending + 1, ctx->note);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// What stands in front of a request and does not belong there: PROXY's line of a balancer, blanks,
// NULs, a byte order mark. partly: that one may still become one.
static size_t preface(struct view v, bool *partly)
{
    size_t n = 0;
    if (view_starts(v, VIEW_LIT("PROXY ")))
        n = view_find(v, '\n');
    while (n < v.n && is_blank(v.p[n]))
        n++;
    return n + http1_junk_run(view_from(v, n), partly);
}

// "token SP target SP HTTP/1.d". Only a whole line says yes, unless it is too long for that: other
// protocols begin with a word and a space as well. A line that can no more become one of these, but
// was made like one, says no only when it is whole: what it is alike is asked then.
static enum decode_sniff sniff_request(struct view first)
{
    struct view v = first;
    for (int i = 0; i < 4 && v.n > 0 && (v.p[0] == '\r' || v.p[0] == '\n'); i++)
        v = view_from(v, 1);
    bool partly;
    size_t before = preface(v, &partly);
    v = view_from(v, before);
    size_t method = http1_word_run(view_head(v, METHOD_MAX + 1));
    if ((partly || method == v.n) && method <= METHOD_MAX && first.n < TAP_SNIFF_MAX)
        return SNIFF_MORE;
    if (method == 0 || method >= v.n || method > METHOD_MAX || !is_blank(v.p[method]))
        return SNIFF_NO;
    struct view target = view_from(v, method + 1);
    size_t line = view_find(target, '\n'), end = line;
    if (end > 0 && target.p[end - 1] == '\r')
        end--;
    bool plain = before == 0 && v.p[method] == ' ' && http_token_run(v) == method;
    for (size_t i = 0; i < end; i++) {
        plain = plain && target.p[i] >= ' ' && target.p[i] != 0x7f;
        if (!plain && !is_blank(target.p[i]) && iscntrl((unsigned char)target.p[i]))
            return SNIFF_NO;
    }
    if (line == target.n && first.n < TAP_SNIFF_MAX)
        return SNIFF_MORE;
    if (!plain)
        return SNIFF_NO;
    if (line < target.n)
        return end > 9 && memcmp(target.p + end - 9, " HTTP/1.", 8) == 0 &&
                       target.p[end - 1] >= '0' && target.p[end - 1] <= '9'
                   ? SNIFF_YES
                   : SNIFF_NO;
    return target.p[0] == '/' || view_istarts(target, VIEW_LIT("http://")) ? SNIFF_YES : SNIFF_NO;
}

// What can only become alike says no when it is.
static enum decode_sniff sniff_answer(struct view first)
{
    struct view wanted = VIEW_LIT("HTTP/1."), like = VIEW_LIT("HTTP/"), icy = VIEW_LIT("ICY ");
    struct view v = first;
    if (view_starts(first, view_head(wanted, first.n)))
        return first.n >= wanted.n ? SNIFF_YES : SNIFF_MORE;
    while (v.n > 0 && is_blank(v.p[0]))
        v = view_from(v, 1);
    bool more = (v.n < like.n && view_istarts(like, v)) || (v.n < icy.n && view_starts(icy, v));
    return more && first.n < TAP_SNIFF_MAX ? SNIFF_MORE : SNIFF_NO;
}

static enum decode_sniff http1_sniff(enum dir dir, struct view first)
{
    return dir == C2S ? sniff_request(first) : sniff_answer(first);
}

static void http1_init(void *d, struct decode_ctx *ctx)
{
    (void)d;
    (void)ctx;
}

const struct decoder_ops decoder_http1 = {
    .name = "http1",
    .size = sizeof(struct http1),
    .sniff = http1_sniff,
    .alike = http1_alike,
    .init = http1_init,
    .feed = http1_feed,
    .end = http1_end,
    .clear = http1_clear,
};
