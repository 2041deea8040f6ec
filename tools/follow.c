// follow: what is new is told by the streams: each has the highest number that is committed, and
// rows of it up to there are all there.
//
//   marks[]: stream → number shown        new rows of a stream: ids (shown, last_seq]
//
// 1. A row is shown once: marks only grow, and ids are unique over all files of a capture.
// 2. After a rotation the old file is read to its end first, then those between (if several
//    rotations fell into one pause), then the new one. A mark counts for all files before: so the
//    new one is never looked at for the old, however close the rotation comes.
// 3. The file is open only while it is looked at: an open reader would keep a rotation waiting.
#include "tools/follow.h"

#include "proto/base/clock.h"
#include "tools/cli.h"
#include "tools/open.h"
#include "tools/rows.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAUSE_MS   200
#define MARKS_MAX  65536
#define RANGES_MAX 64 // streams with news that are asked about at once
#define IDLE_TURNS 5 // a look without a reason: a change within the clock's tick shows no other way

struct mark {
    int64_t stream, seq;
};
struct range {
    int64_t from, to; // ids
};
struct follower {
    const struct selection *selection;
    struct listing *listing;
    const char *path;      // of the live file
    struct stat file, wal; // as they were at the last look
    int idle;              // turns since then
    struct mark *marks;
    size_t n;
};

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static struct mark *mark_of(struct follower *f, int64_t stream)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->marks[i].stream == stream)
            return &f->marks[i];
    struct mark *more = f->n < MARKS_MAX ? realloc(f->marks, (f->n + 1) * sizeof *f->marks) : NULL;
    if (!more)
        return NULL;
    f->marks = more;
    more[f->n] = (struct mark){stream, 0};
    return &more[f->n++];
}

static int told(struct store *s, int e)
{
    if (e == E_NOMEM)
        cli_error("out of memory");
    else
        cli_error("%s", store_why(s));
    return CLI_FAILED;
}

static int show(struct follower *f, struct store_query *q, bool open)
{
    int e;
    while ((e = store_step(q)) == 1)
        listing_row(f->listing, q, open);
    return e;
}

