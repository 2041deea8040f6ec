// tls_play: see tls_play.h.
#include "tests/script/tls_play.h"

#include "proxy/tls/certificate.h"
#include "proxy/tls/certs.h"
#include "proxy/tls/context_impl.h"
#include "proxy/tls/forge.h"
#include "proxy/tls/pass.h"
#include "tests/script/play.h"
#include "tests/support/alloc.h"
#include "tests/support/tls_scene.h"
#include "tests/support/tmp.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CONTEXTS 16
#define TEXT_MAX 256

// Made once a program.
static struct {
    struct tls_ca *ours;
    struct tls_keys *keys;
    struct tls_pair *scene, *other, *client;
    struct tls_trust *by_scene, *by_other, *by_both; // both: ours and scene
    struct tls_certs *own;
} all;

static const unsigned char ticket_key[TLS_TICKET_KEY] = "the key of all tickets";
static bool counts; // OpenSSL's memory

// Of one performance.
static struct {
    struct secure_env env;
    struct speaker {
        struct tls_engine *e;
        struct tube content;
        bool ends; // as soon as it can
    } ends[PEERS];
    struct {
        bool is_server;
        char how[TEXT_MAX];
        struct tls_context *c;
    } contexts[CONTEXTS];
} now;

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "tls_play: %s\n", what);
    abort();
}

// ---- memory

static void *take(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    if (!counts)
        alloc_leave();
    void *p = n > 0 ? malloc(n) : NULL;
    if (!counts)
        alloc_enter();
    return p;
}

static void give(void *p, const char *file, int line)
{
    (void)file, (void)line;
    free(p);
}

static void *retake(void *p, size_t n, const char *file, int line)
{
    (void)file, (void)line;
    if (n == 0) {
        free(p);
        return NULL;
    }
    if (!counts)
        alloc_leave();
    p = realloc(p, n);
    if (!counts)
        alloc_enter();
    return p;
}

void tls_play_memory(void)
{
    need(CRYPTO_set_mem_functions(take, retake, give) == 1, "memory");
}

void tls_play_all_memory(bool those)
{
    counts = those;
}

// ---- authorities

static void write_pem(const char *path, const struct tls_pair *p, bool key)
{
    FILE *f = fopen(path, "we");
    need(f && (key ? PEM_write_PrivateKey(f, p->key, NULL, NULL, 0, NULL, NULL)
                   : PEM_write_X509(f, p->cert)) == 1,
         path);
    fclose(f);
}

static void make_all(void)
{
    char dir[TMP_PATH], ca[TMP_PATH], scene[TMP_PATH], cert[TMP_PATH], key[TMP_PATH];
    char why[WHY_MAX] = "";
    if (all.ours)
        return;
    tmp_make(dir);
    need(tls_ca_open(&all.ours, tmp_path(ca, dir, "ca"), true, 0, why) == 0, why);
    need(tls_keys_new(&all.keys, why) == 0, why);
    all.scene = tls_make_pair(&(struct tls_make){.cn = "scene", .ca = true}, NULL);
    all.other = tls_make_pair(&(struct tls_make){.cn = "other", .ca = true}, NULL);
    all.client = tls_make_pair(&(struct tls_make){.cn = "a client"}, all.scene);
    all.by_scene = tls_make_trust(all.scene, NULL);
    all.by_other = tls_make_trust(all.other, NULL);
    write_pem(tmp_path(scene, dir, "scene.crt"), all.scene, false);
    struct tls_pair *own = tls_make_pair(
        &(struct tls_make){.cn = "workload", .names = "DNS:a.example,DNS:b.example"}, all.scene);
    write_pem(tmp_path(cert, dir, "own.crt"), own, false);
    write_pem(tmp_path(key, dir, "own.key"), own, true);
    tls_make_pair_free(own);
    struct tls_cert_files files[] = {{NULL, cert, key}, {NULL, NULL, NULL}};
    need(tls_certs_new(&all.own, files, why) == 0, why);
    const char *both[] = {tmp_path(key, ca, CA_CERT_NAME), scene, NULL};
    struct tls_trust_conf conf = {.ca = both};
    need(tls_trust_new(&all.by_both, &conf, why) == 0, why);
    tmp_remove(dir);
}

// ---- what the flow needs

// The value of a word "name=…" of text, to out; "" without.
static const char *word(const char *text, const char *name, char out[TEXT_MAX])
{
    size_t n = strlen(name);
    out[0] = 0;
    for (const char *p = text; *p; p += strcspn(p, " "), p += strspn(p, " "))
        if (strncmp(p, name, n) == 0 && p[n] == '=')
            snprintf(out, TEXT_MAX, "%.*s", (int)strcspn(p + n + 1, " "), p + n + 1);
    return out;
}

static bool has(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = text; *p; p += strcspn(p, " "), p += strspn(p, " "))
        if (strcspn(p, " ") == n && strncmp(p, name, n) == 0)
            return true;
    return false;
}

static int version_of(const char *text)
{
    char version[TEXT_MAX];
    word(text, "version", version);
    return strcmp(version, "1.2") == 0 ? 0x0303 : strcmp(version, "1.3") == 0 ? 0x0304 : 0;
}

