#include "tools/replay/target.h"

#include "proto/base/clock.h"
#include "proto/base/near.h"
#include "tools/cli.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// A value of --target, taken apart.
struct url {
    struct view name; // of the service; empty: of all
    struct view text; // behind it
    bool has_scheme, secure;
    struct view host; // empty: as recorded
    uint16_t port;    // 0: as recorded
    struct view path;
};

static int bad(struct view text, const char *why)
{
    cli_error("--target: '%.*s': %s; it is [NAME=][http[s]://][HOST][:PORT][/PATH]",
              (int)(text.n < 200 ? text.n : 200), text.p, why);
    return CLI_FAILED;
}

static int take_authority(struct view text, struct view v, struct url *u)
{
    size_t colon = v.n;
    while (colon > 0 && v.p[colon - 1] != ':' && v.p[colon - 1] != ']')
        colon--;
    bool has_port = colon > 0 && v.p[colon - 1] == ':';
    if (view_find(v, '@') < v.n)
        return bad(text, "user and password have no place in it");
    u->host = has_port ? view_head(v, colon - 1) : v;
    if (has_port) {
        uint64_t port = 0;
        if (view_number(view_from(v, colon), 10, 65535, &port) || port == 0)
            return bad(text, "its port is no number of 1 to 65535");
        u->port = (uint16_t)port;
    }
    if (u->host.n > 1 && u->host.p[0] == '[' && u->host.p[u->host.n - 1] == ']')
        u->host = view_n(u->host.p + 1, u->host.n - 2);
    struct hostport check;
    if (u->host.n > 0 && hostport_set_host(&check, u->host))
        return bad(text, "its host is none");
    return CLI_OK;
}

static int take_url(struct view text, struct url *u)
{
    struct view v = text;
    *u = (struct url){0};
    size_t is = view_find(v, '=');
    if (is < v.n && view_find(view_head(v, is), '/') == is) {
        u->name = view_head(v, is);
        v = view_from(v, is + 1);
        if (u->name.n == 0)
            return bad(text, "no name stands before '='");
    }
    u->text = v;
    for (int i = 0; i < 2 && !u->has_scheme; i++) {
        struct view scheme = i ? VIEW_LIT("https://") : VIEW_LIT("http://");
        if (!view_istarts(v, scheme))
            continue;
        u->has_scheme = true;
        u->secure = i == 1;
        v = view_from(v, scheme.n);
    }
    for (size_t i = 0; !u->has_scheme && i + 2 < v.n; i++)
        if (memcmp(v.p + i, "://", 3) == 0)
            return bad(text, "its scheme is neither http nor https");
    size_t slash = view_find(v, '/');
    u->path = view_from(v, slash);
    if (view_find(u->path, '?') < u->path.n || view_find(u->path, '#') < u->path.n ||
        view_find(u->path, ' ') < u->path.n)
        return bad(text, "its path has a query, a fragment or a blank");
    while (u->path.n > 0 && u->path.p[u->path.n - 1] == '/')
        u->path.n--;
    if (u->path.n >= TARGET_PREFIX_MAX)
        return bad(text, "its path is too long");
    int code = take_authority(text, view_head(v, slash), u);
    if (!code && !u->has_scheme && u->host.n == 0 && u->port == 0 && u->path.n == 0)
        return bad(text, "it says nothing");
    return code;
}

// ---- which service

static bool is_host_of(struct view name, const char *hostport)
{
    struct view v = view_of(hostport);
    size_t colon = v.n;
    while (colon > 0 && v.p[colon - 1] != ':')
        colon--;
    struct view host = colon > 0 ? view_head(v, colon - 1) : v;
    if (host.n > 1 && host.p[0] == '[')
        host = view_n(host.p + 1, host.n - 2);
    return view_ieq(name, v) || view_ieq(name, host);
}

static bool is_for(const struct url *u, const struct plan_service *s)
{
    return u->name.n == 0 || is_host_of(u->name, s->name) ||
           (*s->requested && is_host_of(u->name, s->requested)) ||
           (*s->sni && view_ieq(u->name, view_of(s->sni)));
}

static int no_service(const struct plan *p, const struct url *u)
{
    char list[512] = "";
    size_t n = 0, i;
    for (i = 0; i < p->n_services && i < 8; i++) {
        int w = snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", p->services[i].name);
        n = w < 0 || (size_t)w >= sizeof list - n ? sizeof list - 1 : n + (size_t)w;
    }
    cli_error("--target: no recorded request went to '%.*s'; they went to %s%s",
              (int)(u->name.n < 200 ? u->name.n : 200), u->name.p, list,
              i < p->n_services ? ", …" : "");
    return CLI_FAILED;
}

// ---- what it comes to

