// roots: the certificates that the system trusts, ours, and the user's own, in one PEM text.
#ifndef TAPEDECK_TOOLS_CA_ROOTS_H
#define TAPEDECK_TOOLS_CA_ROOTS_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

#define ROOTS_MAX (16u << 20) // bytes of the system's file

// Where they are: $SSL_CERT_FILE, else the first of the usual places; NULL: none is there.
const char *roots_file(void);

// Appends the roots and, unless it is among them, ca (PEM). E_NOTFOUND: there are none; E_SYNTAX:
// no PEM certificate in the file; E_LIMIT, E_NOMEM, E_IO; with why.
int roots_bundle(struct view ca, struct buf *out, char why[WHY_MAX]) MUST_CHECK;

// Appends the certificates of path, a PEM file or a folder whose names are hashes, that are not in
// out already, to out, and to fresh, unless that is NULL. 0; E_SYNTAX: not as a PEM file of
// certificates must be; E_LIMIT, E_NOMEM or what errno stood for; with why.
int roots_add(const char *path, struct buf *out, struct buf *fresh, char why[WHY_MAX]) MUST_CHECK;

// A whole file, appended to out; nothing but a regular one.
int roots_read(const char *path, size_t max, struct buf *out, char why[WHY_MAX]) MUST_CHECK;

#endif
