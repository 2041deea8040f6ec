// engine: OpenSSL between two pieces of memory: what the peer sent is read where the caller has it,
// what goes to the peer is put behind out.
//
//   put(view) ─▶ bio_read() ─▶ SSL ─▶ bio_write() ─▶ out
//
// 1. bio_read() gives all of the loan, as far as OpenSSL asks: what it says "again" to is used up,
//    and a record that is not whole yet lies in OpenSSL's own buffer (one record, 16 KiB).
// 2. bio_write() never says "again": say() has made room for its records before (out grows for
//    those of a client that wants them smaller, RFC 6066 4), SPARE is left for what TLS answers by
//    itself, and a peer that makes it answer more than that, but does not read it, is cut off.
// 3. No OpenSSL call leaves an error in the queue of the thread, nor takes one for its own.
//
// Elsewhere: the two callbacks (engine_bio.c), why it failed (engine_fail.c), certificates
// (engine_verify.c), facts (engine_facts.c).
#include "proxy/tls/engine_impl.h"
#include "proxy/tls/hello.h"
#include "proxy/tls/pair_impl.h"
#include "proxy/tls/trouble_impl.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define SPARE  (16 * 1024) // of TLS_OUT_MAX
#define RECORD 16384       // bytes of content in a record
#define AROUND 256         // bytes around it at most; OpenSSL splits off an empty one in TLS 1.0

static void clear_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

