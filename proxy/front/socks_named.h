// socks_named: the target that a SOCKS request names, and where that leads. No I/O.
#ifndef TAPEDECK_PROXY_FRONT_SOCKS_NAMED_H
#define TAPEDECK_PROXY_FRONT_SOCKS_NAMED_H

#include "proxy/front/front.h"

// From the bytes of an address, 4 or 16 of them in network order, or of a name. 0 or E_SYNTAX.
int socks_named_addr(struct hostport *hp, struct view bytes) MUST_CHECK;
int socks_named_host(struct hostport *hp, struct view name) MUST_CHECK;

// A port of two bytes in network order. 0, or E_RANGE for port 0.
int socks_named_port(struct hostport *hp, const char port[2]) MUST_CHECK;

// Fills in out for FRONT_GO to what was named, or to the listener's own target.
enum front_verdict socks_named_go(const struct front_conf *conf, const struct hostport *named,
                                  struct front_out *out);

// Fills in out for FRONT_REFUSE. Nothing is recorded: the bytes may hold a password.
enum front_verdict socks_named_refuse(struct front_out *out, const char *reason);

#endif
