#include "proxy/upstream/resolve.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CHECK_EVERY_US US_PER_S // how often the files may be looked at

struct watched {
    const char *path;
    struct timespec changed;
    off_t size;
};

struct resolver {
    struct event_base *base;
    struct evdns_base *dns;
    struct watched resolv_conf, hosts;
    int64_t checked_us;
    struct lookup *first; // under way
};

// Given up by both evdns and its owner before it is freed.
struct lookup {
    struct resolver *r; // NULL: the resolver is gone
    struct lookup *prev, *next;
    struct evdns_getaddrinfo_request *request; // NULL: evdns has answered
    struct event *later;                       // an answer that came at once
    resolve_done *done;                        // NULL: cancelled
    void *arg;
    uint16_t port;
    int error;
    size_t count;
    struct addr addrs[RESOLVE_MAX];
    char detail[HOST_MAX + 96];
    char host[HOST_MAX + 1];
};

static bool has_changed(struct watched *w)
{
    struct stat st = {0};
    (void)stat(w->path, &st);
    if (st.st_mtim.tv_sec == w->changed.tv_sec && st.st_mtim.tv_nsec == w->changed.tv_nsec &&
        st.st_size == w->size)
        return false;
    w->changed = st.st_mtim;
    w->size = st.st_size;
    return true;
}

// Without name servers the hosts file still serves, and every other name is not found.
static void read_files(struct resolver *r)
{
    if (has_changed(&r->hosts)) {
        evdns_base_clear_host_addresses(r->dns);
        (void)evdns_base_load_hosts(r->dns, r->hosts.path);
    }
    if (!has_changed(&r->resolv_conf))
        return;
    evdns_base_clear_nameservers_and_suspend(r->dns);
    evdns_base_search_clear(r->dns);
    int e = evdns_base_resolv_conf_parse(r->dns, DNS_OPTIONS_ALL & ~DNS_OPTION_HOSTSFILE,
                                         r->resolv_conf.path);
    if (e)
        log_debug("no name servers path=%s", r->resolv_conf.path);
    evdns_base_resume(r->dns);
}

struct resolver *resolver_new(struct event_base *base, const char *resolv_conf, const char *hosts)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->base = base;
    r->resolv_conf.path = resolv_conf;
    r->hosts.path = hosts;
    r->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!r->dns) {
        free(r);
        return NULL;
    }
    // Mixed case in questions defends against forgers, but some servers answer it with an error.
    (void)evdns_base_set_option(r->dns, "randomize-case:", "0");
    read_files(r);
    return r;
}

static void lookup_free(struct lookup *l)
{
    if (l->later)
        event_free(l->later);
    free(l);
}

static void leave(struct lookup *l)
{
    struct resolver *r = l->r;
    if (!r)
        return;
    if (l->prev)
        l->prev->next = l->next;
    else
        r->first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    l->r = NULL;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    while (r->first) {
        struct lookup *l = r->first;
        leave(l);
        l->done = NULL;
        if (!l->request)
            lookup_free(l);
    }
    evdns_base_free(r->dns, 1);
    // The answers that this made must be heard before their memory can go.
    event_base_loop(r->base, EVLOOP_NONBLOCK);
    free(r);
}

size_t resolve_now(const struct hostport *of, struct addr out[RESOLVE_MAX])
{
    struct view host = view_of(of->host);
    if (addr_parse(&out[0], host, of->port) == 0)
        return 1;
    if (!view_ieq(host, VIEW_LIT("localhost")) && !view_ieq(host, VIEW_LIT("localhost.")))
        return 0;
    if (addr_parse(&out[0], VIEW_LIT("127.0.0.1"), of->port) ||
        addr_parse(&out[1], VIEW_LIT("::1"), of->port))
        return 0;
    return 2;
}

// The families in turn, beginning with the one that came first (RFC 8305 4).
static void take_addresses(struct lookup *l, const struct evutil_addrinfo *list)
{
    const struct evutil_addrinfo *next[2] = {list, list};
    int families[2] = {list ? list->ai_family : 0, 0};
    families[1] = families[0] == AF_INET ? AF_INET6 : AF_INET;
    for (int turn = 0; l->count < RESOLVE_MAX && (next[0] || next[1]); turn ^= 1) {
        const struct evutil_addrinfo **at = &next[turn];
        while (*at && (*at)->ai_family != families[turn])
            *at = (*at)->ai_next;
        if (!*at)
            continue;
        addr_from_sockaddr(&l->addrs[l->count], (*at)->ai_addr);
        addr_set_port(&l->addrs[l->count++], l->port);
        *at = (*at)->ai_next;
    }
}

static void tell(struct lookup *l)
{
    leave(l);
    if (l->done)
        l->done(l->arg, l->error, l->detail, l->addrs, l->count);
    lookup_free(l);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tell(arg);
}

static void on_answer(int result, struct evutil_addrinfo *list, void *arg)
{
    struct lookup *l = arg;
    bool at_once = l->later != NULL; // still within resolve_begin()
    l->request = NULL;
    if (result == 0)
        take_addresses(l, list);
    if (list)
        evutil_freeaddrinfo(list);
    if (result == EVUTIL_EAI_NONAME || result == EVUTIL_EAI_NODATA)
        snprintf(l->detail, sizeof l->detail, "no such host: %s", l->host);
    else if (l->count == 0)
        snprintf(l->detail, sizeof l->detail, "look-up of %s failed: %s", l->host,
                 result == EVUTIL_EAI_MEMORY ? "out of memory" : "no name server answered");
    if (l->count == 0)
        l->error = result == EVUTIL_EAI_MEMORY ? E_NOMEM : E_NOTFOUND;
    if (at_once)
        event_active(l->later, EV_TIMEOUT, 0);
    else
        tell(l);
}

struct lookup *resolve_begin(struct resolver *r, const struct hostport *of, int64_t now_us,
                             resolve_done *done, void *arg)
{
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_protocol = IPPROTO_TCP,
                                    .ai_flags = EVUTIL_AI_ADDRCONFIG};
    if (now_us - r->checked_us >= CHECK_EVERY_US) {
        r->checked_us = now_us;
        read_files(r);
    }
    struct lookup *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->later = event_new(r->base, -1, 0, on_later, l);
    if (!l->later) {
        free(l);
        return NULL;
    }
    l->r = r;
    l->done = done;
    l->arg = arg;
    l->port = of->port;
    snprintf(l->host, sizeof l->host, "%s", of->host);
    l->next = r->first;
    if (r->first)
        r->first->prev = l;
    r->first = l;
    struct evdns_getaddrinfo_request *request =
        evdns_getaddrinfo(r->dns, of->host, NULL, &hints, on_answer, l);
    if (!request)
        return l; // on_answer has been called: later tells
    l->request = request;
    event_free(l->later);
    l->later = NULL;
    return l;
}

void resolve_cancel(struct lookup *l)
{
    l->done = NULL;
    if (l->request) {
        // evdns calls on_answer once more, now or later, which frees.
        struct evdns_getaddrinfo_request *request = l->request;
        leave(l);
        evdns_getaddrinfo_cancel(request);
    } else {
        leave(l);
        lookup_free(l);
    }
}
