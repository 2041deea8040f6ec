// gate_recorder: a fixed load for counting instructions: the frames of gate_proxy through session,
// unpack, batch and the sqlite sink. tests/bench/gate.sh counts.
//
//   gate_recorder FRAMES CAPTURE   CAPTURE is made new
//
//   FRAMES ──CHUNK at a time──▶ session ──▶ batch ──every BATCH records──▶ writer_commit() ─▶ sink
//
//   1. The writer's thread and the server's loop are left out, for what they do depends on time; a
//      batch is committed by the same function, in this thread.
//   2. Whatever is not acknowledged at the end is a failure: or the count means nothing.
#include "proto/base/log.h"
#include "recorder/conn.h"
#include "recorder/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK       CONN_READ
#define BATCH       500        // records: 50 ms at 10,000 a second
#define BATCH_BYTES (8u << 20) // --batch-bytes
#define CONN        1

struct gate {
    struct session session;
    struct unpack *unpack;
    struct recorder_sink *sink;
    struct writer *writer;
    struct batch batch;
};

static void die(const char *what)
{
    fprintf(stderr, "gate_recorder: %s\n", what);
    exit(1);
}

// What the server does when a batch is due, and when it comes back.
static void commit(struct gate *g)
{
    struct batch *b = &g->batch;
    if (batch_is_empty(b))
        return;
    if (writer_commit(g->writer, b) != 0)
        die(g->sink->ops->why(g->sink));
    for (size_t i = 0; i < b->count; i++)
        if (b->frames[i].keep)
            die("a record could not be read");
    for (size_t i = 0; i < b->streams_count; i++)
        session_ack(&g->session, b->streams[i].last_seq, b->streams[i].ended);
    for (size_t i = 0; i < b->hellos_count; i++)
        if (b->hellos[i].error ||
            session_welcome(&g->session, b->hellos[i].id, b->hellos[i].last_seq, b->file) != 0)
            die("the stream was refused");
    batch_reset(b);
    session_sent(&g->session, session_out(&g->session).n);
}

static int on_hello(void *arg, const unsigned char name[16], struct view payload)
{
    struct gate *g = arg;
    (void)name;
    return batch_add_hello(&g->batch, CONN, payload);
}

static int on_record(void *arg, int64_t stream, uint64_t seq, unsigned type, struct view payload)
{
    struct gate *g = arg;
    return batch_add(&g->batch, CONN, stream, seq, type, payload);
}

static int on_bye(void *arg, int64_t stream, uint64_t last_seq)
{
    struct gate *g = arg;
    return batch_add_bye(&g->batch, CONN, stream, last_seq);
}

static const struct session_host host = {.hello = on_hello, .record = on_record, .bye = on_bye};

static char *read_frames(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        die("cannot read the frames");
    *n = (size_t)ftell(file);
    rewind(file);
    char *p = malloc(*n);
    if (!p || fread(p, 1, *n, file) != *n)
        die("cannot read the frames");
    fclose(file);
    return p;
}

// As conn does it: a read brings CHUNK bytes, and what is not a whole frame stays.
static void feed(struct gate *g, struct view all)
{
    size_t have = 0, done = 0, used, need;
    while (done < all.n) {
        have = all.n - have > CHUNK ? have + CHUNK : all.n;
        int e;
        do {
            e = session_feed(&g->session, view_n(all.p + done, have - done), &used, &need);
            done += used;
            if (e == E_FULL)
                commit(g);
        } while (e == E_FULL);
        if (e != 0)
            die(g->session.why);
        if (have == all.n && done < all.n)
            die("the last frame is not whole");
    }
    commit(g);
}

int main(int argc, char **argv)
{
    static struct gate g;
    static const struct retain_conf retain;
    char why[WHY_MAX] = "";
    size_t n;
    if (argc != 3)
        die("usage: gate_recorder FRAMES CAPTURE");
    log_init("gate_recorder");
    log_set_level(LOG_ERROR);
    char *frames = read_frames(argv[1], &n);
    if (sink_sqlite.open(&g.sink, argv[2], &retain, why) != 0)
        die(why);
    g.unpack = unpack_new();
    g.writer = writer_new(g.sink, 1);
    if (!g.unpack || !g.writer || batch_init(&g.batch, BATCH, BATCH_BYTES) != 0)
        die("out of memory");
    session_init(&g.session, &host, &g, g.unpack);
    feed(&g, view_n(frames, n));
    if (g.session.state != SESSION_ENDED)
        die("the stream did not end");
    session_clear(&g.session);
    batch_clear(&g.batch);
    writer_free(g.writer);
    g.sink->ops->close(g.sink);
    unpack_free(g.unpack);
    free(frames);
    return 0;
}
