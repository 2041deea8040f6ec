// config_annotations: what a pod's annotations say about the sidecar in it.
//
// The kubelet writes a line for each annotation: its name, '=', and the value as Go's %q prints it.
//
//   sidecar.tapedeck.dev/proxy-port="8080"          ours
//   sidecar.speedscale.com/proxy-port="8080"        the neighbour's
//   sidecar.speedscale.com/proxyPort="8080"         the same in an older spelling
//   kubernetes.io/config.seen="2026-01-31T12:00"    somebody else's: passed over
//
// 1. For one option the first of these that is there counts, in the order above; the values of the
//    others are not even looked at.
// 2. A neighbour's annotation keeps the program from starting only when it is an option of ours
//    with a wrong value, or its line is broken.
// 3. A secret without a slash in it is not a folder but the name of a Kubernetes secret. Its files
//    are where the neighbour's injector mounted them, which its variables tell; or nowhere.
#include "proto/config.h"

#include "proto/base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define OURS       "sidecar.tapedeck.dev/"
#define NEIGHBOURS "sidecar.speedscale.com/"
#define SET_MAX    64 // options that may be annotations
#define NAME_BYTES 64 // of an annotation's name behind its prefix, NUL included

// The neighbour's annotations that are no options of ours.
enum meaning {
    NOTHING_HERE, // of the injector, of redirection, or of a protocol that is recognised anyway
    TLS_ALL,      // an old switch: "all" stands for tls-out
    ADMIN_PORT,   // where metrics are served
};
static const struct {
    const char *name;
    enum meaning meaning;
} neighbours[] = {
    {"prometheus-port", ADMIN_PORT},
    {"tls", TLS_ALL},
    {"capture-mode", NOTHING_HERE},
    {"capture-node-traffic", NOTHING_HERE},
    {"cpu-limit", NOTHING_HERE},
    {"cpu-request", NOTHING_HERE},
    {"debug", NOTHING_HERE},
    {"detect-amqpv091", NOTHING_HERE},
    {"detect-mongo", NOTHING_HERE},
    {"detect-postgres", NOTHING_HERE},
    {"diagnostics", NOTHING_HERE},
    {"envoy-filter", NOTHING_HERE},
    {"ephemeral-storage-limit", NOTHING_HERE},
    {"ephemeral-storage-request", NOTHING_HERE},
    {"extra-container-env-vars", NOTHING_HERE},
    {"host-resolution", NOTHING_HERE},
    {"ignore-dst-hosts", NOTHING_HERE},
    {"ignore-dst-ips", NOTHING_HERE},
    {"ignore-inbound-ports", NOTHING_HERE},
    {"ignore-loopback", NOTHING_HERE},
    {"ignore-outbound-ports", NOTHING_HERE},
    {"ignore-src-hosts", NOTHING_HERE},
    {"ignore-src-ips", NOTHING_HERE},
    {"inject", NOTHING_HERE},
    {"injected", NOTHING_HERE},
    {"insert-init-first", NOTHING_HERE},
    {"istio-cni", NOTHING_HERE},
    {"kube-api-support", NOTHING_HERE},
    {"memory-limit", NOTHING_HERE},
    {"memory-request", NOTHING_HERE},
    {"mount-known-ca", NOTHING_HERE},
    {"prometheus-enable-scrape-annotations", NOTHING_HERE},
    {"proxy-mode", NOTHING_HERE},
    {"remove", NOTHING_HERE},
    {"status", NOTHING_HERE},
    {"tls-java-tool-options", NOTHING_HERE},
    {"tls-java-tool-options-value", NOTHING_HERE},
    {"track-loopback", NOTHING_HERE},
};

// A secret with a certificate and its key; public and private name the files in it.
static const struct secret {
    const char *name, *public, *private;
    const char *public_variable, *private_variable; // of the injector: their paths
    const char *instead;                            // what is done without
} secrets[] = {
    {"tls-in-secret", "tls-in-public", "tls-in-private", "TLS_IN_PUBLIC_KEY", "TLS_IN_PRIVATE_KEY",
     "inbound tls is relayed as it is"},
    {"tls-mutual-secret", "tls-mutual-public", "tls-mutual-private", "TLS_MUTUAL_PUBLIC_KEY",
     "TLS_MUTUAL_PRIVATE_KEY", "servers are shown no certificate of it"},
};
#define SECRETS (sizeof secrets / sizeof secrets[0])

