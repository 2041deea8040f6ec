// certificate: see certificate.h.
#include "proxy/tls/certificate.h"

#include "proto/base/clock.h"
#include "proxy/tls/certificate_impl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

int64_t certificate_time_us(const ASN1_TIME *t)
{
    struct tm tm;
    if (!t || !ASN1_TIME_to_tm(t, &tm)) {
        ERR_clear_error();
        return 0;
    }
    return (int64_t)timegm(&tm) * US_PER_S;
}

static int whole_characters(const char *p, int n)
{
    while (n > 0 && ((unsigned char)p[n - 1] & 0xC0) == 0x80)
        n--;
    return n > 0 && ((unsigned char)p[n - 1] & 0x80) ? n - 1 : n;
}

void certificate_name(const X509_NAME *name, char *out, size_t n)
{
    BIO *b = name ? BIO_new(BIO_s_mem()) : NULL;
    out[0] = 0;
    if (b && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        int got = BIO_read(b, out, (int)n - 1);
        if (got == (int)n - 1) // cut: of its last character perhaps only a part is here
            got = whole_characters(out, got);
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

void certificate_names(const X509 *cert, char *out, size_t n)
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
        if (!p || !is_plain((const unsigned char *)p, len))
            continue;
        if (at + (size_t)len + 3 > n) {
            snprintf(out + at, n - at, ",");
            break;
        }
        at += (size_t)snprintf(out + at, n - at, "%s%.*s", at ? "," : "", len, p);
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

void certificate_read(const X509 *cert, struct certificate *out)
{
    unsigned size = sizeof out->fingerprint;
    certificate_name(X509_get_subject_name(cert), out->subject, sizeof out->subject);
    certificate_name(X509_get_issuer_name(cert), out->issuer, sizeof out->issuer);
    certificate_names(cert, out->names, sizeof out->names);
    out->not_before_us = certificate_time_us(X509_get0_notBefore(cert));
    out->not_after_us = certificate_time_us(X509_get0_notAfter(cert));
    if (!X509_digest(cert, EVP_sha256(), out->fingerprint, &size))
        memset(out->fingerprint, 0, sizeof out->fingerprint);
    ERR_clear_error();
}

int certificate_read_der(struct view der, struct certificate *out)
{
    const unsigned char *p = (const unsigned char *)der.p;
    X509 *cert = der.n <= LONG_MAX ? d2i_X509(NULL, &p, (long)der.n) : NULL;
    int e = cert && p == (const unsigned char *)der.p + der.n ? 0 : E_SYNTAX;
    if (e == 0)
        certificate_read(cert, out);
    X509_free(cert);
    ERR_clear_error();
    return e;
}
