// hints: how systems and runtimes are told to trust the authority. A table: a row each, in which @
// stands for the certificate's file, and % for the command that exports that certificate.
#include "proxy/tls/ca.h"
#include "tools/ca/ca.h"
#include "tools/commands.h"
#include "tools/quote.h"

static const struct hint {
    const char *word, *title, *text;
} hints[] = {
    {"debian", "Debian, Ubuntu, Alpine (as root)",
     "cp @ /usr/local/share/ca-certificates/tapedeck-ca.crt\n"
     "update-ca-certificates\n"
     "# to take it back:\n"
     "rm /usr/local/share/ca-certificates/tapedeck-ca.crt && update-ca-certificates --fresh\n"},
    {"fedora", "Fedora, RHEL, CentOS, Amazon Linux (as root)",
     "cp @ /etc/pki/ca-trust/source/anchors/tapedeck-ca.crt\n"
     "update-ca-trust\n"
     "# to take it back:\n"
     "rm /etc/pki/ca-trust/source/anchors/tapedeck-ca.crt && update-ca-trust\n"},
    {"macos", "macOS",
     "security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain @\n"
     "# as root; to take it back:\n"
     "security remove-trusted-cert -d @\n"},
    {"windows", "Windows (as administrator, with the file copied there)",
     "certutil -addstore -f Root tapedeck-ca.crt\n"
     "# to take it back: certutil -delstore Root \"Tapedeck CA ...\" with the name of\n"
     "# tapedeck ca show\n"},
    {"firefox", "Firefox, Chromium on Linux (NSS; certutil is in libnss3-tools or nss-tools)",
     "certutil -A -d sql:$HOME/.pki/nssdb -t C,, -n tapedeck-ca -i @\n"
     "# that was Chromium; Firefox has a store in each profile, about:profiles tells where:\n"
     "certutil -A -d sql:PROFILE_FOLDER -t C,, -n tapedeck-ca -i @\n"
     "# to take it back: certutil -D -d sql:... -n tapedeck-ca\n"},
    {"java", "Java",
     "% --form jks-cacerts --out cacerts\n"
     "export JAVA_TOOL_OPTIONS=\"-Djavax.net.ssl.trustStore=$PWD/cacerts "
     "-Djavax.net.ssl.trustStorePassword=changeit\"\n"
     "# or for all programs of a Java 9 or later:\n"
     "keytool -importcert -noprompt -cacerts -storepass changeit -alias tapedeck-ca -file @\n"},
    {"node", "Node.js (beside its own roots)", "export NODE_EXTRA_CA_CERTS=@\n"},
    {"python", "Python (requests, httpx and pip bring roots of their own)",
     "% --form bundle --out roots.pem\n"
     "export SSL_CERT_FILE=$PWD/roots.pem REQUESTS_CA_BUNDLE=$PWD/roots.pem\n"
     "export PIP_CERT=$PWD/roots.pem\n"},
    {"go", "Go (on Linux and the BSDs; elsewhere it takes the system's store)",
     "% --form bundle --out roots.pem\n"
     "export SSL_CERT_FILE=$PWD/roots.pem\n"},
    {"curl", "curl, git, wget",
     "curl --cacert @ ...\n"
     "# or for all, with the system's roots:\n"
     "% --form bundle --out roots.pem\n"
     "export CURL_CA_BUNDLE=$PWD/roots.pem GIT_SSL_CAINFO=$PWD/roots.pem\n"
     "wget --ca-certificate=roots.pem ...\n"},
    {"docker", "Docker images, with the certificate in the build's folder",
     "# in a Dockerfile FROM debian, ubuntu or alpine with ca-certificates in it:\n"
     "COPY tapedeck-ca.crt /usr/local/share/ca-certificates/\n"
     "RUN update-ca-certificates\n"
     "# or without another image, when it runs:\n"
     "docker run -v @:/tapedeck-ca.crt:ro -e NODE_EXTRA_CA_CERTS=/tapedeck-ca.crt ...\n"},
};

#define HINTS (sizeof hints / sizeof *hints)

static void put_hint(FILE *out, const struct hint *h, const char *path, bool usual)
{
    char word[4 * PATH_MAX];
    fprintf(out, "# %s\n", h->title);
    for (const char *c = h->text; *c; c++) {
        if (*c == '%')
            fputs(usual ? "tapedeck ca export" : "tapedeck ca export --tls-ca-cert ", out);
        if (*c == '@' || (*c == '%' && !usual))
            fputs(quote_word(path, word, sizeof word), out);
        else if (*c != '%')
            putc(*c, out);
    }
}

static const struct option_def options[] = {CA_OPTION_FOLDER, CA_OPTION_CERT, CLI_OPTIONS_END};

static const struct cli_rule rules[] = {
    {"tls-ca-dir", CLI_EXCLUDES, "tls-ca-cert"},
    {0},
};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct ca_place at;
    struct tls_ca *ca;
    const struct hint *one = NULL;
    if (argc > 1)
        return cli_usage(c, "one word only, not '%s' as well", argv[1]);
    for (size_t i = 0; argc == 1 && i < HINTS; i++)
        if (strcmp(argv[0], hints[i].word) == 0)
            one = &hints[i];
    if (argc == 1 && !one && strcmp(argv[0], "all") != 0)
        return cli_usage(c, "there is no hint for '%s'", argv[0]);
    int code = ca_read(&ca, o, false); // what is to be trusted should be there
    code = code ? code : ca_place(o, &at);
    tls_ca_free(ca);
    if (code)
        return code;
    bool usual = !options_is_set(o, "tls-ca-dir") && !options_is_set(o, "tls-ca-cert");
    for (size_t i = 0; i < HINTS; i++) {
        if (one && one != &hints[i])
            continue;
        put_hint(stdout, &hints[i], at.cert, usual);
        if (!one && i + 1 < HINTS)
            putchar('\n');
    }
    return CLI_OK;
}

const struct command command_ca_hints = {
    .name = "ca install-hints",
    .sentence = "tell how systems and runtimes are made to trust the authority",
    .operands = "all|debian|fedora|macos|windows|firefox|java|node|python|go|curl|docker",
    .example = "tapedeck ca install-hints\n"
               "tapedeck ca install-hints debian",
    .text = "Without a word: all. Nothing is changed: the lines are for you to run. Let it be "
            "trusted only where traffic is to be recorded, and take it back afterwards.",
    .options = options,
    .rules = rules,
    .run = run,
};
