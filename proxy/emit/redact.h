// redact: a sink before the emitter that replaces secrets before anything is kept. Equal values
// stay equal: each becomes "redacted:" and 16 hexadecimal digits of HMAC-SHA-256 under a key.
//
//   header:NAME   the value in heads and trailers, requests and answers. Of cookies each value is
//                 replaced by itself, so names and attributes stay, and a cookie can be followed
//                 from Set-Cookie to Cookie; of credentials a known scheme stays ("Bearer
//                 redacted:…"). Of all other headers the whole value goes. With Authorization
//                 goes the userinfo of URLs and of Host (https://user:password@host/).
//   query:NAME    the parameter's value in the request target, and behind a '?' or '#' in any
//                 header, up to the next '&'; the name, behind '?', '&', ';' or '#', is compared
//                 after percent-decoding and without regard to case; name[] and name[key] are
//                 meant, too.
//   json:PATH     the value in a JSON body, or in each of several that follow each other; all other
//                 bytes stay as they are. PATH is $ and steps: .name, ..name (at any depth), [*]
//                 (each element), [N]. null stays.
//
// It fails closed. A body that a path may apply to, but that is encoded, too large, cut off or no
// JSON, is left out whole and told of as a loss; one applies to bodies whose type says JSON, and to
// those whose first byte is { or [, but for images, audio, video and fonts; an encoded body passes
// when its type says something other than JSON. Of a conversation in HTTP/1 all that
// cannot be read as such is left out by rule, as "http (unreadable)": a head that is unfinished,
// too large or refused, and what follows where the framing was lost. Bytes that never were HTTP/1
// (other protocols, tunnels, WebSocket) pass as they are.
#ifndef TAPEDECK_PROXY_EMIT_REDACT_H
#define TAPEDECK_PROXY_EMIT_REDACT_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proxy/emit/sink.h"
#include "proxy/stats.h"

#define REDACT_BODY_MAX                                                                            \
    (1u << 20) // a JSON body beyond this, or one that is encoded, is left out whole when a JSON
               // path rule may apply
#define REDACT_HELD_MAX  (8u << 20) // of such bodies under way in all flows; beyond it the same
#define REDACT_RULES_MAX 64
#define REDACT_DEPTH_MAX 128 // nesting of a JSON body; beyond it the same

struct redact;

// rules: comma-separated: "none", "default" (header:authorization, header:proxy-authorization,
// header:cookie, header:set-cookie), "header:NAME", "query:NAME", "json:PATH". key: 32 bytes. next
// outlives it. NULL with *why set: a bad rule, or out of memory. With "none" (and no other rule)
// redact_sink() is next itself.
struct redact *redact_new(const char *rules, const unsigned char key[32], struct sink *next,
                          char why[WHY_MAX]);
// Whether redact_new() would take the rules: 0; E_SYNTAX, E_NOMEM with why in one line.
int redact_check(const char *rules, char why[WHY_MAX]) MUST_CHECK;
// Bodies under way draw on a budget that others draw on too: *used bytes of memory, at most max,
// which stats->tap_bytes counts as well. To be told before the first flow; all outlive r's flows.
void redact_bound(struct redact *r, size_t *used, size_t max, struct stats *stats);
// All its flows were closed. r may be NULL.
void redact_free(struct redact *r);
struct sink *redact_sink(struct redact *r);

#endif
