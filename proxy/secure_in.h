// secure_in: what secure.c, secure_peek.c and secure_tell.c share of a flow in PEEK and SECURE;
// nobody else's business.
#ifndef TAPEDECK_PROXY_SECURE_IN_H
#define TAPEDECK_PROXY_SECURE_IN_H

#include "proto/base/options.h"
#include "proxy/flow_in.h"
#include "proxy/tls/hello.h"
#include "proxy/tls/pass.h"

struct secure {
    bool dialled;     // PEEK stands behind the dial
    bool midway;      // and behind what was relayed in the clear
    bool passes;      // dialled again, to pass
    bool told;        // the tap knows
    const char *mode; // as record.proto has it; NULL: that is not known yet
    char why[WHY_MAX];
    struct client_hello hello;
    char host[HOST_MAX + 1]; // what the client wants to reach: SNI, or the target's host
    unsigned port;
};

#define FIRST_WORD_US                                                                              \
    (1 * US_PER_S) // for a client of TERMINATE, when the server has spoken; and
                   // the time of a pause

static inline const struct secure_env *secure_env_of(const struct flow *f)
{
    return f->env->secure;
}

// In secure_peek.c: the words and the deadline of PEEK.
void secure_peek_heard(struct flow *f, struct side *s, struct view bytes, int error);
void secure_peek_overdue(struct flow *f);

// In secure.c: TLS begins with the server (context: as its client), or with the client. The flow is
// in SECURE.
void secure_begin_server(struct flow *f, struct tls_context *context);
void secure_begin_client(struct flow *f);
// What the server said meanwhile is relayed.
void secure_hand_over(struct flow *f);
// Content waits in held or heard for its turn. 0; E_NOMEM, E_LIMIT.
int secure_keep(struct flow *f, struct buf *b, struct view bytes) MUST_CHECK;
// A client of a port that stands for a server asks for this host, and means that server.
bool secure_means_target(const struct flow *f, const char *sni);

// Counted: how a handshake of that side ended; one that is open; a connection that passes.
void secure_count(struct flow *f, const struct side *s, enum stats_tls end);
void secure_count_open(struct flow *f, const struct side *s);
void secure_count_passed(struct flow *f, unsigned cause); // STATS_PASSED_ODD, or of enum pass_cause

// What the capture is to hear: as record.proto has the mode; why is copied.
void secure_note(struct secure *x, const char *mode, const char *why);

#endif
