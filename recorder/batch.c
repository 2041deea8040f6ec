// batch: see batch.h.
#include "recorder/batch.h"

#include "proto/wire.h"

#include <stdlib.h>

int batch_init(struct batch *b, size_t records, size_t bytes)
{
    *b = (struct batch){.records_max = records, .bytes_max = bytes};
    // One frame more than the limit fits, so that a limit below a frame's size does no harm. Pages
    // that are never used cost nothing.
    b->memory_size = bytes + WIRE_PAYLOAD_MAX;
    b->memory = malloc(b->memory_size);
    b->frames = malloc(records * sizeof *b->frames);
    if (b->memory && b->frames)
        return 0;
    batch_clear(b);
    return E_NOMEM;
}

void batch_clear(struct batch *b)
{
    free(b->memory);
    free(b->frames);
    *b = (struct batch){0};
}

void batch_reset(struct batch *b)
{
    b->count = b->done = b->used = 0;
    b->streams_count = b->stream_last = b->hellos_count = 0;
    b->error = 0;
    b->file = 0;
}

bool batch_is_empty(const struct batch *b)
{
    return b->count == 0 && b->streams_count == 0 && b->hellos_count == 0;
}

bool batch_is_full(const struct batch *b)
{
    return b->count >= b->records_max || b->used >= b->bytes_max;
}

bool batch_is_due(const struct batch *b)
{
    return batch_is_full(b) || b->hellos_count > 0;
}

// The entry of a stream. Frames come in runs of one stream, so the last one is tried first. NULL:
// the table is full.
static struct batch_stream *stream_of(struct batch *b, uint64_t conn, int64_t stream)
{
    size_t i = b->stream_last;
    if (i >= b->streams_count || b->streams[i].id != stream) {
        for (i = 0; i < b->streams_count && b->streams[i].id != stream; i++)
            ;
        if (i == BATCH_STREAMS_MAX)
            return NULL;
        if (i == b->streams_count)
            b->streams[b->streams_count++] = (struct batch_stream){.id = stream};
    }
    b->stream_last = i;
    b->streams[i].conn = conn;
    return &b->streams[i];
}

static uint32_t copy(struct batch *b, struct view payload)
{
    size_t at = b->used;
    if (payload.n)
        memcpy(b->memory + at, payload.p, payload.n);
    b->used += payload.n;
    return (uint32_t)at;
}

int batch_add(struct batch *b, uint64_t conn, int64_t stream, uint64_t seq, unsigned type,
              struct view payload)
{
    struct batch_stream *s = batch_is_full(b) ? NULL : stream_of(b, conn, stream);
    if (!s || payload.n > b->memory_size - b->used)
        return E_FULL;
    b->frames[b->count++] = (struct batch_frame){.seq = seq,
                                                 .at = copy(b, payload),
                                                 .n = (uint32_t)payload.n,
                                                 .stream = (uint16_t)(s - b->streams),
                                                 .type = (uint8_t)type};
    s->last_seq = seq;
    return 0;
}

int batch_add_bye(struct batch *b, uint64_t conn, int64_t stream, uint64_t last_seq)
{
    struct batch_stream *s = stream_of(b, conn, stream);
    if (!s)
        return E_FULL;
    s->last_seq = last_seq;
    s->ended = true;
    return 0;
}

int batch_add_hello(struct batch *b, uint64_t conn, struct view payload)
{
    if (batch_is_full(b) || b->hellos_count == BATCH_HELLOS_MAX ||
        payload.n > b->memory_size - b->used)
        return E_FULL;
    b->hellos[b->hellos_count++] =
        (struct batch_hello){.conn = conn, .at = copy(b, payload), .n = (uint32_t)payload.n};
    return 0;
}
