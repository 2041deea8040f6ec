// markup: strangers' text in XML and HTML: nothing in it is markup, and nothing in it is a
// character that a document may not have or that hides what stands beside it.
#ifndef TAPEDECK_TOOLS_REPORT_MARKUP_H
#define TAPEDECK_TOOLS_REPORT_MARKUP_H

#include "proto/base/view.h"

#include <stdio.h>

// As text, or within an attribute's double quotes. Controls, and bytes that are not UTF-8, become
// \xNN, other characters that may not stand there \uNNNN.
void markup(FILE *out, struct view v);
void markup_of(FILE *out, const char *s);

#endif
