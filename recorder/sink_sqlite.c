// sink_sqlite: records become rows of a capture, which goes on in a new file when it is full. What
// is sealed may be packed (packer.h), off the path of the records.
//
// A rotation waits while somebody has the file open, and is tried again at the next tending; a
// failed one is told at most once a minute. The store goes on with the old file meanwhile.
//
// Proxies refer to content by the file's name (sqlite_file()). Until one knows of a new file it
// refers to content of the one before, so that is kept whatever the limits say,
//
//   for 10 s after the rotation
//   while a stream that has not ended has had nothing acknowledged since, but has had before: its
//   records may all be from then, as long as its link is down
//   for 10 s after a record referred to content that was not in the live file: a ring that is
//   emptied may hold more of these
//
// and for an hour after the rotation at most, since a stream whose proxy is gone for good never
// ends. It is one file, whatever its size, that is kept beyond the limits.
#include "recorder/sink.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/digest.h"
#include "recorder/packer.h"
#include "recorder/unpack.h"

#include <limits.h>
#include <stdlib.h>

#define ROTATE_EVERY_US (60 * US_PER_S) // at most so often a rotation that failed is tried and told
#define FRESH_US        (10 * US_PER_S) // by then proxies know of the live file
#define BEFORE_MAX_US   (3600 * US_PER_S) // that the file before is kept for what may refer to it
#define GONE_EVERY_US   (10 * US_PER_S)   // at most so often content that is gone is told

struct sink_sqlite {
    struct recorder_sink sink;
    struct store *store;
    struct unpack *unpack;
    struct retain_conf retain;
    struct retain sealed;
    struct packer *packer;       // NULL: nothing is to be packed
    int64_t made_us;             // of the live file; 0: not known
    uint64_t run;                // of this sink: of nobody else's, and none before
    uint64_t file;               // its name; 0: not known
    bool unread;                 // records of content were kept unread in this batch
    int64_t asked_us;            // when references were last looked for in files before
    int64_t gone_us, gone;       // mono, told last; records since then
    bool has_rows;               // the live file holds records: an empty one is not rotated
    int64_t rotate_us, sweep_us; // not before
};

static struct sink_sqlite *self(struct recorder_sink *s)
{
    return (struct sink_sqlite *)s;
}

// One number from the live file; otherwise when it does not tell.
static int64_t ask(struct sink_sqlite *q, const char *sql, int64_t otherwise)
{
    struct store_query *query;
    int64_t answer = otherwise;
    if (store_query(q->store, sql, &query) != 0)
        return otherwise;
    if (store_step(query) == 1)
        answer = store_int(query, 0);
    store_query_free(query);
    return answer;
}

static void look_at_file(struct sink_sqlite *q)
{
    q->file = 0;
    q->made_us = ask(q, "SELECT made_us FROM capture", 0);
    q->has_rows = ask(q,
                      "SELECT EXISTS (SELECT 1 FROM txn) OR EXISTS (SELECT 1 FROM part)"
                      " OR EXISTS (SELECT 1 FROM flow_end)",
                      1);
}

static int sqlite_open(struct recorder_sink **out, const char *path,
                       const struct retain_conf *retain, char why[WHY_MAX])
{
    struct sink_sqlite *q = calloc(1, sizeof *q);
    if (q)
        q->unpack = unpack_new();
    if (!q || !q->unpack) {
        free(q);
        snprintf(why, WHY_MAX, "out of memory");
        return E_NOMEM;
    }
    int e = store_open(&q->store, path, STORE_WRITE, why);
    if (e) {
        unpack_free(q->unpack);
        free(q);
        return e;
    }
    q->sink.ops = &sink_sqlite;
    q->retain = *retain;
    digest_random(&q->run, sizeof q->run);
    look_at_file(q);
    *out = &q->sink;
    return 0;
}

static int sqlite_stream(struct recorder_sink *s, const struct store_stream *st, uint64_t first_seq,
                         int64_t *id, uint64_t *last_seq)
{
    return store_stream(self(s)->store, st, first_seq, id, last_seq);
}

