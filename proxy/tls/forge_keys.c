// forge_keys: the keys of all leaves of a process. One of each kind is enough: what a leaf proves
// is that our CA made it, and the process that holds one key holds them all.
#include "proxy/tls/forge_impl.h"
#include "proxy/tls/pem_impl.h"

#include <openssl/rsa.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define RSA_BITS 2048

// A lock each: who needs an EC key does not wait for an RSA key that is being made.
struct tls_keys {
    struct {
        pthread_mutex_t lock;
        EVP_PKEY *key; // NULL until it is asked for
    } kinds[2];        // EC, RSA
};

int tls_keys_new(struct tls_keys **out, char why[WHY_MAX])
{
    struct tls_keys *k = calloc(1, sizeof *k);
    *out = NULL;
    if (!k) {
        snprintf(why, WHY_MAX, "keys of leaves: %s", err_text(E_NOMEM));
        return E_NOMEM;
    }
    for (int i = 0; i < 2; i++)
        pthread_mutex_init(&k->kinds[i].lock, NULL); // needs nothing that could be missing
    *out = k;
    return 0;
}

void tls_keys_free(struct tls_keys *k)
{
    for (int i = 0; k && i < 2; i++) {
        EVP_PKEY_free(k->kinds[i].key); // clears it
        pthread_mutex_destroy(&k->kinds[i].lock);
    }
    free(k);
}

EVP_PKEY *forge_key(struct tls_keys *k, bool rsa)
{
    pthread_mutex_lock(&k->kinds[rsa].lock);
    if (!k->kinds[rsa].key)
        k->kinds[rsa].key = rsa ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
    EVP_PKEY *key = k->kinds[rsa].key;
    pthread_mutex_unlock(&k->kinds[rsa].lock);
    return key;
}
