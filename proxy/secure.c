// secure: see secure.h.
#include "proxy/secure.h"

#include "proto/base/log.h"
#include "proxy/secure_in.h"
#include "proxy/tls/certificate.h"
#include "proxy/tls/certs.h"
#include "proxy/tls/context.h"
#include "proxy/tls/forge.h"
#include "proxy/tls/hello.h"
#include "proxy/tls/pass.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

// A client that ends so soon behind its handshake, without a word, refuses our leaf. Where others
// took it that may be a probe, or one of the connections that browsers come to do without: there it
// must be at once, and the second time without a client in between that takes it.
#define REFUSAL_US        (1 * US_PER_S)
#define REFUSAL_PROMPT_US (20 * US_PER_MS)

void secure_clear(struct flow *f)
{
    free(f->secure);
    f->secure = NULL;
}

// ---- the ways out

void secure_hand_over(struct flow *f)
{
    if (!flow_ended(f) && buf_len(&f->heard) > 0)
        relay_server_came(f, (struct view){0}, 0);
    if (!flow_ended(f) && f->server.eof)
        relay_server_came(f, (struct view){0}, E_EOF);
}

// The handshakes are over.
static void finish(struct flow *f)
{
    if (f->listener->secure == SECURE_TERMINATE)
        secure_note(f->secure, "terminated", "");
    f->secured_us = f->env->now;
    f->facts.secured = f->client.tls != NULL;
    if (!f->server.io.open) {
        flow_set_state(f, FLOW_FRONT);
        flow_expect(f, f->env->limits.idle);
        flow_input(f, (struct view){0});
        return;
    }
    flow_go_on(f);
    secure_hand_over(f);
    flow_input(f, (struct view){0});
}

static void learn(struct flow *f, const char *host, unsigned port, enum pass_cause cause)
{
    if (f->listener->secure != SECURE_INTERCEPT || f->server.io.far ||
        !tls_pass_learn(secure_env_of(f)->pass, host, port, cause, f->env->now))
        return;
    log_info("tls: passed through from now on host=%s port=%u cause=%s why=\"%s\"", host, port,
             tls_pass_cause_text(cause), f->secure->why);
}

static enum pass_cause cause_of(enum tls_failure failure)
{
    switch (failure) {
    case TLS_FAILED_TRUST:
        return PASS_UNTRUSTED;
    case TLS_FAILED_REFUSED:
        return PASS_REFUSED;
    case TLS_FAILED_WANTS_CERT:
        return PASS_WANTS_CERT;
    default:
        return PASS_PROTOCOL;
    }
}

static const char *why_of(const struct side *s, int error)
{
    const char *why = s->tls ? tls_engine_why(s->tls) : "";
    return *why ? why : err_text(error ? error : E_DAMAGED);
}

// No TLS of ours on this connection, to which its client has not had an answer yet: it goes to the
// server as it is, on another dial.
static void pass_instead(struct flow *f, enum flow_reason reason, enum pass_cause cause,
                         const char *why)
{
    if (cause == PASS_PROTOCOL) // the others are learned, and told with that
        log_info("tls: passed through host=%s port=%u cause=%s why=\"%s\"", f->secure->host,
                 f->secure->port, tls_pass_cause_text(cause), why);
    secure_count_passed(f, cause);
    f->secure->passes = true;
    f->facts.tls_why = tls_pass_cause_text(cause);
    flow_redial(f, reason, why);
}

// Whether its client can still be led to the server itself: it had no answer of ours, and said
// nothing that the server would have to hear again.
static bool may_pass(const struct flow *f)
{
    return f->listener->secure == SECURE_INTERCEPT && !f->client.tls && !f->secure->midway &&
           !f->server.io.far;
}

