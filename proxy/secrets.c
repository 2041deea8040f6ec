// secrets: read in one order, so that the same mistake is always told the same way: authority,
// trust, pairs, key log.
//
// Elsewhere: which options go together (settings_tls.c), what stands in files (tls/).
#include "proxy/secrets.h"

#include "proto/base/log.h"
#include "proto/digest.h"
#include "proxy/privs.h"
#include "proxy/tls/ca.h"
#include "proxy/tls/forge.h"
#include "proxy/tls/keylog.h"
#include "proxy/tls/pass.h"
#include "proxy/tls/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A set of pairs whose files are looked at again.
struct watched {
    const char *what; // for messages: names of options
    struct tls_certs *certs;
    struct settings_pairs pairs;
    char said[WHY_MAX]; // the failure that was logged last; "": none since it went well
};

struct secrets {
    const struct proxy_settings *settings;
    struct tls_ca *ca;
    struct tls_keys *keys;
    struct tls_trust *servers; // NULL: not verified
    struct tls_trust *clients; // NULL: no certificate is asked of them
    struct tls_keylog *keylog;
    struct tls_pass *pass;
    struct watched own, mutual;
    // One each: what a client was given outbound must not stand for its certificate inbound.
    struct {
        unsigned char in[TLS_TICKET_KEY], out[TLS_TICKET_KEY];
    } ticket_keys;
};

static int told(int e, const char *option, const char *what, char why[WHY_MAX])
{
    if (e == E_NOMEM)
        return err_no_memory(why, WHY_MAX);
    snprintf(why, WHY_MAX, "%s: %.440s", option, what);
    return e;
}

// ---- files of our own

// A file or folder that was made just now goes to the user that we become. What is a link is left:
// it is somebody else's.
static int give(const char *path, uint32_t owner, char why[WHY_MAX])
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    int failed = fd < 0 || fchown(fd, owner, owner) ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (!failed)
        return 0;
    snprintf(why, WHY_MAX, "%.300s: cannot be given to user %u: %s", path, owner, strerror(failed));
    return err_from_errno(failed);
}

static int open_ca(struct secrets *x, const char *folder, uint32_t owner, char why[WHY_MAX])
{
    char cert[PATH_MAX], key[PATH_MAX];
    int e;
    if (snprintf(cert, sizeof cert, "%s/" CA_CERT_NAME, folder) >= PATH_MAX ||
        snprintf(key, sizeof key, "%s/" CA_KEY_NAME, folder) >= PATH_MAX) {
        snprintf(why, WHY_MAX, "%.300s: the name is too long", folder);
        return E_LIMIT;
    }
    bool no_folder = access(folder, F_OK) != 0, no_cert = access(cert, F_OK) != 0;
    bool no_key = access(key, F_OK) != 0;
    e = tls_ca_open(&x->ca, folder, true, owner, why);
    if (e)
        return e;
    if (no_cert)
        log_info("a certificate authority was made; clients must trust it: see tapedeck ca "
                 "file=%s",
                 cert);
    if (owner == 0)
        return 0;
    e = no_key ? give(key, owner, why) : 0;
    e = e == 0 && no_cert ? give(cert, owner, why) : e;
    return e == 0 && no_folder ? give(folder, owner, why) : e;
}

// Secrets that Kubernetes mounts are open to all in the pod as a rule, so that is no refusal.
static void warn_of_key(const char *option, const char *path, mode_t others)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & others))
        log_warn("others have access to a key option=\"%s\" file=%s mode=%04o", option, path,
                 (unsigned)(st.st_mode & 07777));
}

static int take_ca(struct secrets *x, uint32_t owner, char why[WHY_MAX])
{
    const struct tls_settings *t = &x->settings->tls;
    char home[PATH_MAX], what[WHY_MAX];
    int e;
    if (t->ca_cert) {
        e = tls_ca_load(&x->ca, t->ca_cert, t->ca_key, what);
        if (e == 0)
            warn_of_key("tls-ca-key", t->ca_key, S_IRWXG | S_IRWXO);
        return e ? told(e, "tls-ca-cert, tls-ca-key", what, why) : 0;
    }
    if (!t->ca_dir && (e = tls_ca_home(home, sizeof home)) != 0)
        return told(e, "tls-ca-dir",
                    e == E_NOTFOUND ? "there is no home for our authority; give a folder"
                                    : "the home's name is too long; give a folder",
                    why);
    e = open_ca(x, t->ca_dir ? t->ca_dir : home, owner, what);
    return e ? told(e, "tls-ca-dir", what, why) : 0;
}

