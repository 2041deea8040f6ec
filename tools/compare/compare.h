// compare: what differs between two halves of transactions, a request and another, or an answer and
// another.
//
// Nothing here reads a file or a clock. What counts as equal:
//
//   headers   by name in any case, in any order across names, in their order within one; those of
//             rules_ignored never count; Content-Length only where no content is compared
//   JSON      by key, in any order; a value has a type: 1 is not "1", but 1 is 1.0 (number.h); of a
//             key that stands twice the first is compared with the first; arrays by index
//   XML       elements and attributes by name, attributes in any order; text as it is
//   forms     by key, in any order, and so the query
//   text      line by line;  anything else byte by byte
//   what redaction replaced on either side, to any value there but null (tag.h)
//
// Content that is not whole is compared by size and digest of what was on the wire; where no digest
// is known, by what there is of it on both sides, so that equal then means: as far as can be seen.
// A type that nobody names is found by looking.
#ifndef TAPEDECK_TOOLS_COMPARE_COMPARE_H
#define TAPEDECK_TOOLS_COMPARE_COMPARE_H

#include "tools/compare/differences.h"
#include "tools/compare/rules.h"

// A request by its parts, for those that know them.
struct compare_named {
    struct view method, host, path, query;
};

struct compare_half {
    bool absent;      // there is none; the rest says nothing
    bool cut;         // the connection ended within it
    int64_t status;   // of an answer; 0: none
    struct view head; // first line and fields, as they passed; empty: a protocol without
    const struct compare_named *named; // of both halves, or NULL: stands for the first line, and
                                       // head has the fields alone
    struct view type;                  // value of Content-Type
    struct view content;               // with its codings undone
    bool whole;                        // content is all of it; else it is its beginning, or empty
    int64_t size;                      // of the content on the wire
    struct view digest;                // of it; empty: not known
    struct view trailers;
};

// Adds to out what differs under the rules (NULL: none but the built-in ones). All are loans until
// return. 0 or E_NOMEM, when out holds a part.
int compare(const struct rules *rules, const struct rules_subject *subject,
            const struct compare_half *left, const struct compare_half *right,
            struct differences *out) MUST_CHECK;

// Two contents alone; types as in Content-Type, empty where not known.
int compare_content(const struct rules *rules, const struct rules_subject *subject,
                    struct view left, struct view left_type, struct view right,
                    struct view right_type, struct differences *out) MUST_CHECK;

#endif
