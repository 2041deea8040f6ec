// ca: loaded from its files, and judged: a CA that clients would laugh at is refused here, with the
// reason, and not by them.
//
// Elsewhere: how the files come to be (ca_make.c), in which forms the certificate goes out
// (ca_export.c), what it signs (forge.c).
#include "proxy/tls/ca_impl.h"

#include "proto/base/clock.h"
#include "proxy/tls/certificate_impl.h"
#include "proxy/tls/pem_impl.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RSA_BITS_MIN 2048

static int check_kind(const struct tls_ca *ca, const char *path, char why[WHY_MAX])
{
    const EVP_PKEY *key = X509_get0_pubkey(ca->cert);
    char text[64] = "of a kind that we do not know";
    if (key)
        pem_key_text(key, text, sizeof text);
    if (strcmp(text, "EC P-256") == 0 || strcmp(text, "EC P-384") == 0 ||
        strcmp(text, "EC P-521") == 0)
        return 0;
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN)
        return 0;
    snprintf(why, WHY_MAX,
             "%.300s: its key is %s; EC P-256, P-384 or P-521, or RSA from %d bits on are allowed",
             path, text, RSA_BITS_MIN);
    return E_SYNTAX;
}

static int check_cert(const struct tls_ca *ca, const char *path, char why[WHY_MAX])
{
    char text[CLOCK_TEXT];
    int64_t now = clock_wall_us(), from = certificate_time_us(X509_get0_notBefore(ca->cert));
    // 1: by basicConstraints, and keyUsage does not forbid it; others stand for what was once done.
    if (X509_check_ca(ca->cert) != 1) {
        snprintf(why, WHY_MAX,
                 "%.300s: it is no certificate authority: basicConstraints must have CA:TRUE, and "
                 "keyUsage keyCertSign",
                 path);
        return E_SYNTAX;
    }
    if (ca->not_after_us <= now) {
        snprintf(why, WHY_MAX, "%.300s: the certificate expired on %.10s", path,
                 clock_format(ca->not_after_us, text));
        return E_DAMAGED;
    }
    if (from > now) {
        snprintf(why, WHY_MAX, "%.300s: the certificate is valid only from %.10s on", path,
                 clock_format(from, text));
        return E_DAMAGED;
    }
    return check_kind(ca, path, why);
}

// What is sent behind a leaf, out of the certificates that stand behind ours in its file.
static bool set_sent(struct tls_ca *ca, STACK_OF(X509) * rest)
{
    ca->sent = sk_X509_new_null();
    if (!ca->sent)
        return false;
    if (X509_self_signed(ca->cert, 1) == 1)
        return true; // a client that trusts it has it
    if (!X509_add_cert(ca->sent, ca->cert, X509_ADD_FLAG_UP_REF))
        return false;
    for (int i = 0; i < sk_X509_num(rest); i++) {
        X509 *x = sk_X509_value(rest, i);
        if (X509_self_signed(x, 0) != 1 && !X509_add_cert(ca->sent, x, X509_ADD_FLAG_UP_REF))
            return false;
    }
    return true;
}

static int load(struct tls_ca **out, const char *cert, const char *key, mode_t closed,
                char why[WHY_MAX])
{
    STACK_OF(X509) *rest = NULL;
    struct tls_ca *ca = calloc(1, sizeof *ca);
    *out = NULL;
    if (!ca) {
        snprintf(why, WHY_MAX, "%.300s: %s", cert, err_text(E_NOMEM));
        return E_NOMEM;
    }
    int e = pem_certs(&ca->cert, &rest, cert, why);
    if (e)
        goto out;
    ca->not_after_us = certificate_time_us(X509_get0_notAfter(ca->cert));
    e = check_cert(ca, cert, why);
    if (!e && key)
        e = pem_key(&ca->key, key, closed, why);
    if (!e && key && X509_check_private_key(ca->cert, ca->key) != 1) {
        snprintf(why, WHY_MAX, "%.200s: the key does not belong to the certificate in %.200s", key,
                 cert);
        e = E_SYNTAX;
    }
    if (!e && !set_sent(ca, rest))
        e = pem_failed(cert, why);
out:
    sk_X509_pop_free(rest, X509_free);
    ERR_clear_error();
    if (e) {
        tls_ca_free(ca);
        return e;
    }
    *out = ca;
    return 0;
}

