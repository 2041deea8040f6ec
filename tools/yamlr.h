// yamlr: a YAML text that people write, read value by value, with errors that name line and column.
//
//   yamlr_new → yamlr_next → YAMLR_MAP → yamlr_next → YAMLR_VALUE (a key) → … → YAMLR_DONE
//
// One document; no aliases. What an alias or a second document would be is an error.
#ifndef TAPEDECK_TOOLS_YAMLR_H
#define TAPEDECK_TOOLS_YAMLR_H

#include "proto/base/err.h"
#include "proto/base/options.h"

enum yamlr_what {
    YAMLR_DONE, // behind the document; also at once, where it is empty
    YAMLR_VALUE,
    YAMLR_LIST,
    YAMLR_LIST_END,
    YAMLR_MAP, // its keys and values follow in turn
    YAMLR_MAP_END
};

struct yamlr_mark {
    size_t line, column; // from 1
};

struct yamlr;

// name: what stands for the text in messages; both outlive it, as does why, where every error is
// told: NAME:LINE:COLUMN: and what is wrong. NULL: out of memory, or text is larger than max bytes.
struct yamlr *yamlr_new(const char *name, struct view text, size_t max, char why[WHY_MAX]);
void yamlr_free(struct yamlr *y); // y may be NULL

// The next one. 0, E_SYNTAX, E_NOMEM.
int yamlr_next(struct yamlr *y, enum yamlr_what *what) MUST_CHECK;

// What the last yamlr_next() found; YAMLR_DONE before it.
enum yamlr_what yamlr_what(const struct yamlr *y);

// Of a YAMLR_VALUE: its text, a loan until the next one, and as much of it as messages show.
#define YAMLR_SHOWN 72
struct view yamlr_value(const struct yamlr *y);
const char *yamlr_shown(const struct yamlr *y, char out[YAMLR_SHOWN]);
// A plain value that stands for nothing: empty, ~ or null.
bool yamlr_is_null(const struct yamlr *y);

// Where the value at hand begins; that of its byte n, where it stands on one line without escapes,
// else its beginning.
struct yamlr_mark yamlr_mark(const struct yamlr *y);
struct yamlr_mark yamlr_mark_in(const struct yamlr *y, size_t n);

// Tells an error at the value at hand, or at a mark. Returns e.
int yamlr_fail(struct yamlr *y, int e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int yamlr_fail_at(struct yamlr *y, struct yamlr_mark at, int e, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// A duplicate of the value at hand, of 1 to max bytes without NUL; what: its name in messages.
int yamlr_copy(struct yamlr *y, const char *what, size_t max, char **out) MUST_CHECK;

#endif