// With the server there is no TLS of ours. Its client finds out why by itself, where it can.
static void give_up_server(struct flow *f, enum pass_cause cause, int error, const char *why)
{
    const struct secure *x = f->secure;
    secure_note(f->secure, "failed", why);
    // Whom this client cannot talk to another may: without a common version, say. In the middle it
    // costs a connection each time, but one that broke tells nothing of the next.
    bool again = cause == PASS_PROTOCOL ? x->midway && f->server.tls &&
                                              tls_engine_failure(f->server.tls) != TLS_FAILED_OTHER
                                        : may_pass(f) || x->midway || cause == PASS_WANTS_CERT;
    if (again)
        learn(f, x->host, x->port, cause);
    if (!f->opened)
        flow_no_upstream(f, FLOW_TLS_SERVER, error && error != E_AGAIN ? error : E_DAMAGED, why);
    else if (may_pass(f))
        pass_instead(f, FLOW_TLS_SERVER, cause, why);
    else
        flow_fail(f, FLOW_TLS_SERVER, why);
}

static void server_failed(struct flow *f, int error)
{
    char why[WHY_MAX];
    if (error == E_NOMEM) {
        flow_fail(f, FLOW_NO_MEMORY, NULL);
        return;
    }
    snprintf(why, sizeof why, "%s", why_of(&f->server, error));
    secure_count(f, &f->server, STATS_TLS_FAILED);
    give_up_server(f,
                   cause_of(f->server.tls ? tls_engine_failure(f->server.tls) : TLS_FAILED_OTHER),
                   error, why);
}

static void server_overdue(struct flow *f)
{
    static const char whose[] = "the server's TLS";
    secure_note(f->secure, "failed", whose);
    if (!f->opened) {
        flow_no_upstream(f, FLOW_HANDSHAKE_TIMEOUT, E_TIMEOUT, whose);
        return;
    }
    if (!f->client.tls) // else each client would wait as long
        learn(f, f->secure->host, f->secure->port, PASS_PROTOCOL);
    if (may_pass(f))
        pass_instead(f, FLOW_HANDSHAKE_TIMEOUT, PASS_PROTOCOL, whose);
    else
        flow_fail(f, FLOW_HANDSHAKE_TIMEOUT, whose);
}

void secure_overdue(struct flow *f)
{
    if (f->env->stalled || flow_must_pause(f))
        flow_expect(f, FIRST_WORD_US); // the time of a pause is not the peer's
    else if (f->state == FLOW_PEEK)
        secure_peek_overdue(f);
    else if (f->server.tls && tls_engine_state(f->server.tls) == TLS_HANDSHAKE)
        server_overdue(f);
    else
        flow_fail(f, FLOW_HANDSHAKE_TIMEOUT, "the client's TLS");
}

static void client_failed(struct flow *f, int error)
{
    char why[WHY_MAX];
    snprintf(why, sizeof why, "%s", why_of(&f->client, error));
    enum tls_failure failure = f->client.tls ? tls_engine_failure(f->client.tls) : TLS_FAILED_OTHER;
    secure_note(f->secure, failure == TLS_FAILED_REFUSED ? "refused" : "failed", why);
    secure_count(f, &f->client, STATS_TLS_FAILED);
    if (failure == TLS_FAILED_REFUSED || failure == TLS_FAILED_PROTOCOL)
        learn(f, f->secure->host, f->secure->port, cause_of(failure));
    flow_fail(f, FLOW_TLS_CLIENT, why);
}

// Without a common protocol it would have gone from the server as well.
static bool lacks_alpn(const struct flow *f)
{
    struct tls_facts_of client;
    const char *offered = f->secure->hello.alpn;
    tls_engine_facts(f->client.tls, &client);
    return *offered && !*client.alpn && !strstr(offered, "http/1.1");
}

static bool refuses(const struct flow *f)
{
    const struct secure *x = f->secure;
    int64_t took = f->env->now - f->secured_us;
    if (x->mode || f->server.eof || took >= REFUSAL_US || lacks_alpn(f))
        return false;
    struct tls_pass *pass = secure_env_of(f)->pass;
    return took < REFUSAL_PROMPT_US ? !tls_pass_doubt(pass, x->host, x->port)
                                    : !tls_pass_was_taken(pass, x->host, x->port);
}

