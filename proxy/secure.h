// secure: PEEK and SECURE: whether TLS begins here, and its handshakes, so that what is relayed is
// content.
//
//   behind the dial, when everything is to pass (a tunnel, a fixed target without a front's words):
//
//     PEEK ─┬─ no hello, or the server speaks first (TERMINATE: and the client
//           │  says nothing for a moment) ──────────────────────────────────────→ RELAY
//           ├─ a hello that passes, by rule or as learned ──────────────────────→ RELAY, opaque
//           └─ a hello → SECURE: the server's handshake, with what the client offers
//                          ├─ done ─→ the client's, with what the server chose ─→ RELAY
//                          │            └─ fails: learned, the flow ends
//                          └─ fails: dialled again ─────────────────────────────→ RELAY, opaque
//
//   at accept, where a front reads content:
//
//     PEEK ─┬─ no hello ──────────────────────────→ FRONT
//           └─ a hello → SECURE: the client's ────→ FRONT … DIAL → SECURE: the server's → RELAY
//
//   in the middle, where a decoder announces it (STARTTLS):
//
//     RELAY → PEEK ─┬─ no hello ──────────────────→ RELAY
//                   └─ a hello → SECURE, as above; but a flow that cannot be intercepted ends, and
//                      only the next one to that host passes: this dial cannot be made again
//
//   A far end within the process (io.h) has no TLS: there the client's handshake is the only one.
//
//   1. The server's certificate is verified before a client is shown one of ours. Where it does not
//      hold, the client sees that by itself: it is passed through. So it is where a server asks for
//      a certificate that we do not have: it may be that the client has one, and the server's
//      verdict may come as late as with its answer. (In the middle, where databases are that ask
//      everyone, it is not.)
//   2. A hello is never answered twice: what was read of it goes to exactly one of engine and
//      relay.
//   3. A flow that ends in here leaves a row: its tap is opened for that, if it was not.
//   4. Whether a client took our leaf is known when it speaks, or ends: so long its row waits. Some
//      look at the certificate when the handshake is over, and go without a word.
#ifndef TAPEDECK_PROXY_SECURE_H
#define TAPEDECK_PROXY_SECURE_H

#include "proto/base/err.h"
#include "proto/base/view.h"

#include <stdbool.h>

struct flow;
struct side;
struct tls_context;
struct tls_forge;
struct tls_pass;
struct tls_certs;

// Of a listener.
enum secure_way {
    SECURE_NEVER,
    SECURE_INTERCEPT, // with leaves of our CA
    SECURE_TERMINATE, // with the workload's own certificates
};

// What the flows of a worker need for it. NULL where no listener asks for it.
struct secure_env {
    struct tls_context *to_servers;  // as a client
    struct tls_context *to_clients;  // for INTERCEPT
    struct tls_context *to_callers;  // for TERMINATE
    struct tls_context *to_workload; // for TERMINATE with TLS behind it; NULL: plain
    struct tls_forge *forge;
    struct tls_pass *pass;
    struct tls_certs *own;   // for TERMINATE
    struct tls_certs *pairs; // to show to servers that ask, by host; or NULL
    int least;               // version of TLS that servers are offered on behalf of clients
    bool midway;             // INTERCEPT also what begins in the middle
    bool demands;            // TERMINATE takes no client without a certificate, nor without TLS
};

struct secure; // of a flow, from PEEK on: until it passes, else until it ends

// Whether a flow that was accepted begins in PEEK, and one that was dialled goes on there.
bool secure_begins(const struct flow *f);
bool secure_follows(const struct flow *f);
// Enters PEEK; false: out of memory.
bool secure_peek(struct flow *f, bool dialled);
// TLS may begin in the middle of what is relayed.
void secure_midway(struct flow *f);
// The dial of a flow whose content came out of TLS, and goes into it: false when it is not so, else
// the flow is in SECURE.
bool secure_server(struct flow *f);

// Bytes that were read in PEEK, or content or a want of it in SECURE: as side_read() told. Leaves
// the state when it is time.
void secure_heard(struct flow *f, struct side *s, struct view bytes, int error);
// The time for PEEK or SECURE is over. Ends the flow, unless something waited for just that.
void secure_overdue(struct flow *f);
// Whether it was dialled again, to pass.
bool secure_passes(const struct flow *f);
// The client's first content is about to be relayed.
void secure_spoke(struct flow *f);
// A connection broke behind its handshakes, or its client ended: what is to be learned of it.
void secure_broken(struct flow *f, const struct side *s);
// The flow's tap was opened: it hears what is known of the flow's TLS.
void secure_tell(struct flow *f);
// The flow ends, or its server's side does, for that reason.
void secure_end(struct flow *f, const char *reason);
void secure_clear(struct flow *f);

#endif
