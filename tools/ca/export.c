// export: the authority's certificate for those who are to trust it. Never its key.
#include "proxy/tls/ca.h"
#include "tools/ca/ca.h"
#include "tools/ca/java.h"
#include "tools/ca/roots.h"
#include "tools/commands.h"
#include "tools/out.h"

#include <sys/stat.h>
#include <unistd.h>

#define PASSWORD_MIN 6 // keytool reads no store with a shorter one
#define OUT_MAX      (JAVA_STORE_MAX + ROOTS_MAX)

static const struct option_def options[] = {
    {.name = "form",
     .type = OPT_CHOICE,
     .initial = "pem",
     .choices = "pem|der|p12|bundle|jks-cacerts",
     .unit = "FORM",
     .sentence = "What to write.",
     .programs = CLI_PROGRAM},
    {.name = "out",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "Write into FILE, which appears when it is whole; '-' is standard output.",
     .programs = CLI_PROGRAM},
    {.name = "password",
     .type = OPT_TEXT,
     .initial = "changeit",
     .max = 128,
     .unit = "TEXT",
     .sentence = "The password of p12, or of Java's cacerts; it guards no secret.",
     .programs = CLI_PROGRAM},
    CA_OPTION_FOLDER,
    CA_OPTION_CERT,
    CLI_OPTIONS_END,
};

static const struct cli_rule rules[] = {
    {"tls-ca-dir", CLI_EXCLUDES, "tls-ca-cert"},
    {0},
};

static int make(const struct tls_ca *ca, const char *form, const char *password, struct buf *out)
{
    char why[WHY_MAX] = "", alias[CA_ALIAS];
    struct buf pem;
    buf_init(&pem, ROOTS_MAX);
    bool bundle = strcmp(form, "bundle") == 0, java = strcmp(form, "jks-cacerts") == 0;
    int e = bundle || java ? tls_ca_export(ca, "pem", NULL, &pem)
                           : tls_ca_export(ca, form, password, out);
    if (e)
        snprintf(why, sizeof why, "%s: %s", form, err_text(e));
    if (!e && bundle)
        e = roots_bundle(buf_view(&pem), out, why);
    if (!e && java) {
        ca_alias(ca, alias);
        e = java_store(buf_view(&pem), alias, password, out, why);
    }
    buf_clear(&pem);
    if (e)
        cli_error("%s", why);
    return e ? CLI_FAILED : CLI_OK;
}

static int check(const struct command *c, const struct options *o)
{
    const char *form = options_text(o, "form"), *path = options_text(o, "out");
    bool store = strcmp(form, "p12") == 0 || strcmp(form, "jks-cacerts") == 0;
    bool binary = store || strcmp(form, "der") == 0;
    if (options_is_set(o, "password") && !store)
        return cli_usage(c, "--password is for --form p12 and jks-cacerts, not for %s", form);
    if (store && strlen(options_text(o, "password")) < PASSWORD_MIN)
        return cli_usage(c, "--password: at least %d characters, says Java", PASSWORD_MIN);
    if (binary && (!path || strcmp(path, "-") == 0) && isatty(STDOUT_FILENO))
        return cli_usage(c, "%s is no text for a terminal: --out names a file", form);
    return CLI_OK;
}

// Everybody may read it, as far as the umask allows.
static void open_up(const struct out *out)
{
    mode_t mask = umask(0);
    umask(mask);
    if (out->temp)
        (void)fchmod(fileno(out->f), 0644 & ~mask);
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct tls_ca *ca;
    struct out out = {0};
    struct buf content;
    if (argc > 0)
        return cli_usage(c, "takes no operand, not '%s'", argv[0]);
    int code = check(c, o);
    code = code ? code : ca_read(&ca, o, false);
    if (code)
        return code;
    buf_init(&content, OUT_MAX);
    code = make(ca, options_text(o, "form"), options_text(o, "password"), &content);
    code = code ? code : out_open(&out, options_text(o, "out"));
    if (!code) {
        struct view v = buf_view(&content);
        open_up(&out);
        if (v.n)
            fwrite(v.p, 1, v.n, out.f); // judged when it is closed
        code = out.opened ? out_close(&out, true) : CLI_OK;
    }
    buf_clear(&content);
    tls_ca_free(ca);
    return code;
}

const struct command command_ca_export = {
    .name = "ca export",
    .sentence = "write the authority's certificate for those who are to trust it",
    .operands = "",
    .example =
        "tapedeck ca export --out tapedeck-ca.pem\n"
        "tapedeck ca export --form p12 --out truststore.p12\n"
        "tapedeck ca export --form bundle --out roots.pem && SSL_CERT_FILE=$PWD/roots.pem go test\n"
        "tapedeck ca export --form jks-cacerts --out cacerts && java "
        "-Djavax.net.ssl.trustStore=cacerts -jar app.jar",
    .text = "The forms:\n"
            " pem          the certificate as text\n"
            " der          the same as bytes, which Windows and Android take\n"
            " p12          a PKCS#12 trust store that holds this certificate alone\n"
            " bundle       the system's roots and this certificate in one PEM file\n"
            " jks-cacerts  a copy of Java's own cacerts with this certificate, made by keytool\n"
            "The system's roots are those of $SSL_CERT_FILE, else of the file where the system "
            "keeps them. Java is the one of $JAVA_HOME, else the one whose keytool is in $PATH. No "
            "form holds the private key.",
    .options = options,
    .rules = rules,
    .run = run,
};
