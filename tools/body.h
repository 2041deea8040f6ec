// body: the content of a message for a reader: as it is stored, or with its codings undone; whether
// it is text; in memory that does not depend on its size.
#ifndef TAPEDECK_TOOLS_BODY_H
#define TAPEDECK_TOOLS_BODY_H

#include "proto/base/buf.h"
#include "schema/store.h"
#include "tools/content.h"
#include "tools/jsonw.h"

// --max-decoded: the limit of body_look().
#define BODY_MAX_DECODED                                                                           \
    {                                                                                              \
        .name = "max-decoded", .type = OPT_SIZE, .initial = "256MiB", .min = 1,                    \
        .max = INT64_C(1) << 40, .unit = "SIZE",                                                   \
        .sentence = "A body that would become larger than this stays as it was on the wire.",      \
        .programs = CLI_PROGRAM                                                                    \
    }

#define BODY_HELD_MAX (1u << 20) // a body up to this is read once; a larger one a second time

struct body {
    struct store *store;
    int64_t id;           // body.id; 0: there is none
    int64_t size, stored; // bytes of the content, and of them kept
    char codings[256];    // value of Content-Encoding

    // What body_look() found:
    bool decoded;    // the codings are undone
    bool text;       // UTF-8
    bool damaged;    // a part cannot be read, which has been told
    uint64_t length; // bytes that body_give() gives
    char note[192];  // why this is not all, or not decoded; "" as a rule
    struct buf held; // the bytes, if whole
    bool whole;
};

// codings: a loan until return.
void body_init(struct body *b, struct store *s, int64_t id, int64_t size, int64_t stored,
               struct view codings);
void body_clear(struct body *b);

// Reads the body to know what it is. decode: with its codings undone, where that is possible and
// gives at most limit bytes; else as it is stored, with a note. Damage is told with cli_damage().
void body_look(struct body *b, bool decode, uint64_t limit);

// The bytes, after body_look(). 0, or what take answered. What cannot be read now although
// body_look() could is told with cli_damage().
int body_give(struct body *b, content_take *take, void *arg);

// The same as a JSON string: as it is when it is text, else base64.
void body_json(struct jsonw *w, const char *key, struct body *b);

#endif