// Made here as far as it is missing, so that it can be given away without its name being looked up
// once more.
static int take_keylog(struct secrets *x, uint32_t owner, char why[WHY_MAX])
{
    const char *path = x->settings->tls.keylog;
    char what[WHY_MAX];
    if (!path)
        return 0;
    int fd = owner == 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (fchown(fd, owner, owner))
            log_warn("tls-keylog cannot be given to its user file=%s user=%u reason=\"%s\"", path,
                     owner, strerror(errno));
        close(fd);
    }
    int e = tls_keylog_open(&x->keylog, path, what);
    if (e)
        return told(e, "tls-keylog", what, why);
    log_warn("the secrets of tls connections are written down: whoever reads the file can decrypt "
             "them file=%s",
             path);
    return 0;
}

// ---- trust

// The values of an option that repeats, NULL at the end; to be freed. NULL: out of memory.
static const char **list_of(const struct options *o, const char *name)
{
    size_t n = options_count(o, name);
    const char **list = calloc(n + 1, sizeof *list);
    for (size_t i = 0; list && i < n; i++)
        list[i] = options_nth(o, name, i);
    return list;
}

static int take_servers(struct secrets *x, char why[WHY_MAX])
{
    const struct options *o = x->settings->options;
    char what[WHY_MAX];
    if (x->settings->tls.verify == TLS_VERIFY_OFF)
        return 0;
    const char **ca = list_of(o, "upstream-ca"), **crl = list_of(o, "upstream-crl");
    int e = E_NOMEM;
    if (ca && crl) {
        struct tls_trust_conf conf = {.system = true, .ca = ca, .crl = crl};
        e = tls_trust_new(&x->servers, &conf, what);
    }
    const char *option = !ca || !crl   ? ""
                         : *ca && *crl ? "upstream-ca, upstream-crl"
                         : *crl        ? "upstream-crl"
                         : *ca         ? "upstream-ca"
                                       : "upstream-verify";
    e = e ? told(e, option, what, why) : 0;
    free(ca);
    free(crl);
    return e;
}

static int take_clients(struct secrets *x, char why[WHY_MAX])
{
    const char *list[] = {x->settings->tls.in_ca, NULL};
    struct tls_trust_conf conf = {.ca = list};
    char what[WHY_MAX];
    int e = *list ? tls_trust_new(&x->clients, &conf, what) : 0;
    return e ? told(e, "tls-in-ca", what, why) : 0;
}

// ---- pairs

static void warn_open(const struct watched *w)
{
    for (size_t i = 0; i < w->pairs.n; i++)
        warn_of_key(w->what, w->pairs.files[i].key, S_IRWXO); // a group is how it is shared
}

static int take_pairs(struct watched *w, char why[WHY_MAX])
{
    char what[WHY_MAX];
    if (w->pairs.n == 0)
        return 0;
    int e = tls_certs_new(&w->certs, w->pairs.files, what);
    if (e)
        return told(e, w->what, what, why);
    warn_open(w);
    return 0;
}

static void look(struct watched *w)
{
    char why[WHY_MAX];
    bool changed = false;
    if (!w->certs)
        return;
    int e = tls_certs_reload(w->certs, &changed, why);
    if (e && strcmp(why, w->said) != 0) {
        log_error("certificates have changed, but cannot be used; the old ones stay option=\"%s\" "
                  "reason=\"%s\"",
                  w->what, why);
        memcpy(w->said, why, sizeof why);
    }
    if (e)
        return;
    if (changed) {
        log_info("certificates were read again option=\"%s\"", w->what);
        warn_open(w);
    }
    w->said[0] = 0;
}

void secrets_look(struct secrets *x)
{
    look(&x->own);
    look(&x->mutual);
}

