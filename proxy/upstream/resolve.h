// resolve: host names to addresses, without blocking: the hosts file, then the name servers of
// resolv.conf with its search list (libevent's evdns). Both files are read again when they change.
#ifndef TAPEDECK_PROXY_UPSTREAM_RESOLVE_H
#define TAPEDECK_PROXY_UPSTREAM_RESOLVE_H

#include "proto/base/addr.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

#define RESOLVE_MAX 16 // addresses of one name that are kept

struct event_base;
struct resolver;
struct lookup;

// error 0: addrs has n of them, with the port, families in turn. E_NOTFOUND: there is no such host,
// or nobody could be asked; detail says which. Never called from within resolve_begin().
typedef void resolve_done(void *arg, int error, const char *detail, const struct addr *addrs,
                          size_t n);

// The paths are /etc/resolv.conf and /etc/hosts outside of tests, and outlive it. NULL: out of
// memory.
struct resolver *resolver_new(struct event_base *base, const char *resolv_conf, const char *hosts);
void resolver_free(struct resolver *r); // look-ups under way end without a call

// What needs no asking: a numeric address, and localhost, which is 127.0.0.1 and then ::1. The
// count of addresses, 0: the name must be looked up.
size_t resolve_now(const struct hostport *of, struct addr out[RESOLVE_MAX]);

// NULL: out of memory.
struct lookup *resolve_begin(struct resolver *r, const struct hostport *of, int64_t now_us,
                             resolve_done *done, void *arg);
void resolve_cancel(struct lookup *l); // done is not called any more

#endif
