// vars: the variables by which runtimes find the proxy, and the files of those whom they trust: one
// table, from which `tapedeck record`, `tapedeck env` and their help are made.
#ifndef TAPEDECK_TOOLS_ENV_VARS_H
#define TAPEDECK_TOOLS_ENV_VARS_H

#include "proto/base/addr.h"
#include "proto/base/buf.h"
#include "proto/base/err.h"

enum vars_when {
    VARS_ALWAYS,
    VARS_TLS, // where TLS is decrypted
    VARS_JAVA // where a trust store for Java was made, too
};

// In a value {url} is the proxy, {host} and {port} its parts, {direct} the hosts that are not to be
// asked through it; {roots} is the file with the system's roots and our authority, {ca} the one
// with our authority, which is added to others, {wgetrc} the one that tells wget of it, {java} the
// store for Java.
struct vars_row {
    const char *name;
    const char *value;
    enum vars_when when;
    bool adds; // stands behind what the variable has already, a blank between them
    const char *readers;
};
extern const struct vars_row vars_table[]; // ends with a NULL name

struct vars_facts {
    const struct hostport *proxy;
    const char *direct;                     // "a,b" or ""
    const char *roots, *ca, *wgetrc, *java; // NULL: without
};

#define VARS_MAX 48
struct vars {
    struct var {
        const char *name; // of the table
        char *value;
        bool adds;
    } all[VARS_MAX];
    size_t n;
};

// The variables, each once, in the order of the table. 0, E_LIMIT, E_NOMEM; in any case
// vars_clear().
int vars_make(struct vars *v, const struct vars_facts *f) MUST_CHECK;
void vars_clear(struct vars *v);

// Puts them into the environment of this process: other variables stay. 0 or E_NOMEM.
int vars_set(const struct vars *v) MUST_CHECK;

// The table as lines of text for help, "  NAME  readers", in memory that stays; NULL: out of
// memory.
const char *vars_help(void);

#endif
