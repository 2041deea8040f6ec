// ca_export: the CA's certificate in the forms that others read.
//
// The PKCS#12 file has no key in it. Java takes a certificate of such a file for trusted only when
// its bag has the attribute trustedKeyUsage; anyExtendedKeyUsage is what keytool itself writes. The
// ciphers are those of today (AES-256, HMAC-SHA-256), which Java reads from 8u301 on.
#include "proxy/tls/ca_impl.h"

#include "proto/base/buf.h"
#include "proxy/tls/pem_impl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#define P12_NAME       "tapedeck-ca"
#define P12_ROUNDS     10000
#define P12_TRUST_OID  "2.16.840.1.113894.746875.1.1" // Oracle's trustedKeyUsage
#define P12_ANY_USAGE  "2.5.29.37.0"                  // anyExtendedKeyUsage
#define P12_SALT_BYTES 16

static bool to_pem(BIO *out, const struct tls_ca *ca, const char *password)
{
    (void)password;
    return PEM_write_bio_X509(out, ca->cert) == 1;
}

static bool to_der(BIO *out, const struct tls_ca *ca, const char *password)
{
    (void)password;
    return i2d_X509_bio(out, ca->cert) == 1;
}

static bool add_bag(STACK_OF(PKCS12_SAFEBAG) * *bags, X509 *cert)
{
    ASN1_OBJECT *any = OBJ_txt2obj(P12_ANY_USAGE, 1);
    PKCS12_SAFEBAG *bag = any ? PKCS12_add_cert(bags, cert) : NULL;
    // With length -1 the value is taken as the object that it points to.
    bool done = bag && PKCS12_add_friendlyname_utf8(bag, P12_NAME, -1) == 1 &&
                PKCS12_add1_attr_by_txt(bag, P12_TRUST_OID, V_ASN1_OBJECT,
                                        (const unsigned char *)any, -1) == 1;
    ASN1_OBJECT_free(any);
    return done;
}

static bool to_p12(BIO *out, const struct tls_ca *ca, const char *password)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    STACK_OF(PKCS7) *safes = NULL;
    PKCS12 *p12 = NULL;
    if (!password)
        password = "";
    bool done =
        add_bag(&bags, ca->cert) &&
        PKCS12_add_safe(&safes, bags, NID_aes_256_cbc, P12_ROUNDS, password) == 1 &&
        (p12 = PKCS12_add_safes(safes, 0)) != NULL &&
        PKCS12_set_mac(p12, password, -1, NULL, P12_SALT_BYTES, P12_ROUNDS, EVP_sha256()) == 1 &&
        i2d_PKCS12_bio(out, p12) == 1;
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    PKCS12_free(p12);
    return done;
}

static const struct {
    const char *name;
    bool (*write)(BIO *out, const struct tls_ca *ca, const char *password);
} forms[] = {{"pem", to_pem}, {"der", to_der}, {"p12", to_p12}};

int tls_ca_export(const struct tls_ca *ca, const char *form, const char *password, struct buf *out)
{
    size_t i = 0;
    while (i < sizeof forms / sizeof *forms && strcmp(form, forms[i].name) != 0)
        i++;
    if (i == sizeof forms / sizeof *forms)
        return E_UNSUPPORTED;
    char *p = NULL;
    int e;
    ERR_clear_error();
    BIO *b = BIO_new(BIO_s_mem());
    if (b && forms[i].write(b, ca, password)) {
        long n = BIO_get_mem_data(b, &p);
        e = buf_add(out, p, (size_t)n);
    } else {
        e = pem_failed(form, NULL);
    }
    BIO_free(b);
    return e;
}
