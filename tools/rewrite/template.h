// template: a text with placeholders:
//
//   ${env:NAME}  ${file:PATH}  ${csv:FILE:COLUMN} (a row for each client, round and round)
//   ${uuid}  ${counter}  ${random:hex:16}  ${random:digits:6}  ${random:letters:8}  ${random:1-100}
//   ${now}  ${now+1h}  ${now-30m:FORMAT}   FORMAT: iso (2026-01-31T12:00:00Z), ms, s (since 1970),
//                                         http, or %Y %m %d %H … as strftime
//   ${live:NAME}   what a rule capture took from an answer of the run
//   $${            stands for "${"
#ifndef TAPEDECK_TOOLS_REWRITE_TEMPLATE_H
#define TAPEDECK_TOOLS_REWRITE_TEMPLATE_H

#include "tools/rewrite/resources.h"

#define TEMPLATE_PIECES_MAX 32
#define TEMPLATE_NAMES_MAX  256 // of live values
#define TEMPLATE_RANDOM_MAX 256 // letters
#define TEMPLATE_TEXT_MAX   (64u << 10)
#define TEMPLATE_SPAN_MAX   (INT64_C(36500) * 86400 * 1000000) // of ${now+…}

enum template_kind {
    TEMPLATE_TEXT,
    TEMPLATE_RESOURCE,
    TEMPLATE_UUID,
    TEMPLATE_COUNTER,
    TEMPLATE_RANDOM,
    TEMPLATE_RANGE,
    TEMPLATE_NOW,
    TEMPLATE_LIVE
};

struct template_piece {
    enum template_kind kind;
    struct view text;  // itself; of random the letters to draw from; of now the format
    size_t index;      // of a resource, a name
    uint64_t from, to; // of a range; of random the length is from
    int64_t us;        // of now
};
struct template
{
    struct template_piece *pieces;
    size_t n;
    char *text; // owned
};

// Names of live values, as they come.
struct template_names {
    char **items;
    size_t n;
};
int template_name(struct template_names *names, struct view name); // its index; E_LIMIT, E_NOMEM
void template_names_clear(struct template_names *names);

// line, column: where text begins, for messages about resources. 0, or E_SYNTAX, E_LIMIT, E_NOMEM
// with why one phrase and *at the byte that it is about.
int template_parse(struct template *t, struct view text, struct resources *resources,
                   struct template_names *names, size_t line, size_t column, size_t *at,
                   char why[WHY_MAX]) MUST_CHECK;
void template_clear(struct template *t);

// What placeholders stand for now.
struct template_world {
    const struct loaded *loaded;
    uint64_t row;
    uint64_t draw; // what is drawn follows from it
    uint64_t *counter;
    int64_t now_us;
    bool (*live)(void *arg, size_t name, struct view *value);
    void *arg;
};
// Appends to out. E_NOTFOUND: a live value is not there; E_LIMIT, E_NOMEM.
int template_write(const struct template *t, const struct template_world *w,
                   struct buf *out) MUST_CHECK;

// A number that follows from others, evenly spread (splitmix64).
uint64_t template_draw(uint64_t *state);

#endif
