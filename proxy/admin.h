// admin: the listener for people and machines that look after the proxy: /healthz, /readyz,
// /metrics (Prometheus), /flows (JSON), and what a program adds. It runs on the main thread.
#ifndef TAPEDECK_PROXY_ADMIN_H
#define TAPEDECK_PROXY_ADMIN_H

#include "proxy/worker.h"

struct admin;

struct admin_conf {
    struct event_base *base;
    struct addr bind;
    struct worker **workers;
    size_t count;
    const struct world_page *page; // NULL: none is added
};

// Binds and listens. NULL with why. bound becomes where.
struct admin *admin_new(const struct admin_conf *conf, struct addr *bound, char why[WHY_MAX]);
void admin_free(struct admin *a);
void admin_set_ready(struct admin *a, bool ready); // what /readyz says

#endif
