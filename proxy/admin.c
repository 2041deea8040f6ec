#include "proxy/admin.h"

#include "proto/base/clock.h"
#include "proxy/admin_flows.h"
#include "proxy/admin_http.h"
#include "proxy/metrics.h"

#include <stdlib.h>
#include <unistd.h>

struct admin {
    struct admin_conf conf;
    struct admin_http *http;
    bool ready;
};

static void say(struct admin_answer *out, unsigned status, const char *text)
{
    buf_reset(&out->body);
    out->status = buf_add(&out->body, text, strlen(text)) == 0 ? status : 500;
}

static void healthz(struct admin *a, struct admin_answer *out)
{
    (void)a;
    say(out, 200, "ok\n");
}

static void readyz(struct admin *a, struct admin_answer *out)
{
    if (a->ready)
        say(out, 200, "ready\n");
    else
        say(out, 503, "not accepting connections\n");
}

static void metrics(struct admin *a, struct admin_answer *out)
{
    const struct stats *stats[SETTINGS_WORKERS_MAX] = {0};
    size_t n = 0;
    for (; n < a->conf.count && n < sizeof stats / sizeof *stats; n++)
        stats[n] = worker_stats(a->conf.workers[n]);
    out->type = "text/plain; version=0.0.4; charset=utf-8";
    out->status = 200;
    if (metrics_text(stats, n, clock_wall_us(), &out->body))
        say(out, 500, "out of memory\n");
}

static void flows(struct admin *a, struct admin_answer *out)
{
    char *text = admin_flows_json(a->conf.workers, a->conf.count);
    if (!text) {
        say(out, 503, "a worker did not answer\n");
        return;
    }
    out->type = "application/json";
    say(out, 200, text);
    free(text);
}

static const struct page {
    const char *path;
    void (*show)(struct admin *a, struct admin_answer *out);
} pages[] = {{"/healthz", healthz}, {"/readyz", readyz}, {"/metrics", metrics}, {"/flows", flows}};

static void not_found(const struct admin *a, struct admin_answer *out)
{
    const struct world_page *page = a->conf.page;
    buf_reset(&out->body);
    out->status = 404;
    if (buf_printf(&out->body, "there are /healthz, /readyz, /metrics%s /flows%s%s\n",
                   page ? "," : " and", page ? " and " : "", page ? page->path : ""))
        out->status = 500;
}

static void show(void *arg, const struct admin_request *r, struct admin_answer *out)
{
    struct admin *a = arg;
    const struct world_page *page = a->conf.page;
    if (page && view_eq(r->path, view_of(page->path))) {
        page->show(page->arg, r, out);
        return;
    }
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (!view_eq(r->path, view_of(pages[i].path)))
            continue;
        if (view_eq(r->method, VIEW_LIT("GET"))) {
            pages[i].show(a, out);
            return;
        }
        out->allow = "GET, HEAD";
        say(out, 405, "only GET and HEAD\n");
        return;
    }
    not_found(a, out);
}

struct admin *admin_new(const struct admin_conf *conf, struct addr *bound, char why[WHY_MAX])
{
    struct listener l = {.name = "admin", .bound = conf->bind};
    int fd;
    if (listen_open(&l, &fd, 1, why))
        return NULL;
    struct admin *a = calloc(1, sizeof *a);
    snprintf(why, WHY_MAX, "out of memory");
    if (!a || !(a->http = admin_http_new(conf->base, fd, conf->page ? conf->page->body_max : 0,
                                         show, a))) {
        close(fd);
        free(a);
        return NULL;
    }
    a->conf = *conf;
    *bound = l.bound;
    return a;
}

void admin_free(struct admin *a)
{
    if (!a)
        return;
    admin_http_free(a->http);
    free(a);
}

void admin_set_ready(struct admin *a, bool ready)
{
    a->ready = ready;
}
