// certificate_impl: parts of a certificate as text, for those in here who have OpenSSL's types.
#ifndef TAPEDECK_PROXY_TLS_CERTIFICATE_IMPL_H
#define TAPEDECK_PROXY_TLS_CERTIFICATE_IMPL_H

#include <openssl/x509.h>

#include <stdint.h>

int64_t certificate_time_us(const ASN1_TIME *t); // 0 for one that cannot be read
// Cut to n bytes with NUL; "" where there is no memory. RFC 2253; "a.example,10.0.0.1".
void certificate_name(const X509_NAME *name, char *out, size_t n);
void certificate_names(const X509 *cert, char *out, size_t n);

#endif