enum pass { PASS_OURS, PASS_SECRETS, PASS_NEIGHBOUR, PASS_OLD_SPELLING, PASSES };

struct reading {
    struct options *o;
    const char *path;
    char *why;
    size_t line;
    enum pass pass;
    struct buf value;    // of the present line, without its escapes
    bool named[SECRETS]; // by a name, so that the names of its files say nothing here
    struct {
        const struct option_def *def;
        enum pass by;
    } set[SET_MAX];
    size_t set_count;
};

static int fail(struct reading *r, int e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct reading *r, int e, const char *format, ...)
{
    va_list args;
    int n = snprintf(r->why, WHY_MAX, "%s:%zu: ", r->path, r->line);
    va_start(args, format);
    vsnprintf(r->why + n, WHY_MAX - (size_t)n, format, args);
    va_end(args);
    return e;
}

// ---- the value

// So many hexadecimal digits at the front of *in.
static bool take_hex(struct view *in, size_t digits, uint64_t *out)
{
    if (in->n < digits || view_number(view_head(*in, digits), 16, UINT32_MAX, out))
        return false;
    *in = view_from(*in, digits);
    return true;
}

static int add_utf8(struct buf *out, uint64_t c)
{
    unsigned char b[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        b[i] = (unsigned char)(0x80 | (c & 0x3f));
    b[0] = (unsigned char)(first[n] | c);
    return buf_add(out, b, n);
}

// What stands behind a backslash; *in begins there.
static int take_escape(struct view *in, struct buf *out)
{
    static const char names[] = "abfnrtv\\\"", means[] = "\a\b\f\n\r\t\v\\\"";
    char c = in->n > 0 ? in->p[0] : 0;
    const char *known = c ? strchr(names, c) : NULL;
    uint64_t code;
    if (c == 0)
        return E_SYNTAX;
    *in = view_from(*in, 1);
    if (known)
        return buf_add(out, &means[known - names], 1);
    if (c == 'x') {
        if (!take_hex(in, 2, &code))
            return E_SYNTAX;
        unsigned char byte = (unsigned char)code;
        return buf_add(out, &byte, 1);
    }
    if ((c != 'u' && c != 'U') || !take_hex(in, c == 'u' ? 4 : 8, &code) || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000))
        return E_SYNTAX;
    return add_utf8(out, code);
}

// The text between the quotes of a whole line's rest, into r->value.
static int unquote(struct reading *r, struct view in)
{
    int e = 0;
    buf_reset(&r->value);
    if (in.n == 0 || in.p[0] != '"')
        return fail(r, E_SYNTAX, "the value must stand in double quotes");
    in = view_from(in, 1);
    while (in.n > 0 && in.p[0] != '"' && !e) {
        bool escaped = in.p[0] == '\\';
        size_t n = 1;
        while (!escaped && n < in.n && in.p[n] != '"' && in.p[n] != '\\')
            n++;
        if (!escaped)
            e = buf_add(&r->value, in.p, n);
        in = view_from(in, n);
        if (escaped)
            e = take_escape(&in, &r->value);
    }
    if (e == E_SYNTAX)
        return fail(r, e, "the value has a bad escape behind a backslash");
    if (e)
        return fail(r, e, "%s", err_text(e));
    if (in.n == 0)
        return fail(r, E_SYNTAX, "the value's closing quote is missing");
    return in.n == 1 ? 0 : fail(r, E_SYNTAX, "something stands behind the value's closing quote");
}

// ---- names

// "proxyInPort" and "proxy-in-port" become one: without dashes, in lower case.
static bool same_squashed(const char *a, const char *b)
{
    for (;;) {
        while (*a == '-')
            a++;
        while (*b == '-')
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (*a == 0)
            return true;
        a++;
        b++;
    }
}

// The options that had an older spelling at the neighbour's.
static const char *old_spelling(const char *name)
{
    static const char *const options[] = {
        "proxy-type",       "proxy-protocol", "proxy-host",        "proxy-port",
        "proxy-in-port",    "proxy-out-port", "tls-out",           "tls-in-secret",
        "tls-in-private",   "tls-in-public",  "tls-mutual-secret", "tls-mutual-private",
        "tls-mutual-public"};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (same_squashed(name, options[i]))
            return options[i];
    return same_squashed(name, "tls-secret") ? "tls-in-secret" : NULL;
}

