// material: gathered in one piece of memory an item, found by the item's number, and forgotten when
// the room is needed, those first that were used longest ago.
//
//   by_item[] ─→ material ⇄ material ⇄ …      oldest first; those with users stay
#include "tools/replay/material.h"

#include "tools/cli.h"
#include "tools/head.h"
#include "tools/replay/request.h"

#include <stdlib.h>

#define HEAD_MAX (128u << 10)

struct materials {
    struct materials_conf conf;
    struct load load;
    struct material **by_item;
    struct material ends; // of the list: after is the oldest, before the newest
    size_t held;
    struct buf head, wire, content[2];
};

struct materials *materials_new(const struct materials_conf *conf)
{
    struct materials *m = calloc(1, sizeof *m);
    if (!m) {
        cli_error("out of memory");
        return NULL;
    }
    m->conf = *conf;
    m->ends.before = m->ends.after = &m->ends;
    buf_init(&m->head, HEAD_MAX);
    buf_init(&m->wire, HEAD_MAX + 2 * MATERIAL_HELD_MAX);
    buf_init(&m->content[0], MATERIAL_HELD_MAX);
    buf_init(&m->content[1], MATERIAL_HELD_MAX);
    m->by_item = calloc(conf->plan->n + 1, sizeof(struct material *));
    if (load_init(&m->load, conf->capture, LOAD_BODY_MAX) == CLI_OK && m->by_item)
        return m;
    cli_error("out of memory");
    materials_free(m);
    return NULL;
}

static void forget(struct materials *m, struct material *x)
{
    x->before->after = x->after;
    x->after->before = x->before;
    m->by_item[x->item] = NULL;
    m->held -= x->bytes;
    free(x);
}

void materials_free(struct materials *m)
{
    if (!m)
        return;
    while (m->ends.after != &m->ends)
        forget(m, m->ends.after);
    load_clear(&m->load);
    free(m->by_item);
    buf_clear(&m->head);
    buf_clear(&m->wire);
    buf_clear(&m->content[0]);
    buf_clear(&m->content[1]);
    free(m);
}

// ---- reading

static bool read_row(struct materials *m, uint32_t item, struct load_row *out)
{
    const struct plan_item *t = &m->conf.plan->items[item];
    return load_row(&m->load, t->file, t->id, out);
}

// The content of a half as it was on the wire, when it is small and was kept whole.
static bool hold(struct materials *m, const struct load_row *row, int s2c)
{
    struct store_reader *r = NULL;
    struct view piece;
    int e = 0;
    buf_reset(&m->content[s2c]);
    if (row->sizes[s2c] == 0)
        return true;
    if (row->stored[s2c] < row->sizes[s2c] || row->sizes[s2c] > MATERIAL_HELD_MAX ||
        !load_reader(row, s2c, &r) || !r)
        return false;
    while ((e = store_reader_next(r, &piece)) == 1)
        if (buf_add_view(&m->content[s2c], piece))
            break;
    store_reader_close(r);
    return e == 0 && (int64_t)buf_len(&m->content[s2c]) == row->sizes[s2c];
}

struct store_reader *material_reader(struct materials *m, const struct material *x)
{
    struct load_row row;
    struct store_reader *r = NULL;
    return read_row(m, x->item, &row) && load_reader(&row, 0, &r) ? r : NULL;
}

struct chunks *material_chunks(struct materials *m, const struct material *x)
{
    struct load_row row;
    return read_row(m, x->item, &row) ? load_chunks(&row) : NULL;
}

bool material_answer(struct materials *m, const struct material *x, bool content,
                     struct compare_half *out)
{
    struct load_row row;
    if (!read_row(m, x->item, &row))
        return false;
    if (content)
        load_content(&m->load, &row, 1);
    *out = row.half[1];
    return true;
}

// ---- making

// Bytes of a conversation's directions. Whether all of it was kept.
static bool count_said(const struct load_row *row, uint64_t said[2])
{
    struct chunk c;
    struct chunks *chunks = load_chunks(row);
    said[0] = said[1] = 0;
    if (!chunks)
        return false;
    while (chunks_next(chunks, &c))
        said[c.s2c] += c.bytes.n;
    bool whole = chunks_missing(chunks) == 0;
    chunks_close(chunks);
    return whole;
}

// Copies v behind what x has.
static struct view keep(char **at, struct view v)
{
    char *to = *at;
    if (v.n > 0)
        memcpy(to, v.p, v.n);
    *at += v.n;
    return view_n(to, v.n);
}

static bool is_connect(struct view method)
{
    return view_eq(method, VIEW_LIT("CONNECT"));
}

// The head as it goes to the target, in m->head.
static bool make_head(struct materials *m, uint32_t service, const struct load_row *row)
{
    const struct target *t = &m->conf.targets->items[service];
    bool keep_host = m->conf.keep_host || is_connect(row->method);
    bool whole = row->stored[0] == row->sizes[0] && row->sizes[0] > 0 && !row->half[0].cut;
    struct view head = row->half[0].head;
    if (row->redacted.n > 0 && whole) { // it changes content, and leaves the head as it was
        buf_reset(&m->wire);
        if (request_length(head, (uint64_t)row->sizes[0], &m->wire))
            return false;
        head = buf_view(&m->wire);
    }
    buf_reset(&m->head);
    return request_head(head, keep_host ? NULL : t->host, is_connect(row->method) ? "" : t->prefix,
                        &m->head) == 0;
}

