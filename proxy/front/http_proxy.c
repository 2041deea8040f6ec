// http: the front of http listeners. Takes one request head at a time, says where it leads, and
// comes back for the next when the exchange is over.
//
//        feed()                answer(0)      pass()
//   IDLE ──────→ RELAYING ───────────────→ · · · · · PASS_DONE, PASS_CLOSE → IDLE
//    └─────────→ TUNNEL (CONNECT, opaque) ←· · · · · PASS_TUNNEL (101)
//
// 1. A request's head is forwarded only when it has no fault: nobody behind us can read it
//    otherwise. What we rewrite goes to to_server; else the head passes as it came.
// 2. A reverse listener goes to its own target, whatever the request names; what is no HTTP from
//    the first byte on (TLS, an HTTP/2 preface) passes unread: we only watch.
// 3. What is decided does not depend on how the bytes came in pieces.
//
// Elsewhere: what a target names and how a head is rewritten (http_named.c), where an exchange ends
// (http_exchange.c), our own answers (http_answer.c), dialing and reusing a connection (flow.c).
#include "proxy/front/front.h"
#include "proxy/front/http_answer.h"
#include "proxy/front/http_exchange.h"
#include "proxy/front/http_named.h"

#include <stdio.h>
#include <stdlib.h>

// Faults of framing, as against a head that is merely bad.
#define AMBIGUOUS                                                                                  \
    (HTTP_BARE_LF | HTTP_OBS_FOLD | HTTP_NUL | HTTP_BAD_LENGTH | HTTP_TWO_LENGTHS |                \
     HTTP_LENGTH_AND_TE | HTTP_BAD_TE | HTTP_SPACE_BEFORE_COLON)

struct http_proxy {
    const struct front_conf *conf;
    char *named; // where the present exchange leads, for our texts; NULL: to conf's target
    enum { IDLE, RELAYING, TUNNEL } stage;
    size_t seen;  // bytes scanned of a request's head that is not whole
    bool spoken;  // a request was understood: this connection speaks HTTP
    bool opaque;  // a tunnel that nobody asked for: no words of ours in it
    bool connect; // a tunnel by CONNECT
    bool linked;  // the dial is over, without an error
    struct http_exchange x;
};

static void http_init(void *front, const struct front_conf *conf)
{
    struct http_proxy *f = front;
    f->conf = conf;
}

struct hearing {    // the arguments of one feed()
    struct view in; // no more than head_max: what lies beyond must not change the verdict
    size_t *used;
    struct front_out *out;
};

// Ends in FRONT_REFUSE; seen is kept for the capture. The answer was written before; where that
// failed, the connection closes without words.
static enum front_verdict refused(const struct hearing *at, struct view seen, const char *reason,
                                  int written)
{
    (void)written;
    *at->used = at->in.n;
    at->out->refusal_recorded = buf_add_view(at->out->to_server, seen) == 0;
    at->out->reason = reason;
    return FRONT_REFUSE;
}

static enum front_verdict too_large(const struct http_proxy *f, const struct hearing *at)
{
    int e = http_answer(at->out->to_client, 431, false,
                        "tapedeck: the request's head is longer than %zu bytes", f->conf->head_max);
    return refused(at, at->in, "head-too-large", e);
}

static enum front_verdict bad_request(const struct hearing *at, const struct http_head *h,
                                      size_t size, const char *reason, const char *what)
{
    bool is_head = view_eq(h->method, VIEW_LIT("HEAD"));
    int e = http_answer(at->out->to_client, 400, is_head, "tapedeck: bad request: %s", what);
    return refused(at, view_head(at->in, size), reason, e);
}

