// parts: every text in a message that may be a value, each with its place, its bytes and its
// meaning. One walk serves those who change requests, those who learn from answers, and those who
// look for what goes from one to the other.
//
//   GET /items/17?page=2      method, path, segments (path[1]: 17), query.page
//   Host: api                 host, header host
//   Cookie: a=1; b=2          header cookie, cookie a, cookie b (of an answer: Set-Cookie)
//   {"id": 17}                body.id: 17 and, behind what is in it, the object itself: body
//   a=1&b=2                   body.a, body.b (a form, also multipart/form-data), then body
//   <input name=x value=7>    html x: 7, then body
//   <a b="1">x</a>            body.a.@b, body.a.#text (XML), then body
//
// Parts come in the order of their bytes but for containers, which come behind what is in them.
#ifndef TAPEDECK_TOOLS_REWRITE_PARTS_H
#define TAPEDECK_TOOLS_REWRITE_PARTS_H

#include "tools/compare/where.h"
#include "tools/rewrite/coding.h"
#include "tools/rewrite/edits.h"

#define PARTS_DEPTH_MAX 128 // values within values; deeper it is a text
#define PARTS_NAMES_MAX 256 // names of which it is counted how often they stood before
#define PARTS_TEXT_MAX  (16u << 20)

enum part_kind {
    PART_METHOD,
    PART_HOST,
    PART_PATH,
    PART_SEGMENT,
    PART_QUERY,
    PART_HEADER,
    PART_COOKIE,
    PART_VALUE, // of JSON, a form, XML
    PART_HTML,
    PART_BODY, // all of the content, where it is not one value of JSON
    PART_KINDS
};

struct part {
    enum part_kind kind;
    const struct where_step *steps; // the name, or the way to the value
    size_t depth;
    uint32_t index;     // of a segment, from 0
    struct view raw;    // the bytes of the value in the head or the content
    struct view text;   // what they mean; of a container its bytes
    enum coding coding; // between the two
    bool content;       // raw is in the content
    bool container;     // of JSON
};

// What a taker answers.
enum { PARTS_ON = 0, PARTS_REMOVE = 1 }; // or E_…, which ends the walk
typedef int parts_take(void *arg, const struct part *p);

enum { PARTS_HEAD = 1, PARTS_CONTENT = 2 };

struct parts {
    unsigned wants;         // PARTS_…
    bool s2c;               // an answer: its first line has no parts
    struct edits *edits[2]; // of head and content: for removals; NULL: there are none
    struct buf text, keys;  // scratch
    struct where_step steps[PARTS_DEPTH_MAX];
    struct view names[PARTS_NAMES_MAX];
    parts_take *take;
    void *arg;
    bool refused; // take answered an error
};

void parts_init(struct parts *p, parts_take *take, void *arg);
void parts_clear(struct parts *p);

// type: value of Content-Type. Parts are loans for the call of take. A removal is told to the edits
// with what belongs to it: name, separator, line. 0, E_NOMEM, or what take answered.
int parts_each(struct parts *p, struct view head, struct view content, struct view type) MUST_CHECK;

// The parts of a URL, or of what follows its host: path, segments, query.
int parts_of_url(struct parts *p, struct view url) MUST_CHECK;
// Whether a text is such a URL.
bool parts_is_url(struct view text);

// ---- for the files of parts alone

// Gives the part: its text is read from raw.
int parts_give(struct parts *p, struct part *one);
// Whether names before it are the same, and so which number it has.
uint32_t parts_number(struct parts *p, size_t known, struct view name);

// A list of which items may be removed: with the separator that is then one too many.
struct parts_list {
    size_t edits; // 0: of the head, 1: of the content
    struct view whole;
    bool kept, pending;
    size_t from; // of what is pending
    size_t end;  // of the item before
};
// An item from `at` on begins; it ended at `end`, and is removed or not; the list is over.
int parts_list_begin(struct parts *p, struct parts_list *l, size_t at);
int parts_list_item(struct parts *p, struct parts_list *l, size_t at, size_t end, bool remove);
int parts_list_end(struct parts *p, struct parts_list *l);

// 0, E_SYNTAX: it is none, although parts may have been given; else as parts_each().
int parts_json(struct parts *p, struct view in, bool lines);
int parts_html(struct parts *p, struct view in);
int parts_xml(struct parts *p, struct view in);
int parts_multipart(struct parts *p, struct view in, struct view type);

#endif
