// vars: see vars.h.
//
// 1. Nothing is exempt: NO_PROXY is empty unless the user names hosts, and Java's list of exempt
//    hosts, which has localhost in it, is emptied; what a program says to its neighbours on the
//    same machine is worth recording. Go and Ruby exempt loopback addresses whatever we say.
// 2. Both spellings are set, as some runtimes read the one and some the other, and a program must
//    not meet two that differ.
// 3. What replaces a runtime's roots gets the system's and ours, what is added to them ours; both
//    with what the variables named before (trust.h).
#include "tools/env/vars.h"

#include <stdio.h>
#include <stdlib.h>

#define VALUE_MAX 16384

#define PROXY_READERS   "curl, wget, git, Python, Go, Ruby, PHP, Rust, .NET, Deno, Bun, npm, apt"
#define OPENSSL_READERS "what uses OpenSSL: Ruby, Perl, PHP, .NET, Rust; Go; Python's ssl, httpx"

const struct vars_row vars_table[] = {
    {"HTTP_PROXY", "{url}", VARS_ALWAYS, false, PROXY_READERS},
    {"http_proxy", "{url}", VARS_ALWAYS, false, PROXY_READERS},
    {"HTTPS_PROXY", "{url}", VARS_ALWAYS, false, PROXY_READERS},
    {"https_proxy", "{url}", VARS_ALWAYS, false, PROXY_READERS},
    {"ALL_PROXY", "{url}", VARS_ALWAYS, false, "curl, Python's requests and httpx, Rust's reqwest"},
    {"all_proxy", "{url}", VARS_ALWAYS, false, "curl, Python's requests and httpx, Rust's reqwest"},
    {"NO_PROXY", "{direct}", VARS_ALWAYS, false, "all of these: the hosts that are not recorded"},
    {"no_proxy", "{direct}", VARS_ALWAYS, false, "all of these: the hosts that are not recorded"},
    {"NODE_USE_ENV_PROXY", "1", VARS_ALWAYS, false,
     "Node.js, which then heeds the others: from 22.21 and 24.5 on; fetch from 24.0 on"},
    {"JAVA_TOOL_OPTIONS",
     "-Dhttp.proxyHost={host} -Dhttp.proxyPort={port} -Dhttps.proxyHost={host} "
     "-Dhttps.proxyPort={port} -Dhttp.nonProxyHosts={direct|}",
     VARS_ALWAYS, true, "Java (HttpURLConnection, HttpClient and those that ask ProxySelector)"},
    {"SSL_CERT_FILE", "{roots}", VARS_TLS, false, OPENSSL_READERS},
    {"NIX_SSL_CERT_FILE", "{roots}", VARS_TLS, false, "programs of Nix"},
    {"REQUESTS_CA_BUNDLE", "{roots}", VARS_TLS, false, "Python's requests, Azure's az"},
    {"CURL_CA_BUNDLE", "{roots}", VARS_TLS, false, "curl"},
    {"PIP_CERT", "{roots}", VARS_TLS, false, "pip"},
    {"HTTPLIB2_CA_CERTS", "{roots}", VARS_TLS, false, "Python's httplib2"},
    {"WEBSOCKET_CLIENT_CA_BUNDLE", "{roots}", VARS_TLS, false, "Python's websocket-client"},
    {"GIT_SSL_CAINFO", "{roots}", VARS_TLS, false, "git"},
    {"CARGO_HTTP_CAINFO", "{roots}", VARS_TLS, false, "cargo"},
    {"AWS_CA_BUNDLE", "{roots}", VARS_TLS, false, "AWS's aws and SDKs"},
    {"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "{roots}", VARS_TLS, false, "Google's gcloud"},
    {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "{roots}", VARS_TLS, false,
     "gRPC for C++, Python, Ruby, PHP, C#"},
    {"WGETRC", "{wgetrc}", VARS_TLS, false, "wget, after its own settings"},
    {"PERL_LWP_SSL_CA_FILE", "{roots}", VARS_TLS, false, "Perl's LWP"},
    {"BUNDLE_SSL_CA_CERT", "{roots}", VARS_TLS, false, "Ruby's bundler"},
    {"HEX_CACERTS_PATH", "{roots}", VARS_TLS, false, "Elixir's hex"},
    {"NODE_EXTRA_CA_CERTS", "{ca}", VARS_TLS, false, "Node.js, Bun, npm, Electron"},
    {"DENO_CERT", "{ca}", VARS_TLS, false, "Deno"},
    {"JAVA_TOOL_OPTIONS",
     "-Djavax.net.ssl.trustStore={java} -Djavax.net.ssl.trustStorePassword=changeit", VARS_JAVA,
     true, "Java"},
    {NULL, NULL, VARS_ALWAYS, false, NULL},
};

// A word of JAVA_TOOL_OPTIONS, where blanks stand between words: in quotes, if it has one.
static int add_word(struct buf *out, const char *word)
{
    if (!strpbrk(word, " \t'\""))
        return buf_add_view(out, view_of(word));
    char quote = strchr(word, '"') ? '\'' : '"';
    return buf_printf(out, "%c%s%c", quote, word, quote);
}

// "a,.b" → "a|*.b", as Java has it.
static int add_java_hosts(struct buf *out, const char *direct)
{
    int e = 0;
    char quote[2] = {strpbrk(direct, " \t") ? '"' : '\0', '\0'};
    e = buf_add_view(out, view_of(quote));
    for (const char *c = direct; *c && !e; c++) {
        bool first = c == direct || c[-1] == ',';
        if (*c == '.' && first)
            e = buf_add(out, "*.", 2);
        else
            e = buf_add(out, *c == ',' ? "|" : c, 1);
    }
    return e ? e : buf_add_view(out, view_of(quote));
}

static int add_named(struct buf *out, struct view name, const struct vars_facts *f)
{
    char text[HOSTPORT_TEXT];
    if (view_eq(name, VIEW_LIT("url")))
        return buf_printf(out, "http://%s", hostport_text(f->proxy, text));
    if (view_eq(name, VIEW_LIT("host"))) // an IPv6 address without its brackets
        return buf_add_view(out, view_of(f->proxy->host));
    if (view_eq(name, VIEW_LIT("port")))
        return buf_printf(out, "%u", (unsigned)f->proxy->port);
    if (view_eq(name, VIEW_LIT("direct")))
        return buf_add_view(out, view_of(f->direct));
    if (view_eq(name, VIEW_LIT("direct|")))
        return add_java_hosts(out, f->direct);
    if (view_eq(name, VIEW_LIT("roots")))
        return buf_add_view(out, view_of(f->roots));
    if (view_eq(name, VIEW_LIT("ca")))
        return buf_add_view(out, view_of(f->ca));
    if (view_eq(name, VIEW_LIT("wgetrc")))
        return buf_add_view(out, view_of(f->wgetrc));
    return add_word(out, f->java);
}

static int expand(struct buf *out, const char *template, const struct vars_facts *f)
{
    int e = 0;
    for (struct view rest = view_of(template); rest.n > 0 && !e;) {
        size_t open = view_find(rest, '{');
        e = buf_add_view(out, view_head(rest, open));
        rest = view_from(rest, open);
        if (rest.n == 0 || e)
            break;
        size_t close = view_find(rest, '}');
        e = add_named(out, view_n(rest.p + 1, close - 1), f);
        rest = view_from(rest, close + 1);
    }
    return e ? e : buf_add(out, "", 1);
}

static bool applies(const struct vars_row *row, const struct vars_facts *f)
{
    return row->when == VARS_ALWAYS || (row->when == VARS_TLS && f->roots && f->ca && f->wgetrc) ||
           (row->when == VARS_JAVA && f->java);
}

static struct var *find(struct vars *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->all[i].name, name) == 0)
            return &v->all[i];
    return NULL;
}

