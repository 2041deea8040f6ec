// forge: leaves for intercepted clients, signed by our CA, and the cache of them. One a worker, for
// one thread.
//
// A leaf has the name that the client asked for (SNI), else those of the server's certificate, else
// the address; ECDSA P-256, or RSA for a client that cannot verify it; a random serial of 127 bits.
// It is valid from a day ago for so many days, and never longer than the CA. The leaf's key is made
// once a process and kind.
#ifndef TAPEDECK_PROXY_TLS_FORGE_H
#define TAPEDECK_PROXY_TLS_FORGE_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proxy/tls/ca.h"

#define FORGE_DAYS_MAX   197
#define FORGE_NAMES_MAX  128  // in one leaf
#define FORGE_NAMES_TEXT 8192 // bytes of them

struct tls_keys; // leaf keys of a process, made when first needed, shared by workers; thread-safe
int tls_keys_new(struct tls_keys **out, char why[WHY_MAX]) MUST_CHECK;
void tls_keys_free(struct tls_keys *k); // no forge uses them any more; NULL is fine

struct tls_forge;

// ca (with its key) and keys outlive it. days: 1 … FORGE_DAYS_MAX; leaves: of the cache, at least
// 1; the one used longest ago goes first.
int tls_forge_new(struct tls_forge **out, const struct tls_ca *ca, struct tls_keys *keys, int days,
                  size_t leaves) MUST_CHECK;
void tls_forge_free(struct tls_forge *f);

// A leaf for host (SNI or address text, never empty); names: when sni is not set, those of the
// server's certificate, which then stand in the place of host (comma-separated DNS and IP; "" none;
// names that cannot be used and what is beyond FORGE_NAMES_MAX are left out). now_us: wall clock.
// The same one as long as it is cached and has a day left (of the last two days: half of what is
// left when it is made). *out is counted for the caller. 0; E_LIMIT: host is longer than 255 bytes;
// E_SYNTAX: it has control characters; E_DAMAGED: the CA has expired; E_NOMEM; E_IO: OpenSSL
// failed.
int tls_forge_leaf(struct tls_forge *f, const char *host, bool sni, const char *names, bool rsa,
                   int64_t now_us, struct tls_pair **out) MUST_CHECK;

uint64_t tls_forge_minted(const struct tls_forge *f); // how many were made

#endif