// The first line behind the empty ones, up to its end or as far as it is known.
static struct view first_line(struct view in)
{
    for (int i = 0; i < 2; i++) {
        if (view_starts(in, VIEW_LIT("\r\n")))
            in = view_from(in, 2);
        else if (view_starts(in, VIEW_LIT("\n")))
            in = view_from(in, 1);
    }
    struct view line = view_head(in, view_find(in, '\n'));
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

// Ends in " HTTP/d.d".
static bool names_a_version(struct view line)
{
    if (line.n < 9)
        return false;
    const char *v = line.p + line.n - 9;
    return memcmp(v, " HTTP/", 6) == 0 && v[6] >= '0' && v[6] <= '9' && v[7] == '.' &&
           v[8] >= '0' && v[8] <= '9';
}

// The bytes are no HTTP/1 head. What is decided here depends on nothing behind the byte that showed
// it: a first line without a method is judged by that alone, any other one when it is whole.
static enum front_verdict not_http(struct http_proxy *f, const struct hearing *at)
{
    struct front_out *out = at->out;
    struct view line = first_line(at->in);
    size_t m = http_token_run(line);
    bool method = m > 0 && m < line.n && line.p[m] == ' ';
    bool http = method && memmem(line.p, line.n, " HTTP/", 6);
    bool preface = view_eq(line, VIEW_LIT("PRI * HTTP/2.0"));
    if (f->conf->fixed_target && !f->spoken && (!http || preface)) {
        f->stage = TUNNEL;
        f->opaque = true;
        out->tunnel = true;
        out->target = f->conf->target;
        return FRONT_GO;
    }
    unsigned char first = (unsigned char)at->in.p[0];
    unsigned status = 400;
    const char *reason = "not-http", *text = "this port speaks HTTP, and that was no HTTP request";
    if (first == 0x16) {
        reason = "tls-to-http";
        text = "this port speaks plain HTTP and no TLS; a proxy's client asks for CONNECT first";
    } else if (first == 4 || first == 5) {
        reason = "socks-to-http";
        text = "this port speaks HTTP and not SOCKS";
    } else if (method && names_a_version(line)) {
        status = 505;
        reason = "http-version";
        text = "this port speaks HTTP/1.0 and HTTP/1.1 only";
    } else if (http) {
        reason = "bad-head";
        text = "bad request: bad request line";
    }
    int e = http_answer(out->to_client, status, false, "tapedeck: %s", text);
    return refused(at, at->in, reason, e);
}

// What a forward proxy cannot take, or NULL.
static const char *forward_objection(const struct http_named *named, unsigned *status)
{
    *status = 400;
    if (named->form == HTTP_FORM_PATH)
        return "this is a proxy: the request must name its target as http://HOST/PATH";
    *status = 501;
    if (named->form == HTTP_FORM_ABSOLUTE && named->scheme.n == sizeof "https" - 1)
        return "https is reached through this proxy by CONNECT HOST:PORT";
    if (named->form == HTTP_FORM_FOREIGN)
        return "this proxy speaks http; anything else goes through CONNECT HOST:PORT";
    return NULL;
}

// What old clients say to a proxy in place of Connection.
static bool proxy_close(const struct http_head *h)
{
    const struct http_header *line = http_head_find(h, VIEW_LIT("Proxy-Connection"));
    return line && view_ieq(line->value, VIEW_LIT("close"));
}

// What the client named: by its target, else by Host.
static void tell_requested(const struct http_head *h, const struct http_named *named,
                           struct front_out *out)
{
    struct hostport host;
    out->requested[0] = 0;
    if (named->form == HTTP_FORM_ABSOLUTE || named->form == HTTP_FORM_AUTHORITY) {
        hostport_text(&named->host, out->requested);
        return;
    }
    const struct http_header *line = http_head_find(h, VIEW_LIT("Host"));
    if (line && hostport_parse(&host, line->value, 80) == 0)
        hostport_text(&host, out->requested);
}

static enum front_verdict no_memory(const struct hearing *at, bool is_head, int error)
{
    int e = http_answer(at->out->to_client, 503, is_head, "tapedeck: %s", err_text(error));
    return refused(at, (struct view){NULL, 0}, "out-of-memory", e);
}

// A client stays with one target, as a rule.
static int remember(struct http_proxy *f, const struct hostport *target)
{
    char text[HOSTPORT_TEXT];
    hostport_text(target, text);
    if (f->named && strcmp(f->named, text) == 0)
        return 0;
    free(f->named);
    f->named = strdup(text);
    return f->named ? 0 : E_NOMEM;
}

// A head without faults: where does it lead?
static enum front_verdict go(struct http_proxy *f, const struct hearing *at,
                             const struct http_head *h, size_t size)
{
    struct front_out *out = at->out;
    struct http_named named;
    unsigned status;
    if (http_named_parse(h, &named))
        return bad_request(at, h, size, "bad-target",
                           named.form == HTTP_FORM_AUTHORITY
                               ? "CONNECT wants HOST:PORT"
                               : "its target names no HOST or HOST:PORT");
    const char *objection = f->conf->fixed_target ? NULL : forward_objection(&named, &status);
    if (objection) {
        int e = http_answer(out->to_client, status, view_eq(h->method, VIEW_LIT("HEAD")),
                            "tapedeck: %s", objection);
        return refused(at, view_head(at->in, size), "bad-target", e);
    }
    if (named.form == HTTP_FORM_AUTHORITY && (h->has_te || h->length > 0))
        return bad_request(at, h, size, "ambiguous-framing", "CONNECT with a body");

    tell_requested(h, &named, out);
    out->target = f->conf->fixed_target ? f->conf->target : named.host;
    if (!f->conf->fixed_target && remember(f, &named.host))
        return no_memory(at, view_eq(h->method, VIEW_LIT("HEAD")), E_NOMEM);
    f->spoken = true;
    f->linked = f->connect = false;
    f->stage = RELAYING;
    bool exact = named.form == HTTP_FORM_PATH || named.form == HTTP_FORM_FOREIGN;
    http_exchange_begin(&f->x, h, exact ? size : 0, f->conf->head_max);
    if (exact)
        return FRONT_GO;
    *at->used = size;
    if (named.form == HTTP_FORM_AUTHORITY) {
        f->stage = TUNNEL;
        f->connect = out->tunnel = true;
        return FRONT_GO;
    }
    if (proxy_close(h))
        f->x.keeps = false;
    int e = http_named_rewrite(view_head(at->in, size), h, &named, out->to_server);
    return e == 0 ? FRONT_GO : no_memory(at, f->x.is_head, e);
}

static enum front_verdict http_feed(void *front, struct view in, size_t *used,
                                    struct front_out *out)
{
    struct http_proxy *f = front;
    const struct hearing at = {view_head(in, f->conf->head_max), used, out};
    struct http_head h;
    size_t size;
    *used = 0;
    out->tunnel = out->refusal_recorded = false;
    out->requested[0] = 0;
    out->reason = NULL;
    if (in.n == 0)
        return FRONT_MORE;
    int e = http_head_parse(at.in, f->seen, true, &h, &size);
    f->seen = e == E_AGAIN ? at.in.n : 0;
    if (e == E_AGAIN)
        return at.in.n < f->conf->head_max ? FRONT_MORE : too_large(f, &at);
    if (e)
        return not_http(f, &at);
    if (h.faults)
        return bad_request(&at, &h, size, h.faults & AMBIGUOUS ? "ambiguous-framing" : "bad-head",
                           http_fault_text(h.faults));
    return go(f, &at, &h, size);
}

static const char *failure_text(int error)
{
    switch (error) {
    case E_NOTFOUND:
        return "host not found";
    case E_REFUSED:
        return "connection refused";
    case E_UNREACHABLE:
        return "no route to it";
    case E_LOOP:
        return "that would lead back to this proxy";
    default:
        return err_text(error);
    }
}

static unsigned failure_status(int error)
{
    switch (error) {
    case E_TIMEOUT:
        return 504;
    case E_LOOP:
        return 508;
    case E_NOMEM:
    case E_LIMIT:
    case E_BUSY:
        return 503;
    default:
        return 502;
    }
}

// An exchange failed after the dial, before its answer began.
static int answer_broken(struct http_proxy *f, int error, const char *target, struct buf *to_client)
{
    switch (error) {
    case E_DAMAGED:
        if (f->x.broken == C2S)
            return http_answer(to_client, 400, f->x.is_head, "tapedeck: bad request: %s", f->x.why);
        return http_answer(to_client, 502, f->x.is_head,
                           "tapedeck: the answer of %s cannot be relayed: %s", target, f->x.why);
    case E_TIMEOUT:
        if (!http_exchange_request_over(&f->x))
            return http_answer(to_client, 408, f->x.is_head,
                               "tapedeck: the rest of the request did not come in time");
        return http_answer(to_client, 504, f->x.is_head, "tapedeck: no answer from %s in time",
                           target);
    case E_EOF:
        // Without a byte of an answer the client sees what it would see without us: the end.
        if (f->x.seen > 0)
            return http_answer(to_client, 502, f->x.is_head,
                               "tapedeck: %s closed the connection within its answer's head",
                               target);
        return 0;
    default:
        return 0;
    }
}

static int http_proxy_answer(void *front, int error, const struct addr *bound, const char *detail,
                             struct buf *to_client)
{
    struct http_proxy *f = front;
    char target[HOSTPORT_TEXT];
    bool more = detail && *detail;
    (void)bound;
    if (error == 0) {
        f->linked = true;
        return f->connect ? buf_printf(to_client, "HTTP/1.%u 200 Connection established\r\n\r\n",
                                       f->x.minor > 0 ? 1U : 0U)
                          : 0;
    }
    bool said = f->stage == TUNNEL ? f->linked : f->x.at != ANSWER_HEAD;
    if (f->stage == IDLE || f->opaque || said)
        return 0;
    if (f->named)
        snprintf(target, sizeof target, "%s", f->named);
    else
        hostport_text(&f->conf->target, target);
    if (f->linked)
        return answer_broken(f, error, target, to_client);
    return http_answer(to_client, failure_status(error), f->x.is_head,
                       "tapedeck: cannot connect to %s: %s%s%s%s", target, failure_text(error),
                       more ? " (" : "", more ? detail : "", more ? ")" : "");
}

static enum front_pass http_pass(void *front, enum dir dir, struct view in, size_t *n)
{
    struct http_proxy *f = front;
    *n = 0;
    if (f->stage == IDLE)
        return PASS_CLOSE;
    if (f->stage == TUNNEL) {
        *n = in.n;
        return PASS_TUNNEL;
    }
    enum front_pass verdict = http_exchange_pass(&f->x, dir, in, n);
    if (verdict == PASS_DONE || verdict == PASS_CLOSE)
        f->stage = IDLE;
    else if (verdict == PASS_TUNNEL)
        f->stage = TUNNEL;
    return verdict;
}

static bool http_server_end(void *front)
{
    const struct http_proxy *f = front;
    return f->stage != RELAYING || http_exchange_server_end(&f->x);
}

static void http_clear(void *front)
{
    struct http_proxy *f = front;
    free(f->named);
}

const struct front_ops front_http = {
    .name = "http",
    .size = sizeof(struct http_proxy),
    .init = http_init,
    .feed = http_feed,
    .answer = http_proxy_answer,
    .pass = http_pass,
    .server_end = http_server_end,
    .clear = http_clear,
};