// The rows with ids in these ranges, by the time of their end; then what has begun in them and is
// not over.
static int show_ranges(struct follower *f, struct store *s, const struct range *ranges, size_t n)
{
    const struct filter *filter = f->selection->filter;
    struct store_query *q = NULL;
    struct buf sql;
    buf_init(&sql, 1u << 20);
    // Materialized: an index that the filter could use would lead through the whole file.
    int e = buf_printf(&sql, "WITH fresh AS MATERIALIZED (SELECT x.* FROM http AS x WHERE ");
    for (size_t i = 0; i < n && !e; i++)
        e = buf_printf(&sql, "%sx.id BETWEEN %lld AND %lld", i ? " OR " : "",
                       (long long)ranges[i].from, (long long)ranges[i].to);
    e = e ? e : buf_printf(&sql, ") SELECT h.id");
    for (int i = 1; i < FIELD_COLUMNS && !e; i++)
        e = buf_printf(&sql, ", h.%s", filter_fields[i].name);
    e = e ? e : buf_printf(&sql, " FROM fresh AS h WHERE ");
    e = e ? e : store_filter_clause(filter, &sql, 1);
    e = e ? e : buf_add(&sql, " ORDER BY h.end_us, h.id", sizeof " ORDER BY h.end_us, h.id");
    e = e ? e : store_query(s, buf_view(&sql).p, &q);
    e = e ? e : store_filter_bind(q, filter, 1);
    e = e ? e : show(f, q, false);
    store_query_free(q);
    buf_clear(&sql);
    for (size_t i = 0; i < n && !e; i++) {
        q = NULL;
        e = open_query(s, filter, ranges[i].from, ranges[i].to, clock_wall_us(), &q);
        e = e ? e : show(f, q, true);
        store_query_free(q);
    }
    return e;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

// Everything in s that is behind the marks; shown: else the marks are only set.
static int catch_up(struct follower *f, struct store *s, bool shown)
{
    struct store_query *q = NULL;
    struct range ranges[RANGES_MAX];
    size_t n = 0;
    int e = store_query(s, "SELECT id, last_seq FROM stream ORDER BY id", &q);
    while (!e && (e = store_step(q)) == 1) {
        int64_t last = store_int(q, 1);
        struct mark *m = mark_of(f, store_int(q, 0));
        e = m ? 0 : E_NOMEM;
        if (e || last <= m->seq)
            continue;
        ranges[n++] = (struct range){store_key(m->stream, (uint64_t)m->seq + 1),
                                     store_key(m->stream, (uint64_t)last)};
        m->seq = last;
        if (shown && n == RANGES_MAX)
            e = show_ranges(f, s, ranges, n);
        n = n == RANGES_MAX ? 0 : n;
    }
    store_query_free(q);
    if (!e && shown && n > 0)
        e = show_ranges(f, s, ranges, n);
    return e ? told(s, e) : CLI_OK;
}

// Shows what is new in the file of that name, unless it is another than expected (*moved).
static int look(struct follower *f, const char *path, const struct stat *expected, bool *moved)
{
    struct store *s = capture_open(path);
    *moved = s && !store_is(s, expected);
    int code = !s ? CLI_FAILED : *moved ? CLI_OK : catch_up(f, s, true);
    store_close(s);
    return code;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// The files from the one that was looked at last on, until one that is not there any more under its
// name (*moved): the live one was live before they were listed, else there is one between.
static int look_at_all(struct follower *f, const struct capture *all, const struct stat *live,
                       bool *moved)
{
    struct stat st;
    int code = CLI_OK;
    size_t from = 0;
    *moved = false;
    for (size_t i = 0; i < all->n; i++)
        if (stat(all->paths[i], &st) == 0 && same_file(&st, &f->file))
            from = i;
    for (size_t i = from; i < all->n && code == CLI_OK && !*moved; i++) {
        if (stat(all->paths[i], &st) != 0)
            continue; // deleted, as the oldest ones are
        *moved = strcmp(base_name(all->paths[i]), base_name(f->path)) == 0 && !same_file(&st, live);
        if (*moved)
            break;
        code = look(f, all->paths[i], &st, moved);
        if (!*moved)
            f->file = st;
    }
    return code;
}

static int look_after_rotation(struct follower *f)
{
    bool moved = true;
    int code = CLI_OK;
    while (moved && code == CLI_OK && !stopped) {
        struct capture all;
        struct stat live;
        if (stat(f->path, &live) != 0)
            break; // between two names: the next turn
        code = capture_siblings(&all, f->path);
        if (code == CLI_OK)
            code = look_at_all(f, &all, &live, &moved);
        capture_clear(&all);
    }
    return code;
}

static bool unchanged(const struct stat *a, const struct stat *b)
{
    return same_file(a, b) && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

// The state of the live file and its log; false between a rename and the new file.
static bool stat_both(const struct follower *f, struct stat *file, struct stat *wal)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s-wal", f->path);
    if (stat(path, wal) != 0)
        *wal = (struct stat){0};
    return stat(f->path, file) == 0;
}

static int turn(struct follower *f)
{
    struct stat file, wal;
    if (!stat_both(f, &file, &wal))
        return CLI_OK;
    bool still = unchanged(&file, &f->file) && unchanged(&wal, &f->wal);
    if (still && ++f->idle < IDLE_TURNS)
        return CLI_OK;
    bool moved = !same_file(&file, &f->file);
    int code = moved ? CLI_OK : look(f, f->path, &file, &moved);
    if (!moved)
        f->file = file;
    else if (code == CLI_OK)
        code = look_after_rotation(f);
    f->wal = wal;
    f->idle = 0;
    return code;
}

// The filter that takes what the selection takes from a time on.
static struct filter *filter_from(const struct selection *s, const char *time)
{
    char why[WHY_MAX];
    size_t column;
    struct buf text;
    struct filter *out = NULL;
    bool more = s->filter && filter_root(s->filter);
    buf_init(&text, FILTER_TEXT_MAX);
    int e = buf_printf(&text, "time >= %s%s%s%s", time, more ? " and (" : "", more ? s->text : "",
                       more ? ")" : "");
    if (!e && filter_parse(buf_view(&text), clock_wall_us(), &out, &column, why))
        out = NULL; // too long with the time: everything is shown
    buf_clear(&text);
    return out;
}

// The last rows that are within the marks, the oldest first.
static int show_last(struct follower *f, int64_t last)
{
    struct rows *rows = NULL;
    struct rows_spec spec = {.capture = &f->selection->capture, .filter = f->selection->filter};
    struct filter *from = NULL;
    char time[FIELDS_TIME] = "";
    int code = CLI_OK;
    if (last != FOLLOW_ALL) {
        spec.order = STORE_NEWEST_FIRST;
        spec.limit = last;
        code = rows_open(&rows, &spec);
        while (!code && rows_next(rows)) {
            struct view v = store_bytes(rows_row(rows), FIELD_TIME);
            snprintf(time, sizeof time, "%.*s", (int)v.n, v.p);
        }
        rows_close(rows);
        rows = NULL;
        if (code || !time[0])
            return code;
        from = filter_from(f->selection, time);
    }
    spec.order = STORE_OLDEST_FIRST;
    spec.limit = 0;
    if (from)
        spec.filter = from;
    code = rows_open(&rows, &spec);
    while (!code && !stopped && rows_next(rows)) {
        int64_t id = store_int(rows_row(rows), FIELD_ID);
        const struct mark *m = mark_of(f, id >> STORE_SEQ_BITS);
        if (m && id <= store_key(m->stream, (uint64_t)m->seq))
            listing_row(f->listing, rows_row(rows), false);
    }
    rows_close(rows);
    filter_free(from);
    return code;
}

// Everything in the file counts as shown.
static int skip(struct follower *f, const char *path)
{
    struct store *s = capture_open(path);
    int code = s ? catch_up(f, s, false) : CLI_FAILED;
    store_close(s);
    return code;
}

// Marks are set before the last rows are shown, so that nothing is between the two.
static int start(struct follower *f, int64_t last)
{
    const struct capture *c = &f->selection->capture;
    int code = CLI_OK;
    f->path = c->paths[c->n - 1];
    stat_both(f, &f->file, &f->wal);
    for (size_t i = 0; i < c->n && code == CLI_OK; i++)
        code = skip(f, c->paths[i]);
    return code || last == 0 ? code : show_last(f, last);
}

// A folder may hold several captures; the live file of one of them is what is followed.
static int one_capture(const struct capture *c)
{
    for (size_t i = 1; i < c->n; i++) {
        if (capture_follows(c, i))
            continue;
        cli_error("only one capture can be followed, and %s and %s are two; name one of them",
                  c->paths[i - 1], c->paths[c->n - 1]);
        return CLI_USAGE;
    }
    return CLI_OK;
}

int follow(const struct selection *s, struct listing *l, int64_t last)
{
    struct follower f = {.selection = s, .listing = l};
    struct sigaction action = {.sa_handler = stop};
    struct pollfd reader = {.fd = fileno(l->term->out)};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int code = one_capture(&s->capture);
    code = code ? code : start(&f, last);
    while (!code && !stopped) {
        listing_flush(l);
        if (ferror(l->term->out) || poll(&reader, 1, PAUSE_MS) > 0)
            break; // nobody reads any more
        code = stopped ? CLI_OK : turn(&f);
    }
    free(f.marks);
    return code;
}