static void begin(const char *rest)
{
    char text[TEXT_MAX], why[WHY_MAX] = "";
    struct secure_env *env = &now.env;
    struct tls_connect_conf connect = {.verify = TLS_VERIFY_STRICT, .trust = all.by_scene};
    struct tls_accept_conf accept = {.ticket_key = ticket_key};
    word(rest, "verify", text);
    connect.verify = strcmp(text, "off") == 0    ? TLS_VERIFY_OFF
                     : strcmp(text, "warn") == 0 ? TLS_VERIFY_WARN
                                                 : TLS_VERIFY_STRICT;
    if (connect.verify == TLS_VERIFY_OFF)
        connect.trust = NULL;
    bool intercept = has(rest, "intercept");
    play.listener.secure = intercept ? SECURE_INTERCEPT : SECURE_TERMINATE;
    if (!intercept && (has(rest, "asks") || has(rest, "demands")))
        accept.clients = all.by_scene;
    accept.client_required = now.env.demands = has(rest, "demands");
    now.env.midway = has(rest, "starttls");
    need(tls_pass_new(&env->pass, word(rest, "pass", text), why) == 0, why);
    need(tls_context_accept(intercept ? &env->to_clients : &env->to_callers, &accept, why) == 0,
         why);
    if (intercept || has(rest, "again"))
        need(tls_context_connect(intercept ? &env->to_servers : &env->to_workload, &connect, why) ==
                 0,
             why);
    if (intercept)
        need(tls_forge_new(&env->forge, all.ours, all.keys, 30, 8) == 0, "forge");
    else
        env->own = all.own;
    need(flow_env_secure(&play.env, env) == 0, "environment");
    int64_t today = (int64_t)time(NULL) * US_PER_S; // as certificates are
    flow_env_set_wall(&play.env, today + (has(rest, "late") ? 20 * 365 * 86400 * US_PER_S : 0));
}

void tls_play_begin(const char *rest)
{
    alloc_leave();
    make_all();
    begin(rest);
    alloc_enter();
}

// ---- the ends

static struct tls_context *context_for(bool is_server, const char *how)
{
    char text[TEXT_MAX], why[WHY_MAX] = "";
    size_t i = 0;
    for (; i < CONTEXTS && now.contexts[i].c; i++)
        if (now.contexts[i].is_server == is_server && strcmp(now.contexts[i].how, how) == 0)
            return now.contexts[i].c;
    need(i < CONTEXTS, "contexts");
    now.contexts[i].is_server = is_server;
    snprintf(now.contexts[i].how, TEXT_MAX, "%s", how);
    if (is_server) {
        struct tls_accept_conf conf = {.least = version_of(how),
                                       .ticket_key = has(how, "no-tickets") ? NULL : ticket_key,
                                       .client_required = has(how, "demands")};
        if (has(how, "asks") || has(how, "demands"))
            conf.clients = all.by_scene;
        need(tls_context_accept(&now.contexts[i].c, &conf, why) == 0, why);
        if (conf.least)
            SSL_CTX_set_max_proto_version(now.contexts[i].c->ssl, conf.least);
    } else {
        word(how, "trusts", text);
        struct tls_connect_conf conf = {
            .verify = TLS_VERIFY_STRICT,
            .trust = strcmp(text, "other") == 0   ? all.by_other
                     : strcmp(text, "scene") == 0 ? all.by_scene
                                                  : all.by_both,
        };
        need(tls_context_connect(&now.contexts[i].c, &conf, why) == 0, why);
    }
    return now.contexts[i].c;
}

// "h2,http/1.1" as the wire has it.
static struct view wire_of(const char *list, char out[TEXT_MAX])
{
    size_t at = 0;
    while (*list) {
        size_t n = strcspn(list, ",");
        out[at] = (char)n;
        memcpy(out + at + 1, list, n);
        at += n + 1;
        list += n + (list[n] == ',');
    }
    return view_n(out, at);
}

static struct tls_engine *new_server(const char *how)
{
    struct tls_engine *e = NULL;
    char names[TEXT_MAX], by[TEXT_MAX], alpn[TEXT_MAX];
    word(how, "names", names);
    bool other = strcmp(word(how, "by", by), "other") == 0;
    struct tls_pair *pair =
        tls_make_pair(&(struct tls_make){.cn = "server", .names = *names ? names : "DNS:a.example"},
                      other ? all.other : all.scene);
    struct tls_accept accept = {.pair = pair, .alpn = word(how, "alpn", alpn), .scope = "scene"};
    need(tls_engine_accept(&e, context_for(true, how), &accept) == 0, "server");
    tls_pair_free(pair);
    return e;
}

static struct tls_engine *new_client(const char *how)
{
    struct tls_engine *e = NULL;
    char name[TEXT_MAX], list[TEXT_MAX], wire[TEXT_MAX];
    word(how, "name", name);
    struct tls_connect connect = {.name = *name ? name : "a.example",
                                  .sni = *name ? name : "a.example",
                                  .host = "scene",
                                  .alpn = wire_of(word(how, "alpn", list), wire),
                                  .least = version_of(how),
                                  .most = version_of(how),
                                  .pair = has(how, "shows") ? all.client : NULL};
    need(tls_engine_connect(&e, context_for(false, how), &connect) == 0, "client");
    return e;
}

