// redact: a sink before the emitter that replaces secrets before anything is kept. Equal values
// stay equal: each becomes "redacted:" and 16 hexadecimal digits of HMAC-SHA-256 under a key.
#ifndef TAPEDECK_PROXY_EMIT_REDACT_H
#define TAPEDECK_PROXY_EMIT_REDACT_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proxy/emit/sink.h"

#define REDACT_BODY_MAX                                                                            \
    (1u << 20) // a JSON body beyond this, or one that is encoded, is left out whole when a JSON
               // path rule may apply

struct redact;

// rules: comma-separated: "none", "default" (header:authorization, header:proxy-authorization,
// header:cookie, header:set-cookie), "header:NAME", "query:NAME", "json:PATH" (PATH: $.a.b,
// $.a[*].b, $..b). key: 32 bytes. next outlives it. NULL with *why set: a bad rule, or out of
// memory. With "none" (and no other rule) redact_sink() is next itself.
struct redact *redact_new(const char *rules, const unsigned char key[32], struct sink *next,
                          char why[WHY_MAX]);
void redact_free(struct redact *r);
struct sink *redact_sink(struct redact *r);

#endif