static int fill(struct target *t, const struct plan_service *s, const struct url *u)
{
    struct hostport recorded = {.port = 0};
    if (hostport_parse(&recorded, view_of(s->name), 1) && (u->host.n == 0 || u->port == 0)) {
        cli_error("--target: '%s' is no address to take host or port of: name both", s->name);
        return CLI_FAILED;
    }
    t->given = true;
    t->secure = u->has_scheme ? u->secure : s->secure;
    t->at = recorded;
    if (u->host.n > 0 && hostport_set_host(&t->at, u->host))
        return bad(u->text, "its host is none");
    if (u->port)
        t->at.port = u->port;
    else if (u->has_scheme)
        t->at.port = t->secure ? 443 : 80;
    snprintf(t->prefix, sizeof t->prefix, "%.*s", (int)u->path.n, u->path.n ? u->path.p : "");
    hostport_text(&t->at, t->host);
    if (t->at.port == (t->secure ? 443 : 80))
        *strrchr(t->host, ':') = '\0';
    return CLI_OK;
}

static int resolve(struct target *t)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int e = getaddrinfo(t->at.host, NULL, &hints, &found);
    if (e) {
        cli_error("--target: %s: %s", t->at.host, gai_strerror(e));
        return CLI_FAILED;
    }
    for (struct addrinfo *a = found; a && t->n < TARGET_ADDRESSES; a = a->ai_next) {
        struct addr one = {0};
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
            continue;
        addr_from_sockaddr(&one, a->ai_addr);
        addr_set_port(&one, t->at.port);
        t->addrs[t->n++] = one;
    }
    freeaddrinfo(found);
    if (t->n == 0)
        cli_error("--target: %s has no address", t->at.host);
    return t->n ? CLI_OK : CLI_FAILED;
}

int targets_make(struct targets *t, const struct plan *p, const char *const *urls, size_t n)
{
    int code = CLI_OK;
    *t = (struct targets){.n = p->n_services};
    t->items = calloc(p->n_services + 1, sizeof *t->items);
    if (!t->items) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    // One for all comes first: what is said of one service counts before it.
    for (int named = 0; named < 2 && !code; named++) {
        for (size_t i = 0; i < n && !code; i++) {
            struct url u;
            bool any = false;
            code = take_url(view_of(urls[i]), &u);
            if (code || (u.name.n > 0) != (named == 1))
                continue;
            for (size_t k = 0; k < p->n_services && !code; k++) {
                if (!is_for(&u, &p->services[k]))
                    continue;
                any = true;
                if (p->services[k].items > 0)
                    code = fill(&t->items[k], &p->services[k], &u);
            }
            if (!code && !any)
                code = no_service(p, &u);
        }
    }
    for (size_t k = 0; k < t->n && !code; k++)
        if (t->items[k].given)
            code = resolve(&t->items[k]);
    return code;
}

void targets_clear(struct targets *t)
{
    free(t->items);
    *t = (struct targets){0};
}

// ---- whether somebody is there

// 0 or errno.
static int try_connect(const struct addr *a, int64_t until_us)
{
    int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;
    if (fd < 0)
        return errno;
    if (connect(fd, &a->sa, addr_len(a)) != 0) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof error;
        int64_t left = until_us - clock_mono_us();
        error = errno;
        if (error == EINPROGRESS) {
            int r = poll(&p, 1, left > 0 ? (int)(left / US_PER_MS) + 1 : 0);
            if (r <= 0)
                error = r == 0 ? ETIMEDOUT : errno;
            else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
                error = errno;
        }
    }
    close(fd);
    return error;
}

static int probe(struct target *t, int64_t timeout_us)
{
    int64_t until = clock_mono_us() + timeout_us;
    int error = 0;
    for (size_t i = 0; i < t->n; i++) {
        // The last one may take what is left; each before it its share.
        int64_t now = clock_mono_us();
        int64_t share = (until - now) / (int64_t)(t->n - i);
        int e = try_connect(&t->addrs[i], now + share);
        if (e == 0) {
            struct addr first = t->addrs[0];
            t->addrs[0] = t->addrs[i];
            t->addrs[i] = first;
            return 0;
        }
        error = error && e == ETIMEDOUT ? error : e;
    }
    return error;
}

// The same place as that of a service before it; NULL.
static const struct target *same_before(const struct targets *t, size_t i)
{
    const struct target *one = &t->items[i];
    for (size_t k = 0; k < i; k++)
        if (t->items[k].given && t->items[k].at.port == one->at.port &&
            strcmp(t->items[k].at.host, one->at.host) == 0)
            return &t->items[k];
    return NULL;
}

int targets_probe(struct targets *t, int64_t timeout_us)
{
    bool any = false;
    size_t asked = 0;
    for (size_t i = 0; i < t->n; i++) {
        char text[HOSTPORT_TEXT];
        if (!t->items[i].given)
            continue;
        const struct target *known = same_before(t, i);
        if (known) { // what was found of it holds here as well
            memcpy(t->items[i].addrs, known->addrs, sizeof known->addrs);
            t->items[i].n = known->n;
            continue;
        }
        int e = probe(&t->items[i], asked++ < 4 || any ? timeout_us : US_PER_S);
        any = any || e == 0;
        if (e)
            cli_error("%s cannot be reached: %s", hostport_text(&t->items[i].at, text),
                      strerror(e));
    }
    return any ? CLI_OK : CLI_FAILED;
}
