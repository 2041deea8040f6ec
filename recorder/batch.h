// batch: what is committed together: frames of all sessions in the order in which they came, and
// the hellos that are answered behind them. One thread at a time has it.
//
// 1. Frames are copied once, behind each other into memory that was reserved at birth; a batch that
//    is not full has room for the largest frame.
// 2. The frames of a stream are numbered without a hole, whatever stands between them.
// 3. It is full when records or bytes are reached; it is due (must not wait) when it is full or
//    holds a hello.
#ifndef TAPEDECK_RECORDER_BATCH_H
#define TAPEDECK_RECORDER_BATCH_H

#include "proto/base/err.h"
#include "proto/base/view.h"

#define BATCH_STREAMS_MAX 256 // streams with frames in one batch
#define BATCH_HELLOS_MAX  64

struct batch_frame {
    uint64_t seq;
    uint32_t at, n;  // payload
    uint16_t stream; // index
    uint8_t type;
    bool keep; // put as it is: it was refused as a row
};

struct batch_stream {
    int64_t id;
    uint64_t conn;     // whose frames these are
    uint64_t last_seq; // highest number in the batch, or before
    uint64_t upto;     // the writer's: highest number in the range at hand
    bool ended;        // the stream said Bye
};

struct batch_hello {
    uint64_t conn;
    uint32_t at, n; // payload
    int error;      // the writer's answer: 0 with id and last_seq
    int64_t id;
    uint64_t last_seq;
};

struct batch {
    struct batch_frame *frames;
    size_t count, done, records_max; // done: frames that are committed
    char *memory;
    size_t used, bytes_max, memory_size;
    struct batch_stream streams[BATCH_STREAMS_MAX];
    size_t streams_count, stream_last;
    struct batch_hello hellos[BATCH_HELLOS_MAX];
    size_t hellos_count;
    int error;     // 0: all of it is committed
    uint64_t file; // names the file that it is in then
};

// 0 or E_NOMEM.
int batch_init(struct batch *b, size_t records, size_t bytes) MUST_CHECK;
void batch_clear(struct batch *b);
void batch_reset(struct batch *b); // empty, memory kept

bool batch_is_empty(const struct batch *b);
bool batch_is_full(const struct batch *b); // by records or bytes
bool batch_is_due(const struct batch *b);

// Each 0, or E_FULL: nothing was added, offer it to the next batch.
int batch_add(struct batch *b, uint64_t conn, int64_t stream, uint64_t seq, unsigned type,
              struct view payload) MUST_CHECK;
int batch_add_bye(struct batch *b, uint64_t conn, int64_t stream, uint64_t last_seq) MUST_CHECK;
int batch_add_hello(struct batch *b, uint64_t conn, struct view payload) MUST_CHECK;

static inline struct view batch_payload(const struct batch *b, uint32_t at, uint32_t n)
{
    return view_n(b->memory + at, n);
}

#endif
