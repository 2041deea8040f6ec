// certs: the pairs that we show in the workload's or the client's place.
//
//   inbound:   several pairs, chosen by SNI; the first one where none fits
//   upstream:  pairs by host pattern ("*.bank.example", "10.0.0.1", "*"); the first that matches
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

// files: NULL cert at the end; copied. E_LIMIT: more than CERTS_MAX.
int tls_certs_new(struct tls_certs **out, const struct tls_cert_files *files,
                  char why[WHY_MAX]) MUST_CHECK;
void tls_certs_free(struct tls_certs *c); // NULL is fine

// The pair for a host, counted for the caller; NULL: none (by pattern only).
struct tls_pair *tls_certs_find(struct tls_certs *c, const char *host);

// *changed: a file is another one than when it was read. Pairs are exchanged only when all files
// can be used; else E_… with why, and the old ones stay.
int tls_certs_reload(struct tls_certs *c, bool *changed, char why[WHY_MAX]) MUST_CHECK;

#endif
