// coding: how a text is written at its place in a message: as it is, percent-encoded, as JSON.
#ifndef TAPEDECK_TOOLS_REWRITE_CODING_H
#define TAPEDECK_TOOLS_REWRITE_CODING_H

#include "proto/base/buf.h"
#include "proto/base/err.h"

enum coding {
    CODING_PLAIN,   // as it is
    CODING_FIELD,   // in a header: as it is, but without line ends and NUL
    CODING_COOKIE,  // a cookie's value: the same without ';' either
    CODING_TARGET,  // a whole path: what cannot stand in one is percent-encoded
    CODING_SEGMENT, // of a path
    CODING_QUERY,   // a value in a query
    CODING_FORM,    // the same in a form: a blank is '+'
    CODING_TEXT,    // a JSON string with its quotes
    CODING_BARE,    // any other JSON value
    CODING_XML      // text of an element or an attribute
};

// Appends what raw means to out: never longer than raw. 0, E_NOMEM.
int coding_read(enum coding c, struct view raw, struct buf *out) MUST_CHECK;
// Appends text as it is written there. 0; E_SYNTAX: it cannot stand there; E_LIMIT, E_NOMEM.
int coding_write(enum coding c, struct view text, struct buf *out) MUST_CHECK;

// Base64 (RFC 4648), the plain alphabet or that of URLs, read with and without padding. Appended to
// out. E_SYNTAX: it is none; E_LIMIT, E_NOMEM.
int coding_base64_read(struct view raw, bool url, struct buf *out) MUST_CHECK;
// url: without padding.
int coding_base64_write(struct view bytes, bool url, struct buf *out) MUST_CHECK;

#endif