static void hear(struct speaker *end, struct view bytes)
{
    char content[16384];
    size_t n;
    int e;
    tls_engine_put(end->e, bytes);
    while ((e = tls_engine_get(end->e, content, sizeof content, &n)) == 0)
        tube_add(&end->content, content, n);
    if (end->ends && tls_engine_state(end->e) == TLS_OPEN)
        tls_engine_end(end->e);
}

void tls_play_peer(bool is_server, int fd, const char *rest)
{
    struct speaker *end = &now.ends[fd];
    if (end->e) {
        wrong("it speaks TLS already");
        return;
    }
    alloc_leave();
    end->ends = has(rest, "ends");
    end->e = is_server ? new_server(rest) : new_client(rest);
    hear(end, view_n(NULL, 0));
    alloc_enter();
}

struct tls_engine *tls_play_engine(int fd)
{
    return now.ends[fd].e;
}

struct view tls_play_heard(int fd)
{
    return tube_view(&now.ends[fd].content);
}

void tls_play_drop(int fd, size_t n)
{
    tube_drop(&now.ends[fd].content, n);
}

void tls_play_say(int fd, struct view content)
{
    alloc_leave();
    if (tls_engine_say(now.ends[fd].e, content))
        wrong("TLS takes no content");
    alloc_enter();
}

void tls_play_end(int fd)
{
    alloc_leave();
    tls_engine_end(now.ends[fd].e);
    alloc_enter();
}

bool tls_play_turn(void)
{
    bool moved = false;
    alloc_leave();
    for (int fd = 0; fd < PEERS; fd++) {
        struct speaker *end = &now.ends[fd];
        if (!end->e)
            continue;
        struct peer *p = peer_of(fd);
        struct view in = tube_view(&p->heard);
        if (in.n > 0) {
            hear(end, in);
            tube_drop(&p->heard, in.n);
        }
        struct view out = tls_engine_out(end->e);
        if (out.n > 0 && !p->says_end && !p->says_reset) {
            tube_add(&p->to_us, out.p, out.n);
            moved = true;
        }
        tls_engine_took(end->e, out.n);
    }
    alloc_enter();
    return moved;
}

static void put(struct buf *b, const char *name, const char *value)
{
    const char *quote = *value && !strchr(value, ' ') ? "" : "\"";
    need(buf_printf(b, " %s=%s%s%s", name, quote, value, quote) == 0, "text");
}

const char *tls_play_facts(int fd)
{
    static const char *const states[] = {"handshake", "open", "ended", "failed"};
    static char text[8192];
    struct tls_facts_of facts;
    struct buf b;
    alloc_leave();
    buf_init(&b, sizeof text - 1);
    tls_engine_facts(now.ends[fd].e, &facts);
    put(&b, "state", states[tls_engine_state(now.ends[fd].e)]);
    put(&b, "version", facts.version);
    put(&b, "alpn", facts.alpn);
    put(&b, "sni", tls_scene_sni(now.ends[fd].e));
    put(&b, "resumed", facts.resumed ? "1" : "0");
    put(&b, "subject", facts.certificate ? facts.certificate->subject : "");
    put(&b, "issuer", facts.certificate ? facts.certificate->issuer : "");
    put(&b, "names", facts.certificate ? facts.certificate->names : "");
    put(&b, "why", tls_engine_why(now.ends[fd].e));
    snprintf(text, sizeof text, "%.*s", (int)buf_len(&b), buf_view(&b).p);
    buf_clear(&b);
    alloc_enter();
    return text;
}

static void tube_forget(struct tube *t)
{
    tube_drop(t, tube_view(t).n);
}

void tls_play_close(void)
{
    for (int fd = 0; fd < PEERS; fd++) {
        tls_engine_free(now.ends[fd].e);
        now.ends[fd].e = NULL;
        tube_forget(&now.ends[fd].content);
    }
    for (size_t i = 0; i < CONTEXTS; i++)
        tls_context_free(now.contexts[i].c);
    memset(now.contexts, 0, sizeof now.contexts);
    tls_context_free(now.env.to_servers);
    tls_context_free(now.env.to_clients);
    tls_context_free(now.env.to_callers);
    tls_context_free(now.env.to_workload);
    tls_forge_free(now.env.forge);
    tls_pass_free(now.env.pass);
    now.env = (struct secure_env){0};
}

void tls_play_clear(void)
{
    tls_ca_free(all.ours);
    tls_keys_free(all.keys);
    tls_make_pair_free(all.client);
    tls_make_pair_free(all.scene);
    tls_make_pair_free(all.other);
    tls_make_trust_free(all.by_scene);
    tls_make_trust_free(all.by_other);
    tls_trust_free(all.by_both);
    tls_certs_free(all.own);
    tls_make_clear();
}
