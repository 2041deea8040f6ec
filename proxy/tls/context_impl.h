// context_impl: the inside of a context, for the files of the engine.
#ifndef TAPEDECK_PROXY_TLS_CONTEXT_IMPL_H
#define TAPEDECK_PROXY_TLS_CONTEXT_IMPL_H

#include "proxy/tls/certificate.h"
#include "proxy/tls/context.h"
#include "proxy/tls/sessions.h"

#include <openssl/ssl.h>

#define CONTEXT_MOST TLS1_3_VERSION

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    bool server;
    int least;
    enum tls_verify verify;        // of servers; clients' certificates are always verified
    struct tls_keylog *keylog;     // a loan; NULL: none
    struct tls_sessions *sessions; // towards servers
    struct {                       // what tls_engine_facts() lends
        char alpn[256];
        struct certificate certificate;
        X509 *is_of; // what certificate was read of, which takes long; NULL: nothing
    } text;
};

#endif
