// ca: the authority that signs what intercepted clients are shown: made at its first use, or given
// by its files.
#ifndef TAPEDECK_PROXY_TLS_CA_H
#define TAPEDECK_PROXY_TLS_CA_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proxy/tls/pair.h"

#define CA_DAYS 3650 // that a new one is valid, from a day ago

struct tls_ca;

// The files of a folder. Loads; when the certificate is missing and make is set, makes it and its
// key (P-256, cert 0644, key 0600, folder 0700 if it must be made; two processes at once end with
// the same one). E_NOTFOUND: not there; E_REFUSED: group or others can read the key; or others can
// write to the folder, and a file belongs to somebody who is neither root, nor the folder's owner,
// nor ourselves, nor user (0: nobody else); E_SYNTAX,
// E_DAMAGED, E_UNSUPPORTED: unusable, also one that is no CA, has expired, or has a passphrase;
// E_LIMIT: the folder's name or a file is too long; what errno stood for, E_IO, E_NOMEM: it cannot
// be read or made. why says which file and what is allowed.
int tls_ca_open(struct tls_ca **out, const char *folder, bool make, uint32_t user,
                char why[WHY_MAX]) MUST_CHECK;
// Files anywhere, whoever can read them: they are somebody else's, and a mounted secret is open to
// all as a rule. key NULL: the certificate alone, to show and to export; nothing can be signed.
// Errors as above.
int tls_ca_load(struct tls_ca **out, const char *cert, const char *key,
                char why[WHY_MAX]) MUST_CHECK;
void tls_ca_free(struct tls_ca *ca); // NULL is fine

// The folder of a user's own: "${XDG_DATA_HOME:-~/.local/share}/tapedeck/ca". E_NOTFOUND: there is
// no home; E_LIMIT: longer than size.
int tls_ca_home(char *out, size_t size) MUST_CHECK;
#define CA_CERT_NAME "tapedeck-ca.crt"
#define CA_KEY_NAME  "tapedeck-ca.key"

struct ca_facts {
    char subject[256], key[64]; // "EC P-256", "RSA 2048"
    char fingerprint[96];       // SHA-256, "AB:CD:…"
    int64_t not_before_us, not_after_us;
};
void tls_ca_facts(const struct tls_ca *ca, struct ca_facts *out);

// The certificate alone, appended to out: "pem", "der", or "p12" (PKCS#12 trust store with the
// Java attribute, password). E_UNSUPPORTED: no such form; E_LIMIT, E_NOMEM, E_IO (OpenSSL
// failed).
struct buf;
int tls_ca_export(const struct tls_ca *ca, const char *form, const char *password,
                  struct buf *out) MUST_CHECK;

#endif
