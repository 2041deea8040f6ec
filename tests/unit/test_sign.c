// Signatures of tokens: those that others made are made again (HMAC), or are verified (RSA, ECDSA).
#include "proto/digest.h"
#include "proto/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static void test_hmac(void **state)
{
    (void)state;
    // RFC 4231, test case 2.
    static const char *const expected[] = {
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfa"
        "b2"
        "1649",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8"
        "f0"
        "e6fdcaeab1a34d4a6b4b636e070a38bce737"};
    for (int i = 0; i < 3; i++) {
        struct sign_key *k;
        struct buf out;
        char why[WHY_MAX], hex[129];
        buf_init(&out, 100);
        assert_int_equal(sign_key_new(&k, (enum sign_algorithm)i, VIEW_LIT("Jefe"), why), 0);
        assert_int_equal(sign(k, VIEW_LIT("what do ya want for nothing?"), &out), 0);
        digest_hex((const unsigned char *)out.p, out.n, hex);
        assert_string_equal(hex, expected[i]);
        sign_key_free(k);
        buf_clear(&out);
    }
}

static char *pem_of(EVP_PKEY *key, size_t *n)
{
    char *text;
    BIO *out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    *n = (size_t)BIO_get_mem_data(out, &text);
    char *copy = malloc(*n);
    assert_non_null(copy);
    memcpy(copy, text, *n);
    BIO_free(out);
    return copy;
}

static void signs(EVP_PKEY *key, enum sign_algorithm a)
{
    static const struct view text = {"header.payload", 14};
    struct sign_key *k;
    struct buf out;
    char why[WHY_MAX];
    unsigned char *der = NULL;
    size_t n;
    char *pem = pem_of(key, &n);
    buf_init(&out, 4096);
    assert_int_equal(sign_key_new(&k, a, view_n(pem, n), why), 0);
    assert_int_equal(sign(k, text, &out), 0);
    const unsigned char *bytes = (const unsigned char *)out.p;
    n = out.n;
    if (a == SIGN_ES256) {
        assert_int_equal(out.n, 64);
        ECDSA_SIG *sig = ECDSA_SIG_new();
        ECDSA_SIG_set0(sig, BN_bin2bn(bytes, 32, NULL), BN_bin2bn(bytes + 32, 32, NULL));
        n = (size_t)i2d_ECDSA_SIG(sig, &der);
        bytes = der;
        ECDSA_SIG_free(sig);
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(ctx, bytes, n, (const unsigned char *)text.p, text.n), 1);
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    sign_key_free(k);
    free(pem);
    buf_clear(&out);
}

static void refuses(enum sign_algorithm a, EVP_PKEY *key, const char *text, const char *expected)
{
    struct sign_key *k;
    char why[WHY_MAX];
    size_t n = text ? strlen(text) : 0;
    char *pem = key ? pem_of(key, &n) : NULL;
    assert_int_equal(sign_key_new(&k, a, view_n(pem ? pem : text, n), why), E_SYNTAX);
    assert_string_equal(why, expected);
    assert_null(k);
    free(pem);
}

static void test_key_pairs(void **state)
{
    (void)state;
    EVP_PKEY *rsa = EVP_RSA_gen(2048), *small = EVP_RSA_gen(1024), *ec = EVP_EC_gen("P-256"),
             *other = EVP_EC_gen("P-384");
    for (int i = 0; i < 20; i++) // halves of less than 32 bytes come once in a while
        signs(ec, SIGN_ES256);
    signs(rsa, SIGN_RS256);
    refuses(SIGN_RS256, small, NULL, "RS256 needs an RSA key of at least 2048 bits");
    refuses(SIGN_RS256, ec, NULL, "RS256 needs an RSA key of at least 2048 bits");
    refuses(SIGN_ES256, rsa, NULL, "ES256 needs a key of the curve P-256");
    refuses(SIGN_ES256, other, NULL, "ES256 needs a key of the curve P-256");
    refuses(SIGN_ES256, NULL, "x", "this is no private key in PEM, or it is encrypted");
    refuses(SIGN_HS256, NULL, "", "the secret is empty");
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(small);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hmac),
                                       cmocka_unit_test(test_key_pairs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
