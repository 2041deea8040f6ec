// pem_impl: certificates and keys out of files, and what is told of them.
#ifndef TAPEDECK_PROXY_TLS_PEM_IMPL_H
#define TAPEDECK_PROXY_TLS_PEM_IMPL_H

#include "proto/base/err.h"
#include "proto/base/options.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <sys/types.h>

#define PEM_FILE_MAX (1u << 20) // bytes of a file of one certificate and its chain, or of a key

struct pem_bytes {
    unsigned char *p;
    size_t n;
};

// A whole file, of at most max bytes. Whoever is in closed (S_IRWXG, S_IRWXO) must have no access
// to it: else E_REFUSED. E_NOTFOUND, E_REFUSED, E_IO: it cannot be read; E_SYNTAX: it is none, but
// a folder, a pipe; E_LIMIT, E_NOMEM.
int pem_read(struct pem_bytes *out, const char *path, mode_t closed, size_t max,
             char why[WHY_MAX]) MUST_CHECK;
void pem_clear(struct pem_bytes *b); // its memory is wiped
// The error and the words for a file or folder that could not be opened.
int pem_unopened(const char *path, int errnum, char why[WHY_MAX]);

// The first certificate of a PEM file, and those behind it.
// E_NOTFOUND, E_REFUSED, E_IO: it cannot be read; E_LIMIT, E_SYNTAX: what is in it; E_NOMEM.
int pem_certs(X509 **cert, STACK_OF(X509) * *chain, const char *path, char why[WHY_MAX]) MUST_CHECK;

// The private key of a PEM file. The same, closed as pem_read() has it; E_UNSUPPORTED: it has a
// passphrase.
int pem_key(EVP_PKEY **key, const char *path, mode_t closed, char why[WHY_MAX]) MUST_CHECK;

// E_NOMEM or E_IO for the failure of an OpenSSL call, whose errors are then forgotten; with why
// (NULL: not told) "WHAT: REASON".
int pem_failed(const char *what, char why[WHY_MAX]);

void pem_key_text(const EVP_PKEY *key, char *out, size_t size); // "EC P-256", "RSA 2048"

#endif
