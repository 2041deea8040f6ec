// tree: a structured body as nodes of one kind, whatever it was written in: JSON, XML, a form.
//
//   JSON    {"a": [1, "x"]}      OBJECT{ a: ARRAY[ NUMBER 1, TEXT x ] }
//   XML     <a b="1">x</a>       OBJECT{ a: ELEMENT{ @b: TEXT 1, #text: TEXT x } }
//   form    a=1&b=2              OBJECT{ a: TEXT 1, b: TEXT 2 }
#ifndef TAPEDECK_TOOLS_COMPARE_TREE_H
#define TAPEDECK_TOOLS_COMPARE_TREE_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proto/base/view.h"

#define TREE_DEPTH_MAX 256        // containers within containers
#define TREE_NODES_MAX (1u << 20) // values of one body

enum tree_type {
    TREE_NULL,
    TREE_FALSE,
    TREE_TRUE,
    TREE_NUMBER,
    TREE_TEXT,
    TREE_ARRAY,  // its items have no key
    TREE_OBJECT, // its members have any order, and a key may be there more than once
    TREE_ELEMENT // the same, and the order of different keys counts, but for those that begin with
                 // '@' (attributes)
};

struct tree_node {
    enum tree_type type;
    uint32_t first, last, next; // children and sibling; 0: none
    uint32_t count;             // of children
    struct view key;            // without escapes; of an element "namespace name"
    struct view text;           // of a number as it was written, of a text without its escapes
    uint64_t hash;              // equal values have equal ones
};

struct tree_block;
struct tree {
    struct tree_node *nodes; // nodes[0] is the root; a child stands behind its parent
    size_t n, cap;
    struct tree_block *blocks; // of text that had to be changed
};

// Each reads the whole of in, a loan for as long as the tree is used. 0; E_SYNTAX with why: line,
// column, what; E_LIMIT: deeper or larger than above, or XML with a document type of its own;
// E_NOMEM. The tree is to be cleared in any case.
//
// JSON is RFC 8259's, behind a byte order mark if there is one. Bytes of strings that are not UTF-8
// stay what they are. lines: values one behind the other (NDJSON), which become an array.
int tree_json(struct tree *t, struct view in, bool lines, char why[WHY_MAX]) MUST_CHECK;
// White space is left out where it stands beside elements only. Comments and instructions are no
// content.
int tree_xml(struct tree *t, struct view in, char why[WHY_MAX]) MUST_CHECK;
// application/x-www-form-urlencoded, and the query of a URL: nothing is malformed.
int tree_form(struct tree *t, struct view in, char why[WHY_MAX]) MUST_CHECK;
void tree_clear(struct tree *t);

// For those that build trees. A new node at the end of parent's children (UINT32_MAX: the root):
// its index, or E_LIMIT, E_NOMEM.
int64_t tree_add(struct tree *t, uint32_t parent, enum tree_type type, struct view key);
// The name of an element without its namespace.
struct view tree_local(struct view key);
// n bytes that live as long as the tree; NULL: no memory.
char *tree_room(struct tree *t, size_t n);
// At last: computes the hashes.
void tree_finish(struct tree *t);

#endif
