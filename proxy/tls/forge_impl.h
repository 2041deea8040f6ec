// forge_impl: what the cache (forge.c) asks of the mint (forge_mint.c).
#ifndef TAPEDECK_PROXY_TLS_FORGE_IMPL_H
#define TAPEDECK_PROXY_TLS_FORGE_IMPL_H

#include "proxy/tls/ca_impl.h"
#include "proxy/tls/forge.h"
#include "proxy/tls/pair_impl.h"

// The process's key of a kind, made at the first call: a loan for as long as the keys live. NULL:
// OpenSSL failed.
EVP_PKEY *forge_key(struct tls_keys *k, bool rsa);

// Whether a name may stand in a certificate: 0, E_SYNTAX, E_LIMIT.
int forge_name_check(struct view name) MUST_CHECK;

// names: comma-separated, those that cannot be used are left out; when none is left, host is the
// name.
struct forge_order {
    const struct tls_ca *ca;
    EVP_PKEY *key;
    bool rsa;
    const char *host, *names;
    int64_t from_us, until_us;
};
int forge_mint(const struct forge_order *o, struct tls_pair **out) MUST_CHECK;

#endif
