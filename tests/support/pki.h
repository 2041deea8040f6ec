// pki: certificates and lists of revoked ones for tests, made by libcrypto, as PEM files. All abort
// on errors.
#ifndef TAPEDECK_TESTS_PKI_H
#define TAPEDECK_TESTS_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>

struct pki {
    X509 *cert;
    EVP_PKEY *key; // EC P-256
};

enum { PKI_CA = 1, PKI_EXPIRED = 2, PKI_STRANGE = 4 }; // strange: one that libcrypto refuses

// A certificate of that common name, which is its DNS name too. issuer NULL: it signs itself.
void pki_make(struct pki *out, const char *name, const struct pki *issuer, unsigned flags);
void pki_clear(struct pki *p);

// Appended to the file.
void pki_add_cert(const char *path, const struct pki *p);
void pki_add_key(const char *path, const struct pki *p);
// A list of ca's that has these (NULL at the end). expired: its next one is due since long.
void pki_add_crl(const char *path, const struct pki *ca, const struct pki *const *revoked,
                 int expired);

#endif
