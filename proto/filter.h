// filter: the language in which people say which transactions they mean.
//
//   status >= 500 and host ~ "^api" and duration > 100ms and not path ~ "/healthz"
//   req.header["x-tenant"] = "acme" or res.body contains "timeout"
//   since 10m and direction = inbound
//
//   expr    = term { "or" term }        term = factor { "and" factor }
//   factor  = "not" factor | "(" expr ")" | test
//   test    = field op value
//           | field                         (it is there and neither empty nor 0)
//           | "since" when | "until" when   (when: a duration before now, or RFC 3339)
//   op      = "=" "==" "!=" "<" "<=" ">" ">="
//           | "~" "!~"                      (POSIX extended regular expression, found anywhere)
//           | "contains" | "in" "(" value { "," value } ")"
//   value   = number | size | duration | time | word | "text with \" escapes" | 'text'
//
// Keywords and field names in any case; && || ! for and, or, not. In quotes a backslash stands for
// itself unless a quote or a backslash follows. A test of what is absent (no answer, no such
// header) is false; "!=" and "!~" are the opposites of "=" and "~". Of several header lines of one
// name the first counts. An empty body is absent.
//
// This file knows the language and the names; schema/ turns the tree into SQL, proxy/emit/filter.c
// evaluates it.
#ifndef TAPEDECK_FILTER_H
#define TAPEDECK_FILTER_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proto/base/view.h"

#include <regex.h>
#include <stdio.h>

enum filter_type {
    FILTER_TEXT,
    FILTER_NUMBER,
    FILTER_SIZE,
    FILTER_DURATION,
    FILTER_TIME,
    FILTER_BYTES
};

// Every field of a transaction, in the order in which they are listed and printed. The names are
// the column names of the view `http` and the keys of `tapedeck ls --json` too.
enum filter_field {
    FIELD_ID,
    FIELD_TIME,
    FIELD_PROTOCOL,
    FIELD_DIRECTION,
    FIELD_METHOD,
    FIELD_SCHEME,
    FIELD_HOST,
    FIELD_PATH,
    FIELD_QUERY,
    FIELD_URL,
    FIELD_STATUS,
    FIELD_VERSION,
    FIELD_DURATION,
    FIELD_WAIT,
    FIELD_REQ_SIZE,
    FIELD_RES_SIZE,
    FIELD_REQ_TYPE,
    FIELD_RES_TYPE,
    FIELD_CLIENT,
    FIELD_SERVER,
    FIELD_TARGET,
    FIELD_REQUESTED,
    FIELD_FRONT,
    FIELD_FLOW,
    FIELD_N,
    FIELD_STATE,
    FIELD_BY_PROXY,
    FIELD_NOTE,
    FIELD_SNI,
    FIELD_POD,
    FIELD_NAMESPACE,
    FIELD_WORKLOAD,
    FIELD_ORIGINAL,
    FIELD_OUTCOME,
    FIELD_COLUMNS, // those above are columns of the view
    FIELD_REQ_HEADER = FIELD_COLUMNS,
    FIELD_RES_HEADER,
    FIELD_REQ_BODY,
    FIELD_RES_BODY,
    FIELD_COUNT
};

struct filter_field_def {
    const char *name; // "req.header" takes a key in brackets
    enum filter_type type;
    bool fold;            // its text is kept in lower case, and compared without regard to case
    const char *choices;  // "a|b" when there is a fixed set of texts, else NULL
    const char *sentence; // for help and man pages; units
};
extern const struct filter_field_def filter_fields[FIELD_COUNT];

// The field of that name (any case), or FIELD_COUNT; and the one whose name is most like it, or
// FIELD_COUNT when none is.
enum filter_field filter_field_find(struct view name);
enum filter_field filter_field_nearest(struct view name);

enum filter_op {
    OP_AND,
    OP_OR,
    OP_NOT,
    OP_IS /* bare field */,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_MATCH,
    OP_NOT_MATCH,
    OP_CONTAINS,
    OP_IN
};

#define FILTER_TEXT_MAX  8192 // bytes of an expression
#define FILTER_DEPTH_MAX 24   // nesting; the SQL made of it stays within SQLite's parser stack
#define FILTER_NODES_MAX 1024

// A node of the tree. AND, OR: left and right. NOT: left. Tests: field, key, value; IN: value and
// next values.
struct filter_value {
    struct view text; // of text, bytes, words; also the source text of numbers
    int64_t number;   // numbers, sizes (bytes), durations and times (µs)
    struct filter_value *next;
};
struct filter_node {
    enum filter_op op;
    struct filter_node *left, *right;
    enum filter_field field;
    struct view key; // of a header field, lower case
    struct filter_value *value;
    regex_t *regex; // compiled, for OP_MATCH and OP_NOT_MATCH
};

struct filter; // owns its tree and all text in it

// Parses text; now_us is what "since 10m" counts from. 0 with *out owned by the caller, or E_SYNTAX
// / E_LIMIT / E_NOMEM with *why one sentence and *column (from 0) the place in text. An empty or
// blank text is the filter that takes all: its root is NULL.
int filter_parse(struct view text, int64_t now_us, struct filter **out, size_t *column,
                 char why[WHY_MAX]) MUST_CHECK;
void filter_free(struct filter *f);
const struct filter_node *filter_root(const struct filter *f);

// The usual way to show an error: the text, a caret below the column, the sentence.
void filter_print_error(FILE *out, struct view text, size_t column, const char *why);

#endif