int tls_ca_load(struct tls_ca **out, const char *cert, const char *key, char why[WHY_MAX])
{
    return load(out, cert, key, 0, why);
}

// In a folder that others may write to, a stranger's authority may stand where ours was.
static int check_owner(const char *folder, const char *path, uint32_t user, char why[WHY_MAX])
{
    struct stat in, st;
    if (stat(folder, &in) != 0 || stat(path, &st) != 0 || !(in.st_mode & (S_IWGRP | S_IWOTH)))
        return 0; // one that cannot be looked at cannot be read either
    if (st.st_uid == 0 || st.st_uid == geteuid() || st.st_uid == user || st.st_uid == in.st_uid)
        return 0;
    snprintf(why, WHY_MAX,
             "%.300s: it belongs to user %u, and others may write to its folder; allowed are files "
             "of root, of the folder's owner and our own",
             path, (unsigned)st.st_uid);
    return E_REFUSED;
}

int tls_ca_open(struct tls_ca **out, const char *folder, bool make, uint32_t user,
                char why[WHY_MAX])
{
    char cert[PATH_MAX], key[PATH_MAX];
    *out = NULL;
    if (snprintf(cert, sizeof cert, "%s/" CA_CERT_NAME, folder) >= PATH_MAX ||
        snprintf(key, sizeof key, "%s/" CA_KEY_NAME, folder) >= PATH_MAX) {
        snprintf(why, WHY_MAX, "%.300s…: the name is too long", folder);
        return E_LIMIT;
    }
    // The key is there before its certificate is, also while another process makes them.
    bool none = access(cert, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
    if (none && !make) {
        snprintf(why, WHY_MAX, "%.300s: there is no certificate authority (" CA_CERT_NAME ")",
                 folder);
        return E_NOTFOUND;
    }
    int e = none ? ca_make(folder, cert, key, why) : 0;
    if (e)
        return e;
    if (!none && access(key, F_OK) != 0 && errno == ENOENT) {
        snprintf(why, WHY_MAX,
                 "%.300s: " CA_CERT_NAME " is there, but its key " CA_KEY_NAME
                 " is not; bring it back, or take the certificate away for a new one",
                 folder);
        return E_DAMAGED;
    }
    e = check_owner(folder, cert, user, why);
    e = e ? e : check_owner(folder, key, user, why);
    return e ? e : load(out, cert, key, CA_KEY_CLOSED, why);
}

void tls_ca_free(struct tls_ca *ca)
{
    if (!ca)
        return;
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key); // clears it
    sk_X509_pop_free(ca->sent, X509_free);
    free(ca);
}

int tls_ca_home(char *out, size_t size)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char room[4096];
    struct passwd user, *found = NULL;
    int n;
    if (data && *data == '/') { // others are to be ignored, says the XDG specification
        n = snprintf(out, size, "%s/tapedeck/ca", data);
        return n >= 0 && (size_t)n < size ? 0 : E_LIMIT;
    }
    if ((!home || !*home) && getpwuid_r(geteuid(), &user, room, sizeof room, &found) == 0 && found)
        home = found->pw_dir;
    if (!home || *home != '/')
        return E_NOTFOUND;
    n = snprintf(out, size, "%s/.local/share/tapedeck/ca", home);
    return n >= 0 && (size_t)n < size ? 0 : E_LIMIT;
}

void tls_ca_facts(const struct tls_ca *ca, struct ca_facts *out)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    *out = (struct ca_facts){.not_before_us = certificate_time_us(X509_get0_notBefore(ca->cert)),
                             .not_after_us = ca->not_after_us};
    certificate_name(X509_get_subject_name(ca->cert), out->subject, sizeof out->subject);
    pem_key_text(X509_get0_pubkey(ca->cert), out->key, sizeof out->key);
    if (X509_digest(ca->cert, EVP_sha256(), hash, &n) != 1)
        n = 0;
    size_t at = 0;
    for (unsigned i = 0; i < n; i++)
        at += (size_t)snprintf(out->fingerprint + at, sizeof out->fingerprint - at, "%s%02X",
                               i ? ":" : "", hash[i]);
    ERR_clear_error();
}