void secure_broken(struct flow *f, const struct side *s)
{
    if (!s->tls || f->listener->secure != SECURE_INTERCEPT)
        return;
    // In TLS 1.3 a server says that it wants a certificate when we take the handshake to be over.
    if (s->is_server && tls_engine_failure(s->tls) == TLS_FAILED_WANTS_CERT) {
        secure_note(f->secure, "failed", tls_engine_why(s->tls));
        learn(f, f->secure->host, f->secure->port, PASS_WANTS_CERT);
    } else if (!s->is_server && refuses(f)) {
        secure_note(f->secure, "refused",
                    "the peer went without a word when the handshake was over");
        learn(f, f->secure->host, f->secure->port, PASS_REFUSED);
    }
}

// ---- the client's handshake

bool secure_means_target(const struct flow *f, const char *sni)
{
    return f->listener->secure == SECURE_INTERCEPT && f->listener->front_conf.fixed_target &&
           (!*sni || strcasecmp(sni, "localhost") == 0);
}

static int forge_leaf(struct flow *f, const char *names, struct tls_pair **out)
{
    const struct secure_env *env = secure_env_of(f);
    const struct secure *x = f->secure;
    const char *sni = x->hello.sni, *host = *sni ? sni : x->host;
    char all[CERTIFICATE_NAMES + 2 * ADDR_TEXT], address[ADDR_TEXT];
    if (!*sni && secure_means_target(f, sni)) {
        snprintf(all, sizeof all, "localhost,%s%s%s", addr_host_text(&f->facts.local, address),
                 *names ? "," : "", names);
        names = all;
    }
    int e = tls_forge_leaf(env->forge, host, *sni != 0, names, !x->hello.ecdsa_p256,
                           flow_env_wall(f->env), out);
    stat_set(&f->env->stats->tls_minted, tls_forge_minted(env->forge));
    return e;
}

static int leaf_for(struct flow *f, const struct tls_facts_of *server, struct tls_pair **out)
{
    if (f->listener->secure == SECURE_INTERCEPT)
        return forge_leaf(f, server->certificate ? server->certificate->names : "", out);
    *out = tls_certs_find(secure_env_of(f)->own, f->secure->hello.sni);
    return *out ? 0 : E_NOTFOUND;
}

int secure_keep(struct flow *f, struct buf *b, struct view bytes)
{
    int e = buf_add_view(b, bytes);
    if (e == 0)
        f->env->kept += bytes.n;
    return e;
}

static void client_heard(struct flow *f, struct view bytes, int error)
{
    enum tls_state state = tls_engine_state(f->client.tls);
    bool ended = error == E_EOF && state == TLS_ENDED; // in order, right behind its handshake
    if (state == TLS_FAILED || (error && error != E_AGAIN && !ended))
        client_failed(f, error);
    else if (secure_keep(f, &f->held, bytes))
        flow_fail(f, FLOW_NO_MEMORY, NULL);
    else if (state != TLS_HANDSHAKE) {
        secure_count_open(f, &f->client);
        finish(f);
    }
}

// The protocol when no server was asked: HTTP/1, which a plain workload and our front speak, where
// it is offered; else the client's first: what it says then is relayed as it comes.
static const char *own_alpn(const struct flow *f, char out[sizeof f->secure->hello.alpn])
{
    struct view rest = view_of(f->secure->hello.alpn);
    struct view first = view_head(rest, view_find(rest, ','));
    snprintf(out, sizeof f->secure->hello.alpn, "%.*s", (int)first.n, first.p);
    while (rest.n > 0) {
        size_t n = view_find(rest, ',');
        if (view_eq(view_head(rest, n), VIEW_LIT("http/1.1")))
            return "http/1.1";
        rest = view_from(rest, n < rest.n ? n + 1 : n);
    }
    return out;
}

