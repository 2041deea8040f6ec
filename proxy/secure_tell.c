// secure_tell: what the statistics, the capture and the log hear of a flow's handshakes.
#include "proto/base/log.h"
#include "proxy/secure_in.h"

#include <stdio.h>

// ---- what is counted

void secure_count(struct flow *f, const struct side *s, enum stats_tls end)
{
    stat_add(&f->env->stats->tls[s->is_server][end], 1);
}

void secure_count_open(struct flow *f, const struct side *s)
{
    struct tls_facts_of of;
    tls_engine_facts(s->tls, &of);
    secure_count(f, s, of.resumed ? STATS_TLS_RESUMED : STATS_TLS_FULL);
}

void secure_count_passed(struct flow *f, unsigned cause)
{
    stat_add(&f->env->stats->tls_passed[cause], 1);
}

// ---- what is told

void secure_note(struct secure *x, const char *mode, const char *why)
{
    x->mode = mode;
    snprintf(x->why, sizeof x->why, "%s", why);
}

static void tell(struct flow *f)
{
    struct secure *x = f->secure;
    struct tls_facts_of server = TLS_NO_FACTS, client = TLS_NO_FACTS;
    bool old = x->passes && f->state == FLOW_DIAL; // what is known is of the dial before
    if (!x->mode || x->told || old)
        return;
    x->told = true;
    if (f->server.tls)
        tls_engine_facts(f->server.tls, &server);
    if (f->client.tls)
        tls_engine_facts(f->client.tls, &client);
    bool own = f->listener->secure == SECURE_TERMINATE;
    const char *wrong = own && *client.verify ? client.verify : server.verify;
    struct tls_facts facts = {.at_us = f->begun_us,
                              .sni = x->hello.sni,
                              .alpn_offered = x->hello.alpn,
                              .versions_offered = x->hello.versions,
                              .version = server.version,
                              .cipher = server.cipher,
                              .alpn = f->server.tls ? server.alpn : client.alpn,
                              .mode = x->mode,
                              .why = *x->why ? x->why : wrong,
                              .client_version = client.version,
                              .client_cipher = client.cipher,
                              .resumed = server.resumed,
                              .client_resumed = client.resumed,
                              .certificate = own ? client.certificate : server.certificate};
    tap_tls(&f->tap, &facts);
    if (*server.verify && !server.resumed)
        log_info(
            "tls: a server's certificate does not hold, and is taken host=%s port=%u why=\"%s\"",
            x->host, x->port, server.verify);
}

void secure_tell(struct flow *f)
{
    if (!f->secure)
        return;
    f->secure->told = false;
    tell(f);
}

void secure_end(struct flow *f, const char *reason)
{
    struct secure *x = f->secure;
    if (!x)
        return;
    if (f->state == FLOW_SECURE && !x->mode)
        secure_note(x, "failed", reason);
    else if (f->tap.open && !x->mode && f->client.tls)
        secure_note(x, "intercepted", "");
    if (f->tap.open)
        tell(f);
    else if (f->state == FLOW_SECURE || (f->state == FLOW_PEEK && x->dialled))
        flow_tap_open(f, NULL);
}

void secure_spoke(struct flow *f)
{
    struct secure *x = f->secure;
    if (x->mode || !f->client.tls)
        return;
    secure_note(x, "intercepted", "");
    tell(f);
    tls_pass_took(secure_env_of(f)->pass, x->host, x->port);
}
