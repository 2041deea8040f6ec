// term: what the output is: a terminal or not, its width, whether colours and UTF-8 are wanted; and
// bytes of a stranger made harmless for it.
#ifndef TAPEDECK_TOOLS_TERM_H
#define TAPEDECK_TOOLS_TERM_H

#include "proto/base/options.h"
#include "proto/base/view.h"

#include <stdio.h>

struct term {
    FILE *out;
    bool tty, color, utf8;
    int width; // columns; 0: no terminal, lines are as long as they are
};

// Looks at out, NO_COLOR, TERM and the option --color.
void term_init(struct term *t, FILE *out, const struct options *o);

enum style {
    STYLE_PLAIN,
    STYLE_DIM,
    STYLE_BOLD,
    STYLE_HEAD, // a column's name
    STYLE_GOOD,
    STYLE_NOTE,
    STYLE_WARN,
    STYLE_BAD,
    STYLE_NAME, // of a header field, a key
    STYLE_COUNT
};
void term_on(const struct term *t, enum style style); // nothing without colour
void term_off(const struct term *t, enum style style);

// The style of a status code; 0: none.
enum style term_status_style(int64_t status);

// Writes v so that it stays within its line and cannot steer a terminal: control characters, and
// what is not UTF-8, as \xNN; lines: '\n' and '\t' pass. At most width columns (0: all), an
// ellipsis for the rest. Returns the columns written.
int term_text(const struct term *t, struct view v, bool lines, int width);

// The columns that term_text() would take.
int term_width(const struct term *t, struct view v);

// Width of the terminal at fd, or otherwise.
int term_columns(int fd, int otherwise);

#endif