// What we would show the client cannot be made or used; our authority may have expired.
static void no_leaf(struct flow *f, int error)
{
    char why[WHY_MAX];
    snprintf(why, sizeof why, "no certificate for the client: %s", err_text(error));
    if (error == E_NOMEM) {
        flow_fail(f, FLOW_NO_MEMORY, NULL);
        return;
    }
    secure_note(f->secure, "failed", why);
    secure_count(f, &f->client, STATS_TLS_FAILED);
    if (f->secure->midway)
        learn(f, f->secure->host, f->secure->port, PASS_PROTOCOL);
    if (may_pass(f))
        pass_instead(f, FLOW_TLS_CLIENT, PASS_PROTOCOL, why);
    else
        flow_fail(f, FLOW_TLS_CLIENT, why);
}

void secure_begin_client(struct flow *f)
{
    const struct secure_env *env = secure_env_of(f);
    struct tls_facts_of server = TLS_NO_FACTS;
    struct tls_pair *pair = NULL;
    struct tls_engine *engine = NULL;
    char scope[HOSTPORT_TEXT], alpn[sizeof f->secure->hello.alpn];
    bool intercept = f->listener->secure == SECURE_INTERCEPT;
    size_t got = 0;
    if (f->server.tls)
        tls_engine_facts(f->server.tls, &server);
    snprintf(scope, sizeof scope, "%.255s:%u", f->secure->host, f->secure->port);
    int e = leaf_for(f, &server, &pair);
    struct tls_accept how = {
        .pair = pair, .alpn = f->server.tls ? server.alpn : own_alpn(f, alpn), .scope = scope};
    if (e == 0)
        e = tls_engine_accept(&engine, intercept ? env->to_clients : env->to_callers, &how);
    tls_pair_free(pair);
    if (e) {
        no_leaf(f, e);
        return;
    }
    e = side_secure(&f->client, engine, buf_view(&f->held), f->env->chunk, f->env->chunk_size,
                    &got);
    f->env->kept -= buf_len(&f->held);
    buf_clear(&f->held);
    flow_expect(f, f->env->limits.handshake); // the server's time was its own
    client_heard(f, view_n(f->env->chunk, got), e);
}

// ---- the server's

// The server says more (tickets, its first words) while the client's handshake goes on.
static bool is_answering(const struct flow *f)
{
    return f->client.tls && tls_engine_state(f->client.tls) == TLS_HANDSHAKE;
}

// Databases, to which TLS leads in the middle, ask everyone, and few clients have one: nothing is
// given up for that.
static bool asks_in_vain(const struct flow *f)
{
    struct tls_facts_of server;
    tls_engine_facts(f->server.tls, &server);
    return server.wants_cert && f->listener->secure == SECURE_INTERCEPT && !f->secure->midway;
}

static void server_heard(struct flow *f, struct view bytes, int error)
{
    enum tls_state state = tls_engine_state(f->server.tls);
    bool ended = error == E_EOF && (state == TLS_OPEN || state == TLS_ENDED);
    if (ended)
        f->server.eof = true; // told when it is the client's turn to hear of it
    if (state == TLS_FAILED || (error && error != E_AGAIN && !ended))
        server_failed(f, error);
    else if (secure_keep(f, &f->heard, bytes))
        flow_fail(f, FLOW_NO_MEMORY, NULL);
    else if (state == TLS_HANDSHAKE || is_answering(f))
        return;
    else {
        secure_count_open(f, &f->server);
        if (f->client.tls)
            finish(f);
        else if (asks_in_vain(f))
            give_up_server(f, PASS_WANTS_CERT, 0, "the server asks for a client certificate");
        else
            secure_begin_client(f);
    }
}

