// admin_http: one bufferevent a connection, one request at a time.
//
//   on_read ─whole head, content→ answer ─→ on_written ─┬─ kept: the next request
//                                                       └─ else: closed
//
// 1. A request is read only when the answer before it was taken, so a connection holds one request
//    and one answer.
// 2. Without room for another connection, or without descriptors, nobody is accepted for the
// moment.
#include "proxy/admin_http.h"

#include "proto/base/log.h"
#include "proxy/http/head.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>

#define ANSWER_MAX (64u << 20) // bytes; /flows of all workers is the largest
#define REST_S     1           // without descriptors
#define PLAIN      "text/plain; charset=utf-8"

struct conn {
    struct admin_http *h;
    struct conn *next, **at;
    struct bufferevent *bev;
    size_t scanned; // bytes of the head that were looked at
    size_t whole;   // bytes of the request, once its head is there; 0: not yet
    bool closing;
};

struct admin_http {
    struct evconnlistener *listener;
    struct event *rest;
    size_t body_max;
    admin_show *show;
    void *arg;
    struct conn *conns;
    unsigned count;
    struct http_head head; // of the request at hand
};

static void conn_free(struct conn *c)
{
    struct admin_http *h = c->h;

    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    if (h->count-- == ADMIN_CONNECTIONS_MAX && !evtimer_pending(h->rest, NULL))
        evconnlistener_enable(h->listener);
    bufferevent_free(c->bev);
    free(c);
}

static const char *reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "";
}

// False: out of memory.
static bool send_answer(struct conn *c, const struct admin_answer *a, bool body)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    struct view text = buf_view(&a->body);

    return evbuffer_add_printf(out,
                               "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                               "Cache-Control: no-store\r\n%s%s%s%s\r\n",
                               a->status, reason_of(a->status), a->type, text.n,
                               a->allow ? "Allow: " : "", a->allow ? a->allow : "",
                               a->allow ? "\r\n" : "",
                               c->closing ? "Connection: close\r\n" : "") >= 0 &&
           (!body || evbuffer_add(out, text.p, text.n) == 0);
}

static bool refuse(struct conn *c, unsigned status, const char *why)
{
    struct admin_answer a = {.status = status, .type = PLAIN};

    c->closing = true;
    buf_init(&a.body, ANSWER_MAX);
    bool sent = buf_printf(&a.body, "%s\n", why) == 0 && send_answer(c, &a, true);
    buf_clear(&a.body);
    return sent;
}

static bool answer(struct conn *c, struct view body)
{
    const struct http_head *head = &c->h->head;
    struct admin_answer a = {.status = 500, .type = PLAIN};
    bool only_head = view_eq(head->method, VIEW_LIT("HEAD"));
    const struct admin_request r = {
        .method = only_head ? VIEW_LIT("GET") : head->method,
        .path = view_head(head->target, view_find(head->target, '?')),
        .body = body,
    };

    c->closing = head->close || (head->minor == 0 && !head->keep_alive);
    buf_init(&a.body, ANSWER_MAX);
    c->h->show(c->h->arg, &r, &a);
    bool sent = send_answer(c, &a, !only_head);
    buf_clear(&a.body);
    return sent;
}

// What is wrong with the request whose head is there; 0: nothing.
static unsigned judge(const struct conn *c, const char **why)
{
    const struct http_head *head = &c->h->head;
    bool asks = view_eq(head->method, VIEW_LIT("GET")) || view_eq(head->method, VIEW_LIT("HEAD"));

    *why = http_fault_text(head->faults);
    if (head->faults)
        return 400;
    *why = "no content is expected";
    if ((head->has_te || (head->has_length && head->length > 0)) && (asks || !c->h->body_max))
        return 400;
    *why = "a length is needed";
    if (head->has_te)
        return 411;
    *why = "the content is too large";
    if (head->has_length && head->length > c->h->body_max)
        return 413;
    *why = "pages of the web may change nothing here";
    return !asks && http_head_find(head, VIEW_LIT("origin")) ? 403 : 0;
}

