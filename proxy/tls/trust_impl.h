// trust_impl: what a tls_trust is made of, for those who verify with it.
#ifndef TAPEDECK_PROXY_TLS_TRUST_IMPL_H
#define TAPEDECK_PROXY_TLS_TRUST_IMPL_H

#include "proxy/tls/trust.h"

#include <openssl/x509_vfy.h>

struct tls_trust {
    X509_STORE *store;        // all of it is in memory: verifying reads no file
    size_t authorities, crls; // how many there are
};

#endif