void secure_begin_server(struct flow *f, struct tls_context *context)
{
    const struct secure_env *env = secure_env_of(f);
    const struct secure *x = f->secure;
    struct tls_engine *engine = NULL;
    char host[HOSTPORT_TEXT];
    size_t got = 0;
    snprintf(host, sizeof host, "%.255s:%u", x->host, x->port);
    // What a client says it knows may be more than it takes of a server in the end.
    bool clamp = x->hello.least && x->hello.least < env->least;
    int least = clamp ? env->least : (int)x->hello.least;
    struct tls_pair *pair = env->pairs ? tls_certs_find(env->pairs, x->host) : NULL;
    struct tls_connect how = {.name = x->host,
                              .sni = x->hello.sni,
                              .host = host,
                              .alpn = view_n((const char *)x->hello.wire, x->hello.wire_n),
                              .least = least,
                              .most = x->hello.most,
                              .pair = pair};
    int e = tls_engine_connect(&engine, context, &how);
    tls_pair_free(pair);
    if (e) {
        if (e == E_NOMEM)
            flow_fail(f, FLOW_NO_MEMORY, NULL);
        else
            server_failed(f, e); // what the client offers cannot be offered by us
        return;
    }
    e = side_secure(&f->server, engine, view_n(NULL, 0), f->env->chunk, f->env->chunk_size, &got);
    server_heard(f, view_n(f->env->chunk, got), e);
}

bool secure_server(struct flow *f)
{
    struct secure *x = f->secure;
    struct tls_facts_of client;
    if (!f->client.tls || !secure_env_of(f)->to_workload || f->server.io.far)
        return false;
    tls_engine_facts(f->client.tls, &client);
    // The protocol is settled, nothing else is.
    size_t n = strlen(client.alpn);
    x->hello.wire[0] = (unsigned char)n;
    memcpy(x->hello.wire + 1, client.alpn, n);
    x->hello.wire_n = n > 0 ? n + 1 : 0;
    x->hello.least = x->hello.most = 0;
    x->dialled = true;
    x->mode = NULL;
    flow_set_state(f, FLOW_SECURE);
    flow_expect(f, f->env->limits.handshake);
    secure_begin_server(f, secure_env_of(f)->to_workload);
    return true;
}

bool secure_passes(const struct flow *f)
{
    return f->secure && f->secure->passes;
}

// An end without TLS of ours, while the other one has its handshake: what it says can wait.
static void plain_heard(struct flow *f, struct side *s, struct view bytes, int error)
{
    if (error == E_AGAIN)
        return;
    if (error == E_EOF && s->is_server)
        s->eof = true;
    else if (error == E_RESET)
        flow_fail(f, s->is_server ? FLOW_SERVER_RESET : FLOW_CLIENT_RESET, NULL);
    else if (error)
        flow_fail(f, s->is_server ? FLOW_SERVER_CLOSED : FLOW_CLIENT_CLOSED, NULL);
    else if (secure_keep(f, s->is_server ? &f->heard : &f->held, bytes))
        flow_fail(f, FLOW_NO_MEMORY, NULL);
}

// Behind the client's handshake, while the one with its server goes on: what it says can wait.
static void early_heard(struct flow *f, struct view bytes, int error)
{
    if (error == E_AGAIN || error == E_EOF) // its end is noticed when that is done
        return;
    if (error == E_RESET)
        flow_fail(f, FLOW_CLIENT_RESET, NULL);
    else if (error)
        flow_fail(f, FLOW_CLIENT_LOST, why_of(&f->client, error));
    else if (secure_keep(f, &f->held, bytes))
        flow_fail(f, FLOW_NO_MEMORY, NULL);
}

void secure_heard(struct flow *f, struct side *s, struct view bytes, int error)
{
    bool with_server = f->server.tls && tls_engine_state(f->server.tls) == TLS_HANDSHAKE;
    if (f->state == FLOW_PEEK)
        secure_peek_heard(f, s, bytes, error);
    else if (!s->is_server && s->tls && with_server)
        early_heard(f, bytes, error);
    else if (!s->tls)
        plain_heard(f, s, bytes, error);
    else if (s->is_server)
        server_heard(f, bytes, error);
    else
        client_heard(f, bytes, error);
}
