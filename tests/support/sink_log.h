// sink_log: a sink that writes down what it is told, one line an event, and checks that it is told
// in order: the rules of proxy/emit/sink.h, and the ledger (relayed = told, in each direction).
//
//   begin N DIR PROTOCOL [METHOD SCHEME|HOST|PATH|QUERY] VERSION [STATUS] head=N/WIRE "TEXT"
//         [interim] [parts] [own]
//   body N DIR "TEXT"                     neighbours of one message are one line
//   end N DIR HOW content=N wire=N [trailers="TEXT"]      wire: of the body in all
//   txn N ["NOTE"]
//   tls SNI|ALPN|VERSIONS|VERSION|CIPHER|ALPN|MODE
//   lost DIR CAUSE WIRE
//   linked N ORIGINAL "OUTCOME"
//   close REASON ["DETAIL"] first=N c2s=N s2c=N
//
// It allocates nothing after sink_log_new, so it can stand behind a failing allocator.
#ifndef TAPEDECK_TESTS_SINK_LOG_H
#define TAPEDECK_TESTS_SINK_LOG_H

#include "proxy/emit/sink.h"

struct sink_log; // begins with a struct sink

// One flow at a time. text_max: bytes of log that are kept. Aborts without memory.
struct sink_log *sink_log_new(size_t text_max);
void sink_log_free(struct sink_log *l);
struct sink *sink_log_sink(struct sink_log *l);

void sink_log_reset(struct sink_log *l);
void sink_log_refuse(struct sink_log *l, bool refuse); // open() answers NULL
// What is relayed in all: from now on heads, bodies and trailers must be found in it, in the place
// that the wire bytes told before give them. Loans; an empty view is not looked at.
void sink_log_source(struct sink_log *l, struct view c2s, struct view s2c);
void sink_log_times(struct sink_log *l, bool times); // " @AT" behind begin, body, end, tls, lost

const char *sink_log_text(const struct sink_log *l);
// Each direction written down by itself, so that how they interleave does not show; sink_log_text
// has the rest.
void sink_log_apart(struct sink_log *l, bool apart);
const char *sink_log_side(const struct sink_log *l, enum dir dir);
// The first rule that was broken since the reset, or NULL.
const char *sink_log_wrong(const struct sink_log *l);
// Wire bytes told so far.
uint64_t sink_log_told(const struct sink_log *l, enum dir dir);
// Transactions begun and not ended.
size_t sink_log_open(const struct sink_log *l);

// Text with \r \n \t \\ \" and \xNN for what is not printable, at most max characters of it and
// then "…N" (the whole size). Into out, NUL-terminated; the length.
size_t sink_log_escape(struct view text, size_t max, char *out, size_t size);

#endif
