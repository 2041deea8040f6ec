// issue: see issue_impl.h. What is put into a certificate is copied.
#include "proxy/tls/issue_impl.h"

#include "proto/base/clock.h"

#include <openssl/bn.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#define SERIAL_BYTES 16

// Positive, and never shorter for leading zeros: so it tells nothing, and is no valid serial twice.
static bool set_serial(X509 *x)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool done = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return done;
}

X509 *issue_begin(EVP_PKEY *key, int64_t from_us, int64_t until_us)
{
    X509 *x = X509_new();
    if (x && X509_set_version(x, X509_VERSION_3) && set_serial(x) &&
        ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(from_us / US_PER_S)) &&
        ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(until_us / US_PER_S)) &&
        X509_set_pubkey(x, key))
        return x;
    X509_free(x);
    return NULL;
}

bool issue_name(X509 *x, const char *field, const char *utf8)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(x), field, MBSTRING_UTF8,
                                      (const unsigned char *)utf8, -1, -1, 0) == 1;
}

bool issue_extension(X509 *x, int nid, void *value, bool critical)
{
    return X509_add1_ext_i2d(x, nid, value, critical, X509V3_ADD_APPEND) == 1;
}

bool issue_usage(X509 *x, const int *bits, size_t n)
{
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    bool done = usage != NULL;
    for (size_t i = 0; done && i < n; i++)
        done = ASN1_BIT_STRING_set_bit(usage, bits[i], 1) == 1;
    done = done && issue_extension(x, NID_key_usage, usage, true);
    ASN1_BIT_STRING_free(usage);
    return done;
}

bool issue_constraints(X509 *x, bool ca)
{
    BASIC_CONSTRAINTS *c = BASIC_CONSTRAINTS_new();
    bool done = c != NULL;
    if (done && ca) {
        c->ca = 0xff; // TRUE as DER has it
        c->pathlen = ASN1_INTEGER_new();
        done = c->pathlen && ASN1_INTEGER_set(c->pathlen, 0);
    }
    done = done && issue_extension(x, NID_basic_constraints, c, true);
    BASIC_CONSTRAINTS_free(c);
    return done;
}

// RFC 5280 4.2.1.2 (1).
bool issue_subject_id(X509 *x)
{
    unsigned char hash[SHA_DIGEST_LENGTH];
    unsigned n = sizeof hash;
    ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    bool done = id && X509_pubkey_digest(x, EVP_sha1(), hash, &n) == 1 &&
                ASN1_OCTET_STRING_set(id, hash, (int)n) == 1 &&
                issue_extension(x, NID_subject_key_identifier, id, false);
    ASN1_OCTET_STRING_free(id);
    return done;
}

bool issue_authority_id(X509 *x, const X509 *signer)
{
    ASN1_OCTET_STRING *own = X509_get_ext_d2i(signer, NID_subject_key_identifier, NULL, NULL);
    if (!own)
        return true;
    AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
    if (id)
        id->keyid = own;
    else
        ASN1_OCTET_STRING_free(own);
    bool done = id && issue_extension(x, NID_authority_key_identifier, id, false);
    AUTHORITY_KEYID_free(id);
    return done;
}

bool issue_sign(X509 *x, EVP_PKEY *signer)
{
    const EVP_MD *md = EVP_sha256();
    if (EVP_PKEY_get_base_id(signer) == EVP_PKEY_EC && EVP_PKEY_get_bits(signer) > 256)
        md = EVP_PKEY_get_bits(signer) > 384 ? EVP_sha512() : EVP_sha384();
    return X509_sign(x, signer, md) > 0;
}
