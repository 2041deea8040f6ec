// http_named: what a request's target names, and the request's head as its origin server is to see
// it (RFC 9112 3.2). No I/O.
#ifndef TAPEDECK_PROXY_FRONT_HTTP_NAMED_H
#define TAPEDECK_PROXY_FRONT_HTTP_NAMED_H

#include "proto/base/addr.h"
#include "proto/base/buf.h"
#include "proxy/http/head.h"

enum http_form {
    HTTP_FORM_PATH,      // "/a?b", "*", or anything that is none of the below
    HTTP_FORM_ABSOLUTE,  // "http://host/a?b", also with https
    HTTP_FORM_FOREIGN,   // absolute with another scheme
    HTTP_FORM_AUTHORITY, // the target of CONNECT
};

struct http_named {
    enum http_form form;
    struct view scheme;
    struct view authority; // without user information; a loan from the head
    struct view path;      // of an absolute target: "", "/…" or "?…"
    struct hostport host;  // of ABSOLUTE and AUTHORITY
};

// h: a head without faults. 0, or E_SYNTAX: the authority is not HOST or HOST:PORT (AUTHORITY: not
// HOST:PORT).
int http_named_parse(const struct http_head *h, struct http_named *out) MUST_CHECK;

// Appends the head with its absolute target in origin-form, Host set to the target's authority and
// the fields that are for a proxy (Proxy-…) left out; all other bytes as they came. head: the bytes
// that h was parsed from, to the end of its empty line. 0, or E_NOMEM, E_LIMIT: nothing was
// appended.
int http_named_rewrite(struct view head, const struct http_head *h, const struct http_named *named,
                       struct buf *out) MUST_CHECK;

#endif
