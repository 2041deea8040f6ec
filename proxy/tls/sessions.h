// sessions: what a worker can resume with servers, by key; bounded. For the files of proxy/tls.
#ifndef TAPEDECK_PROXY_TLS_SESSIONS_H
#define TAPEDECK_PROXY_TLS_SESSIONS_H

#include "proto/base/err.h"

#include <openssl/ssl.h>

#define SESSIONS_A_KEY 64 // of one key; its oldest goes first

struct tls_sessions;

// max: of all keys together. NULL when out of memory.
struct tls_sessions *tls_sessions_new(size_t max);
void tls_sessions_free(struct tls_sessions *s); // NULL is fine

// Takes over a count of session when the answer is 0. verify: what is wrong with the certificate
// behind it, "" nothing; copied. 0 or E_NOMEM.
int tls_sessions_put(struct tls_sessions *s, const char *key, SSL_SESSION *session,
                     const char *verify) MUST_CHECK;

// The newest of that key of the highest version within least … most, counted for the caller; NULL:
// none, or no memory. One of TLS 1.3 is given out once. *verify: owned by the caller; "" is NULL.
SSL_SESSION *tls_sessions_take(struct tls_sessions *s, const char *key, int least, int most,
                               char **verify);
void tls_sessions_forget(struct tls_sessions *s, const char *key);

#endif