// Index into neighbours, or -1.
static int neighbour(const char *name)
{
    for (size_t i = 0; i < sizeof neighbours / sizeof neighbours[0]; i++)
        if (same_squashed(name, neighbours[i].name))
            return (int)i;
    return -1;
}

// ---- meaning

static int set(struct reading *r, const char *name, struct view value)
{
    char where[CONFIG_SHOWN + 32];
    const struct option_def *def = options_def(r->o, name);
    for (size_t i = 0; i < r->set_count; i++)
        if (r->set[i].def == def)
            return r->set[i].by == r->pass && r->pass != PASS_OLD_SPELLING
                       ? fail(r, E_EXISTS, "a second value of %s", name)
                       : 0;
    if (r->set_count == SET_MAX)
        return fail(r, E_LIMIT, "too many options");
    r->set[r->set_count].def = def;
    r->set[r->set_count++].by = r->pass;

    if (strcmp(name, "proxy-protocol") == 0 && view_eq(value, VIEW_LIT("tcp+http")))
        value = VIEW_LIT("tcp:http");
    else if (strcmp(name, "proxy-protocol") == 0 && view_eq(value, VIEW_LIT("tcp+socks")))
        value = VIEW_LIT("tcp:socks");
    snprintf(where, sizeof where, "%s:%zu", r->path, r->line);
    // One that repeats has one value a line, as in the environment.
    bool repeats = def && (def->flags & OPT_REPEATS);
    int e = 0;
    do {
        size_t n = repeats ? view_find(value, '\n') : value.n;
        e = options_set(r->o, name, view_head(value, n), OPT_BY_ANNOTATION, where, r->why);
        value = view_from(value, n < value.n ? n + 1 : n);
    } while (e == 0 && value.n > 0);
    return e == E_NOTFOUND ? 0 : e; // an option of another program
}

static int set_admin_port(struct reading *r)
{
    uint64_t port;
    char text[32];
    const struct option_def *def = options_def(r->o, "admin-listen");
    if (!def || !(def->flags & OPT_ANNOTATION))
        return 0;
    for (size_t i = 0; i < r->set_count; i++)
        if (r->set[i].def == def)
            return 0;
    if (view_number(buf_view(&r->value), 10, UINT16_MAX, &port) || port == 0)
        return fail(r, E_RANGE, "prometheus-port takes a port number from 1 to 65535");
    snprintf(text, sizeof text, "0.0.0.0:%u", (unsigned)port);
    return set(r, "admin-listen", view_of(text));
}

static int set_tls(struct reading *r)
{
    struct view v = view_trim(buf_view(&r->value));
    const struct option_def *def = options_def(r->o, "tls-out");
    bool all = view_ieq(v, VIEW_LIT("all")) || view_ieq(v, VIEW_LIT("true"));
    for (size_t i = 0; i < r->set_count; i++)
        all = all && r->set[i].def != def;
    return def && all ? set(r, "tls-out", VIEW_LIT("true")) : 0;
}

// Whether something stronger than a neighbour's annotation says where the pair is.
static bool is_decided(struct reading *r, const struct secret *s)
{
    const char *const names[] = {s->name, s->public, s->private};
    for (size_t i = 0; i < 3; i++) {
        if (options_source(r->o, names[i]) > OPT_BY_ANNOTATION)
            return true;
        for (size_t k = 0; k < r->set_count; k++)
            if (r->set[k].by == PASS_OURS && r->set[k].def == options_def(r->o, names[i]))
                return true;
    }
    return false;
}

static int set_named(struct reading *r, const struct secret *s)
{
    const char *public = getenv(s->public_variable), *private = getenv(s->private_variable);
    if (is_decided(r, s))
        return 0;
    if (!public || !private || access(public, R_OK) != 0 || access(private, R_OK) != 0) {
        log_warn("the files of a kubernetes secret are not here: %s; a folder would begin with / "
                 "file=%s line=%zu name=" NEIGHBOURS "%s",
                 s->instead, r->path, r->line, s->name);
        return 0;
    }
    int e = set(r, s->public, view_of(public));
    return e ? e : set(r, s->private, view_of(private));
}

