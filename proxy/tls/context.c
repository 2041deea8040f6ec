// context: the settings of OpenSSL that all engines of a worker and role have in common.
//
// 1. Versions, the suites of TLS 1.2 and below and the level are set here, whatever the system's
//    openssl.cnf says; groups and the suites of TLS 1.3 are its or OpenSSL's.
// 2. Towards clients nothing is kept of a session: all of it is in the ticket, whose key the
//    workers share. Without a key there are no tickets, and so no resumption.
// 3. Towards servers OpenSSL's own cache is off; sessions.c has what tls_engine_keep() puts there.
#include "proxy/tls/context.h"

#include "proxy/tls/engine_impl.h"
#include "proxy/tls/keylog.h"
#include "proxy/tls/trouble_impl.h"
#include "proxy/tls/trust_impl.h"

#include <openssl/err.h>

#include <stdio.h>
#include <stdlib.h>

#define LEAST TLS1_2_VERSION

// Of TLS 1.2 and below, the best first; those of TLS 1.3 are not named.
#define SUITES_ACCEPT                                                                              \
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:kRSA+AESGCM:kRSA+AES:!aNULL:!eNULL:!AESCCM:!DHE:!PSK"
#define SUITES_CONNECT "DEFAULT:!aNULL:!eNULL:!PSK:!SRP"

#define CLIENT_CAS_MAX 64 // authorities that are named to clients; with more none is: any may do

static void log_secret(const SSL *ssl, const char *line)
{
    tls_keylog_line(engine_of(ssl)->context->keylog, line);
}

static int take_name(SSL *ssl, int *alert, void *arg)
{
    (void)ssl;
    (void)alert;
    (void)arg;
    return SSL_TLSEXT_ERR_OK; // RFC 6066 3: the client is told that its name was used
}

static int fail(struct tls_context *c, char why[WHY_MAX], const char *what)
{
    struct trouble t = trouble_take();
    bool memory = t.memory || !t.last;
    snprintf(why, WHY_MAX, "TLS: %s: %s", what, memory ? err_text(E_NOMEM) : trouble_text(t.first));
    tls_context_free(c);
    return memory ? E_NOMEM : E_IO;
}

static int set_up(struct tls_context *c, const char *suites, int level, char why[WHY_MAX])
{
    uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
    if (c->least < TLS1_VERSION || c->least > CONTEXT_MOST) {
        snprintf(why, WHY_MAX, "TLS: versions from 0x%04x on; allowed are 0x%04x to 0x%04x",
                 (unsigned)c->least, TLS1_VERSION, CONTEXT_MOST);
        tls_context_free(c);
        return E_RANGE;
    }
    c->bio = tls_engine_bio();
    c->ssl = c->bio ? SSL_CTX_new(c->server ? TLS_server_method() : TLS_client_method()) : NULL;
    if (!c->ssl)
        return fail(c, why, "context");
    SSL_CTX_set_options(c->ssl, options);
    SSL_CTX_clear_options(c->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT |
                                      SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION |
                                      SSL_OP_NO_SSL_MASK);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_security_level(c->ssl, c->least < TLS1_2_VERSION ? 0 : level);
    SSL_CTX_set_msg_callback(c->ssl, tls_engine_heard);
    SSL_CTX_set_cert_verify_callback(c->ssl, tls_engine_verify, NULL);
    if (c->keylog)
        SSL_CTX_set_keylog_callback(c->ssl, log_secret);
    if (!SSL_CTX_set_cipher_list(c->ssl, suites))
        return fail(c, why, "suites");
    if (!SSL_CTX_set_min_proto_version(c->ssl, c->least) ||
        !SSL_CTX_set_max_proto_version(c->ssl, CONTEXT_MOST))
        return fail(c, why, "versions");
    return 0;
}

