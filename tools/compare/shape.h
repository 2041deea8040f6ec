// shape: what a text looks like: an id, a time, a token; for values that differ from run to run and
// are right as long as they keep their form.
#ifndef TAPEDECK_TOOLS_COMPARE_SHAPE_H
#define TAPEDECK_TOOLS_COMPARE_SHAPE_H

#include "proto/base/view.h"

// In the order in which shape_of() tries them: the narrow ones first.
enum shape {
    SHAPE_NONE,
    SHAPE_UUID,        // RFC 9562, any version, in any case, also in braces or as urn:uuid:
    SHAPE_ULID,        // 26 letters of Crockford's base 32
    SHAPE_OBJECTID,    // 24 hexadecimal digits
    SHAPE_TRACEPARENT, // W3C trace context: 00-…-…-01
    SHAPE_JWT,         // three base64url parts, the first of them a JSON object (RFC 7519)
    SHAPE_HTTP_DATE,   // RFC 9110, section 5.6.7, IMF-fixdate or one of the obsolete forms
    SHAPE_TIME,        // ISO 8601 / RFC 3339: a date with a time; zone and fraction may lack
    SHAPE_DATE,        // 2026-01-31
    SHAPE_EMAIL,       // somebody@example.com
    SHAPE_IP,          // IPv4 or IPv6, with or without a port
    SHAPE_EPOCH_MS,    // milliseconds since 1970, of the years 2001 to 2100
    SHAPE_EPOCH,       // seconds since 1970, of the same years; a fraction may follow
    SHAPE_TRACE_ID,    // W3C trace id: 32 lower-case hexadecimal digits, not all 0
    SHAPE_HEX,         // at least 8 hexadecimal digits, a letter among them, or a digest's number
                       // of them; the other side's text has as many
    SHAPE_NUMBER,      // as JSON has it
    SHAPE_COUNT
};

extern const char *const shape_names[SHAPE_COUNT]; // "uuid", as rules call it
extern const char *const shape_sentences[SHAPE_COUNT];

// Whether the text has the shape.
bool shape_is(enum shape shape, struct view text);

// Whether both have it, and in the same measure where it has one (SHAPE_HEX).
bool shape_both(enum shape shape, struct view a, struct view b);

// The first shape that both have, or SHAPE_NONE.
enum shape shape_of(struct view a, struct view b);

// The shape of that name, or SHAPE_NONE.
enum shape shape_find(struct view name);

// A time in any of the shapes of time, as microseconds since 1970. A time without a zone is taken
// as UTC. 0 or E_SYNTAX.
int shape_time(struct view text, int64_t *us);

#endif
