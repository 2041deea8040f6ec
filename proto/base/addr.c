// addr: socket addresses and host names, read and written. Nothing here resolves a name.
#include "proto/base/addr.h"

#include "proto/base/err.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

#define NAME_MAX_BYTES  253 // RFC 1035 2.3.4, in text form
#define LABEL_MAX_BYTES 63

socklen_t addr_len(const struct addr *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return sizeof a->in4;
    case AF_INET6:
        return sizeof a->in6;
    default:
        return 0;
    }
}

uint16_t addr_port(const struct addr *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return ntohs(a->in4.sin_port);
    case AF_INET6:
        return ntohs(a->in6.sin6_port);
    default:
        return 0;
    }
}

void addr_set_port(struct addr *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET)
        a->in4.sin_port = htons(port);
    else if (a->sa.sa_family == AF_INET6)
        a->in6.sin6_port = htons(port);
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family || addr_port(a) != addr_port(b))
        return false;
    if (a->sa.sa_family == AF_INET)
        return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
    if (a->sa.sa_family == AF_INET6)
        return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr) &&
               a->in6.sin6_scope_id == b->in6.sin6_scope_id;
    return true;
}

bool addr_is_loopback(const struct addr *a)
{
    if (a->sa.sa_family == AF_INET)
        return ntohl(a->in4.sin_addr.s_addr) >> 24 == 127;
    return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

bool addr_is_any(const struct addr *a)
{
    if (a->sa.sa_family == AF_INET)
        return a->in4.sin_addr.s_addr == htonl(INADDR_ANY);
    return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa)
{
    memset(a, 0, sizeof *a);
    if (sa->sa_family == AF_INET) {
        memcpy(&a->in4, sa, sizeof a->in4);
        memset(a->in4.sin_zero, 0, sizeof a->in4.sin_zero);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            a->in4.sin_family = AF_INET;
            a->in4.sin_port = in6.sin6_port;
            memcpy(&a->in4.sin_addr, in6.sin6_addr.s6_addr + 12, 4);
            return;
        }
        a->in6.sin6_family = AF_INET6;
        a->in6.sin6_port = in6.sin6_port;
        a->in6.sin6_addr = in6.sin6_addr;
        a->in6.sin6_scope_id = in6.sin6_scope_id;
    }
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

// "eth0", "eth0.5" or "2" to the interface's number. The system would read more into a name: it
// takes "eth0:1" for eth0.
static int scope_parse(struct view text, uint32_t *scope)
{
    uint64_t number;
    char name[IF_NAMESIZE];
    if (view_number(text, 10, UINT32_MAX, &number) == 0) {
        *scope = (uint32_t)number;
        return 0;
    }
    if (text.n == 0 || text.n >= sizeof name)
        return E_SYNTAX;
    for (size_t i = 0; i < text.n; i++)
        if (!is_name_byte(text.p[i]) && text.p[i] != '.')
            return E_SYNTAX;
    memcpy(name, text.p, text.n);
    name[text.n] = 0;
    *scope = if_nametoindex(name);
    return *scope ? 0 : E_SYNTAX;
}

int addr_parse(struct addr *a, struct view host, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct view bare = view_head(host, view_find(host, '%'));
    if (bare.n == 0 || bare.n >= sizeof text || memchr(bare.p, 0, bare.n))
        return E_SYNTAX;
    memcpy(text, bare.p, bare.n);
    text[bare.n] = 0;
    if (bare.n == host.n && inet_pton(AF_INET, text, &in4.sin_addr) == 1) {
        addr_from_sockaddr(a, (const struct sockaddr *)&in4);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
        return E_SYNTAX;
    if (bare.n < host.n && scope_parse(view_from(host, bare.n + 1), &in6.sin6_scope_id))
        return E_SYNTAX;
    addr_from_sockaddr(a, (const struct sockaddr *)&in6);
    return 0;
}

int addr_parse_here(struct addr *a, struct view host, uint16_t port)
{
    bool here = view_eq(host, VIEW_LIT("localhost"));
    return addr_parse(a, here ? VIEW_LIT("127.0.0.1") : host, port);
}

// In decimal, up to 65535; returns the end, where a NUL stands. Done by hand, as every request
// names its host.
static char *put_number(char *out, unsigned number)
{
    char digits[5];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (n > 0)
        *out++ = digits[--n];
    *out = 0;
    return out;
}

// ":PORT" and its end: 7 bytes at most.
static void put_port(char *out, unsigned port)
{
    *out++ = ':';
    put_number(out, port);
}

// inet_ntop() goes through printf: four addresses a flow were a sixth of its instructions.
static void put_in4(char *out, const struct in_addr *in)
{
    unsigned char bytes[4];
    memcpy(bytes, in, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        out = put_number(out, bytes[i]);
        if (i < 3)
            *out++ = '.';
    }
}

const char *addr_host_text(const struct addr *a, char out[ADDR_TEXT])
{
    out[0] = 0;
    if (a->sa.sa_family == AF_INET) {
        put_in4(out, &a->in4.sin_addr);
    } else if (a->sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->in6.sin6_addr, out, ADDR_TEXT);
        size_t n = strlen(out);
        if (a->in6.sin6_scope_id)
            snprintf(out + n, ADDR_TEXT - n, "%%%u", (unsigned)a->in6.sin6_scope_id);
    }
    return out;
}

const char *addr_text(const struct addr *a, char out[ADDR_TEXT])
{
    bool v6 = a->sa.sa_family == AF_INET6;
    char host[ADDR_TEXT];
    out[0] = 0;
    if (!addr_is_set(a))
        return out;
    size_t n = strlen(addr_host_text(a, host));
    if (n + sizeof "[]:65535" > ADDR_TEXT)
        return out; // cannot be: 39 of address, 11 of scope
    size_t at = 0;
    if (v6)
        out[at++] = '[';
    memcpy(out + at, host, n);
    at += n;
    if (v6)
        out[at++] = ']';
    put_port(out + at, addr_port(a));
    return out;
}

static bool is_host_name(struct view host)
{
    if (host.n > 1 && host.p[host.n - 1] == '.')
        host.n--; // the root: "example.com."
    if (host.n == 0 || host.n > NAME_MAX_BYTES)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < host.n; i++) {
        if (host.p[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (!is_name_byte(host.p[i]) || ++label > LABEL_MAX_BYTES) {
            return false;
        }
    }
    return label > 0;
}

int hostport_set_host(struct hostport *hp, struct view host)
{
    struct addr a;
    bool v6 = view_find(host, ':') < host.n;
    if (host.n > HOST_MAX || (v6 ? addr_parse(&a, host, 0) != 0 : !is_host_name(host)))
        return E_SYNTAX;
    size_t scope = view_find(host, '%'); // the names of interfaces have a case
    for (size_t i = 0; i < host.n; i++) {
        hp->host[i] = i < scope ? view_lower(host.p[i]) : host.p[i];
    }
    hp->host[host.n] = 0;
    return 0;
}

int hostport_parse(struct hostport *hp, struct view text, uint16_t default_port)
{
    struct view host = text, port = {NULL, 0};
    bool has_port = false, bracketed = text.n > 0 && text.p[0] == '[';
    if (bracketed) {
        size_t close = view_find(text, ']');
        if (close == text.n)
            return E_SYNTAX;
        host = view_from(view_head(text, close), 1);
        port = view_from(text, close + 1);
        if (view_find(host, ':') == host.n || (port.n > 0 && port.p[0] != ':'))
            return E_SYNTAX;
    } else {
        size_t colon = view_find(text, ':');
        port = view_from(text, colon);
        // More than one colon: an address of version 6 without brackets, which has no port.
        if (port.n > 0 && view_find(view_from(port, 1), ':') < port.n - 1)
            port.n = 0;
        else
            host = view_head(text, colon);
    }
    has_port = port.n > 1;
    if (!has_port && default_port == 0)
        return E_SYNTAX;
    uint64_t number = default_port;
    int e = has_port ? view_number(view_from(port, 1), 10, UINT16_MAX, &number) : 0;
    if (e == E_SYNTAX || hostport_set_host(hp, host))
        return E_SYNTAX;
    hp->port = (uint16_t)number;
    return e;
}

const char *hostport_text(const struct hostport *hp, char out[HOSTPORT_TEXT])
{
    size_t n = strlen(hp->host), at = 0;
    bool v6 = memchr(hp->host, ':', n) != NULL;
    if (v6)
        out[at++] = '[';
    memcpy(out + at, hp->host, n);
    at += n;
    if (v6)
        out[at++] = ']';
    put_port(out + at, hp->port);
    return out;
}