int tls_context_connect(struct tls_context **out, const struct tls_connect_conf *conf,
                        char why[WHY_MAX])
{
    if (!conf->trust && conf->verify != TLS_VERIFY_OFF) {
        snprintf(why, WHY_MAX, "TLS: servers cannot be verified without authorities");
        return E_NOTFOUND;
    }
    ERR_clear_error();
    struct tls_context *c = calloc(1, sizeof *c);
    if (!c)
        return fail(c, why, "context");
    c->least = conf->least ? conf->least : LEAST;
    c->verify = conf->verify;
    c->keylog = conf->keylog;
    c->sessions = tls_sessions_new(TLS_SESSIONS_MAX);
    if (!c->sessions)
        return fail(c, why, "sessions");
    // What is not looked at may be weak, as far as a handshake still means something.
    int e = set_up(c, SUITES_CONNECT, conf->verify == TLS_VERIFY_STRICT ? 2 : 1, why);
    if (e)
        return e;
    if (conf->trust && !SSL_CTX_set1_verify_cert_store(c->ssl, conf->trust->store))
        return fail(c, why, "authorities");
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ssl, tls_engine_keep);
    *out = c;
    return 0;
}

// The names of a store's authorities, for clients to choose a certificate by.
static bool name_authorities(SSL_CTX *ssl, X509_STORE *store)
{
    STACK_OF(X509) *certs = X509_STORE_get1_all_certs(store);
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    bool fine = certs && names;
    for (int i = 0; fine && sk_X509_num(certs) <= CLIENT_CAS_MAX && i < sk_X509_num(certs); i++) {
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(sk_X509_value(certs, i)));
        fine = name && sk_X509_NAME_push(names, name) > 0;
        if (!fine)
            X509_NAME_free(name);
    }
    sk_X509_pop_free(certs, X509_free);
    if (fine)
        SSL_CTX_set_client_CA_list(ssl, names);
    else
        sk_X509_NAME_pop_free(names, X509_NAME_free);
    return fine;
}

static int set_clients(struct tls_context *c, const struct tls_accept_conf *conf)
{
    int mode = SSL_VERIFY_PEER | (conf->client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_CTX_set_verify(c->ssl, mode, NULL);
    return SSL_CTX_set1_verify_cert_store(c->ssl, conf->clients->store) &&
           name_authorities(c->ssl, conf->clients->store);
}

static int set_tickets(struct tls_context *c, const unsigned char *key)
{
    unsigned char copy[TLS_TICKET_KEY];
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
    if (!key) {
        SSL_CTX_set_options(c->ssl, SSL_OP_NO_TICKET);
        return SSL_CTX_set_num_tickets(c->ssl, 0);
    }
    memcpy(copy, key, sizeof copy);
    int fine = (int)SSL_CTX_set_tlsext_ticket_keys(c->ssl, copy, sizeof copy);
    OPENSSL_cleanse(copy, sizeof copy);
    return fine;
}

int tls_context_accept(struct tls_context **out, const struct tls_accept_conf *conf,
                       char why[WHY_MAX])
{
    ERR_clear_error();
    struct tls_context *c = calloc(1, sizeof *c);
    if (!c)
        return fail(c, why, "context");
    c->server = true;
    c->least = conf->least ? conf->least : LEAST;
    c->keylog = conf->keylog;
    int e = set_up(c, SUITES_ACCEPT, 1, why);
    if (e)
        return e;
    if (!set_tickets(c, conf->ticket_key))
        return fail(c, why, "tickets");
    if (conf->clients && !set_clients(c, conf))
        return fail(c, why, "authorities of clients");
    SSL_CTX_set_alpn_select_cb(c->ssl, tls_engine_choose, NULL);
    SSL_CTX_set_tlsext_servername_callback(c->ssl, take_name);
    *out = c;
    return 0;
}

void tls_context_free(struct tls_context *c)
{
    if (!c)
        return;
    X509_free(c->text.is_of);
    SSL_CTX_free(c->ssl);
    BIO_meth_free(c->bio);
    tls_sessions_free(c->sessions);
    free(c);
}
