// engine_impl: the inside of an engine, for its files.
#ifndef TAPEDECK_PROXY_TLS_ENGINE_IMPL_H
#define TAPEDECK_PROXY_TLS_ENGINE_IMPL_H

#include "proto/base/buf.h"
#include "proxy/tls/context_impl.h"

struct tls_engine {
    SSL *ssl;
    struct tls_context *context;
    struct view in; // the loan of put(), without what OpenSSL has read
    struct buf out;
    struct buf waits; // content that was said while the peer was in the middle of a message
    enum tls_state state;
    enum tls_failure failure;
    int error;           // what get() answers in TLS_FAILED
    int broken;          // E_NOMEM or E_LIMIT that stopped OpenSSL from within a callback
    char *why;           // owned, or a literal; NULL while nothing failed
    char *verify;        // owned; what is wrong with the peer's certificate; NULL: nothing
    X509 *refused;       // the peer's certificate, where it was not accepted
    char *key;           // towards a server: of its sessions
    char *alpn;          // towards a client: to choose; "" none
    unsigned char heard; // the last alert of the peer; 0: none but close_notify
    bool begun;          // the handshake
    bool ended;          // the end was said,
    bool owes;           //   close_notify waits behind that content
    bool resuming;       // a session is offered
    bool settled;        // a ServerHello has passed: there is a version
    bool asked;          // the peer wants a certificate of ours
    bool shown;          // our Certificate message is written (it may be empty),
    bool gave;           //   and was not empty,
    bool answered;       //   and the peer's next message has come
};

static inline struct tls_engine *engine_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

BIO_METHOD *tls_engine_bio(void); // engine_bio.c; NULL when out of memory

// engine_fail.c: to TLS_FAILED, by what stands in OpenSSL's queue of errors and what was heard.
void tls_engine_fail(struct tls_engine *e);
void tls_engine_forget_why(struct tls_engine *e);
// Callbacks of OpenSSL, set by context.c.
int tls_engine_choose(SSL *ssl, const unsigned char **out, unsigned char *n,
                      const unsigned char *offered, unsigned offered_n, void *arg); // engine.c
int tls_engine_keep(SSL *ssl, SSL_SESSION *session);                                // engine.c
void tls_engine_heard(int write, int version, int type, const void *p, size_t n, SSL *ssl,
                      void *arg);                        // engine_fail.c
int tls_engine_verify(X509_STORE_CTX *store, void *arg); // engine_verify.c

#endif