void secrets_apply(struct secrets *x, const struct proxy_settings *s)
{
    char why[WHY_MAX];
    secrets_look(x);
    if (tls_pass_rules(x->pass, s->tls.pass, why))
        log_error("tls-pass stays as it was reason=\"%s\"", why);
}

// ---- the process

static bool asked(const struct options *o, const char *name)
{
    return options_count(o, name) > 0;
}

// Options that have a meaning only where TLS is opened.
static void tell_unused(const struct proxy_settings *s)
{
    enum { OUT = 1, CONNECT = 2, ANY = 4 };
    static const struct {
        const char *name;
        unsigned by;
    } uses[] = {{"tls-starttls", OUT},
                {"tls-ca-dir", OUT},
                {"tls-ca-cert", OUT},
                {"tls-leaf-days", OUT},
                {"tls-leaf-cache", OUT},
                {"tls-pass", OUT},
                {"upstream-verify", CONNECT},
                {"upstream-ca", CONNECT},
                {"upstream-crl", CONNECT},
                {"tls-mutual", CONNECT},
                {"tls-mutual-secret", CONNECT},
                {"tls-mutual-public", CONNECT},
                {"tls-keylog", ANY},
                {"tls-least", ANY}};
    const struct tls_settings *t = &s->tls;
    unsigned has = (t->out ? OUT | CONNECT | ANY : 0) | (t->in ? ANY : 0) |
                   (t->in && t->tls_behind ? CONNECT : 0);
    char list[320] = "";
    size_t n = 0;
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        if (!(has & uses[i].by) && options_is_set(s->options, uses[i].name) &&
            asked(s->options, uses[i].name))
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", uses[i].name);
    if (n > 0)
        log_warn("no tls is opened that these are for; see tls-out, tls-in-public and "
                 "tls-in-upstream without-effect=\"%s\"",
                 list);
}

// Options that lead to nothing as the others are.
static void tell_idle(const struct proxy_settings *s)
{
    const struct options *o = s->options;
    const char *type = options_text(o, "proxy-type");
    bool in = asked(o, "tls-in-secret") || asked(o, "tls-in-public");
    if (in && !s->tls.in)
        log_warn("tls-in-secret, tls-in-public and tls-in-private have no effect without inbound "
                 "traffic proxy-type=%s",
                 type);
    if (options_flag(o, "tls-out") && !s->tls.out)
        log_warn("tls-out has no effect without outbound traffic proxy-type=%s", type);
    tell_unused(s);
}

// On the way to this very host there is nobody to be on guard against, and a workload's own
// certificate is seldom for "localhost".
static bool is_near(const struct hostport *to)
{
    struct addr a;
    return strcmp(to->host, "localhost") == 0 ||
           (addr_parse(&a, view_of(to->host), 0) == 0 && addr_is_loopback(&a));
}

static int take_all(struct secrets *x, uint32_t owner, char why[WHY_MAX])
{
    const struct proxy_settings *s = x->settings;
    const struct tls_settings *t = &s->tls;
    bool connects = t->out || t->tls_behind;
    bool verifies = t->out || (t->tls_behind && !is_near(&s->target));
    int e = 0;
    digest_random(&x->ticket_keys, sizeof x->ticket_keys);
    if (t->in && settings_pairs_in(s->options, &x->own.pairs))
        return err_no_memory(why, WHY_MAX);
    if (connects && settings_pairs_mutual(s->options, &x->mutual.pairs))
        return err_no_memory(why, WHY_MAX);
    if (t->out) {
        e = take_ca(x, owner, why);
        e = e ? e : tls_keys_new(&x->keys, why);
    }
    e = e || !verifies ? e : take_servers(x, why);
    e = e || !t->in ? e : take_clients(x, why);
    e = e ? e : take_pairs(&x->own, why);
    e = e ? e : take_pairs(&x->mutual, why);
    e = e ? e : tls_pass_new(&x->pass, t->pass, why);
    return e ? e : take_keylog(x, owner, why);
}