static int sqlite_begin(struct recorder_sink *s)
{
    self(s)->unread = false;
    return store_begin(self(s)->store);
}

static int put_row(struct store *store, int64_t key, const struct unpack_row *row)
{
    switch (row->type) {
    case WIRE_FLOW_OPEN:
        return store_put_flow(store, key, &row->flow);
    case WIRE_FLOW_CLOSE:
        return store_put_flow_end(store, key, &row->flow_end);
    case WIRE_TLS:
        return store_put_tls(store, key, &row->tls);
    case WIRE_TRANSACTION:
        return store_put_txn(store, key, &row->txn);
    case WIRE_TRANSACTION_OPEN:
        return store_put_txn_open(store, key, &row->txn_open);
    case WIRE_PART:
        return store_put_part(store, key, &row->part);
    case WIRE_LOSS:
        return store_put_loss(store, key, &row->loss);
    default:
        return store_put_restart(store, key, row->restart.at_us, row->restart.pid);
    }
}

static int sqlite_put(struct recorder_sink *s, int64_t stream, uint64_t seq, unsigned type,
                      struct view payload)
{
    struct sink_sqlite *q = self(s);
    struct unpack_row row;
    int e = unpack_record(q->unpack, stream, seq, type, payload, &row);
    if (e)
        return e;
    e = put_row(q->store, store_key(stream, seq), &row);
    return e == E_SYNTAX ? E_IO : e; // E_SYNTAX is the payload's fault alone
}

static int sqlite_keep(struct recorder_sink *s, int64_t stream, uint64_t seq, unsigned type,
                       struct view payload)
{
    struct sink_sqlite *q = self(s);
    q->unread = q->unread || type == WIRE_PART || type == WIRE_TRANSACTION;
    return store_put_unknown(q->store, store_key(stream, seq), type, payload);
}

static int sqlite_progress(struct recorder_sink *s, int64_t stream, uint64_t last_seq,
                           int64_t ended_us)
{
    return store_put_progress(self(s)->store, stream, last_seq, ended_us);
}

static void tell_gone(struct sink_sqlite *q)
{
    int64_t now = clock_mono_us();
    q->gone += store_gone(q->store);
    if (q->gone == 0 || (q->gone_us && now - q->gone_us < GONE_EVERY_US))
        return;
    log_warn("content that records refer to is in no file, a loss records=%lld",
             (long long)q->gone);
    q->gone_us = now;
    q->gone = 0;
}

static int sqlite_commit(struct recorder_sink *s)
{
    struct sink_sqlite *q = self(s);
    int e = store_commit(q->store);
    if (e)
        return e;
    q->has_rows = true;
    if (store_asked_before(q->store))
        q->asked_us = clock_wall_us();
    if (store_gone(q->store) > 0 || q->unread) { // proxies take something to be there that is not
        q->run++;
        q->file = 0;
    }
    tell_gone(q);
    return 0;
}

static int64_t sqlite_copied(const struct recorder_sink *s)
{
    return store_copied(((const struct sink_sqlite *)s)->store);
}

// Of the file and of this run: what was told of a file that has been put back from a copy meanwhile
// is not to be relied on. Another one makes all proxies forget what they sent, and the next content
// of each kind comes again.
static uint64_t sqlite_file(struct recorder_sink *s)
{
    struct sink_sqlite *q = self(s);
    struct store_identity id;
    if (q->file == 0 && store_identity(q->store, &id) == 0) {
        q->file = store_identity_mark(&id) ^ q->run;
        q->file += q->file == 0;
    }
    return q->file;
}

static void sqlite_rollback(struct recorder_sink *s)
{
    store_rollback(self(s)->store);
}

