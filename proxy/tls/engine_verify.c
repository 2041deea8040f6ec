// engine_verify: whether the peer's certificate is accepted, and what is wrong with it in words.
//
//   strict: what is wrong ends the handshake     warn: it is kept for the facts     off: no look
//
// It stands in for OpenSSL's own verification (which would look in any case): once a full
// handshake; a resumed session brings the verdict of its first one along.
#include "proto/base/options.h"
#include "proxy/tls/certificate_impl.h"
#include "proxy/tls/engine_impl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>

#define STRENGTH 2 // of keys and signatures: 112 bits, whatever versions are allowed

static bool is_about_names(int err)
{
    return err == X509_V_ERR_HOSTNAME_MISMATCH || err == X509_V_ERR_IP_ADDRESS_MISMATCH ||
           err == X509_V_ERR_EMAIL_MISMATCH;
}

// "certificate has expired: CN=a.example", in one line.
static char *explain(X509_STORE_CTX *store, int err)
{
    // All of it fits, so that no character is cut in two.
    char text[WHY_MAX], subject[160] = "", issuer[160] = "", names[160] = "";
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    const char *what = X509_verify_cert_error_string(err);
    if (cert) {
        certificate_name(X509_get_subject_name(cert), subject, sizeof subject);
        certificate_name(X509_get_issuer_name(cert), issuer, sizeof issuer);
        certificate_names(cert, names, sizeof names);
    }
    if (is_about_names(err) && *names)
        snprintf(text, sizeof text, "%s: %s, which is for %s", what, subject, names);
    else if (strcmp(subject, issuer) != 0)
        snprintf(text, sizeof text, "%s: %s, issued by %s", what, subject, issuer);
    else
        snprintf(text, sizeof text, "%s: %s", what, subject);
    return strdup(text);
}

int tls_engine_verify(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_engine *e = engine_of(ssl);
    enum tls_verify mode = e->context->server ? TLS_VERIFY_STRICT : e->context->verify;

    if (mode == TLS_VERIFY_OFF) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    free(e->verify); // of a session that the server did not take up
    e->verify = NULL;
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(store), STRENGTH);
    if (X509_verify_cert(store) > 0)
        return 1;
    int err = X509_STORE_CTX_get_error(store);
    if (err == X509_V_OK)
        err = X509_V_ERR_UNSPECIFIED;
    e->verify = err == X509_V_ERR_OUT_OF_MEM ? NULL : explain(store, err);
    if (!e->verify) {
        e->broken = E_NOMEM;
        err = X509_V_ERR_OUT_OF_MEM;
    } else if (mode == TLS_VERIFY_WARN) {
        ERR_clear_error();
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_free(e->refused);
    e->refused = X509_STORE_CTX_get0_cert(store); // OpenSSL forgets it
    if (e->refused)
        X509_up_ref(e->refused);
    X509_STORE_CTX_set_error(store, err);
    return 0;
}
