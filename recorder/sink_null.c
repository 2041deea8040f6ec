// sink_null: counts and forgets. It knows its streams while it lives, so that a proxy which comes
// back is told what was "committed".
#include "recorder/sink.h"

#include <stdlib.h>

#define STREAMS_MAX 4096

struct null_stream {
    unsigned char name[16];
    uint64_t last_seq;
};

struct sink_null {
    struct recorder_sink sink;
    struct null_stream *streams; // id is the index + 1
    int64_t count;
};

static struct sink_null *self(struct recorder_sink *s)
{
    return (struct sink_null *)s;
}

static int null_open(struct recorder_sink **out, const char *path, const struct retain_conf *retain,
                     char why[WHY_MAX])
{
    (void)path;
    (void)retain;
    struct sink_null *n = calloc(1, sizeof *n);
    if (n)
        n->streams = calloc(STREAMS_MAX, sizeof *n->streams);
    if (!n || !n->streams) {
        free(n);
        snprintf(why, WHY_MAX, "out of memory");
        return E_NOMEM;
    }
    n->sink.ops = &sink_null;
    *out = &n->sink;
    return 0;
}

static int null_stream(struct recorder_sink *s, const struct store_stream *st, uint64_t first_seq,
                       int64_t *id, uint64_t *last_seq)
{
    struct sink_null *n = self(s);
    int64_t i = 0;
    while (i < n->count && memcmp(n->streams[i].name, st->name, sizeof st->name) != 0)
        i++;
    if (i == STREAMS_MAX)
        return E_LIMIT;
    if (i == n->count) {
        memcpy(n->streams[i].name, st->name, sizeof st->name);
        n->streams[i].last_seq = first_seq ? first_seq - 1 : 0;
        n->count++;
    }
    *id = i + 1;
    *last_seq = n->streams[i].last_seq;
    return 0;
}

static int null_begin(struct recorder_sink *s)
{
    (void)s;
    return 0;
}

static int null_put(struct recorder_sink *s, int64_t stream, uint64_t seq, unsigned type,
                    struct view payload)
{
    (void)s;
    (void)stream;
    (void)seq;
    (void)type;
    (void)payload;
    return 0;
}

static int null_progress(struct recorder_sink *s, int64_t stream, uint64_t last_seq,
                         int64_t ended_us)
{
    (void)ended_us;
    self(s)->streams[stream - 1].last_seq = last_seq;
    return 0;
}

static int64_t null_copied(const struct recorder_sink *s)
{
    (void)s;
    return 0;
}

static uint64_t null_file(struct recorder_sink *s)
{
    (void)s;
    return 0;
}

static void null_rollback(struct recorder_sink *s)
{
    (void)s;
}

static void null_tend(struct recorder_sink *s, int64_t now_us)
{
    (void)s;
    (void)now_us;
}

static void null_set_retain(struct recorder_sink *s, const struct retain_conf *retain)
{
    (void)s;
    (void)retain;
}

static const char *null_why(const struct recorder_sink *s)
{
    (void)s;
    return "too many streams for the null sink";
}

static void null_close(struct recorder_sink *s)
{
    free(self(s)->streams);
    free(self(s));
}

const struct recorder_sink_ops sink_null = {
    .name = "null",
    .open = null_open,
    .stream = null_stream,
    .begin = null_begin,
    .put = null_put,
    .keep = null_put,
    .progress = null_progress,
    .commit = null_begin,
    .copied = null_copied,
    .file = null_file,
    .rollback = null_rollback,
    .tend = null_tend,
    .set_retain = null_set_retain,
    .why = null_why,
    .close = null_close,
};