static void rotate(struct sink_sqlite *q, int64_t now_us)
{
    char sealed[PATH_MAX];
    q->rotate_us = now_us + ROTATE_EVERY_US;
    int e = store_rotate(q->store, sealed, sizeof sealed);
    if (e == E_BUSY) {
        log_warn("rotation waits for a reader why=\"%s\"", store_why(q->store));
        return;
    }
    if (e) {
        log_error("rotation failed, the capture goes on as it is why=\"%s\"", store_why(q->store));
        return;
    }
    log_info("capture goes on in a new file sealed=\"%s\"", sealed);
    look_at_file(q);
    q->rotate_us = q->sweep_us = 0;
}

static void pack(struct sink_sqlite *q)
{
    if (q->retain.pack && !q->packer)
        q->packer = packer_new(PACKER_PROGRAM);
    if (q->packer)
        packer_swept(q->packer, &q->sealed);
}

// Whether records under way may refer to content of the file before; see the head.
static bool may_refer_before(struct sink_sqlite *q, int64_t now_us)
{
    int64_t age = llabs(now_us - q->made_us);
    if (age < FRESH_US || age >= BEFORE_MAX_US)
        return age < FRESH_US;
    return llabs(now_us - q->asked_us) < FRESH_US ||
           ask(q,
               "SELECT EXISTS (SELECT 1 FROM stream WHERE ended_us IS NULL"
               " AND last_seq < first_seq AND last_seq > 0)",
               1) != 0;
}

static void sweep(struct sink_sqlite *q, int64_t size, int64_t now_us)
{
    struct retain_live live = {.path = store_path(q->store), .size = size};
    if (!retain_sweeps(&q->retain))
        return;
    live.before_stays = may_refer_before(q, now_us);
    if (live.before_stays)
        q->sweep_us = now_us + FRESH_US;
    int e = store_identity(q->store, &live.id);
    if (e == 0)
        e = retain_sweep(&q->sealed, &q->retain, &live, now_us);
    if (e < 0)
        log_error("sealed files cannot be looked through capture=\"%s\" error=\"%s\"", live.path,
                  err_text(e));
    else
        pack(q);
}

static void sqlite_tend(struct recorder_sink *s, int64_t now_us)
{
    struct sink_sqlite *q = self(s);
    int64_t size = 0;
    if (q->made_us == 0) // it could not be asked when it was new
        look_at_file(q);
    bool asks_size = q->retain.rotate_size > 0 || q->retain.keep_size > 0;
    if (asks_size)
        size = store_file_size(q->store);
    if (q->has_rows && now_us >= q->rotate_us &&
        retain_is_full(&q->retain, size, q->made_us, now_us)) {
        rotate(q, now_us);
        size = asks_size ? store_file_size(q->store) : 0;
    }
    if (now_us >= q->sweep_us) {
        q->sweep_us = now_us + ROTATE_EVERY_US;
        sweep(q, size, now_us);
    }
    if (q->packer)
        packer_tend(q->packer, &q->sealed, store_path(q->store), now_us);
}

static void sqlite_set_retain(struct recorder_sink *s, const struct retain_conf *retain)
{
    self(s)->retain = *retain;
    self(s)->rotate_us = self(s)->sweep_us = 0;
    if (!retain->pack) {
        packer_free(self(s)->packer);
        self(s)->packer = NULL;
    }
}

static const char *sqlite_why(const struct recorder_sink *s)
{
    return store_why(((const struct sink_sqlite *)s)->store);
}

static void sqlite_close(struct recorder_sink *s)
{
    packer_free(self(s)->packer);
    store_close(self(s)->store);
    unpack_free(self(s)->unpack);
    retain_clear(&self(s)->sealed);
    free(self(s));
}

const struct recorder_sink_ops sink_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .stream = sqlite_stream,
    .begin = sqlite_begin,
    .put = sqlite_put,
    .keep = sqlite_keep,
    .progress = sqlite_progress,
    .commit = sqlite_commit,
    .copied = sqlite_copied,
    .file = sqlite_file,
    .rollback = sqlite_rollback,
    .tend = sqlite_tend,
    .set_retain = sqlite_set_retain,
    .why = sqlite_why,
    .close = sqlite_close,
};
