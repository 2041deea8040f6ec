// err: the one set of error numbers. Functions answer 0 or one of these (negative).
#ifndef TAPEDECK_BASE_ERR_H
#define TAPEDECK_BASE_ERR_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum {
    E_OK = 0,
    E_NOMEM = -1,        // out of memory
    E_AGAIN = -2,        // nothing now, later perhaps
    E_EOF = -3,          // orderly end of input
    E_RESET = -4,        // the peer reset the connection
    E_LIMIT = -5,        // a ceiling was reached
    E_SYNTAX = -6,       // the text or bytes break their grammar
    E_RANGE = -7,        // a value outside what is allowed
    E_NOTFOUND = -8,     // no such thing (a host name, a file, a row)
    E_EXISTS = -9,       // is there already
    E_BUSY = -10,        // in use by somebody else
    E_FULL = -11,        // no room (ring, disk)
    E_DAMAGED = -12,     // content contradicts its own checks
    E_VERSION = -13,     // made by another version
    E_REFUSED = -14,     // connection refused, or not permitted
    E_TIMEOUT = -15,     // deadline passed
    E_UNREACHABLE = -16, // no route to the network or the host
    E_LOOP = -17,        // would lead back to ourselves
    E_UNSUPPORTED = -18, // known, but not offered
    E_IO = -19,          // the operating system failed; errno tells
    E_GONE = -20,        // was there, and is not any more
};

// A short lower-case phrase for an error number, never NULL; static memory.
const char *err_text(int e);

// E_NOMEM, with its phrase in why, of size bytes.
int err_no_memory(char *why, size_t size);

// What E_FULL means where a file did not take more, by the errno of that; static memory.
const char *err_full_text(int errnum);

// The E_ number that a connect(2), read(2) or write(2) errno stands for; E_IO where none fits.
int err_from_errno(int errnum);

#endif
