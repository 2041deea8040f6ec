// sign: EVP_DigestSign for all of them; ECDSA's signature is taken out of its DER (RFC 7518, 3.4).
#include "proto/sign.h"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <stdlib.h>

#define SIGNATURE_MAX 2048 // bytes; that of an RSA key of 16384 bits
#define ES256_HALF    32

const char *const sign_algorithms[SIGN_ALGORITHMS] = {"HS256", "HS384", "HS512", "RS256", "ES256"};

struct sign_key {
    enum sign_algorithm algorithm;
    EVP_PKEY *key;
};

static const EVP_MD *digest_of(enum sign_algorithm a)
{
    return a == SIGN_HS384 ? EVP_sha384() : a == SIGN_HS512 ? EVP_sha512() : EVP_sha256();
}

static int no_password(char *text, int size, int writing, void *arg)
{
    (void)text, (void)size, (void)writing, (void)arg;
    return 0;
}

static const char *judge(const struct sign_key *k)
{
    char curve[64] = "";
    size_t n;
    if (k->algorithm == SIGN_RS256)
        return EVP_PKEY_is_a(k->key, "RSA") && EVP_PKEY_get_bits(k->key) >= 2048
                   ? NULL
                   : "RS256 needs an RSA key of at least 2048 bits";
    if (!EVP_PKEY_is_a(k->key, "EC") || !EVP_PKEY_get_group_name(k->key, curve, sizeof curve, &n) ||
        strcmp(curve, "prime256v1") != 0)
        return "ES256 needs a key of the curve P-256";
    return NULL;
}

static EVP_PKEY *read_pem(struct view text)
{
    BIO *in = text.n <= 65536 ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;
    BIO_free(in);
    return key;
}

int sign_key_new(struct sign_key **out, enum sign_algorithm a, struct view text, char why[WHY_MAX])
{
    struct sign_key *k = calloc(1, sizeof *k);
    const char *wrong = NULL;
    *out = NULL;
    if (!k)
        return err_no_memory(why, WHY_MAX);
    k->algorithm = a;
    if (a <= SIGN_HS512) {
        wrong = text.n ? NULL : "the secret is empty";
        if (!wrong)
            k->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL,
                                                  (const unsigned char *)text.p, text.n);
    } else {
        k->key = read_pem(text);
        wrong = k->key ? judge(k) : "this is no private key in PEM, or it is encrypted";
    }
    ERR_clear_error();
    if (!wrong && k->key) {
        *out = k;
        return 0;
    }
    sign_key_free(k);
    if (!wrong)
        return err_no_memory(why, WHY_MAX);
    snprintf(why, WHY_MAX, "%s", wrong);
    return E_SYNTAX;
}

void sign_key_free(struct sign_key *k)
{
    if (k)
        EVP_PKEY_free(k->key);
    free(k);
}

// r and s, 32 bytes each.
static size_t flat(unsigned char *der, size_t n, unsigned char out[2 * ES256_HALF])
{
    const unsigned char *at = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)n);
    bool fine = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, ES256_HALF) > 0 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + ES256_HALF, ES256_HALF) > 0;
    ECDSA_SIG_free(sig);
    return fine ? 2 * ES256_HALF : 0;
}

int sign(const struct sign_key *k, struct view in, struct buf *out)
{
    unsigned char bytes[SIGNATURE_MAX], halves[2 * ES256_HALF];
    size_t n = sizeof bytes;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool fine = ctx && EVP_DigestSignInit(ctx, NULL, digest_of(k->algorithm), NULL, k->key) == 1 &&
                EVP_DigestSign(ctx, bytes, &n, (const unsigned char *)in.p, in.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    if (fine && k->algorithm == SIGN_ES256) {
        n = flat(bytes, n, halves);
        return n ? buf_add(out, halves, n) : E_NOMEM;
    }
    return fine ? buf_add(out, bytes, n) : E_NOMEM;
}
