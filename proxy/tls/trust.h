// trust: whose signature is taken for a certificate: the system's authorities, further ones, and
// lists of revoked certificates. Immutable; shared by workers.
#ifndef TAPEDECK_PROXY_TLS_TRUST_H
#define TAPEDECK_PROXY_TLS_TRUST_H

#include "proto/base/err.h"
#include "proto/base/options.h"

struct tls_trust;

struct tls_trust_conf {
    bool system;            // the system's store (SSL_CERT_FILE and SSL_CERT_DIR are heeded)
    const char *const *ca;  // PEM files or hashed folders; NULL at the end; or NULL. One that did
                            // not sign itself is trusted as well
    const char *const *crl; // PEM files; NULL at the end; or NULL. With any, leaves are held
                            // against those of their issuer, where there is one
};

// Reads everything; later nothing is read any more. E_… with why: which file, what is wrong; a file
// without any certificate is E_SYNTAX, none at all E_NOTFOUND. A system that has none is a warning
// in the log: those that are given are trusted then, or nobody.
int tls_trust_new(struct tls_trust **out, const struct tls_trust_conf *conf,
                  char why[WHY_MAX]) MUST_CHECK;
void tls_trust_free(struct tls_trust *t); // NULL is fine

#endif
