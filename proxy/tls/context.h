// context: what the engines of one worker and one role share: versions, suites, tickets, sessions,
// trust, the key log.
#ifndef TAPEDECK_PROXY_TLS_CONTEXT_H
#define TAPEDECK_PROXY_TLS_CONTEXT_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proxy/tls/engine.h"

#define TLS_SESSIONS_MAX 1000 // of servers, that a worker keeps to resume; the oldest goes first
#define TLS_TICKET_KEY   80   // bytes, of all workers of a process

struct tls_trust;  // trust.h
struct tls_keylog; // keylog.h

enum tls_verify { TLS_VERIFY_OFF, TLS_VERIFY_WARN, TLS_VERIFY_STRICT };

// Towards servers. trust NULL: with verify OFF only. All outlive the context.
struct tls_connect_conf {
    int least; // version, when the connection does not say; 0: 1.2. The most is 1.3
    enum tls_verify verify;
    struct tls_trust *trust;
    struct tls_keylog *keylog; // NULL: none
};
// Towards clients. The ticket key of a process lives as long as it does: whoever gets hold of it
// reads all that was said in TLS 1.2 with clients that took tickets. In TLS 1.3 a session that is
// resumed has secrets of its own.
struct tls_accept_conf {
    int least;
    const unsigned char *ticket_key; // TLS_TICKET_KEY random bytes; NULL: no tickets
    struct tls_trust *clients;       // NULL: client certificates are not asked for
    bool client_required;            // with clients: none is an error
    struct tls_keylog *keylog;
};

// 0, or E_… with why.
int tls_context_connect(struct tls_context **out, const struct tls_connect_conf *conf,
                        char why[WHY_MAX]) MUST_CHECK;
int tls_context_accept(struct tls_context **out, const struct tls_accept_conf *conf,
                       char why[WHY_MAX]) MUST_CHECK;
void tls_context_free(struct tls_context *c); // no engine of it is left; NULL is fine

#endif