int secrets_new(struct secrets **out, const struct proxy_settings *s, uint32_t owner,
                char why[WHY_MAX])
{
    *out = NULL;
    tell_idle(s);
    if (!s->tls.in && !s->tls.out)
        return 0;
    struct secrets *x = calloc(1, sizeof *x);
    if (!x)
        return err_no_memory(why, WHY_MAX);
    x->settings = s;
    x->own.what = options_text(s->options, "tls-in-secret") ? "tls-in-secret"
                                                            : "tls-in-public, tls-in-private";
    x->mutual.what = "tls-mutual";
    int e = privs_no_dumps(why);
    e = e ? e : take_all(x, owner, why);
    if (e) {
        secrets_free(x);
        return e;
    }
    *out = x;
    return 0;
}

void secrets_free(struct secrets *x)
{
    if (!x)
        return;
    tls_ca_free(x->ca);
    tls_keys_free(x->keys);
    tls_trust_free(x->servers);
    tls_trust_free(x->clients);
    tls_certs_free(x->own.certs);
    tls_certs_free(x->mutual.certs);
    settings_pairs_clear(&x->own.pairs);
    settings_pairs_clear(&x->mutual.pairs);
    tls_pass_free(x->pass);
    tls_keylog_close(x->keylog);
    explicit_bzero(&x->ticket_keys, sizeof x->ticket_keys);
    free(x);
}

enum secure_way secrets_way(const struct secrets *x, enum direction direction)
{
    if (x && direction == OUTBOUND && x->settings->tls.out)
        return SECURE_INTERCEPT;
    return x && direction == INBOUND && x->settings->tls.in ? SECURE_TERMINATE : SECURE_NEVER;
}

// ---- a worker

static int make_inbound(struct secrets *x, struct secure_env *env, char why[WHY_MAX])
{
    const struct tls_settings *t = &x->settings->tls;
    struct tls_accept_conf accept = {.least = t->least,
                                     .ticket_key = x->ticket_keys.in,
                                     .clients = x->clients,
                                     .client_required = t->client_required,
                                     .keylog = x->keylog};
    bool near = is_near(&x->settings->target);
    struct tls_connect_conf connect = {.least = t->least,
                                       .verify = near ? TLS_VERIFY_OFF : t->verify,
                                       .trust = near ? NULL : x->servers,
                                       .keylog = x->keylog};
    int e = tls_context_accept(&env->to_callers, &accept, why);
    return e || !t->tls_behind ? e : tls_context_connect(&env->to_workload, &connect, why);
}

static int make_outbound(struct secrets *x, struct secure_env *env, char why[WHY_MAX])
{
    const struct tls_settings *t = &x->settings->tls;
    struct tls_accept_conf accept = {
        .least = t->least, .ticket_key = x->ticket_keys.out, .keylog = x->keylog};
    struct tls_connect_conf connect = {
        .least = t->least, .verify = t->verify, .trust = x->servers, .keylog = x->keylog};
    int e = tls_context_connect(&env->to_servers, &connect, why);
    e = e ? e : tls_context_accept(&env->to_clients, &accept, why);
    if (e)
        return e;
    e = tls_forge_new(&env->forge, x->ca, x->keys, t->leaf_days, t->leaf_cache);
    return e ? told(e, "tls-out", err_text(e), why) : 0;
}

int secrets_worker(struct secrets *x, struct secure_env **out, char why[WHY_MAX])
{
    struct secure_env *env = calloc(1, sizeof *env);
    *out = NULL;
    if (!env)
        return err_no_memory(why, WHY_MAX);
    env->pass = x->pass;
    env->own = x->own.certs;
    env->pairs = x->mutual.certs;
    env->least = x->settings->tls.least;
    env->midway = x->settings->tls.midway;
    env->demands = x->clients && x->settings->tls.client_required;
    int e = x->settings->tls.in ? make_inbound(x, env, why) : 0;
    e = e || !x->settings->tls.out ? e : make_outbound(x, env, why);
    if (e) {
        secrets_worker_free(env);
        return e == E_NOMEM ? err_no_memory(why, WHY_MAX) : e;
    }
    *out = env;
    return 0;
}

void secrets_worker_free(struct secure_env *env)
{
    if (!env)
        return;
    tls_context_free(env->to_servers);
    tls_context_free(env->to_clients);
    tls_context_free(env->to_callers);
    tls_context_free(env->to_workload);
    tls_forge_free(env->forge);
    free(env);
}
