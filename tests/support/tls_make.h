// tls_make: certificates, pairs and trusts made in memory, for tests of TLS.
//
//   struct tls_pair *ca = tls_make_pair(&(struct tls_make){.cn = "Some CA", .ca = true}, NULL);
//   struct tls_pair *leaf = tls_make_pair(&(struct tls_make){.names = "DNS:a.example"}, ca);
//   struct tls_trust *trust = tls_make_trust(ca, NULL);
//
// All end the test where something cannot be made. What they give is freed with
// tls_make_pair_free() and tls_make_trust_free(). Keys are made once a program and kind.
#ifndef TAPEDECK_TESTS_TLS_MAKE_H
#define TAPEDECK_TESTS_TLS_MAKE_H

#include "proxy/tls/pair_impl.h"
#include "proxy/tls/trust_impl.h"

enum tls_make_key { TLS_MAKE_EC, TLS_MAKE_EC_OTHER, TLS_MAKE_RSA, TLS_MAKE_RSA_1024 };

struct tls_make {
    const char *cn;    // NULL: "leaf"
    const char *names; // as OpenSSL's subjectAltName has it: "DNS:a.example,IP:10.0.0.1"; NULL none
    enum tls_make_key key;
    bool ca;
    int from_days, to_days; // from now; both 0: -1 … 30
    const char *usage;      // extendedKeyUsage: "clientAuth"; NULL: not said
};

// issuer NULL: signed by itself. The chain is the issuer's own certificate and chain, without a
// root.
struct tls_pair *tls_make_pair(const struct tls_make *how, const struct tls_pair *issuer);
void tls_make_pair_free(struct tls_pair *p); // NULL is fine

// The CA alone; revoked: a pair of it that stands in its list of revoked ones; NULL: no list.
struct tls_trust *tls_make_trust(const struct tls_pair *ca, const struct tls_pair *revoked);
void tls_make_trust_free(struct tls_trust *t); // NULL is fine

void tls_make_clear(void); // the keys

#endif
