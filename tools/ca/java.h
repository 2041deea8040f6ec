// java: a copy of Java's own trust store (cacerts) that holds our certificate as well.
#ifndef TAPEDECK_TOOLS_CA_JAVA_H
#define TAPEDECK_TOOLS_CA_JAVA_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

#define JAVA_STORE_MAX (16u << 20) // bytes of a store

// Appends the store to out: Java's cacerts with ca (PEM) under alias; password is that of cacerts,
// and of the new one. $JAVA_HOME is taken, else the keytool that is found in $PATH. E_NOTFOUND:
// there is no Java; E_REFUSED: keytool did not do it, and why has its words; E_IO, E_LIMIT,
// E_NOMEM.
int java_store(struct view ca, const char *alias, const char *password, struct buf *out,
               char why[WHY_MAX]) MUST_CHECK;

// What tells a store made now from others, for a name of a file: a digest of Java's cacerts, as
// far as its name, time and size go, and of ca. E_NOTFOUND: there is no Java.
#define JAVA_IDENTITY 65
int java_identity(struct view ca, char out[JAVA_IDENTITY]) MUST_CHECK;

#endif
