// quote: text as a word of a shell, which reads nothing in it as its own.
#ifndef TAPEDECK_TOOLS_QUOTE_H
#define TAPEDECK_TOOLS_QUOTE_H

#include "proto/base/view.h"

#include <stdio.h>

// In single quotes, as POSIX shells take it: 'it'\''s'.
void quote_sh(FILE *out, const char *text);
// What stands between those quotes, for a word that is put together.
void quote_sh_inside(FILE *out, struct view text);

// As fish takes it: 'it\'s'.
void quote_fish(FILE *out, const char *text);

// A word to be read by people as well: bare where that is the same to every shell, else as
// quote_sh(). Returns out; or word itself, where out is too small.
const char *quote_word(const char *word, char *out, size_t size);

#endif
