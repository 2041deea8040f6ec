#include "proxy/admin.h"

#include "proto/base/clock.h"
#include "proxy/admin_flows.h"
#include "proxy/metrics.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TIMEOUT_S   10
#define HEAD_MAX    8192
#define METRICS_MAX (256 * 1024)

struct admin {
    struct admin_conf conf;
    struct evhttp *http;
    bool ready;
};

static void say(struct evhttp_request *req, int status, const char *reason, const char *type,
                const char *text)
{
    struct evbuffer *body = evhttp_request_get_output_buffer(req);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Cache-Control", "no-store");
    evbuffer_add(body, text, strlen(text));
    evhttp_send_reply(req, status, reason, NULL);
}

#define PLAIN "text/plain; charset=utf-8"

static void healthz(struct admin *a, struct evhttp_request *req)
{
    (void)a;
    say(req, 200, "OK", PLAIN, "ok\n");
}

static void readyz(struct admin *a, struct evhttp_request *req)
{
    if (a->ready)
        say(req, 200, "OK", PLAIN, "ready\n");
    else
        say(req, 503, "Service Unavailable", PLAIN, "not accepting connections\n");
}

static void metrics(struct admin *a, struct evhttp_request *req)
{
    const struct stats *stats[SETTINGS_WORKERS_MAX] = {0};
    struct buf text;
    size_t n = 0;
    buf_init(&text, METRICS_MAX);
    for (; n < a->conf.count && n < sizeof stats / sizeof *stats; n++)
        stats[n] = worker_stats(a->conf.workers[n]);
    int e = metrics_text(stats, n, clock_wall_us(), &text);
    if (e == 0)
        e = buf_add(&text, "", 1);
    if (e)
        say(req, 500, "Internal Server Error", PLAIN, "out of memory\n");
    else
        say(req, 200, "OK", "text/plain; version=0.0.4; charset=utf-8", buf_view(&text).p);
    buf_clear(&text);
}

static void flows(struct admin *a, struct evhttp_request *req)
{
    char *text = admin_flows_json(a->conf.workers, a->conf.count);
    if (text)
        say(req, 200, "OK", "application/json", text);
    else
        say(req, 503, "Service Unavailable", PLAIN, "a worker did not answer\n");
    free(text);
}

static const struct page {
    const char *path;
    void (*show)(struct admin *a, struct evhttp_request *req);
} pages[] = {{"/healthz", healthz}, {"/readyz", readyz}, {"/metrics", metrics}, {"/flows", flows}};

static void on_request(struct evhttp_request *req, void *arg)
{
    struct admin *a = arg;
    enum evhttp_cmd_type method = evhttp_request_get_command(req);
    const char *uri = evhttp_request_get_uri(req);
    size_t n = strcspn(uri, "?");
    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(req), "Allow", "GET, HEAD");
        say(req, 405, "Method Not Allowed", PLAIN, "only GET and HEAD\n");
        return;
    }
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (strlen(pages[i].path) == n && strncmp(pages[i].path, uri, n) == 0) {
            pages[i].show(a, req);
            return;
        }
    }
    say(req, 404, "Not Found", PLAIN, "there are /healthz, /readyz, /metrics and /flows\n");
}

struct admin *admin_new(const struct admin_conf *conf, struct addr *bound, char why[WHY_MAX])
{
    struct listener l = {.name = "admin", .bound = conf->bind};
    int fd;
    if (listen_open(&l, &fd, 1, why))
        return NULL;
    struct admin *a = calloc(1, sizeof *a);
    snprintf(why, WHY_MAX, "out of memory");
    if (!a || !(a->http = evhttp_new(conf->base))) {
        close(fd);
        free(a);
        return NULL;
    }
    a->conf = *conf;
    evhttp_set_timeout(a->http, TIMEOUT_S);
    evhttp_set_max_headers_size(a->http, HEAD_MAX);
    evhttp_set_max_body_size(a->http, 0);
    evhttp_set_allowed_methods(a->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                            EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                            EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_gencb(a->http, on_request, a);
    if (evhttp_accept_socket(a->http, fd)) {
        close(fd);
        admin_free(a);
        return NULL;
    }
    *bound = l.bound;
    return a;
}

void admin_free(struct admin *a)
{
    if (!a)
        return;
    evhttp_free(a->http);
    free(a);
}

void admin_set_ready(struct admin *a, bool ready)
{
    a->ready = ready;
}
