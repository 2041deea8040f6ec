// sign: signatures of JSON web tokens (RFC 7518, section 3) through libcrypto.
#ifndef TAPEDECK_SIGN_H
#define TAPEDECK_SIGN_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

enum sign_algorithm { SIGN_HS256, SIGN_HS384, SIGN_HS512, SIGN_RS256, SIGN_ES256, SIGN_ALGORITHMS };
extern const char *const sign_algorithms[SIGN_ALGORITHMS]; // "HS256"

// A key for that algorithm, from the bytes of the secret (HS…) or the PEM text of a private key
// (RS256: RSA of at least 2048 bits; ES256: of the curve P-256), unencrypted. 0; E_SYNTAX with why
// one phrase; E_NOMEM.
struct sign_key;
int sign_key_new(struct sign_key **out, enum sign_algorithm a, struct view key,
                 char why[WHY_MAX]) MUST_CHECK;
void sign_key_free(struct sign_key *k); // k may be NULL

// Appends the signature of in, as a token has it before base64. 0, E_LIMIT, E_NOMEM.
int sign(const struct sign_key *k, struct view in, struct buf *out) MUST_CHECK;

#endif
