// pki: see pki.h.
#include "tests/support/pki.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY (24 * 3600)

static void need(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "pki: cannot %s\n", what);
        abort();
    }
}

static void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    need(ext && X509_add_ext(x, ext, -1), "add an extension");
    X509_EXTENSION_free(ext);
}

static void set_name(X509 *x, const char *name)
{
    X509_NAME *n = X509_get_subject_name(x);
    need(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0),
         "name it");
}

void pki_make(struct pki *out, const char *name, const struct pki *issuer, unsigned flags)
{
    static long serial = 1;
    char names[300];
    out->cert = X509_new();
    out->key = EVP_EC_gen("P-256");
    need(out->cert && out->key, "make a key");
    X509 *by = issuer ? issuer->cert : out->cert;
    need(X509_set_version(out->cert, X509_VERSION_3), "set the version");
    need(ASN1_INTEGER_set(X509_get_serialNumber(out->cert), serial++), "number it");
    long ends = flags & PKI_EXPIRED ? -DAY : DAY;
    need(X509_gmtime_adj(X509_getm_notBefore(out->cert), -10L * DAY) &&
             X509_gmtime_adj(X509_getm_notAfter(out->cert), ends),
         "date it");
    set_name(out->cert, name);
    need(X509_set_issuer_name(out->cert, X509_get_subject_name(by)), "name the issuer");
    need(X509_set_pubkey(out->cert, out->key), "put the key in");
    add_extension(out->cert, by, NID_basic_constraints,
                  flags & PKI_CA ? "critical,CA:TRUE" : "CA:FALSE");
    if (flags & PKI_STRANGE)
        add_extension(out->cert, by, NID_basic_constraints, "CA:FALSE");
    add_extension(out->cert, by, NID_subject_key_identifier, "hash");
    if (issuer)
        add_extension(out->cert, by, NID_authority_key_identifier, "keyid");
    snprintf(names, sizeof names, "DNS:%s", name);
    if (!(flags & PKI_CA))
        add_extension(out->cert, by, NID_subject_alt_name, names);
    need(X509_sign(out->cert, issuer ? issuer->key : out->key, EVP_sha256()), "sign it");
}

void pki_clear(struct pki *p)
{
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
    p->cert = NULL;
    p->key = NULL;
}

static FILE *open_more(const char *path)
{
    FILE *f = fopen(path, "a");
    need(f != NULL, "open the file");
    return f;
}

void pki_add_cert(const char *path, const struct pki *p)
{
    FILE *f = open_more(path);
    need(PEM_write_X509(f, p->cert) && fclose(f) == 0, "write a certificate");
}

void pki_add_key(const char *path, const struct pki *p)
{
    FILE *f = open_more(path);
    need(PEM_write_PrivateKey(f, p->key, NULL, NULL, 0, NULL, NULL) && fclose(f) == 0,
         "write a key");
}

void pki_add_crl(const char *path, const struct pki *ca, const struct pki *const *revoked,
                 int expired)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *then = X509_gmtime_adj(NULL, -2L * DAY);
    ASN1_TIME *next = X509_gmtime_adj(NULL, expired ? -DAY : DAY);
    need(crl && then && next && X509_CRL_set_version(crl, X509_CRL_VERSION_2) &&
             X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)) &&
             X509_CRL_set1_lastUpdate(crl, then) && X509_CRL_set1_nextUpdate(crl, next),
         "make a list");
    for (; *revoked; revoked++) {
        X509_REVOKED *r = X509_REVOKED_new();
        need(r && X509_REVOKED_set_serialNumber(r, X509_get_serialNumber((*revoked)->cert)) &&
                 X509_REVOKED_set_revocationDate(r, then) && X509_CRL_add0_revoked(crl, r),
             "revoke");
    }
    FILE *f = open_more(path);
    need(X509_CRL_sort(crl) && X509_CRL_sign(crl, ca->key, EVP_sha256()) &&
             PEM_write_X509_CRL(f, crl) && fclose(f) == 0,
         "write a list");
    ASN1_TIME_free(then);
    ASN1_TIME_free(next);
    X509_CRL_free(crl);
}
