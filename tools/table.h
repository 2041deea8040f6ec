// table: aligned columns in bounded memory: the first rows wait until the widths are known, the
// later ones are written as they come.
#ifndef TAPEDECK_TOOLS_TABLE_H
#define TAPEDECK_TOOLS_TABLE_H

#include "tools/term.h"

#define TABLE_COLUMNS   128
#define TABLE_LOOKAHEAD 400         // rows that wait for the widths
#define TABLE_PAD       60          // a longer cell stands out of its column
#define TABLE_CELL_MAX  (1u << 20)  // bytes of a cell that are shown
#define TABLE_HELD_MAX  (16u << 20) // bytes of rows that wait

struct table;

// term outlives the table. NULL when out of memory. More columns than TABLE_COLUMNS: the first of
// them.
struct table *table_new(const struct term *term);

// TEXT gives way when a line is too long for the terminal; the others never do. NUMBER is to the
// right.
enum table_kind { TABLE_TEXT, TABLE_FIXED, TABLE_NUMBER };

// Before the first row; name is copied and written in capitals.
void table_column(struct table *t, const char *name, enum table_kind kind);
void table_no_header(struct table *t);

// The cells of a row from left to right; the last one ends the row. Text is copied.
void table_cell(struct table *t, enum style style, struct view text);
void table_cellf(struct table *t, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Writes what waits (a live view does so after each batch of rows).
void table_flush(struct table *t);

// Flushes and frees; t may be NULL.
void table_end(struct table *t);

#endif
