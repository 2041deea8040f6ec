// hello: reads a TLS ClientHello and ServerHello as they pass (RFC 8446 4.1, RFC 5246 7.4.1). No
// I/O, no OpenSSL.
#ifndef TAPEDECK_PROXY_TLS_HELLO_H
#define TAPEDECK_PROXY_TLS_HELLO_H

#include "proto/base/addr.h"
#include "proto/base/err.h"
#include "proto/base/view.h"
#include "proxy/tls/cipher.h"

#define HELLO_MAX         16384 // bytes of handshake message that are read; longer: E_LIMIT
#define HELLO_RECORDS_MAX 1024  // records that it may be cut into; more: E_LIMIT
#define HELLO_ALPN_MAX    256   // bytes of a list of protocols that can be offered again

struct client_hello {
    char sni[HOST_MAX + 1]; // lower case, "" without
    char alpn[128];         // comma-separated, in order; what does not fit is left off
    char versions[64];      // "1.3,1.2", GREASE left out

    // For those who answer in the server's place, and say the same to the server:
    const char *odd;                    // why nobody can; static; NULL: nothing speaks against it
    unsigned char wire[HELLO_ALPN_MAX]; // the protocols as the wire has them (RFC 7301 3.1, without
    size_t wire_n;                      // the length of the list), GREASE too; 0: none, or odd
    uint16_t least, most; // versions that it takes, 0x0300 … 0x0304; 0: none that is known
    bool ecdsa_p256;      // verifies ECDSA P-256, whichever of its versions is chosen
};

struct server_hello {
    char version[8];                  // "1.0" … "1.3"
    char cipher[CIPHER_NAME_MAX + 1]; // IANA name, or "0x1301" for one that is not in our list
    char alpn[32];                    // "" where not visible (1.3 encrypts it)
};

// Whether bytes from the beginning of a connection can be a client's hello: no is final; yes once
// the first six bytes fit, which nothing else is known to begin with.
enum hello_may { HELLO_NO, HELLO_MORE, HELLO_YES };
enum hello_may hello_may_be(struct view first);

// in: C2S (or S2C) bytes from the beginning of the connection, TLS records as they come; a hello
// may span several records. 0; E_AGAIN: not whole yet; E_SYNTAX: no TLS handshake, or not a hello;
// E_LIMIT.
int hello_client(struct view in, struct client_hello *out) MUST_CHECK;
int hello_server(struct view in, struct server_hello *out) MUST_CHECK;
// The server's own certificate, behind its hello, in DER: into memory. Those behind it need not
// have come. The same, and E_NOTFOUND: none follows in the clear, as of TLS 1.3, or none at all, as
// in a session that is resumed.
int hello_certificate(struct view in, unsigned char memory[HELLO_MAX], struct view *out) MUST_CHECK;

#endif
