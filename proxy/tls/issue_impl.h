// issue_impl: the parts of which certificates are made, our CA's own and the leaves that it signs.
#ifndef TAPEDECK_PROXY_TLS_ISSUE_IMPL_H
#define TAPEDECK_PROXY_TLS_ISSUE_IMPL_H

#include "proto/base/err.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stdint.h>

#define ISSUE_CN_MAX 64 // bytes of a common name (RFC 5280, ub-common-name)

// Each answers false when OpenSSL failed; its error queue tells more.

// A certificate, version 3, with a random serial of 127 bits, for key. NULL: failed.
X509 *issue_begin(EVP_PKEY *key, int64_t from_us, int64_t until_us);
bool issue_name(X509 *x, const char *field, const char *utf8); // of its subject, one more
bool issue_extension(X509 *x, int nid, void *value, bool critical);
bool issue_usage(X509 *x, const int *bits, size_t n); // keyUsage, critical, of its bits' numbers
bool issue_constraints(X509 *x, bool ca);             // basicConstraints, critical; CA: pathlen 0
bool issue_subject_id(X509 *x);                       // of its own key
bool issue_authority_id(X509 *x, const X509 *signer); // the signer's, when that has one
bool issue_sign(X509 *x, EVP_PKEY *signer);           // with the digest that fits the key

#endif
