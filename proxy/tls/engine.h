// engine: one end of a TLS connection: bytes in, bytes out. No sockets, no clock of its own.
//
//   peer's bytes ──put──▶ ┌────────┐ ──get──▶ content
//                         │ engine │
//   bytes to peer ◀─out── └────────┘ ◀─say─── content
//
//           ┌──────────── TLS_FAILED (why tells)
//           │  put, say: refused; out: perhaps an alert
//   TLS_HANDSHAKE ──▶ TLS_OPEN ──▶ TLS_ENDED: the peer said close_notify; say goes on
//
//   1. put() takes all of its bytes, and they are got to the end before the next put(): so an
//      engine keeps no more than one unfinished record.
//   2. Renegotiation and compression are never done. TLS 1.0 and 1.1 only where the configuration
//      says so.
//   3. An engine that is idle keeps no buffer of OpenSSL's.
//   4. Ends of input without close_notify are the caller's to notice: TLS_OPEN and the socket's end
//      are a truncation.
#ifndef TAPEDECK_PROXY_TLS_ENGINE_H
#define TAPEDECK_PROXY_TLS_ENGINE_H

#include "proto/base/err.h"
#include "proto/base/view.h"

#include <stdint.h>

#define TLS_OUT_MAX  (512 * 1024) // bytes for the peer that may wait in an engine
#define TLS_SAY_MAX  (256 * 1024) // bytes of content that an engine with empty out takes at once
#define TLS_NAME_MAX 255          // of a host's name

struct certificate; // certificate.h
struct tls_engine;
struct tls_context; // context.h
struct tls_pair;    // pair.h: a certificate with its chain and key

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_ENDED, TLS_FAILED };

// Why a handshake failed, for those who act on it.
enum tls_failure {
    TLS_FAILED_OTHER,     // also: the peer's bytes are no TLS
    TLS_FAILED_TRUST,     // the peer's certificate was not accepted by us; why says what is wrong
    TLS_FAILED_REFUSED,   // the peer does not trust our certificate (alerts 42 … 46, 48, 49, or a
                          // close right behind our Certificate, told by tls_engine_cut())
    TLS_FAILED_PROTOCOL,  // no common version, suite, group or ALPN protocol (alerts 40, 70, 71,
                          // 120, or our own)
    TLS_FAILED_WANTS_CERT // the server wants a client's certificate, and there is none for it, or
                          // none that it takes
};

// What there is to know of a connection, for the capture: of one whose handshake failed as much as
// was settled, "" the rest. Loans until the next call for any engine of the context.
struct tls_facts_of {
    const char *version;                   // "1.2", "1.3"
    const char *cipher;                    // IANA name
    const char *alpn;                      // chosen; "" none
    const struct certificate *certificate; // the peer's, accepted or not; NULL without
    bool resumed;
    bool wants_cert;    // of a server: it asked for a client's certificate and got none. It may do
                        // without; in TLS 1.3 its refusal comes when the state is TLS_OPEN already
    const char *verify; // "" fine; else what is wrong with the peer's certificate, although it was
                        // accepted
};

// Of where there is no engine.
#define TLS_NO_FACTS ((struct tls_facts_of){.version = "", .cipher = "", .alpn = "", .verify = ""})

// Towards a server.
struct tls_connect {
    const char *name;      // that the certificate must have, or an address; "": any
    const char *sni;       // that is asked for; "" and an address: none is
    const char *host;      // host:port, by which sessions are kept
    struct view alpn;      // as client_hello.wire has them (hello.h); unset: none is offered
    int least, most;       // versions that the client offers: 0x0301 … 0x0304; 0: the context's
    struct tls_pair *pair; // to present when the server asks; NULL none. Kept by its own count
};
// Towards a client.
struct tls_accept {
    struct tls_pair *pair; // leaf to show
    const char *alpn;      // protocol to choose when the client offers it; "" none
    const char *scope;     // sessions are resumed within it only
};

// 0, E_NOMEM; E_LIMIT: a text is too long; E_SYNTAX: alpn is not as the wire has it; E_RANGE: no
// such versions; E_REFUSED: OpenSSL will not use the pair (its key is too weak). c outlives the
// engine. What how points to is a loan.
int tls_engine_connect(struct tls_engine **out, struct tls_context *c,
                       const struct tls_connect *how) MUST_CHECK;
int tls_engine_accept(struct tls_engine **out, struct tls_context *c,
                      const struct tls_accept *how) MUST_CHECK;
void tls_engine_free(struct tls_engine *e); // NULL is fine

enum tls_state tls_engine_state(const struct tls_engine *e);
enum tls_failure tls_engine_failure(const struct tls_engine *e);
const char *tls_engine_why(const struct tls_engine *e); // one line; "" while nothing failed
void tls_engine_facts(struct tls_engine *e, struct tls_facts_of *out);

// Bytes of the peer: a loan until tls_engine_get() has said E_AGAIN, E_EOF or worse. May be empty
// (to begin the handshake of a client). A handshake goes on here: state and out tell.
void tls_engine_put(struct tls_engine *e, struct view bytes);
// 0: *got > 0 bytes of content. E_AGAIN: more bytes of the peer are needed (of a handshake too);
// what was left of them is kept. E_EOF: close_notify. E_DAMAGED: TLS_FAILED; E_NOMEM, E_LIMIT.
int tls_engine_get(struct tls_engine *e, void *p, size_t n, size_t *got) MUST_CHECK;
// Content for the peer, once the state is TLS_OPEN or TLS_ENDED: whole or not at all. 0; E_NOMEM,
// E_LIMIT (out is full): later perhaps, where the state is not TLS_FAILED then; E_DAMAGED: it is.
int tls_engine_say(struct tls_engine *e, struct view content) MUST_CHECK;
// close_notify behind what was said; nothing before the handshake is over. No say() afterwards;
// get() goes on until the peer ends, too.
void tls_engine_end(struct tls_engine *e);
// The peer's socket ended or was reset during the handshake: FAILED, with the right reason.
// reached: all of out that was taken had left for the peer. In any other state: nothing.
void tls_engine_cut(struct tls_engine *e, bool reset, bool reached);

// Bytes for the peer: a loan until the next call; took: so many of them went out.
struct view tls_engine_out(struct tls_engine *e);
// What was said, and is no bytes for the peer yet: it is in the middle of a message of its own.
// Bytes of content, and one for an end that was said.
size_t tls_engine_waits(const struct tls_engine *e);
void tls_engine_took(struct tls_engine *e, size_t n);

#endif
