// digest: SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) through libcrypto; the one door to it
// outside TLS.
#ifndef TAPEDECK_DIGEST_H
#define TAPEDECK_DIGEST_H

#include "proto/base/err.h"
#include "proto/base/view.h"

#define DIGEST_SIZE 32
#define DIGEST_HEX  (2 * DIGEST_SIZE + 1)

// Of one piece of memory; cannot fail.
void digest_once(struct view in, unsigned char out[DIGEST_SIZE]);
void digest_hmac(struct view key, struct view in, unsigned char out[DIGEST_SIZE]);

// Of a stream; its state may be copied, or left, at any time.
struct digest_state {
    uint32_t words[28]; // SHA256_CTX
};
void digest_begin(struct digest_state *d);
void digest_more(struct digest_state *d, struct view in);
void digest_end(struct digest_state *d, unsigned char out[DIGEST_SIZE]); // ends it

// Lower-case hexadecimal of n bytes into out (2 n + 1 bytes).
const char *digest_hex(const unsigned char *bytes, size_t n, char *out);

// n bytes of the kernel's randomness; aborts where there is none.
void digest_random(void *out, size_t n);

#endif
