// engine_facts: what there is to know of a connection, as text.
#include "proto/base/clock.h"
#include "proxy/tls/engine_impl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

void tls_text_name(const X509_NAME *name, char *out, size_t n)
{
    BIO *b = name ? BIO_new(BIO_s_mem()) : NULL;
    out[0] = 0;
    if (b && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253) >= 0) {
        int got = BIO_read(b, out, (int)n - 1);
        out[got > 0 ? got : 0] = 0;
    }
    BIO_free(b);
    ERR_clear_error();
}

static bool is_plain(const unsigned char *p, int n)
{
    for (int i = 0; i < n; i++)
        if (p[i] <= ' ' || p[i] > '~' || p[i] == ',')
            return false;
    return n > 0;
}

void tls_text_names(const X509 *cert, char *out, size_t n)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t at = 0;
    out[0] = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        char ip[INET6_ADDRSTRLEN];
        const char *p = NULL;
        int len = 0;
        if (g->type == GEN_DNS) {
            p = (const char *)ASN1_STRING_get0_data(g->d.dNSName);
            len = ASN1_STRING_length(g->d.dNSName);
        } else if (g->type == GEN_IPADD) {
            int size = ASN1_STRING_length(g->d.iPAddress);
            if (size == 4 || size == 16)
                p = inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(g->d.iPAddress),
                              ip, sizeof ip);
            len = p ? (int)strlen(p) : 0;
        }
        if (!p || !is_plain((const unsigned char *)p, len) || at + (size_t)len + 2 > n)
            continue;
        at += (size_t)snprintf(out + at, n - at, "%s%.*s", at ? "," : "", len, p);
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

static int64_t time_us(const ASN1_TIME *t)
{
    struct tm tm;
    if (!t || !ASN1_TIME_to_tm(t, &tm))
        return 0;
    return (int64_t)timegm(&tm) * US_PER_S;
}

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
    const SSL_CIPHER *cipher = SSL_get_current_cipher(e->ssl);
    const char *cipher_name = cipher ? SSL_CIPHER_standard_name(cipher) : NULL;
    const char *sni = SSL_get_servername(e->ssl, TLSEXT_NAMETYPE_host_name);
    X509 *cert = SSL_get0_peer_certificate(e->ssl);
    const unsigned char *alpn = NULL;
    unsigned n = 0, size = sizeof out->fingerprint;

    *out = (struct tls_facts_of){
        .version = version_text(SSL_version(e->ssl)),
        .cipher = cipher_name ? cipher_name : "",
        .alpn = c->text.alpn,
        .sni = sni ? sni : "",
        .subject = c->text.subject,
        .issuer = c->text.issuer,
        .names = c->text.names,
        .resumed = SSL_session_reused(e->ssl),
        .wants_cert = !c->server && e->asked && !e->gave,
        .verify = e->verify ? e->verify : "",
    };
    SSL_get0_alpn_selected(e->ssl, &alpn, &n);
    if (n > 0)
        memcpy(c->text.alpn, alpn, n); // n is one byte of the wire
    c->text.alpn[n] = 0;
    c->text.subject[0] = c->text.issuer[0] = c->text.names[0] = 0;
    if (!cert)
        return;
    tls_text_name(X509_get_subject_name(cert), c->text.subject, sizeof c->text.subject);
    tls_text_name(X509_get_issuer_name(cert), c->text.issuer, sizeof c->text.issuer);
    tls_text_names(cert, c->text.names, sizeof c->text.names);
    out->not_before_us = time_us(X509_get0_notBefore(cert));
    out->not_after_us = time_us(X509_get0_notAfter(cert));
    if (!X509_digest(cert, EVP_sha256(), out->fingerprint, &size))
        memset(out->fingerprint, 0, sizeof out->fingerprint);
    ERR_clear_error();
}
