// pair_impl: the inside of a pair, for the files of proxy/tls that hand it to OpenSSL.
#ifndef TAPEDECK_PROXY_TLS_PAIR_IMPL_H
#define TAPEDECK_PROXY_TLS_PAIR_IMPL_H

#include "proxy/tls/pair.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdatomic.h>

// Immutable but for the count.
struct tls_pair {
    atomic_uint holders;
    X509 *cert;
    STACK_OF(X509) * chain; // what is sent behind the certificate; may be empty, never NULL
    EVP_PKEY *key;
};

// Of parts that are there already; each is counted once more, so the caller's own stay the
// caller's. chain may be NULL. 0, E_NOMEM.
int tls_pair_make(struct tls_pair **out, X509 *cert, STACK_OF(X509) * chain,
                  EVP_PKEY *key) MUST_CHECK;

#endif
