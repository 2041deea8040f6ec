// topics: texts that belong to several commands: the filter language and the fields.
#ifndef TAPEDECK_TOOLS_HELP_TOPICS_H
#define TAPEDECK_TOOLS_HELP_TOPICS_H

#include <stdio.h>

struct topic {
    const char *name, *sentence;
    const char *text; // paragraphs of one line; lines that begin with a blank are kept as they are
    const char *example;       // as of a command; NULL: none
    int fields;                // the list of all fields follows
    const char *(*list)(void); // more of the text, made from a table; NULL: none, or no memory
};

extern const struct topic topics[]; // name NULL at the end

// "number", "text", "duration": what stands for a value of a field.
const char *topics_field_type(int field);

#endif
