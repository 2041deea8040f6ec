// trust: the files of those whom a recorded program is to trust, in one folder.
#ifndef TAPEDECK_TOOLS_ENV_TRUST_H
#define TAPEDECK_TOOLS_ENV_TRUST_H

#include "proto/base/options.h"

#include <limits.h>

#define TRUST_ROOTS    "roots.pem" // the system's roots, and our authority
#define TRUST_CA       "ca.pem"    // our authority alone
#define TRUST_JAVA     "cacerts"   // Java's own store, and our authority
#define TRUST_WGETRC   "wgetrc"    // the user's own, and the name of the first
#define TRUST_PASSWORD "changeit"  // of Java's own; it guards no secret

struct trust {
    char roots[PATH_MAX], ca[PATH_MAX], wgetrc[PATH_MAX];
    char java[PATH_MAX]; // "": there is no Java, or it is not wanted
};

// Writes them into the folder, which is there. mode: of the wgetrc; where it keeps others out what
// the user has told wget is in it, else it stands for itself; the others everybody may read. seen:
// where the program that trusts them sees the folder: the names that t gets, and those in the
// files, begin with it. o has the options of the authority (ca/ca.h), which is made where there is
// none. Where the system has no roots ours are alone, where Java cannot have its store it goes
// without; both are told. Errors are told: CLI_OK or CLI_FAILED.
int trust_write(struct trust *t, const char *folder, const char *seen, const struct options *o,
                bool java, unsigned mode);

// Removes what trust_write() may have written; the folder stays.
void trust_remove(const char *folder);

#endif
