// digest: SHA-256 and what is made of it.
//
// libcrypto's old-style functions are used on purpose: their state lies in our memory, so that they
// neither allocate nor fail, and a small digest costs a third of what EVP_Digest() takes.
#define OPENSSL_API_COMPAT 0x10100000L
#include "proto/digest.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void digest_once(struct view in, unsigned char out[DIGEST_SIZE])
{
    SHA256_CTX state;
    SHA256_Init(&state);
    SHA256_Update(&state, in.p, in.n);
    SHA256_Final(out, &state);
}

void digest_hmac(struct view key, struct view in, unsigned char out[DIGEST_SIZE])
{
    unsigned char block[SHA256_CBLOCK] = {0}, inner[DIGEST_SIZE];
    SHA256_CTX state;
    if (key.n > sizeof block)
        digest_once(key, block);
    else if (key.n > 0)
        memcpy(block, key.p, key.n);

    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36;
    SHA256_Init(&state);
    SHA256_Update(&state, block, sizeof block);
    SHA256_Update(&state, in.p, in.n);
    SHA256_Final(inner, &state);

    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&state);
    SHA256_Update(&state, block, sizeof block);
    SHA256_Update(&state, inner, sizeof inner);
    SHA256_Final(out, &state);
    OPENSSL_cleanse(block, sizeof block);
}

_Static_assert(sizeof(struct digest_state) == sizeof(SHA256_CTX) &&
                   _Alignof(struct digest_state) == _Alignof(SHA256_CTX),
               "a digest_state is libcrypto's SHA256_CTX");

static SHA256_CTX *state_of(struct digest_state *d)
{
    return (SHA256_CTX *)(void *)d;
}

void digest_begin(struct digest_state *d)
{
    SHA256_Init(state_of(d));
}

void digest_more(struct digest_state *d, struct view in)
{
    SHA256_Update(state_of(d), in.p, in.n);
}

void digest_end(struct digest_state *d, unsigned char out[DIGEST_SIZE])
{
    SHA256_Final(out, state_of(d));
}

const char *digest_hex(const unsigned char *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = 0;
    return out;
}

void digest_random(void *out, size_t n)
{
    unsigned char *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno != EINTR)
            abort();
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
}
