// tls_make: what the openssl program would make, in memory.
#include "tests/support/tls_make.h"

#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>

#define DAY 86400

static EVP_PKEY *keys[4];
static long serial = 1000;

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "tls_make: %s\n", what);
    abort();
}

static EVP_PKEY *key_of(enum tls_make_key kind)
{
    if (!keys[kind]) {
        if (kind == TLS_MAKE_EC || kind == TLS_MAKE_EC_OTHER)
            keys[kind] = EVP_EC_gen("P-256");
        else
            keys[kind] = EVP_RSA_gen(kind == TLS_MAKE_RSA ? 2048u : 1024u);
    }
    need(keys[kind] != NULL, "key");
    return keys[kind];
}

void tls_make_clear(void)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        EVP_PKEY_free(keys[i]);
        keys[i] = NULL;
    }
}

static void extend(X509 *cert, X509V3_CTX *how, int nid, const char *text)
{
    X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, how, nid, text);
    need(x && X509_add_ext(cert, x, -1), text);
    X509_EXTENSION_free(x);
}

static X509 *make_cert(const struct tls_make *how, EVP_PKEY *key, const struct tls_pair *issuer)
{
    X509 *cert = X509_new();
    X509V3_CTX context;
    bool dated = how->from_days || how->to_days;
    const char *cn = how->cn ? how->cn : "leaf";
    need(cert && X509_set_version(cert, 2) && X509_set_pubkey(cert, key), "certificate");
    need(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++), "serial");
    need(X509_gmtime_adj(X509_getm_notBefore(cert), (dated ? how->from_days : -1) * (long)DAY) &&
             X509_gmtime_adj(X509_getm_notAfter(cert), (dated ? how->to_days : 30) * (long)DAY),
         "dates");
    need(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                                    (const unsigned char *)cn, -1, -1, 0),
         "name");
    X509 *by = issuer ? issuer->cert : cert;
    need(X509_set_issuer_name(cert, X509_get_subject_name(by)), "issuer");
    X509V3_set_ctx(&context, by, cert, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    extend(cert, &context, NID_basic_constraints, how->ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (how->ca)
        extend(cert, &context, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (how->names)
        extend(cert, &context, NID_subject_alt_name, how->names);
    if (how->usage)
        extend(cert, &context, NID_ext_key_usage, how->usage);
    need(X509_sign(cert, issuer ? issuer->key : key, EVP_sha256()) > 0, "signature");
    return cert;
}

struct tls_pair *tls_make_pair(const struct tls_make *how, const struct tls_pair *issuer)
{
    struct tls_pair *p = calloc(1, sizeof *p);
    need(p != NULL, "pair");
    atomic_init(&p->holders, 1);
    p->key = key_of(how->key);
    EVP_PKEY_up_ref(p->key);
    p->cert = make_cert(how, p->key, issuer);
    p->chain = sk_X509_new_null();
    need(p->chain != NULL, "chain");
    bool root = issuer && X509_self_signed(issuer->cert, 0) == 1;
    if (issuer && !root) {
        X509_up_ref(issuer->cert);
        need(sk_X509_push(p->chain, issuer->cert) > 0, "chain");
        for (int i = 0; i < sk_X509_num(issuer->chain); i++) {
            X509_up_ref(sk_X509_value(issuer->chain, i));
            need(sk_X509_push(p->chain, sk_X509_value(issuer->chain, i)) > 0, "chain");
        }
    }
    return p;
}

void tls_make_pair_free(struct tls_pair *p)
{
    if (!p)
        return;
    X509_free(p->cert);
    sk_X509_pop_free(p->chain, X509_free);
    EVP_PKEY_free(p->key);
    free(p);
}

static X509_CRL *make_crl(const struct tls_pair *ca, const struct tls_pair *revoked)
{
    X509_CRL *crl = X509_CRL_new();
    X509_REVOKED *one = X509_REVOKED_new();
    ASN1_TIME *then = X509_gmtime_adj(NULL, -DAY), *next = X509_gmtime_adj(NULL, DAY);
    need(crl && one && then && next, "list");
    need(X509_CRL_set_version(crl, 1) &&
             X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)) &&
             X509_CRL_set1_lastUpdate(crl, then) && X509_CRL_set1_nextUpdate(crl, next) &&
             X509_REVOKED_set_serialNumber(one, X509_get_serialNumber(revoked->cert)) &&
             X509_REVOKED_set_revocationDate(one, then) && X509_CRL_add0_revoked(crl, one) &&
             X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0,
         "list");
    ASN1_TIME_free(then);
    ASN1_TIME_free(next);
    return crl;
}

struct tls_trust *tls_make_trust(const struct tls_pair *ca, const struct tls_pair *revoked)
{
    struct tls_trust *t = calloc(1, sizeof *t);
    need(t && (t->store = X509_STORE_new()) && X509_STORE_add_cert(t->store, ca->cert), "trust");
    if (revoked) {
        X509_CRL *crl = make_crl(ca, revoked);
        need(X509_STORE_add_crl(t->store, crl) &&
                 X509_STORE_set_flags(t->store, X509_V_FLAG_CRL_CHECK),
             "list");
        X509_CRL_free(crl);
    }
    return t;
}

void tls_make_trust_free(struct tls_trust *t)
{
    if (!t)
        return;
    X509_STORE_free(t->store);
    free(t);
}
