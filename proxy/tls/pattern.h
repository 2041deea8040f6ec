// pattern: which hosts are meant: "host.example", "*.example" (below it, at any depth), "*", or an
// address.
#ifndef TAPEDECK_PROXY_TLS_PATTERN_H
#define TAPEDECK_PROXY_TLS_PATTERN_H

#include "proto/base/addr.h"
#include "proto/base/err.h"

#define PATTERN_ALLOWED "a host name, an address, \"*.\" with a name, or \"*\"" // for error texts

struct host_pattern {
    enum { PATTERN_ANY, PATTERN_ONE, PATTERN_BELOW } kind;
    char host[HOST_MAX + 1]; // as host_plain() makes it; "" for any
};

// The one spelling of a host: lower case, without the root's dot; an IPv6 address in its shortest
// form. What is no host is put in lower case and cut.
void host_plain(struct view host, char out[HOST_MAX + 1]);

int host_pattern_parse(struct host_pattern *p, struct view text) MUST_CHECK; // 0, E_SYNTAX
bool host_pattern_fits(const struct host_pattern *p, const char *plain);

#endif
