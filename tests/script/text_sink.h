// text_sink: a sink that writes down what it hears as lines of key=value, for the scripts to ask.
#ifndef TAPEDECK_TESTS_TEXT_SINK_H
#define TAPEDECK_TESTS_TEXT_SINK_H

#include "proxy/emit/sink.h"

// Lines, each of its own memory: "flow-open …", "txn …" (when a transaction has ended), "tls …",
// "lost …", "flow-close …". Values with blanks or other than printable bytes stand in quotes with
// escapes as in C.
struct text_sink {
    struct sink sink; // first
    char **lines;
    size_t count;
};

void text_sink_init(struct text_sink *s);
void text_sink_clear(struct text_sink *s);

#endif
