// writer: the thread that has the sink. It takes one batch at a time and gives it back once it is
// durable.
//
//   server  fills a batch ──submit──▶ writer  begin put… commit  ──fd readable, take──▶ server
//
// 1. A batch is tried until it is committed: a full disk, a failing one or a locked file only make
//    it wait. After writer_stop() it is tried once more and given back with its error.
// 2. A record that cannot become a row is put as it is; its neighbours are not harmed.
// 3. The lock is taken once a batch, never for a frame.
#ifndef TAPEDECK_RECORDER_WRITER_H
#define TAPEDECK_RECORDER_WRITER_H

#include "recorder/batch.h"
#include "recorder/sink.h"

struct writer;

struct writer_counts { // since the start; read by writer_get_counts()
    uint64_t batches, records, bytes, kept, failures;
    int64_t busy_us; // time spent within batches
};

// sink outlives the writer. retry_us: between tries of a batch that failed. NULL: out of memory or
// of descriptors.
struct writer *writer_new(struct recorder_sink *sink, int64_t retry_us);
void writer_free(struct writer *w); // ends the thread, if there is one

// 0 or E_…. Signals are blocked in the thread.
int writer_start(struct writer *w) MUST_CHECK;

// Readable when a batch came back.
int writer_fd(const struct writer *w);

// Hands a batch over; none may be under way (asserted).
void writer_submit(struct writer *w, struct batch *b);
// The batch that came back, or NULL. One that failed does so after writer_stop() only, or when its
// file was removed or replaced: the recorder is to end then.
struct batch *writer_take(struct writer *w);

// Does not wait any more for what fails.
void writer_stop(struct writer *w);

void writer_set_retain(struct writer *w, const struct retain_conf *retain);
void writer_get_counts(struct writer *w, struct writer_counts *out);

// Commits b in the caller's thread: what the thread does with each batch. 0, or the error after
// which it may be tried again: what is committed by then is counted in b->done.
int writer_commit(struct writer *w, struct batch *b) MUST_CHECK;

#endif
