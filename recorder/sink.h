// sink: where a recorder puts records. One const object a kind: sqlite keeps, null counts and
// forgets. After it is open a sink is used by one thread, the writer's.
#ifndef TAPEDECK_RECORDER_SINK_H
#define TAPEDECK_RECORDER_SINK_H

#include "recorder/retain.h"
#include "schema/store.h"

struct recorder_sink {
    const struct recorder_sink_ops *ops; // each sink's own state follows
};

struct recorder_sink_ops {
    const char *name;
    // path is ignored by sinks without a file; retain says when one goes on in a new file, and
    // which older ones are deleted. 0 or E_… with why; sink_error_lasts() tells whether a later
    // try may fare better.
    int (*open)(struct recorder_sink **out, const char *path, const struct retain_conf *retain,
                char why[WHY_MAX]);
    int (*stream)(struct recorder_sink *s, const struct store_stream *st, uint64_t first_seq,
                  int64_t *id, uint64_t *last_seq);
    int (*begin)(struct recorder_sink *s);
    // One record; type and payload as in the frame. E_SYNTAX: the payload is not what its type
    // says; nothing was put, and the batch goes on.
    int (*put)(struct recorder_sink *s, int64_t stream, uint64_t seq, unsigned type,
               struct view payload);
    // The same record as it is, unread.
    int (*keep)(struct recorder_sink *s, int64_t stream, uint64_t seq, unsigned type,
                struct view payload);
    int (*progress)(struct recorder_sink *s, int64_t stream, uint64_t last_seq, int64_t ended_us);
    int (*commit)(struct recorder_sink *s); // 0: durable
    // Bytes that the batch at hand has copied by now for records that refer to content, beside what
    // came: a batch that has many ends early.
    int64_t (*copied)(const struct recorder_sink *s);
    // Names the file that records go to until the next tending: content may be referred to that was
    // brought to it under this name. It changes where that may not be there. 0: none may be.
    uint64_t (*file)(struct recorder_sink *s);
    void (*rollback)(struct recorder_sink *s);
    // Between batches, and about once a minute without any: rotation and retention.
    void (*tend)(struct recorder_sink *s, int64_t now_us);
    void (*set_retain)(struct recorder_sink *s, const struct retain_conf *retain);
    const char *(*why)(const struct recorder_sink *s);
    void (*close)(struct recorder_sink *s);
};

extern const struct recorder_sink_ops sink_sqlite, sink_null;

extern const struct recorder_sink_ops *const sink_table[]; // NULL at the end

// Of an error of open: the path cannot be a capture, today or later. A full disk, a busy file, a
// failing disk, and a capture of ours that was damaged may be mended while traffic goes on.
bool sink_error_lasts(int e);

// The one of that name; NULL: there is none.
const struct recorder_sink_ops *sink_find(const char *name);

#endif
