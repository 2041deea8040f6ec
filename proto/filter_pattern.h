// filter_pattern: regular expressions of the filter language, checked before the C library compiles
// them, so that a pattern of a few bytes cannot ask for gigabytes.
#ifndef TAPEDECK_FILTER_PATTERN_H
#define TAPEDECK_FILTER_PATTERN_H

#include "proto/base/err.h"
#include "proto/base/view.h"

#include <regex.h>

#define FILTER_PATTERN_MAX   1024 // bytes of a pattern
#define FILTER_PATTERN_UNITS 2000 // of its size with all repetitions written out
#define FILTER_PATTERN_DEPTH 32   // groups within groups

// Compiles a POSIX extended regular expression for filter_pattern_match(). Back
// references are refused: matching them can take exponential time. 0, E_SYNTAX, E_LIMIT or E_NOMEM
// with *why one phrase and *at the byte of the pattern that it is about. After 0 the caller owes
// regfree().
int filter_pattern_compile(struct view pattern, regex_t *out, size_t *at, char why[128]) MUST_CHECK;

// Whether the pattern is found anywhere in text, which may hold NUL. 1 or 0, or E_NOMEM.
int filter_pattern_match(regex_t *regex, struct view text) MUST_CHECK;

// The same for filter_pattern_find(), which tells where it was found: the whole in m[0], its groups
// behind it, -1 where there are none. from: where the search begins; what stands before it is still
// text. 1 or 0, or E_NOMEM.
#define FILTER_PATTERN_GROUPS 10
int filter_pattern_compile_groups(struct view pattern, regex_t *out, size_t *at,
                                  char why[128]) MUST_CHECK;
int filter_pattern_find(regex_t *regex, struct view text, size_t from,
                        regmatch_t m[FILTER_PATTERN_GROUPS]) MUST_CHECK;

#endif