// Takes value.
static int put(struct vars *v, const struct vars_row *row, char *value)
{
    struct var *there = find(v, row->name);
    if (!there) {
        v->all[v->n++] = (struct var){row->name, value, row->adds};
        return 0;
    }
    char *both = NULL;
    int n = asprintf(&both, "%s %s", there->value, value);
    free(value);
    if (n < 0)
        return E_NOMEM;
    free(there->value);
    there->value = both;
    return 0;
}

int vars_make(struct vars *v, const struct vars_facts *f)
{
    int e = 0;
    v->n = 0;
    for (const struct vars_row *row = vars_table; row->name && !e; row++) {
        struct buf text;
        if (!applies(row, f))
            continue;
        if (v->n == VARS_MAX)
            return E_LIMIT;
        buf_init(&text, VALUE_MAX);
        e = expand(&text, row->value, f);
        char *value = e ? NULL : strdup(buf_view(&text).p);
        buf_clear(&text);
        if (!e)
            e = value ? put(v, row, value) : E_NOMEM;
    }
    return e;
}

void vars_clear(struct vars *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->all[i].value);
    v->n = 0;
}

int vars_set(const struct vars *v)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct var *one = &v->all[i];
        const char *old = getenv(one->name);
        char *both = NULL;
        if (one->adds && old && *old && asprintf(&both, "%s %s", old, one->value) < 0)
            return E_NOMEM;
        int e = setenv(one->name, both ? both : one->value, 1);
        free(both);
        if (e != 0)
            return E_NOMEM;
    }
    return 0;
}

const char *vars_help(void)
{
    static char *text;
    struct buf b;
    if (text)
        return text;
    buf_init(&b, VALUE_MAX);
    int e = 0;
    for (const struct vars_row *row = vars_table; row->name && !e; row++) {
        const char *when = row->when == VARS_ALWAYS ? "" : " (TLS)";
        if (row->name[0] >= 'a' || row->when == VARS_JAVA) // the other spelling; told already
            continue;
        e = buf_printf(&b, " %s%s\n     %s\n", row->name, when, row->readers);
    }
    e = e ? e : buf_add(&b, "", 1);
    text = e ? NULL : strdup(buf_view(&b).p);
    buf_clear(&b);
    return text;
}
