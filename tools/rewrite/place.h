// place: where in a message something is, as rules of rewriting write it. The words of where.h, and
//
//   host   method   path   path[1] (a segment, from 0)   path[*]
//   query.page   header authorization   cookie session   body   body.items[0].id   html csrf_token
//   PLACE > path[1]   PLACE > query.code       of a URL that stands there (Location, a link)
#ifndef TAPEDECK_TOOLS_REWRITE_PLACE_H
#define TAPEDECK_TOOLS_REWRITE_PLACE_H

#include "tools/rewrite/parts.h"

#define PLACE_TEXT 512 // bytes of one, as text
#define PLACE_ALLOWED                                                                              \
    "host, method, path, path[N], query.KEY, header NAME, cookie NAME, body, body.KEY, html NAME"

struct place {
    enum part_kind kind;
    bool any_index; // of a segment
    uint32_t index;
    struct where_pattern where; // of kinds with a name or a way to the value
    struct place *within;       // of a URL at this place; owned
};

// 0, or E_SYNTAX, E_LIMIT with why one phrase and *at the byte that it is about; E_NOMEM.
int place_parse(struct place *p, struct view text, size_t *at, char why[WHY_MAX]) MUST_CHECK;
void place_clear(struct place *p);

// Whether a part is just there; of a place within a URL: whether it may be where the URL is.
bool place_is(const struct place *p, const struct part *part);
// Whether part is what place names a member of, by a plain key that may be missing in it.
bool place_is_parent(const struct place *p, const struct part *part);
// Whether it is for request or answer, head or content alone.
bool place_in_content(const struct place *p);

// The text of a part's place; false: it is too long, or cannot be written. within: of a part of a
// URL in it; NULL.
bool place_text(const struct part *part, const struct part *within, char out[PLACE_TEXT]);

// The URL that a text is, or that stands in its brackets ("<https://…>; rel=next").
struct view place_url(struct view text);

// What stands at the place of a message: appended to out, behind what it has. E_NOTFOUND: nothing.
// The first one where there are several. p is for its own use.
int place_find(const struct place *place, struct parts *p, struct view head, struct view content,
               struct view type, struct buf *out) MUST_CHECK;

#endif
