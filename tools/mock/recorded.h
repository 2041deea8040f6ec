// recorded: rows that answers are said from, and what of them a mock wants to know.
#ifndef TAPEDECK_TOOLS_MOCK_RECORDED_H
#define TAPEDECK_TOOLS_MOCK_RECORDED_H

#include "tools/load.h"
#include "tools/mock/index.h"

struct recorded {
    struct load_row row;
    bool http;         // or a conversation
    bool server_ended; // of a conversation: the server was the first who had no more to say
    int64_t wait_us;   // from the request's end to the answer's first byte, at least 0
};

// A worker's own. NULL: out of memory. ix and captures, as index_build() had them, outlive it.
struct recorded_reader;
struct recorded_reader *recorded_new(const struct index *ix, const struct capture *captures,
                                     size_t count);
void recorded_free(struct recorded_reader *r); // r may be NULL

// The row of that id in a file of the index; a loan until the next of the same capture. What cannot
// be read is told with cli_damage(): false.
bool recorded_row(struct recorded_reader *r, uint32_t file, int64_t id,
                  struct recorded *out) MUST_CHECK;
// The transaction that follows it in its flow; false: there is none, or it was told.
bool recorded_behind(struct recorded_reader *r, uint32_t file, int64_t flow, int64_t n,
                     struct recorded *out) MUST_CHECK;
// Whether the server reset that connection.
bool recorded_reset(struct recorded_reader *r, uint32_t file, int64_t flow);

#endif
