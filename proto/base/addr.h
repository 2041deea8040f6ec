// addr: one end of a connection: an IPv4 or IPv6 address with a port.
#ifndef TAPEDECK_BASE_ADDR_H
#define TAPEDECK_BASE_ADDR_H

#include "proto/base/view.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct addr {
    union {
        struct sockaddr sa; // sa_family 0: no address
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    };
};

// A name or address with its port, as a client or an option gives it.
#define HOST_MAX 255
struct hostport {
    char host[HOST_MAX + 1]; // lower case; an IPv6 address without brackets
    uint16_t port;
};

#define ADDR_TEXT 64 // "[v6]:port" with a scope, and NUL

static inline bool addr_is_set(const struct addr *a)
{
    return a->sa.sa_family != 0;
}

socklen_t addr_len(const struct addr *a);
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);
bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_is_loopback(const struct addr *a);
bool addr_is_any(const struct addr *a);

// IPv4-mapped IPv6 becomes plain IPv4, so that one peer has one spelling.
void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa);

// A numeric address without port ("127.0.0.1", "::1"): 0 or E_SYNTAX.
int addr_parse(struct addr *a, struct view host, uint16_t port);

// The same, and "localhost" is 127.0.0.1.
int addr_parse_here(struct addr *a, struct view host, uint16_t port);

// "127.0.0.1:80" or "[::1]:80"; "" when not set. Into out, NUL-terminated.
const char *addr_text(const struct addr *a, char out[ADDR_TEXT]);
const char *addr_host_text(const struct addr *a, char out[ADDR_TEXT]);

// "host:port", "[v6]:port", "host" (then default_port; 0 means a port is required).
// Host names: letters, digits, '-', '_', '.', at most 253 bytes, no empty label. 0, E_SYNTAX,
// E_RANGE (port).
int hostport_parse(struct hostport *hp, struct view text, uint16_t default_port);

// Only the host part, checked as above and put in lower case.
int hostport_set_host(struct hostport *hp, struct view host);

// "host:port", IPv6 in brackets. Into out, NUL-terminated.
#define HOSTPORT_TEXT (HOST_MAX + 10)
const char *hostport_text(const struct hostport *hp, char out[HOSTPORT_TEXT]);

#endif