// Index into secrets of the option that a neighbour's annotation is for, or -1.
static int secret_of(const char *name)
{
    const char *option = old_spelling(name);
    for (size_t i = 0; option && i < SECRETS; i++)
        if (strcmp(option, secrets[i].name) == 0 || strcmp(option, secrets[i].public) == 0 ||
            strcmp(option, secrets[i].private) == 0)
            return (int)i;
    return -1;
}

// Before the neighbour's others, as it says what those of its files mean.
static int take_secret(struct reading *r, const char *name)
{
    int i = secret_of(name);
    struct view v = buf_view(&r->value);
    if (i < 0 || r->named[i] || strcmp(old_spelling(name), secrets[i].name) != 0 || v.n == 0 ||
        view_find(v, '/') < v.n || !options_has(r->o, secrets[i].name))
        return 0;
    r->named[i] = true;
    return set_named(r, &secrets[i]);
}

static int apply_neighbours(struct reading *r, const char *name)
{
    const struct option_def *def = options_def(r->o, name);
    const char *old = old_spelling(name);
    int secret = secret_of(name);
    bool current = def && (def->flags & OPT_ANNOTATION);
    if (r->pass == PASS_SECRETS)
        return take_secret(r, name);
    if (secret >= 0 && r->named[secret])
        return 0;
    if (current)
        return r->pass == PASS_NEIGHBOUR ? set(r, name, buf_view(&r->value)) : 0;
    if (r->pass == PASS_NEIGHBOUR)
        return 0;
    if (old && options_def(r->o, old))
        return set(r, old, buf_view(&r->value));
    int known = neighbour(name);
    if (known < 0)
        log_warn("annotation not known file=%s line=%zu name=" NEIGHBOURS "%s", r->path, r->line,
                 name);
    else if (neighbours[known].meaning == ADMIN_PORT)
        return set_admin_port(r);
    else if (neighbours[known].meaning == TLS_ALL)
        return set_tls(r);
    return 0;
}

static int apply_ours(struct reading *r, const char *name)
{
    const struct option_def *def = options_def(r->o, name);
    if (!def)
        return fail(r, E_NOTFOUND, "unknown annotation " OURS "%s", name);
    if (!(def->flags & OPT_ANNOTATION))
        return fail(r, E_RANGE,
                    OURS "%s: only a file, the environment or the command line can set this", name);
    return set(r, name, buf_view(&r->value));
}

// ---- lines

static int take_line(struct reading *r, struct view line)
{
    char text[NAME_BYTES];
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (view_trim(line).n == 0 || line.p[0] == '#')
        return 0;
    size_t n = view_find(line, '=');
    if (n == line.n || n == 0)
        return fail(r, E_SYNTAX, "a line NAME=\"VALUE\" is expected");
    struct view name = view_head(line, n), value = view_from(line, n + 1);
    bool ours = view_starts(name, VIEW_LIT(OURS));
    if (ours != (r->pass == PASS_OURS) || (!ours && !view_starts(name, VIEW_LIT(NEIGHBOURS))))
        return 0;
    int e = unquote(r, value);
    if (e)
        return e;
    name = view_from(name, ours ? sizeof OURS - 1 : sizeof NEIGHBOURS - 1);
    n = name.n < sizeof text ? name.n : sizeof text - 1;
    for (size_t i = 0; i < n; i++)
        text[i] = (unsigned char)name.p[i] <= 0x20 || name.p[i] == 0x7f ? '?' : name.p[i];
    text[n] = 0;
    return ours ? apply_ours(r, text) : apply_neighbours(r, text);
}

int config_annotations_text(struct options *o, const char *path, struct view text,
                            char why[WHY_MAX])
{
    struct reading r = {.o = o, .path = config_shown(path), .why = why};
    int e = 0;
    buf_init(&r.value, CONFIG_FILE_MAX);
    for (r.pass = PASS_OURS; r.pass < PASSES && !e; r.pass++) {
        r.line = 0;
        for (struct view rest = text; rest.n > 0 && !e;) {
            size_t n = view_find(rest, '\n');
            r.line++;
            e = take_line(&r, view_head(rest, n));
            rest = view_from(rest, n < rest.n ? n + 1 : n);
        }
    }
    buf_clear(&r.value);
    return e;
}
