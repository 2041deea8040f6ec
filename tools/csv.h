// csv: RFC 4180: fields to a file, quoted where they must be, lines ending in CRLF.
#ifndef TAPEDECK_TOOLS_CSV_H
#define TAPEDECK_TOOLS_CSV_H

#include "schema/store.h"

#include <stdio.h>

void csv_field(FILE *out, struct view v, bool first);
void csv_end(FILE *out); // of a line

// A column of a row; NULL is an empty field.
void csv_column(FILE *out, const struct store_query *q, int i, bool first);

#endif
