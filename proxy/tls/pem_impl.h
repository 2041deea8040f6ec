// pem_impl: certificates and keys out of files, and what is told of them.
#ifndef TAPEDECK_PROXY_TLS_PEM_IMPL_H
#define TAPEDECK_PROXY_TLS_PEM_IMPL_H

#include "proto/base/err.h"
#include "proto/base/options.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <sys/types.h>

#define PEM_FILE_MAX (1u << 20) // bytes of a file of one certificate and its chain, or of a key

// The first certificate of a PEM file, and those behind it.
// E_NOTFOUND, E_REFUSED, E_IO: it cannot be read; E_LIMIT, E_SYNTAX: what is in it; E_NOMEM.
int pem_certs(X509 **cert, STACK_OF(X509) * *chain, const char *path, char why[WHY_MAX]) MUST_CHECK;

// The private key of a PEM file. Whoever is in closed (S_IRWXG, S_IRWXO) must have no access to it:
// else E_REFUSED; so is one with a passphrase E_UNSUPPORTED.
int pem_key(EVP_PKEY **key, const char *path, mode_t closed, char why[WHY_MAX]) MUST_CHECK;

// E_NOMEM or E_IO for the failure of an OpenSSL call, whose errors are then forgotten; with why
// (NULL: not told) "WHAT: REASON".
int pem_failed(const char *what, char why[WHY_MAX]);

void pem_key_text(const EVP_PKEY *key, char *out, size_t size); // "EC P-256", "RSA 2048"

#endif