// The head is whole: how much content is to come. False: out of memory.
static bool begin(struct conn *c, size_t head)
{
    const char *why;
    unsigned status = judge(c, &why);

    if (status)
        return refuse(c, status, why);
    c->whole = head + (c->h->head.has_length ? (size_t)c->h->head.length : 0);
    bufferevent_setwatermark(c->bev, EV_READ, 0,
                             c->whole > ADMIN_HEAD_MAX ? c->whole : ADMIN_HEAD_MAX);
    return !c->h->head.expect_continue || c->whole == head ||
           evbuffer_add_printf(bufferevent_get_output(c->bev), "HTTP/1.1 100 Continue\r\n\r\n") >=
               0;
}

// Takes the next request, when one is there. False: the connection is to be closed.
static bool take(struct conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t n = evbuffer_get_length(in), used;

    if (n == 0 || n < c->whole || c->closing ||
        evbuffer_get_length(bufferevent_get_output(c->bev)) > 0)
        return true;
    const char *bytes = (const char *)evbuffer_pullup(in, -1);
    if (!bytes)
        return false;
    // Once more for what content came behind: the head may have moved.
    int e = http_head_parse(view_n(bytes, n), c->whole ? 0 : c->scanned, true, &c->h->head, &used);
    c->scanned = n;
    if (e == E_AGAIN && n < ADMIN_HEAD_MAX)
        return true;
    if (e)
        return refuse(c, e == E_AGAIN ? 431 : 400,
                      e == E_AGAIN ? "the head is too large" : "this is no HTTP/1 request");
    if (!c->whole && !begin(c, used))
        return false;
    if (c->closing || n < c->whole)
        return true;
    bool sent = answer(c, view_n(bytes + used, c->whole - used));
    evbuffer_drain(in, c->whole);
    c->scanned = c->whole = 0;
    bufferevent_setwatermark(c->bev, EV_READ, 0, ADMIN_HEAD_MAX);
    return sent;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    if (!take(arg))
        conn_free(arg);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;

    (void)bev;
    if (c->closing || !take(c))
        conn_free(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what; // it ended, failed, or took too long
    conn_free(arg);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
                      int size, void *arg)
{
    const struct timeval patience = {.tv_sec = ADMIN_TIMEOUT_S};
    struct admin_http *h = arg;
    struct conn *c = calloc(1, sizeof *c);

    (void)peer;
    (void)size;
    if (c)
        c->bev =
            bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    if (!c || !c->bev) {
        evutil_closesocket(fd);
        free(c);
        return;
    }
    c->h = h;
    c->at = &h->conns;
    c->next = h->conns;
    if (c->next)
        c->next->at = &c->next;
    h->conns = c;
    if (++h->count == ADMIN_CONNECTIONS_MAX)
        evconnlistener_disable(listener);
    bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
    bufferevent_set_timeouts(c->bev, &patience, &patience);
    bufferevent_setwatermark(c->bev, EV_READ, 0, ADMIN_HEAD_MAX);
    if (bufferevent_enable(c->bev, EV_READ | EV_WRITE))
        conn_free(c);
}

static void on_accept_failed(struct evconnlistener *listener, void *arg)
{
    const struct timeval rest = {.tv_sec = REST_S};
    struct admin_http *h = arg;

    log_warn("admin: cannot accept: %s; resting %d s", strerror(errno), REST_S);
    evconnlistener_disable(listener);
    evtimer_add(h->rest, &rest);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
    struct admin_http *h = arg;

    (void)fd;
    (void)what;
    if (h->count < ADMIN_CONNECTIONS_MAX)
        evconnlistener_enable(h->listener);
}

struct admin_http *admin_http_new(struct event_base *base, evutil_socket_t fd, size_t body_max,
                                  admin_show *show, void *arg)
{
    struct admin_http *h = calloc(1, sizeof *h);

    if (!h)
        return NULL;
    h->body_max = body_max;
    h->show = show;
    h->arg = arg;
    h->rest = evtimer_new(base, on_rested, h);
    if (h->rest)
        h->listener = evconnlistener_new(base, on_accept, h,
                                         LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!h->listener) {
        admin_http_free(h);
        return NULL;
    }
    evconnlistener_set_error_cb(h->listener, on_accept_failed);
    return h;
}

void admin_http_free(struct admin_http *h)
{
    if (!h)
        return;
    while (h->conns)
        conn_free(h->conns);
    if (h->listener)
        evconnlistener_free(h->listener);
    if (h->rest)
        event_free(h->rest);
    free(h);
}
