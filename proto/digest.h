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

// Of a stream. NULL when out of memory. digest_done() frees it as well; so does digest_free().
struct digest;
struct digest *digest_new(void);
void digest_add(struct digest *d, struct view in);
void digest_done(struct digest *d, unsigned char out[DIGEST_SIZE]);
void digest_free(struct digest *d); // d may be NULL

// The same with the state in the caller's memory, where it may be copied at any time.
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
