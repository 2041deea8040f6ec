// pair: made of files, or of parts that the forge has made.
#include "proxy/tls/pair_impl.h"

#include "proto/base/addr.h"
#include "proxy/tls/pem_impl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>

int tls_pair_make(struct tls_pair **out, X509 *cert, STACK_OF(X509) * chain, EVP_PKEY *key)
{
    struct tls_pair *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return E_NOMEM;
    p->chain = chain ? X509_chain_up_ref(chain) : sk_X509_new_null();
    if (!p->chain) {
        ERR_clear_error();
        free(p);
        return E_NOMEM;
    }
    X509_up_ref(cert);
    EVP_PKEY_up_ref(key);
    p->cert = cert;
    p->key = key;
    atomic_init(&p->holders, 1);
    // OpenSSL reads the extensions at their first use, and keeps that: now, while we are alone.
    (void)X509_check_purpose(cert, -1, 0);
    ERR_clear_error();
    *out = p;
    return 0;
}

int tls_pair_load(struct tls_pair **out, const char *cert, const char *key, char why[WHY_MAX])
{
    X509 *x = NULL;
    STACK_OF(X509) *chain = NULL;
    EVP_PKEY *k = NULL;
    *out = NULL;
    int e = pem_certs(&x, &chain, cert, why);
    e = e ? e : pem_key(&k, key, 0, why);
    if (!e && X509_check_private_key(x, k) != 1) {
        snprintf(why, WHY_MAX, "%.200s: the key does not belong to the certificate in %.200s", key,
                 cert);
        e = E_SYNTAX;
    }
    if (!e && (e = tls_pair_make(out, x, chain, k)) != 0)
        snprintf(why, WHY_MAX, "%.200s: %s", cert, err_text(e));
    X509_free(x);
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(k);
    ERR_clear_error();
    return e;
}

struct tls_pair *tls_pair_keep(struct tls_pair *p)
{
    atomic_fetch_add_explicit(&p->holders, 1, memory_order_relaxed);
    return p;
}

void tls_pair_free(struct tls_pair *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->holders, 1, memory_order_acq_rel) != 1)
        return;
    X509_free(p->cert);
    sk_X509_pop_free(p->chain, X509_free);
    EVP_PKEY_free(p->key); // clears it
    free(p);
}

bool tls_pair_is_for(const struct tls_pair *p, const char *host)
{
    struct addr a;
    size_t n = strlen(host);
    if (n == 0 || host[0] == '.') // OpenSSL would take the dot for "anything below"
        return false;
    bool is;
    if (addr_parse(&a, view_n(host, n), 0) == 0) {
        bool six = a.sa.sa_family == AF_INET6;
        is = X509_check_ip(p->cert,
                           six ? a.in6.sin6_addr.s6_addr
                               : (const unsigned char *)&a.in4.sin_addr.s_addr,
                           six ? 16 : 4, 0) == 1;
    } else {
        if (n > 1 && host[n - 1] == '.')
            n--;
        is = X509_check_host(p->cert, host, n, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
    }
    ERR_clear_error();
    return is;
}
