// tls_scene: the usual client and server.
#include "tests/support/tls_scene.h"

#include "proxy/tls/engine_impl.h"

#include <stdio.h>
#include <stdlib.h>

static void need(int r, const char *what)
{
    if (r == 0)
        return;
    fprintf(stderr, "tls_scene: %s: %s\n", what, err_text(r));
    abort();
}

void tls_scene_init(struct tls_scene *s)
{
    *s = (struct tls_scene){0};
    s->ca = tls_make_pair(&(struct tls_make){.cn = "Scene CA", .ca = true}, NULL);
    s->leaf = tls_make_pair(&(struct tls_make){.cn = "a.example",
                                               .key = TLS_MAKE_EC_OTHER,
                                               .names = "DNS:a.example,DNS:*.b.example,"
                                                        "IP:127.0.0.1"},
                            s->ca);
    s->trust = tls_make_trust(s->ca, NULL);
    memset(s->ticket_key, 0x5a, sizeof s->ticket_key);
    s->connect = (struct tls_connect_conf){.verify = TLS_VERIFY_STRICT, .trust = s->trust};
    s->accept = (struct tls_accept_conf){.ticket_key = s->ticket_key};
    s->to = (struct tls_connect){.name = "a.example", .sni = "a.example", .host = "a.example:443"};
    s->from = (struct tls_accept){.pair = s->leaf, .alpn = "", .scope = "one"};
}

void tls_scene_clear(struct tls_scene *s)
{
    tls_context_free(s->client);
    tls_context_free(s->server);
    tls_make_trust_free(s->trust);
    tls_make_pair_free(s->leaf);
    tls_make_pair_free(s->ca);
    *s = (struct tls_scene){0};
}

void tls_scene_versions(struct tls_scene *s, int version)
{
    s->to.least = s->to.most = version;
    s->accept.least = version;
}

const char *tls_scene_sni(const struct tls_engine *e)
{
    const char *sni = SSL_get_servername(e->ssl, TLSEXT_NAMETYPE_host_name);
    return sni ? sni : "";
}

void tls_scene_open(struct tls_scene *s)
{
    char why[WHY_MAX] = "";
    if (!s->client)
        need(tls_context_connect(&s->client, &s->connect, why), why);
    if (!s->server)
        need(tls_context_accept(&s->server, &s->accept, why), why);
}

void tls_scene_meet(struct tls_scene *s, struct tls_ends *t)
{
    struct tls_engine *client, *server;
    tls_scene_open(s);
    need(tls_engine_connect(&client, s->client, &s->to), "connect");
    need(tls_engine_accept(&server, s->server, &s->from), "accept");
    tls_ends_init(t, client, server);
}
