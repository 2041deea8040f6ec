// sink: where a recorder puts records. One const object a kind: sqlite keeps, null counts and
// forgets.
#ifndef TAPEDECK_RECORDER_SINK_H
#define TAPEDECK_RECORDER_SINK_H

#include "schema/store.h"

struct recorder_sink {
    const struct recorder_sink_ops *ops; // each sink's own state follows
};

struct recorder_sink_ops {
    const char *name;
    int (*stream)(struct recorder_sink *s, const struct store_stream *st, uint64_t first_seq,
                  int64_t *id, uint64_t *last_seq);
    int (*begin)(struct recorder_sink *s);
    // One record; key, type and payload as in the frame. E_SYNTAX: the payload is not what its type
    // says.
    int (*put)(struct recorder_sink *s, int64_t stream, uint64_t seq, unsigned type,
               struct view payload);
    int (*progress)(struct recorder_sink *s, int64_t stream, uint64_t last_seq, int64_t ended_us);
    int (*commit)(struct recorder_sink *s); // 0: durable
    void (*rollback)(struct recorder_sink *s);
    const char *(*why)(const struct recorder_sink *s);
    void (*close)(struct recorder_sink *s);
};

#endif