// The whole request in m->wire, when its content is held; else why it cannot be said.
static const char *speak(struct materials *m, struct material *x, const struct load_row *row,
                         bool held, char why[WHY_MAX])
{
    struct speaker s;
    struct speak_out out;
    struct speak_half half = {
        .cut = row->half[0].cut,
        .head = buf_view(&m->head),
        .trailers = row->half[0].trailers,
        .size = (uint64_t)row->sizes[0],
        .stored = (uint64_t)row->stored[0],
    };
    buf_reset(&m->wire);
    int e = speak_begin(&s, &speaker_http1, &half, &out, why);
    if (e == E_NOTFOUND)
        return "not all of its content was kept";
    if (e)
        return "it cannot be said: its head and its content contradict each other";
    if (!held)
        return NULL;
    e = speak_add(&m->wire, &out);
    if (!e && buf_len(&m->content[0]) > 0) {
        e = speak_piece(&s, buf_view(&m->content[0]), &out, why);
        e = e ? e : speak_add(&m->wire, &out);
    }
    if (!e && (speak_finish(&s, &out, &x->then, why) || speak_add(&m->wire, &out)))
        e = E_DAMAGED;
    if (e)
        buf_reset(&m->wire);
    return NULL;
}

static bool expects_100(struct view head)
{
    return view_ieq(head_get(head, "expect"), VIEW_LIT("100-continue"));
}

static struct material *allocate(const struct materials *m, const struct load_row *row)
{
    size_t n = sizeof(struct material) + row->method.n + row->host.n + row->path.n + row->query.n +
               row->protocol.n + buf_len(&m->head) + buf_len(&m->wire) + row->half[0].trailers.n +
               buf_len(&m->content[0]) + row->rhythm[0].n + row->half[1].head.n +
               row->half[1].trailers.n + buf_len(&m->content[1]) + row->half[1].digest.n +
               row->interim.n;
    struct material *x = calloc(1, n);
    if (x)
        x->bytes = n;
    return x;
}

static void copy_texts(const struct materials *m, struct material *x, const struct load_row *row)
{
    char *at = x->memory;
    x->method = keep(&at, row->method);
    x->host = keep(&at, row->host);
    x->path = keep(&at, row->path);
    x->query = keep(&at, row->query);
    x->protocol = keep(&at, row->protocol);
    x->head = keep(&at, buf_view(&m->head));
    x->wire = keep(&at, buf_view(&m->wire));
    x->trailers = keep(&at, row->half[0].trailers);
    x->content = keep(&at, buf_view(&m->content[0]));
    x->rhythm = keep(&at, row->rhythm[0]);
    x->answer_head = keep(&at, row->half[1].head);
    x->answer_trailers = keep(&at, row->half[1].trailers);
    x->answer = keep(&at, buf_view(&m->content[1]));
    x->answer_digest = keep(&at, row->half[1].digest);
    x->interim = keep(&at, row->interim);
}

static struct material *make(struct materials *m, uint32_t item)
{
    const struct plan_item *t = &m->conf.plan->items[item];
    const struct plan_flow *f = &m->conf.plan->flows[t->flow];
    char why[WHY_MAX];
    struct load_row row;
    struct material of = {.item = item,
                          .service = f->service,
                          .id = t->id,
                          .kind = t->kind,
                          .latency_us = t->answered ? t->end_us - t->start_us : -1};
    if (!read_row(m, item, &row))
        return NULL;
    of.answered = !row.half[1].absent;
    of.answer_cut = row.half[1].cut;
    of.status = row.half[1].status;
    of.answer_size = (uint64_t)row.sizes[1];
    of.size = (uint64_t)row.sizes[0];
    of.cut = row.half[0].cut;
    buf_reset(&m->head);
    buf_reset(&m->wire);
    if (t->kind == PLAN_HTTP) {
        of.held = hold(m, &row, 0);
        of.answer_held = hold(m, &row, 1);
        if (!make_head(m, f->service, &row))
            of.unsendable = "its head is too long";
        else
            of.unsendable = speak(m, &of, &row, of.held, why);
        of.expects = row.sizes[0] > 0 && expects_100(row.half[0].head);
    } else {
        buf_reset(&m->content[0]);
        of.answer_held = hold(m, &row, 1);
        if (!count_said(&row, of.said))
            of.unsendable = "not all of the conversation was kept";
    }
    struct material *x = allocate(m, &row);
    if (!x) {
        cli_error("out of memory");
        return NULL;
    }
    of.bytes = x->bytes;
    *x = of;
    copy_texts(m, x, &row);
    return x;
}

// ---- keeping

static void put_newest(struct materials *m, struct material *x)
{
    x->before = m->ends.before;
    x->after = &m->ends;
    x->before->after = x;
    m->ends.before = x;
}

static void make_room(struct materials *m, size_t n)
{
    for (struct material *x = m->ends.after, *next; x != &m->ends; x = next) {
        next = x->after;
        if (m->held + n <= m->conf.most)
            return;
        if (x->users == 0)
            forget(m, x);
    }
}

struct material *material_take(struct materials *m, uint32_t item)
{
    struct material *x = m->by_item[item];
    if (x) {
        x->before->after = x->after;
        x->after->before = x->before;
    } else {
        x = make(m, item);
        if (!x)
            return NULL;
        make_room(m, x->bytes);
        m->held += x->bytes;
        m->by_item[item] = x;
    }
    put_newest(m, x);
    x->users++;
    return x;
}

void material_leave(struct materials *m, struct material *x)
{
    (void)m;
    x->users--;
}
