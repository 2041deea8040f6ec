// certificate: what a certificate says, as text, for captures and for people.
#ifndef TAPEDECK_PROXY_TLS_CERTIFICATE_H
#define TAPEDECK_PROXY_TLS_CERTIFICATE_H

#include "proto/base/err.h"
#include "proto/base/view.h"

#include <stdint.h>

#define CERTIFICATE_NAME  512  // bytes of a subject or issuer that is shown; longer ones are cut
#define CERTIFICATE_NAMES 2048 // of the further names

struct certificate {
    char subject[CERTIFICATE_NAME], issuer[CERTIFICATE_NAME]; // RFC 2253
    char names[CERTIFICATE_NAMES]; // of DNS and IP, "a.example,10.0.0.1"; "" without; with a comma
                                   // at the end where more did not fit. ASCII that can be seen,
                                   // whatever the certificate has
    int64_t not_before_us, not_after_us; // 0: cannot be read
    unsigned char fingerprint[32];       // SHA-256
};

struct x509_st; // OpenSSL's X509
// Without memory texts are "" and the rest is 0.
void certificate_read(const struct x509_st *cert, struct certificate *out);
// The same of one in DER, with nothing behind it. 0; E_SYNTAX.
int certificate_read_der(struct view der, struct certificate *out) MUST_CHECK;

#endif
