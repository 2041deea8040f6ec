// certify: see certify.h.
#include "tests/support/certify.h"

#include "proto/base/addr.h"
#include "proto/base/clock.h"
#include "proxy/tls/pair_impl.h"
#include "tests/support/program.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *our_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(n);
}

static void *our_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(p, n);
}

static void our_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

void certify_allocations(void)
{
    if (!CRYPTO_set_mem_functions(our_malloc, our_realloc, our_free))
        abort();
}

bool certify_here(void)
{
    struct program p;
    program_shell(&p, "command -v openssl > /dev/null");
    bool here = p.code == 0;
    program_clear(&p);
    return here;
}

void certify_script(const char *dir, const char *script)
{
    struct program p;
    char text[8192];
    snprintf(text, sizeof text, "set -e; cd '%s'; %s", dir, script);
    program_shell(&p, text);
    if (p.code != 0) {
        fprintf(stderr, "certify: %s\n%s%s", script, p.out, p.err);
        abort();
    }
    program_clear(&p);
}

void certify_ca(const char *dir, const char *name, const char *type)
{
    char script[1024];
    snprintf(script, sizeof script,
             "umask 077; openssl req -x509 -newkey %s -nodes -keyout %s.key -out %s.crt -days 100 "
             "-subj '/CN=%s' -addext keyUsage=critical,keyCertSign",
             strcmp(type, "ec") == 0 ? "ec -pkeyopt ec_paramgen_curve:P-256" : type, name, name,
             name);
    certify_script(dir, script);
}

char *certify_text(const char *path)
{
    struct program p;
    program_run(&p,
                (const char *const[]){"/usr/bin/env", "openssl", "x509", "-noout", "-text", "-in",
                                      path, NULL},
                NULL, (struct view){NULL, 0});
    if (p.code != 0)
        abort();
    char *text = strdup(p.out);
    program_clear(&p);
    return text;
}

void certify_write(const struct tls_pair *p, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f || !PEM_write_X509(f, p->cert))
        abort();
    for (int i = 0; i < sk_X509_num(p->chain); i++)
        if (!PEM_write_X509(f, sk_X509_value(p->chain, i)))
            abort();
    fclose(f);
}

bool certify_trusts(const char *ca, const struct tls_pair *p, const char *host, int64_t at_us,
                    const char **why)
{
    struct addr a;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *c = X509_STORE_CTX_new();
    if (!store || !c || !X509_STORE_load_file(store, ca) ||
        !X509_STORE_CTX_init(c, store, p->cert, p->chain))
        abort();
    X509_VERIFY_PARAM *how = X509_STORE_CTX_get0_param(c);
    X509_STORE_CTX_set_default(c, "ssl_server");
    X509_VERIFY_PARAM_set_time(how, (time_t)(at_us / US_PER_S));
    X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_auth_level(how, 2);
    if (*host && addr_parse(&a, view_of(host), 0) == 0)
        X509_VERIFY_PARAM_set1_ip_asc(how, host);
    else if (*host)
        X509_VERIFY_PARAM_set1_host(how, host, 0);
    bool good = X509_verify_cert(c) == 1;
    if (why)
        *why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(c));
    X509_STORE_CTX_free(c);
    X509_STORE_free(store);
    ERR_clear_error();
    return good;
}
