// record: a whole transaction as one JSON object, the way `export jsonl` and `show --json` give it.
#ifndef TAPEDECK_TOOLS_RECORD_H
#define TAPEDECK_TOOLS_RECORD_H

#include "tools/head.h"
#include "tools/jsonw.h"
#include "tools/rows.h"

enum record_bodies { BODIES_NONE, BODIES_STORED, BODIES_DECODED };

struct record_spec {
    enum record_bodies bodies;
    bool heads;     // the exact bytes of the heads as well
    uint64_t limit; // bytes that a decoded body may have
};

// Members: the fields; "redacted"; "timing"; "request" and "response" (null where that half is
// missing), or "chunks" for a conversation that no decoder names.
void record_json(struct jsonw *w, struct rows *r, const struct record_spec *spec);

// A string member: text, or base64 of what is not UTF-8, with "encoding" before it.
void record_bytes(struct jsonw *w, const char *key, struct view v);

// The value of a field, its folded lines joined by blanks.
void record_value(struct jsonw *w, const char *key, const struct head_field *f);

// An array of [name, value].
void record_fields(struct jsonw *w, const char *key, struct view head);

#endif
