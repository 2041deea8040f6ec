// pass: which hosts are passed through without interception: by rule, or learned. One a process:
// what one worker learns holds for the next connection of any. Thread-safe.
//
// Learned: a client refused our certificate, or had nothing in common with us (a version, a suite);
// the server's certificate did not hold, or it wants one of the client. Then connections to that
// host and port pass for PASS_FIRST_US, twice as long at the next time, up to PASS_LAST_US; so long
// without failure, and it starts over.
#ifndef TAPEDECK_PROXY_TLS_PASS_H
#define TAPEDECK_PROXY_TLS_PASS_H

#include "proto/base/addr.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

#define PASS_FIRST_US    (60 * US_PER_S)
#define PASS_LAST_US     US_PER_DAY
#define PASS_LEARNED_MAX 1024 // the one that ends first goes
#define PASS_RULES_MAX   256
#define PASS_TAKEN_MAX   1024 // hosts of which it is known that clients trust us there

enum pass_cause { PASS_RULE, PASS_REFUSED, PASS_UNTRUSTED, PASS_WANTS_CERT, PASS_PROTOCOL };

struct tls_pass;

// rules: "HOST[:PORT]" or ":PORT", comma-separated; "" none. HOST is a name, "*.NAME" for all below
// it, "*", or an address (of IPv6 with a port in brackets). Case does not matter. E_SYNTAX with
// why: which rule, what is allowed; E_LIMIT; E_NOMEM.
int tls_pass_new(struct tls_pass **out, const char *rules, char why[WHY_MAX]) MUST_CHECK;
void tls_pass_free(struct tls_pass *p); // NULL is fine
// Other rules in the place of these; what was learned stays. As tls_pass_new(); after an error
// nothing has changed.
int tls_pass_rules(struct tls_pass *p, const char *rules, char why[WHY_MAX]) MUST_CHECK;

// Whether a connection passes; *cause tells why. host: SNI or address text. now_us: of one clock,
// always the same.
bool tls_pass_look(struct tls_pass *p, const char *host, unsigned port, int64_t now_us,
                   enum pass_cause *cause);
// A failure there: whether it was learned. One that is learned already and holds stays as it is:
// connections that were begun together fail together. Without memory nothing is learned.
bool tls_pass_learn(struct tls_pass *p, const char *host, unsigned port, enum pass_cause cause,
                    int64_t now_us);

// A client took our certificate there, and spoke. Whether one did: collisions may make it
// forgotten, or another host be taken for it.
void tls_pass_took(struct tls_pass *p, const char *host, unsigned port);
bool tls_pass_was_taken(struct tls_pass *p, const char *host, unsigned port);
// The same, and from now on nothing is known of it: until a client takes ours once more.
bool tls_pass_doubt(struct tls_pass *p, const char *host, unsigned port);

// For /flows: those that are learned and hold, one after the other; *i 0 at first. One that is
// learned meanwhile may be missed.
struct pass_entry {
    char host[HOST_MAX + 1];
    unsigned port;
    enum pass_cause cause;
    int64_t until_us;
    unsigned times;
};
bool tls_pass_next(struct tls_pass *p, int64_t now_us, size_t *i, struct pass_entry *out);
const char *tls_pass_cause_text(enum pass_cause cause); // "rule", "client-refused", …

#endif
