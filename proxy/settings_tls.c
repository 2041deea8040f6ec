// settings_tls: how the options of pairs go together.
//
//   secret  public  private
//     -       -        -      no pair
//     -     A, B     a, b     A with a, B with b
//    DIR      -        -      DIR/tls.crt with DIR/tls.key
//    DIR    A, B     a, b     DIR/A with DIR/a, DIR/B with DIR/b; what begins with / stays
//    DIR      A        -      DIR/A with DIR/tls.key, and so with a alone
//
// Anything else is an error.
#include "proxy/settings_tls.h"

#include "proxy/tls/pass.h"
#include "proxy/tls/pattern.h"

#include <stdio.h>
#include <stdlib.h>

#define CERT_NAME "tls.crt"
#define KEY_NAME  "tls.key"

// One of the two groups of options of the picture.
struct group {
    const char *secret, *public, *private; // names of options
    bool repeats;
};
static const struct group inbound = {"tls-in-secret", "tls-in-public", "tls-in-private", true};
static const struct group mutual = {"tls-mutual-secret", "tls-mutual-public", "tls-mutual-private",
                                    false};

static size_t count(const struct options *o, const struct group *g, const char *name)
{
    return g->repeats ? options_count(o, name) : options_text(o, name) ? 1 : 0;
}

static size_t pairs_of(const struct options *o, const struct group *g)
{
    size_t public = count(o, g, g->public), private = count(o, g, g->private);
    size_t n = public > private ? public : private;
    return n > 0 ? n : options_text(o, g->secret) ? 1 : 0;
}

static int check_group(const struct options *o, const struct group *g, char why[WHY_MAX])
{
    size_t public = count(o, g, g->public), private = count(o, g, g->private);
    const char *secret = options_text(o, g->secret);
    if (public == private || (secret && public + private == 1))
        return 0;
    if (public > 0 && private > 0)
        snprintf(why, WHY_MAX, "%s: %zu given, %zu of %s; each needs the other", g->public, public,
                 private, g->private);
    else
        snprintf(why, WHY_MAX, "%s: it needs %s%s", public > 0 ? g->public : g->private,
                 public > 0 ? g->private : g->public, secret ? ", as many" : "");
    return E_RANGE;
}

struct mutual_text {
    struct view host, cert, key;
};

static bool mutual_cut(const char *text, struct mutual_text *out)
{
    struct view all = view_of(text);
    size_t n = view_find(all, '=');
    struct view files = view_from(all, n < all.n ? n + 1 : n);
    size_t comma = view_find(files, ',');
    out->host = view_trim(view_head(all, n));
    out->cert = view_trim(view_head(files, comma));
    out->key = view_trim(view_from(files, comma < files.n ? comma + 1 : comma));
    return out->host.n > 0 && out->cert.n > 0 && out->key.n > 0 &&
           view_find(out->key, ',') == out->key.n;
}

static int check_mutual(const struct options *o, char why[WHY_MAX])
{
    size_t n = options_count(o, "tls-mutual");
    if (n + pairs_of(o, &mutual) > CERTS_MAX) {
        snprintf(why, WHY_MAX, "tls-mutual: %zu are given; there may be at most %d", n,
                 CERTS_MAX - 1);
        return E_LIMIT;
    }
    for (size_t i = 0; i < n; i++) {
        const char *text = options_nth(o, "tls-mutual", i);
        struct mutual_text m;
        struct host_pattern pattern;
        if (mutual_cut(text, &m) && host_pattern_parse(&pattern, m.host) == 0)
            continue;
        snprintf(why, WHY_MAX,
                 "tls-mutual: \"%.200s\" is not HOST=CERT,KEY; HOST is " PATTERN_ALLOWED, text);
        return E_SYNTAX;
    }
    return check_group(o, &mutual, why);
}

static int check_in(const struct options *o, char why[WHY_MAX])
{
    static const char *const need_pair[] = {"tls-in-ca", "tls-in-upstream"};
    size_t n = pairs_of(o, &inbound);
    if (n > CERTS_MAX) {
        snprintf(why, WHY_MAX, "tls-in-public: %zu are given; there may be at most %d", n,
                 CERTS_MAX);
        return E_LIMIT;
    }
    for (size_t i = 0; n == 0 && i < 2; i++) {
        const char *text = options_text(o, need_pair[i]);
        if (!text || strcmp(text, "plain") == 0)
            continue;
        snprintf(why, WHY_MAX,
                 "%s: inbound TLS does not end here: that takes tls-in-public and tls-in-private, "
                 "or tls-in-secret",
                 need_pair[i]);
        return E_RANGE;
    }
    if (options_is_set(o, "tls-in-client") && !options_text(o, "tls-in-ca")) {
        snprintf(why, WHY_MAX, "tls-in-client: it needs tls-in-ca, which is not given");
        return E_RANGE;
    }
    return check_group(o, &inbound, why);
}

static int check_ca(const struct tls_settings *t, char why[WHY_MAX])
{
    if (!t->ca_cert != !t->ca_key) {
        snprintf(why, WHY_MAX, "tls-ca-%s: it needs tls-ca-%s", t->ca_cert ? "cert" : "key",
                 t->ca_cert ? "key" : "cert");
        return E_RANGE;
    }
    if (t->ca_dir && t->ca_cert) {
        snprintf(why, WHY_MAX,
                 "tls-ca-dir: it does not go with tls-ca-cert; only one authority "
                 "signs");
        return E_RANGE;
    }
    return 0;
}

