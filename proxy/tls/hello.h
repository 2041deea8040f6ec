// hello: reads a TLS ClientHello and ServerHello as they pass (RFC 8446 4.1, RFC 5246 7.4.1). No
// I/O, no OpenSSL.
#ifndef TAPEDECK_PROXY_TLS_HELLO_H
#define TAPEDECK_PROXY_TLS_HELLO_H

#include "proto/base/addr.h"
#include "proto/base/err.h"
#include "proto/base/view.h"

#define HELLO_MAX         16384 // bytes of handshake message that are read; longer: E_LIMIT
#define HELLO_RECORDS_MAX 1024  // records that it may be cut into; more: E_LIMIT

struct client_hello {
    char sni[HOST_MAX + 1]; // lower case, "" without
    char alpn[128];         // comma-separated, in order; what does not fit is left off
    char versions[64];      // "1.3,1.2", GREASE left out
};

struct server_hello {
    char version[8]; // "1.0" … "1.3"
    char cipher[48]; // IANA name, or "0x1301" for one that is not in our list
    char alpn[32];   // "" where not visible (1.3 encrypts it)
};

// in: C2S (or S2C) bytes from the beginning of the connection, TLS records as they come; a hello
// may span several records. 0; E_AGAIN: not whole yet; E_SYNTAX: no TLS handshake, or not a hello;
// E_LIMIT.
int hello_client(struct view in, struct client_hello *out) MUST_CHECK;
int hello_server(struct view in, struct server_hello *out) MUST_CHECK;

#endif
