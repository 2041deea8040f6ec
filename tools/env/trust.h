// trust: the files of those whom a recorded program is to trust, in one folder.
#ifndef TAPEDECK_TOOLS_ENV_TRUST_H
#define TAPEDECK_TOOLS_ENV_TRUST_H

#include "proto/base/options.h"

#include <limits.h>

#define TRUST_ROOTS    "roots.pem"    // the system's roots, our authority, and the user's own
#define TRUST_CA       "ca.pem"       // our authority, and those that the user adds to a runtime's
#define TRUST_JAVA     "cacerts"      // Java's own store, and our authority
#define TRUST_WGETRC   "wgetrc"       // the user's own, and the name of the first
#define TRUST_UPSTREAM "upstream.pem" // the user's own that are not among the system's
#define TRUST_PASSWORD "changeit"     // of Java's own; it guards no secret

struct trust {
    char roots[PATH_MAX], ca[PATH_MAX], wgetrc[PATH_MAX];
    char java[PATH_MAX];     // "": there is no Java, it has one of its own, or it is not wanted
    char upstream[PATH_MAX]; // for the sidecar's --upstream-ca, where it is; "": it needs none
};

// Writes them into the folder, which is there, for everybody to read; the wgetrc with that mode:
// where it keeps others out, what the user has told wget is in it. seen: where the program that
// trusts them sees the folder: the names that t gets, and those in the files, begin with it. o has
// the options of the authority (ca/ca.h), which is made where there is none. What the variables of
// vars.h name in this environment is trusted as well, unless the program is to see the folder
// elsewhere. Where the system has no roots ours are without them; where Java cannot have its store,
// or is given another, it goes without; all of it is told. Errors are told: CLI_OK or CLI_FAILED.
int trust_write(struct trust *t, const char *folder, const char *seen, const struct options *o,
                bool java, unsigned mode);

// Removes what trust_write() may have written; the folder stays.
void trust_remove(const char *folder);

#endif
