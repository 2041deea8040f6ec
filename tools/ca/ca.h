// ca: what the commands `tapedeck ca …` share: where the certificate authority is, and reading it.
#ifndef TAPEDECK_TOOLS_CA_CA_H
#define TAPEDECK_TOOLS_CA_CA_H

#include "tools/cli.h"

#include <limits.h>

#define CA_OPTION_FOLDER                                                                           \
    {                                                                                              \
        .name = "tls-ca-dir", .type = OPT_TEXT, .unit = "DIR",                                     \
        .sentence = "The folder of the certificate authority; without it $TAPEDECK_TLS_CA_DIR, "   \
                    "$XDG_DATA_HOME/tapedeck/ca, or ~/.local/share/tapedeck/ca.",                  \
        .programs = CLI_PROGRAM                                                                    \
    }
#define CA_OPTION_CERT                                                                             \
    {                                                                                              \
        .name = "tls-ca-cert", .type = OPT_TEXT, .unit = "FILE",                                   \
        .sentence = "The certificate of an authority of your own (PEM); without it "               \
                    "$TAPEDECK_TLS_CA_CERT, if --tls-ca-dir is not there either.",                 \
        .programs = CLI_PROGRAM                                                                    \
    }

struct ca_place {
    char cert[PATH_MAX], key[PATH_MAX]; // key "": not given
};

// What the options say, or the user's own folder. Errors are told: CLI_OK, CLI_FAILED, CLI_USAGE.
int ca_folder(const struct options *o, char out[PATH_MAX]);
int ca_place(const struct options *o, struct ca_place *out);

// The authority, with its key or the certificate alone; missing ones are told with what makes them.
struct tls_ca;
int ca_read(struct tls_ca **out, const struct options *o, bool key);

// The name of the authority in a trust store where others may be: "tapedeck-ca-ab12cd34".
#define CA_ALIAS 32
void ca_alias(const struct tls_ca *ca, char out[CA_ALIAS]);

// Appends the authority's certificate (PEM) to out, and makes the authority where there is none.
// Errors are told: CLI_OK, CLI_FAILED, CLI_USAGE.
struct buf;
int ca_certificate(const struct options *o, struct buf *out, char alias[CA_ALIAS]);

// subject, key, fingerprint, validity and files, a line each.
void ca_print(const struct tls_ca *ca, const struct ca_place *at);

#endif
