// secure_in: what secure.c and secure_tell.c share of a flow in PEEK and SECURE; nobody else's
// business.
#ifndef TAPEDECK_PROXY_SECURE_IN_H
#define TAPEDECK_PROXY_SECURE_IN_H

#include "proto/base/options.h"
#include "proxy/flow_in.h"
#include "proxy/tls/hello.h"
#include "proxy/tls/pass.h"

struct secure {
    bool dialled;     // PEEK stands behind the dial
    bool passes;      // dialled again, to pass
    bool told;        // the tap knows
    const char *mode; // as record.proto has it; NULL: that is not known yet
    char why[WHY_MAX];
    struct client_hello hello;
    char host[HOST_MAX + 1]; // what the client wants to reach: SNI, or the target's host
    unsigned port;
};

static inline const struct secure_env *secure_env_of(const struct flow *f)
{
    return f->env->secure;
}

// Counted: how a handshake of that side ended; one that is open; a connection that passes.
void secure_count(struct flow *f, const struct side *s, enum stats_tls end);
void secure_count_open(struct flow *f, const struct side *s);
void secure_count_passed(struct flow *f, unsigned cause); // STATS_PASSED_ODD, or of enum pass_cause

// What the capture is to hear: as record.proto has the mode; why is copied.
void secure_note(struct secure *x, const char *mode, const char *why);

#endif
