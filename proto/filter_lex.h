// filter_lex: the words of the filter language, for filter_parse alone.
#ifndef TAPEDECK_FILTER_LEX_H
#define TAPEDECK_FILTER_LEX_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proto/base/view.h"

struct filter_lex {
    char *p; // the text; changed behind the cursor only
    size_t n, at;
    size_t *column; // where an error is told
    char *why;
};

// What stands in the text, in a form that fits a sentence.
struct filter_lex_quoted {
    char text[40];
};
struct filter_lex_quoted filter_lex_quote(struct view v);

// Tells an error of the byte column; answers e.
int filter_lex_fail(struct filter_lex *in, size_t column, int e, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void filter_lex_space(struct filter_lex *in); // passes over white space
bool filter_lex_at(const struct filter_lex *in, const char *text);
bool filter_lex_in_name(char c);
bool filter_lex_is_keyword(struct view v);

// The name, or the bare word, under the cursor; not taken. A word goes on up to what can only be
// the next token.
struct view filter_lex_name(const struct filter_lex *in);
struct view filter_lex_word(const struct filter_lex *in);

// Takes the keyword, or its sign (may be NULL), when it is next behind white space.
bool filter_lex_take_keyword(struct filter_lex *in, const char *word, const char *sign);

// Takes "..." or '...', which the cursor stands at; its escapes are undone.
int filter_lex_take_quoted(struct filter_lex *in, struct view *out) MUST_CHECK;

// Puts ASCII letters in lower case; with keep_escapes not the one behind a backslash.
void filter_lex_lower(struct view v, bool keep_escapes);

#endif
