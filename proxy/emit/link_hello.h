// link_hello: what a link says besides records, and what it hears besides ACKs. Bytes only, no I/O.
#ifndef TAPEDECK_PROXY_EMIT_LINK_HELLO_H
#define TAPEDECK_PROXY_EMIT_LINK_HELLO_H

#include "proto/base/buf.h"
#include "proxy/emit/link.h"

// Whole frames are appended: 0, E_NOMEM, or E_LIMIT when the identity is too large for a frame.
int link_put_hello(struct buf *out, const struct link_identity *id,
                   const struct journal_facts *facts) MUST_CHECK;
int link_put_bye(struct buf *out, uint64_t last_seq, const char *reason) MUST_CHECK;

struct link_welcome {
    unsigned protocol;
    uint64_t last_seq, file;
    char software[64], refusal[256]; // cut
};
// E_SYNTAX: it is none.
int link_take_welcome(struct view payload, struct link_welcome *out) MUST_CHECK;

#endif
