// certs: the pairs that we show in the workload's or the client's place.
//
//   inbound:   several pairs, chosen by SNI: the first that fits, else the first of all
//   upstream:  pairs by host pattern ("*.bank.example", "10.0.0.1", "*"): the first that fits
//
// Files are looked at again by tls_certs_reload(), which swaps all of them or none; a pair that is
// being used lives on. Thread-safe.
#ifndef TAPEDECK_PROXY_TLS_CERTS_H
#define TAPEDECK_PROXY_TLS_CERTS_H

#include "proxy/tls/pair.h"

#define CERTS_MAX 64

struct tls_certs;

struct tls_cert_files {
    const char *pattern; // of hosts; NULL: by the certificate's own names
    const char *cert, *key;
};

// files: NULL cert at the end; copied. E_SYNTAX: a pattern is none; E_LIMIT: more than CERTS_MAX;
// else as tls_pair_load(); why tells which.
int tls_certs_new(struct tls_certs **out, const struct tls_cert_files *files,
                  char why[WHY_MAX]) MUST_CHECK;
void tls_certs_free(struct tls_certs *c); // nobody uses it any more; NULL is fine

// The pair for a host (an SNI or the text of an address, "" or NULL for none), counted for the
// caller; NULL: there is none, which cannot be where any was given without a pattern.
struct tls_pair *tls_certs_find(struct tls_certs *c, const char *host);

// *changed: a file is another one than when it was read. Pairs are exchanged only when all files
// can be used; else E_… with why, and the old ones stay; the next call tries again.
int tls_certs_reload(struct tls_certs *c, bool *changed, char why[WHY_MAX]) MUST_CHECK;

#endif