static int check_pass(const char *rules, char why[WHY_MAX])
{
    struct tls_pass *p;
    char what[WHY_MAX];
    int e = tls_pass_new(&p, rules, what);
    if (e)
        snprintf(why, WHY_MAX, "tls-pass: %.480s", what);
    tls_pass_free(p);
    return e;
}

// Nothing where a file is meant, an unset variable of a script say, must not switch off what the
// file is for. (For the authority's it stands for "not given": the environment may name another.)
static int check_empty(const struct options *o, char why[WHY_MAX])
{
    static const char *const files[] = {
        "tls-in-ca",         "tls-in-secret",     "tls-in-public",      "tls-in-private",
        "tls-mutual-secret", "tls-mutual-public", "tls-mutual-private", "tls-keylog"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *text = options_text(o, files[i]);
        if (!options_is_set(o, files[i]) || options_source(o, files[i]) == OPT_BY_ANNOTATION ||
            (text && *text))
            continue;
        snprintf(why, WHY_MAX,
                 "%s: it is empty; a file or a folder is to be named, or the option "
                 "left out",
                 files[i]);
        return E_RANGE;
    }
    return 0;
}

static bool chosen(const struct options *o, const char *name, const char *word)
{
    return strcmp(options_text(o, name), word) == 0;
}

int settings_tls(const struct options *o, struct tls_settings *out, char why[WHY_MAX])
{
    const char *pass = options_text(o, "tls-pass");
    *out = (struct tls_settings){
        .out = options_flag(o, "tls-out"),
        .midway = options_flag(o, "tls-starttls"),
        .in = pairs_of(o, &inbound) > 0,
        .tls_behind = chosen(o, "tls-in-upstream", "tls"),
        .client_required = chosen(o, "tls-in-client", "require"),
        .verify = chosen(o, "upstream-verify", "off")    ? TLS_VERIFY_OFF
                  : chosen(o, "upstream-verify", "warn") ? TLS_VERIFY_WARN
                                                         : TLS_VERIFY_STRICT,
        .least = 0x0301 + options_text(o, "tls-least")[2] - '0', // "1.0" … "1.3"
        .leaf_days = (int)options_number(o, "tls-leaf-days"),
        .leaf_cache = (size_t)options_number(o, "tls-leaf-cache"),
        .pass = pass ? pass : "",
        .ca_dir = options_text(o, "tls-ca-dir"),
        .ca_cert = options_text(o, "tls-ca-cert"),
        .ca_key = options_text(o, "tls-ca-key"),
        .in_ca = options_text(o, "tls-in-ca"),
        .keylog = options_text(o, "tls-keylog"),
    };
    int e = check_empty(o, why);
    e = e ? e : check_ca(out, why);
    e = e ? e : check_pass(out->pass, why);
    e = e ? e : check_in(o, why);
    return e ? e : check_mutual(o, why);
}

// ---- files

// NULL: out of memory, which *e keeps.
static char *keep(struct settings_pairs *p, char *text, int *e)
{
    if (!text)
        *e = E_NOMEM;
    else
        p->texts[p->texts_n++] = text;
    return text;
}

static char *path(struct settings_pairs *p, const char *folder, const char *name, int *e)
{
    char *text = NULL;
    size_t n = (folder ? strlen(folder) : 0) + strlen(name) + 2;
    if (!folder || *name == '/')
        return keep(p, strdup(name), e);
    if ((text = malloc(n)))
        snprintf(text, n, "%s/%s", folder, name);
    return keep(p, text, e);
}

static int add_group(const struct options *o, const struct group *g, const char *pattern,
                     struct settings_pairs *p)
{
    const char *secret = options_text(o, g->secret);
    size_t n = pairs_of(o, g);
    int e = 0;
    for (size_t i = 0; e == 0 && i < n; i++) {
        const char *public = count(o, g, g->public) > i ? options_nth(o, g->public, i) : CERT_NAME;
        const char *private =
            count(o, g, g->private) > i ? options_nth(o, g->private, i) : KEY_NAME;
        struct tls_cert_files *files = &p->files[p->n++];
        files->pattern = pattern;
        files->cert = path(p, secret, public, &e);
        files->key = path(p, secret, private, &e);
    }
    return e;
}

int settings_pairs_in(const struct options *o, struct settings_pairs *out)
{
    *out = (struct settings_pairs){0};
    int e = add_group(o, &inbound, NULL, out);
    if (e)
        settings_pairs_clear(out);
    return e;
}

int settings_pairs_mutual(const struct options *o, struct settings_pairs *out)
{
    int e = 0;
    *out = (struct settings_pairs){0};
    for (size_t i = 0; e == 0 && i < options_count(o, "tls-mutual"); i++) {
        struct mutual_text m;
        struct tls_cert_files *files = &out->files[out->n++];
        (void)mutual_cut(options_nth(o, "tls-mutual", i), &m);
        files->pattern = keep(out, strndup(m.host.p, m.host.n), &e);
        files->cert = keep(out, strndup(m.cert.p, m.cert.n), &e);
        files->key = keep(out, strndup(m.key.p, m.key.n), &e);
    }
    e = e ? e : add_group(o, &mutual, "*", out);
    if (e)
        settings_pairs_clear(out);
    return e;
}

void settings_pairs_clear(struct settings_pairs *p)
{
    for (size_t i = 0; i < p->texts_n; i++)
        free(p->texts[i]);
    *p = (struct settings_pairs){0};
}
