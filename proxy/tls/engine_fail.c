// engine_fail: why it failed, by the alerts that were heard, by OpenSSL's errors, by what had been
// said when the peer went away.
//
//   alert heard while it failed ──▶ of_alert()     our own error ──▶ of_reason()
//
// A server that demands a certificate in TLS 1.3 says so when the handshake is over for the client:
// alert certificate_required in TLS_OPEN, as the first thing that comes. A client that dislikes our
// certificate says so before its own Finished, in all versions.
#include "proto/base/options.h"
#include "proxy/tls/engine_impl.h"
#include "proxy/tls/trouble_impl.h"

#include <openssl/err.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ALERT_REASON 1000 // SSL_AD_REASON_OFFSET: of errors that an alert of the peer made

static char no_memory[] = "out of memory"; // for want of memory for a better text

void tls_engine_heard(int write, int version, int type, const void *p, size_t n, SSL *ssl,
                      void *arg)
{
    const unsigned char *b = p;
    struct tls_engine *e = engine_of(ssl);
    (void)version;
    (void)arg;
    if (type == SSL3_RT_ALERT && !write && n == 2 && b[1] != SSL_AD_USER_CANCELLED) {
        if (b[1] != SSL_AD_CLOSE_NOTIFY)
            e->heard = b[1];
    } else if (type == SSL3_RT_HANDSHAKE && n > 0 && e->state == TLS_HANDSHAKE) {
        if (b[0] == SSL3_MT_SERVER_HELLO) {
            e->settled = true;
        } else if (write && b[0] == SSL3_MT_CERTIFICATE) {
            e->shown = true;
            e->gave = n > 8; // header, context (1.3) and length of the list
        } else if (!write && b[0] == SSL3_MT_CERTIFICATE_REQUEST) {
            e->asked = true;
        } else if (!write && e->shown) {
            e->answered = true;
        }
    }
}

static enum tls_failure of_alert(const struct tls_engine *e)
{
    bool server = e->context->server;
    bool wants = !server && e->asked && e->shown; // one, or another than it got
    switch (e->heard) {
    case SSL_AD_HANDSHAKE_FAILURE:
        return wants ? TLS_FAILED_WANTS_CERT : TLS_FAILED_PROTOCOL;
    case SSL_AD_PROTOCOL_VERSION:
    case SSL_AD_INSUFFICIENT_SECURITY:
    case SSL_AD_INAPPROPRIATE_FALLBACK:
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return TLS_FAILED_PROTOCOL;
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
        if (wants)
            return TLS_FAILED_WANTS_CERT;
        return e->shown && e->heard != SSL_AD_CERTIFICATE_REQUIRED ? TLS_FAILED_REFUSED
                                                                   : TLS_FAILED_OTHER;
    default:
        return TLS_FAILED_OTHER;
    }
}

static enum tls_failure of_reason(int reason)
{
    switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return TLS_FAILED_TRUST;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_NO_CIPHERS_AVAILABLE:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_INAPPROPRIATE_FALLBACK:
    case SSL_R_DH_KEY_TOO_SMALL:
    case SSL_R_WRONG_CIPHER_RETURNED:
    case SSL_R_WRONG_CURVE:
    case SSL_R_WRONG_SIGNATURE_TYPE:
    case SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED:
        return TLS_FAILED_PROTOCOL;
    default:
        return TLS_FAILED_OTHER;
    }
}

static const char *alert_text(int alert)
{
    // OpenSSL has no words for it.
    return alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required"
                                                : SSL_alert_desc_string_long(alert);
}

static bool is_no_tls(int reason)
{
    return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
           reason == SSL_R_HTTPS_PROXY_REQUEST || reason == SSL_R_UNKNOWN_PROTOCOL ||
           reason == SSL_R_RECORD_LENGTH_MISMATCH || reason == SSL_R_PACKET_LENGTH_TOO_LONG ||
           reason == SSL_R_BAD_RECORD_TYPE;
}

static void put_to_failed(struct tls_engine *e, enum tls_failure failure, int error,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

static void put_to_failed(struct tls_engine *e, enum tls_failure failure, int error,
                          const char *format, ...)
{
    char text[WHY_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tls_engine_forget_why(e);
    e->why = strdup(text);
    if (!e->why)
        e->why = no_memory;
    // A session that the server does not come along with must not be offered again.
    if (e->resuming && e->state == TLS_HANDSHAKE)
        tls_sessions_forget(e->context->sessions, e->key);
    e->in = view_n(NULL, 0);
    e->state = TLS_FAILED;
    e->failure = failure;
    e->error = error;
}

void tls_engine_forget_why(struct tls_engine *e)
{
    if (e->why != no_memory)
        free(e->why);
    e->why = NULL;
}

// The peer went away during the handshake: closed or reset.
static void went_away(struct tls_engine *e, const char *how, bool reached)
{
    enum tls_failure failure = e->heard ? of_alert(e) : TLS_FAILED_OTHER;
    const char *when = "during the handshake";
    if (failure == TLS_FAILED_OTHER && e->context->server && e->shown && !e->answered && reached) {
        failure = TLS_FAILED_REFUSED;
        when = "right behind our certificate";
    } else if (failure == TLS_FAILED_OTHER && !e->context->server && e->asked && e->shown &&
               !e->gave) {
        failure = TLS_FAILED_WANTS_CERT;
        when = "after it had asked for a client certificate";
    }
    put_to_failed(e, failure, E_DAMAGED, "the peer %s the connection %s", how, when);
}

void tls_engine_fail(struct tls_engine *e)
{
    struct trouble t = trouble_take();
    int error = t.memory ? E_NOMEM : e->broken, reason = 0;
    unsigned long first = t.first;
    if (ERR_GET_LIB(first) == ERR_LIB_SSL)
        reason = ERR_GET_REASON(first);
    if (error == E_NOMEM) {
        put_to_failed(e, TLS_FAILED_OTHER, error, "%s", no_memory);
    } else if (error == E_LIMIT) {
        put_to_failed(e, TLS_FAILED_OTHER, error, "the peer does not read what TLS answers");
    } else if (!first && e->state == TLS_HANDSHAKE &&
               (SSL_get_shutdown(e->ssl) & SSL_RECEIVED_SHUTDOWN)) {
        went_away(e, "closed", true); // with close_notify
    } else if (reason >= ALERT_REASON && reason < ALERT_REASON + 256 && e->heard) {
        enum tls_failure failure = of_alert(e);
        put_to_failed(e, failure, E_DAMAGED, "the peer sent alert %d (%s)%s", e->heard,
                      alert_text(e->heard),
                      failure != TLS_FAILED_WANTS_CERT ? ""
                      : e->gave                        ? ": it wants another client certificate"
                                                       : ": it wants a client certificate");
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && e->verify) {
        put_to_failed(e, TLS_FAILED_TRUST, E_DAMAGED, "%s", e->verify);
    } else if (is_no_tls(reason)) {
        put_to_failed(e, TLS_FAILED_OTHER, E_DAMAGED, "the peer's bytes are no TLS (%s)",
                      ERR_reason_error_string(first));
    } else {
        const char *text = first ? ERR_reason_error_string(first) : NULL;
        put_to_failed(e, of_reason(reason), E_DAMAGED, "%s", text ? text : "TLS failed");
    }
}

void tls_engine_cut(struct tls_engine *e, bool reset, bool reached)
{
    if (e->state == TLS_HANDSHAKE)
        went_away(e, reset ? "reset" : "closed", reached);
}
