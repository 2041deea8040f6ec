// settings_tls: the options of TLS, judged together. No file is read here (secrets.h).
#ifndef TAPEDECK_PROXY_SETTINGS_TLS_H
#define TAPEDECK_PROXY_SETTINGS_TLS_H

#include "proto/base/options.h"
#include "proxy/tls/certs.h"
#include "proxy/tls/context.h"

struct tls_settings {
    bool out, in;         // outbound is intercepted, inbound is terminated: where there is a
                          // listener for it
    bool midway;          // outbound also where it begins in the middle of a connection
    bool tls_behind;      // inbound goes on to the workload by TLS
    bool client_required; // with in_ca
    enum tls_verify verify;
    int least; // version: 0x0301 … 0x0304
    int leaf_days;
    size_t leaf_cache;
    const char *pass;                      // rules, "" none
    const char *ca_dir, *ca_cert, *ca_key; // NULL: not given
    const char *in_ca, *keylog;            // NULL: none
};

// 0, or an error told in one line. Texts are o's.
int settings_tls(const struct options *o, struct tls_settings *out, char why[WHY_MAX]) MUST_CHECK;

// Files of certificates and keys as options name them: those of the workload, and those to show to
// servers, by host. Texts are its own.
struct settings_pairs {
    struct tls_cert_files files[CERTS_MAX + 1]; // NULL cert at the end
    char *texts[3 * CERTS_MAX];
    size_t n, texts_n;
};
// o has passed settings_tls(). 0 or E_NOMEM.
int settings_pairs_in(const struct options *o, struct settings_pairs *out) MUST_CHECK;
int settings_pairs_mutual(const struct options *o, struct settings_pairs *out) MUST_CHECK;
void settings_pairs_clear(struct settings_pairs *p);

#endif
