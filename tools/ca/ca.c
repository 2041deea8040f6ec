// ca: where the authority is, and the command `ca` without a word, which lists what there is.
#include "tools/ca/ca.h"

#include "proto/base/clock.h"
#include "proxy/tls/ca.h"
#include "tools/ca/dumps.h"
#include "tools/commands.h"

#include <ctype.h>
#include <stdlib.h>

// What an option of the authority says: by itself, else by the environment of the sidecar, which is
// to have the same one. NULL: nothing.
static const char *said(const struct options *o, const char *name, const char *variable)
{
    if (!options_def(o, name) || options_is_set(o, name))
        return options_def(o, name) ? options_text(o, name) : NULL;
    const char *text = getenv(variable);
    return text && *text ? text : NULL;
}

static const char *own_cert(const struct options *o)
{
    const char *cert = said(o, "tls-ca-cert", "TAPEDECK_TLS_CA_CERT");
    bool folder = options_is_set(o, "tls-ca-dir");
    return cert && (!folder || options_is_set(o, "tls-ca-cert")) ? cert : NULL;
}

// Of the same source as the certificate.
static const char *own_key(const struct options *o)
{
    const char *key = said(o, "tls-ca-key", "TAPEDECK_TLS_CA_KEY");
    return key && options_is_set(o, "tls-ca-key") == options_is_set(o, "tls-ca-cert") ? key : NULL;
}

int ca_folder(const struct options *o, char out[PATH_MAX])
{
    const char *given = said(o, "tls-ca-dir", "TAPEDECK_TLS_CA_DIR");
    int e = given ? snprintf(out, PATH_MAX, "%s", given) < PATH_MAX ? 0 : E_LIMIT
                  : tls_ca_home(out, PATH_MAX);
    if (e == 0)
        return CLI_OK;
    cli_error(e == E_LIMIT ? "the name of the folder is too long"
                           : "there is no home; --tls-ca-dir names a folder");
    return CLI_FAILED;
}

int ca_place(const struct options *o, struct ca_place *out)
{
    char folder[PATH_MAX];
    const char *own = own_cert(o), *key = own ? own_key(o) : NULL;
    *out->key = 0;
    if (own) {
        // As it is to be written elsewhere; one that is not there is told when it is read.
        if (!realpath(own, out->cert))
            snprintf(out->cert, PATH_MAX, "%s", own);
        if (key)
            snprintf(out->key, PATH_MAX, "%s", key);
        return CLI_OK;
    }
    int code = ca_folder(o, folder);
    if (code)
        return code;
    char *real = realpath(folder, NULL);
    const char *name = real ? real : folder;
    if (snprintf(out->cert, PATH_MAX, "%s/" CA_CERT_NAME, name) >= PATH_MAX ||
        snprintf(out->key, PATH_MAX, "%s/" CA_KEY_NAME, name) >= PATH_MAX) {
        cli_error("the name of the folder is too long");
        code = CLI_FAILED;
    }
    free(real);
    return code;
}

int ca_read(struct tls_ca **out, const struct options *o, bool key)
{
    char why[WHY_MAX], folder[PATH_MAX];
    struct ca_place at;
    struct dumps was;
    *out = NULL;
    if (key)
        dumps_forbid(&was); // for good: the caller has the key
    int e, code = ca_place(o, &at);
    const char *own = own_cert(o);
    if (!code && !own)
        code = ca_folder(o, folder);
    if (code)
        return code;
    if (own || !key)
        e = tls_ca_load(out, at.cert, key && *at.key ? at.key : NULL, why);
    else
        e = tls_ca_open(out, folder, false, 0, why);
    if (e)
        cli_error("%s%s", why, e == E_NOTFOUND && !own ? "; tapedeck ca init makes one" : "");
    return e ? CLI_FAILED : CLI_OK;
}

void ca_alias(const struct tls_ca *ca, char out[CA_ALIAS])
{
    struct ca_facts f;
    tls_ca_facts(ca, &f);
    size_t n = (size_t)snprintf(out, CA_ALIAS, "tapedeck-ca-");
    for (const char *c = f.fingerprint; *c && n < 20; c++)
        if (*c != ':')
            out[n++] = (char)tolower((unsigned char)*c);
    out[n] = 0;
}

static int make(const struct options *o)
{
    char folder[PATH_MAX], why[WHY_MAX];
    struct tls_ca *ca;
    struct dumps was;
    int code = ca_folder(o, folder);
    if (code)
        return code;
    dumps_forbid(&was); // the key is in memory for a moment
    int e = tls_ca_open(&ca, folder, true, 0, why);
    if (e)
        cli_error("%s", why);
    else
        tls_ca_free(ca);
    dumps_restore(&was);
    return e ? CLI_FAILED : CLI_OK;
}

int ca_certificate(const struct options *o, struct buf *out, char alias[CA_ALIAS])
{
    struct tls_ca *ca;
    int code = own_cert(o) ? CLI_OK : make(o);
    code = code ? code : ca_read(&ca, o, false);
    if (code)
        return code;
    int e = tls_ca_export(ca, "pem", NULL, out);
    if (e)
        cli_error("the authority's certificate: %s", err_text(e));
    ca_alias(ca, alias);
    tls_ca_free(ca);
    return e ? CLI_FAILED : CLI_OK;
}

void ca_print(const struct tls_ca *ca, const struct ca_place *at)
{
    struct ca_facts f;
    char from[CLOCK_TEXT], until[CLOCK_TEXT];
    tls_ca_facts(ca, &f);
    clock_format(f.not_before_us, from);
    clock_format(f.not_after_us, until);
    printf("subject      %s\n", f.subject);
    printf("key          %s\n", f.key);
    printf("SHA-256      %s\n", f.fingerprint);
    printf("valid        %.10s until %.10s, %lld days from now\n", from, until,
           (long long)((f.not_after_us - clock_wall_us()) / US_PER_DAY));
    printf("certificate  %s\n", at->cert);
    if (*at->key)
        printf("private key  %s\n", at->key);
}

static const struct option_def options[] = {CLI_OPTIONS_END};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    (void)o;
    if (argc > 0)
        return cli_usage(c, "there is no 'ca %s': init, show, export or install-hints", argv[0]);
    return cli_usage(c, "what about it? init, show, export or install-hints");
}

const struct command command_ca = {
    .name = "ca",
    .sentence = "the certificate authority that signs what intercepted clients are shown",
    .operands = "",
    .example = "tapedeck ca init\n"
               "tapedeck ca install-hints debian\n"
               "tapedeck ca export --form p12 --out truststore.p12",
    .text = "TLS can be recorded decrypted where clients trust this authority. It is made at its "
            "first use, for one user and machine; its private key never leaves its folder, and "
            "whoever has it can stand between you and any server: let it be trusted only where "
            "traffic is to be recorded.",
    .options = options,
    .run = run,
};
