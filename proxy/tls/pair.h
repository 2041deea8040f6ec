// pair: a certificate with its chain and its private key. Counted: shared by engines, caches and
// configurations, across threads.
#ifndef TAPEDECK_PROXY_TLS_PAIR_H
#define TAPEDECK_PROXY_TLS_PAIR_H

#include "proto/base/err.h"
#include "proto/base/options.h"

#include <stdbool.h>

struct tls_pair;

// PEM files: the certificate with its chain behind it; its key, without a passphrase. E_… with why:
// which file, what is wrong (no PEM, no key in it, key and certificate do not belong together). Who
// else can read the key is the caller's to look at: mounted secrets are often open to all.
int tls_pair_load(struct tls_pair **out, const char *cert, const char *key,
                  char why[WHY_MAX]) MUST_CHECK;
struct tls_pair *tls_pair_keep(struct tls_pair *p); // another holder of it
void tls_pair_free(struct tls_pair *p);             // NULL is fine; key memory is cleared

// Whether the certificate is for that host: DNS names with wildcards (RFC 6125), addresses.
bool tls_pair_is_for(const struct tls_pair *p, const char *host);

#endif
