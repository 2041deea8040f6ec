// ca_impl: the inside of our CA, for the files that sign with it.
#ifndef TAPEDECK_PROXY_TLS_CA_IMPL_H
#define TAPEDECK_PROXY_TLS_CA_IMPL_H

#include "proxy/tls/ca.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <sys/stat.h>

#define CA_KEY_CLOSED (S_IRWXG | S_IRWXO) // who may have no access to the key's file

// Immutable.
struct tls_ca {
    X509 *cert;
    EVP_PKEY *key;         // NULL: loaded without
    STACK_OF(X509) * sent; // behind a leaf: nothing, or, when another one signed our certificate,
                           // it and those up to the root
    int64_t not_after_us;
};

// Makes the files of a folder as far as they are missing (ca_make.c).
int ca_make(const char *folder, const char *cert, const char *key, char why[WHY_MAX]) MUST_CHECK;

#endif