int tls_engine_choose(SSL *ssl, const unsigned char **out, unsigned char *n,
                      const unsigned char *offered, unsigned offered_n, void *arg)
{
    (void)arg;
    struct view wanted = view_of(engine_of(ssl)->alpn);
    for (unsigned i = 0; i < offered_n; i += 1u + offered[i]) { // OpenSSL has checked the form
        if (view_eq(view_n(offered + i + 1, offered[i]), wanted)) {
            *out = offered + i + 1;
            *n = offered[i];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK; // the server that is stood for has made its choice
}

int tls_engine_keep(SSL *ssl, SSL_SESSION *session)
{
    const struct tls_engine *e = engine_of(ssl);
    // Where a certificate was asked for in vain the next handshake is to ask again: one that is
    // resumed would not.
    if (!e->key || (e->asked && !e->gave) || !SSL_SESSION_is_resumable(session))
        return 0;
    return tls_sessions_put(e->context->sessions, e->key, session, e->verify ? e->verify : "") == 0;
}

static int engine_new(struct tls_engine **out, struct tls_context *c)
{
    clear_errors();
    struct tls_engine *e = calloc(1, sizeof *e);
    if (!e)
        return E_NOMEM;
    e->context = c;
    buf_init(&e->out, TLS_OUT_MAX);
    buf_init(&e->waits, TLS_OUT_MAX);
    e->ssl = SSL_new(c->ssl);
    BIO *bio = e->ssl ? BIO_new(c->bio) : NULL;
    if (!bio || !SSL_set_app_data(e->ssl, e)) {
        BIO_free(bio);
        tls_engine_free(e);
        clear_errors();
        return E_NOMEM;
    }
    BIO_set_data(bio, e);
    BIO_set_init(bio, 1);
    SSL_set_bio(e->ssl, bio, bio);
    *out = e;
    return 0;
}

void tls_engine_free(struct tls_engine *e)
{
    if (!e)
        return;
    // Else OpenSSL takes a session from those that can be resumed whose connection was cut.
    if (e->ssl && (e->state == TLS_OPEN || e->state == TLS_ENDED))
        SSL_set_shutdown(e->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(e->ssl);
    X509_free(e->refused);
    buf_clear(&e->out);
    buf_clear(&e->waits);
    tls_engine_forget_why(e);
    free(e->verify);
    free(e->key);
    free(e->alpn);
    free(e);
}

// What OpenSSL's last call failed of, while an engine is made. Where it does not say, even the
// memory for that was missing.
static int setup_error(int otherwise)
{
    struct trouble t = trouble_take();
    return t.memory || !t.last ? E_NOMEM : otherwise;
}

static int use_pair(struct tls_engine *e, const struct tls_pair *pair)
{
    return SSL_use_cert_and_key(e->ssl, pair->cert, pair->key, pair->chain, 1) == 1
               ? 0
               : setup_error(E_REFUSED);
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

// Without a trailing dot (RFC 6066 3).
static int bare_name(const char *text, char name[TLS_NAME_MAX + 1], size_t *n)
{
    *n = strlen(text);
    if (*n > TLS_NAME_MAX)
        return E_LIMIT;
    memcpy(name, text, *n + 1);
    if (*n > 0 && name[*n - 1] == '.')
        name[--*n] = 0;
    return 0;
}

static int expect_name(struct tls_engine *e, const char *text)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(e->ssl);
    char name[TLS_NAME_MAX + 1];
    size_t n;
    int r = bare_name(text, name, &n);
    if (r || n == 0)
        return r;
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) ? 0 : setup_error(E_NOMEM);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, name, n) ? 0 : setup_error(E_NOMEM);
}

static int say_name(struct tls_engine *e, const char *text)
{
    char name[TLS_NAME_MAX + 1];
    size_t n;
    int r = bare_name(text, name, &n);
    if (r || n == 0 || is_address(name))
        return r;
    return SSL_set_tlsext_host_name(e->ssl, name) ? 0 : setup_error(E_NOMEM);
}

static int set_versions(struct tls_engine *e, int least, int most)
{
    if (!SSL_set_min_proto_version(e->ssl, least) || !SSL_set_max_proto_version(e->ssl, most))
        return E_RANGE; // the only failure, of which OpenSSL queues nothing
    if (least < TLS1_2_VERSION)
        SSL_set_security_level(e->ssl, 0); // they sign with SHA-1 and MD5
    return 0;
}

static int set_alpn(struct tls_engine *e, struct view alpn)
{
    if (alpn.n == 0)
        return 0;
    if (alpn.n > HELLO_ALPN_MAX)
        return E_LIMIT;
    for (size_t i = 0; i < alpn.n; i += 1u + (unsigned char)alpn.p[i])
        if (alpn.p[i] == 0 || i + (unsigned char)alpn.p[i] >= alpn.n)
            return E_SYNTAX;
    const unsigned char *p = (const unsigned char *)alpn.p;
    return SSL_set_alpn_protos(e->ssl, p, (unsigned)alpn.n) == 0 ? 0 : setup_error(E_NOMEM);
}

// Sessions are of one host, one name that was verified, one that was asked for, and one certificate
// of ours.
static int set_session(struct tls_engine *e, const struct tls_connect *how, int least, int most)
{
    struct buf key;
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int r;
    if (strlen(how->host) > TLS_NAME_MAX + sizeof ":65535")
        return E_LIMIT;
    if (how->pair && !X509_digest(how->pair->cert, EVP_sha256(), id, &n))
        return setup_error(E_NOMEM);
    buf_init(&key, 3 * TLS_NAME_MAX + 128);
    r = buf_printf(&key, "%s %s %s ", how->host, how->name, how->sni);
    for (unsigned i = 0; !r && i < n; i++)
        r = buf_printf(&key, "%02x", id[i]);
    if (!r)
        r = buf_add(&key, "", 1);
    if (r) {
        buf_clear(&key);
        return r;
    }
    e->key = key.p;
    SSL_SESSION *s = tls_sessions_take(e->context->sessions, e->key, least, most, &e->verify);
    if (!s)
        return 0;
    e->resuming = SSL_set_session(e->ssl, s) == 1;
    SSL_SESSION_free(s);
    return e->resuming ? 0 : setup_error(E_NOMEM);
}

int tls_engine_connect(struct tls_engine **out, struct tls_context *c,
                       const struct tls_connect *how)
{
    struct tls_engine *e;
    int least = how->least ? how->least : c->least;
    int most = how->most ? how->most : CONTEXT_MOST;
    assert(!c->server);
    int r = engine_new(&e, c);
    if (r)
        return r;
    SSL_set_connect_state(e->ssl);
    r = set_versions(e, least, most);
    if (!r)
        r = expect_name(e, how->name);
    if (!r)
        r = say_name(e, how->sni);
    if (!r)
        r = set_alpn(e, how->alpn);
    if (!r && how->pair)
        r = use_pair(e, how->pair);
    if (!r)
        r = set_session(e, how, least, most);
    if (r) {
        tls_engine_free(e);
        return r;
    }
    *out = e;
    return 0;
}

int tls_engine_accept(struct tls_engine **out, struct tls_context *c, const struct tls_accept *how)
{
    struct tls_engine *e;
    unsigned char scope[SHA256_DIGEST_LENGTH];
    const char *text = how->scope ? how->scope : "";
    assert(c->server);
    int r = engine_new(&e, c);
    if (r)
        return r;
    SSL_set_accept_state(e->ssl);
    if (!SHA256((const unsigned char *)text, strlen(text), scope) ||
        !SSL_set_session_id_context(e->ssl, scope, sizeof scope))
        r = setup_error(E_NOMEM);
    if (!r && !(e->alpn = strdup(how->alpn)))
        r = E_NOMEM;
    if (!r)
        r = use_pair(e, how->pair);
    if (r) {
        tls_engine_free(e);
        return r;
    }
    *out = e;
    return 0;
}

enum tls_state tls_engine_state(const struct tls_engine *e)
{
    return e->state;
}

enum tls_failure tls_engine_failure(const struct tls_engine *e)
{
    return e->failure;
}

const char *tls_engine_why(const struct tls_engine *e)
{
    return e->why ? e->why : "";
}

// What OpenSSL's mode for that leaves behind: the buffer of its last handshake message or alert.
static void release_buffers(struct tls_engine *e)
{
    // Not where it holds the header of a record whose body is still to come, or a record that is
    // not used up.
    if (strcmp(SSL_rstate_string(e->ssl), "RH") == 0 && !SSL_has_pending(e->ssl))
        SSL_free_buffers(e->ssl);
}

void tls_engine_put(struct tls_engine *e, struct view bytes)
{
    assert(e->in.n == 0);
    if (e->state == TLS_FAILED || e->state == TLS_ENDED)
        return;
    e->in = bytes;
    if (e->state == TLS_OPEN || (e->begun && bytes.n == 0))
        return;
    e->begun = true;
    clear_errors();
    int r = SSL_do_handshake(e->ssl);
    if (r == 1) {
        e->state = TLS_OPEN;
        release_buffers(e);
    } else if (SSL_get_error(e->ssl, r) != SSL_ERROR_WANT_READ) {
        tls_engine_fail(e);
    }
}

// A message of the handshake's kind, a ticket say, has come in part: until the rest is there
// OpenSSL writes nothing.
static bool is_held_up(const struct tls_engine *e)
{
    return SSL_in_init(e->ssl) != 0;
}

// 0; E_AGAIN: held up; or the engine failed.
static int write_now(struct tls_engine *e, struct view content)
{
    size_t done;
    clear_errors();
    int r = SSL_write_ex(e->ssl, content.p, content.n, &done);
    if (r == 1)
        return 0;
    if (SSL_get_error(e->ssl, r) == SSL_ERROR_WANT_READ)
        return E_AGAIN;
    tls_engine_fail(e);
    return e->error;
}

static void end_now(struct tls_engine *e)
{
    clear_errors();
    if (SSL_shutdown(e->ssl) < 0)
        tls_engine_fail(e);
    else
        release_buffers(e);
}

static void catch_up(struct tls_engine *e)
{
    struct view content = buf_view(&e->waits);
    if ((content.n == 0 && !e->owes) || e->state == TLS_FAILED || is_held_up(e))
        return;
    if (content.n > 0 && write_now(e, content) == E_AGAIN)
        return;
    buf_clear(&e->waits);
    if (e->owes && e->state != TLS_FAILED)
        end_now(e);
    e->owes = false;
}

static int get(struct tls_engine *e, void *p, size_t n, size_t *got)
{
    clear_errors();
    int r = SSL_read_ex(e->ssl, p, n, got);
    if (r == 1)
        return 0;
    switch (SSL_get_error(e->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        release_buffers(e);
        return E_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        e->state = TLS_ENDED;
        e->in = view_n(NULL, 0);
        return E_EOF;
    default:
        tls_engine_fail(e);
        return e->error;
    }
}

int tls_engine_get(struct tls_engine *e, void *p, size_t n, size_t *got)
{
    assert(n > 0);
    *got = 0;
    if (e->state == TLS_FAILED)
        return e->error;
    if (e->state == TLS_ENDED)
        return E_EOF;
    // Without bytes OpenSSL would only make its buffer, and free it.
    if (e->state == TLS_HANDSHAKE || (e->in.n == 0 && SSL_pending(e->ssl) == 0))
        return E_AGAIN;
    int r = get(e, p, n, got);
    catch_up(e);
    return r != 0 && e->state == TLS_FAILED ? e->error : r;
}

int tls_engine_say(struct tls_engine *e, struct view content)
{
    size_t all = buf_len(&e->waits) + content.n, need = all + (all / RECORD + 2) * AROUND;
    if ((e->state != TLS_OPEN && e->state != TLS_ENDED) || e->ended)
        return E_DAMAGED;
    if (content.n == 0)
        return 0;
    if (content.n > TLS_OUT_MAX || buf_len(&e->out) + need > TLS_OUT_MAX - SPARE)
        return E_LIMIT;
    if (!buf_room(&e->out, need))
        return E_NOMEM;
    int r = buf_len(&e->waits) > 0 ? E_AGAIN : write_now(e, content);
    return r == E_AGAIN ? buf_add_view(&e->waits, content) : r;
}

void tls_engine_end(struct tls_engine *e)
{
    if ((e->state != TLS_OPEN && e->state != TLS_ENDED) || e->ended)
        return;
    e->ended = true;
    e->owes = is_held_up(e);
    if (!e->owes)
        end_now(e);
}

struct view tls_engine_out(struct tls_engine *e)
{
    return buf_view(&e->out);
}

size_t tls_engine_waits(const struct tls_engine *e)
{
    return e->state == TLS_FAILED ? 0 : buf_len(&e->waits) + (e->owes ? 1 : 0);
}

void tls_engine_took(struct tls_engine *e, size_t n)
{
    buf_drop(&e->out, n, 0);
}
