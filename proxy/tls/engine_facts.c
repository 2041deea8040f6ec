// engine_facts: what there is to know of a connection, as text.
#include "proxy/tls/engine_impl.h"

static const char *version_text(int version)
{
    switch (version) {
    case TLS1_VERSION:
        return "1.0";
    case TLS1_1_VERSION:
        return "1.1";
    case TLS1_2_VERSION:
        return "1.2";
    case TLS1_3_VERSION:
        return "1.3";
    default:
        return "";
    }
}

void tls_engine_facts(struct tls_engine *e, struct tls_facts_of *out)
{
    struct tls_context *c = e->context;
    // Before the ServerHello OpenSSL names what is offered.
    const SSL_CIPHER *cipher = e->settled ? SSL_get_current_cipher(e->ssl) : NULL;
    const char *cipher_name = cipher ? SSL_CIPHER_standard_name(cipher) : NULL;
    X509 *cert = SSL_get0_peer_certificate(e->ssl);
    const unsigned char *alpn = NULL;
    unsigned n = 0;

    *out = (struct tls_facts_of){
        .version = e->settled ? version_text(SSL_version(e->ssl)) : "",
        .cipher = cipher_name ? cipher_name : "",
        .alpn = c->text.alpn,
        .resumed = SSL_session_reused(e->ssl),
        .wants_cert = !c->server && e->asked && !e->gave,
        .verify = e->verify ? e->verify : "",
    };
    SSL_get0_alpn_selected(e->ssl, &alpn, &n);
    if (n > 0)
        memcpy(c->text.alpn, alpn, n); // n is one byte of the wire
    c->text.alpn[n] = 0;
    cert = cert ? cert : e->refused;
    if (!cert)
        return;
    out->certificate = &c->text.certificate;
    if (cert == c->text.is_of)
        return;
    certificate_read(cert, &c->text.certificate);
    X509_free(c->text.is_of);
    X509_up_ref(cert);
    c->text.is_of = cert;
}
