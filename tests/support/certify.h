// certify: certificates for tests, made by the openssl program, and judged by OpenSSL's own
// verifier.
#ifndef TAPEDECK_TESTS_CERTIFY_H
#define TAPEDECK_TESTS_CERTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Lets OpenSSL's allocations go through support/alloc.c as ours do; called first of all in main().
void certify_allocations(void);

bool certify_here(void); // whether there is an openssl program

// Runs a script of /bin/sh (set -e) in dir; aborts with its words when it fails.
void certify_script(const char *dir, const char *script);
// A CA with key type "ec" or "rsa:2048" as DIR/NAME.crt and DIR/NAME.key (0600).
void certify_ca(const char *dir, const char *name, const char *type);
// The whole of a PEM file's first certificate as openssl x509 -text tells it; to be freed.
char *certify_text(const char *path);

struct tls_pair;
// The pair's certificate and chain as a PEM file.
void certify_write(const struct tls_pair *p, const char *path);
// Whether the pair's certificate is signed by the CA of a PEM file (through its own chain), for
// that host or address ("" any), for a TLS server, at that time; why not is in *why when wanted.
bool certify_trusts(const char *ca, const struct tls_pair *p, const char *host, int64_t at_us,
                    const char **why);

#endif
