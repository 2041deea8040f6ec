// sink_log: see sink_log.h.
#include "tests/support/sink_log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TXN_MAX    512
#define SHOWN_MAX  600 // characters of a text that are written down
#define PIECES_MAX 65536

struct half {
    bool begun, ended;
    uint64_t content, wire;
};

struct txn {
    uint64_t n;
    struct half half[2];
};

// Neighbouring bodies of one message that are not written yet.
struct pending {
    uint64_t n;
    int64_t at_us;
    size_t size;
    char bytes[PIECES_MAX];
};

struct page {
    char *text;
    size_t n;
};

struct sink_log {
    struct sink sink;
    struct sink_flow flow;
    const struct flow_facts *facts;
    bool refuse, times, apart, opened, closed;
    struct page pages[3]; // by enum dir, where they are apart; the rest, or all
    struct page *page;    // that is written to
    size_t max;           // of each
    char wrong[160];
    struct view source[2];
    uint64_t told[2], next;
    struct txn txns[TXN_MAX];
    size_t count;
    struct pending pending[2]; // by enum dir
};

static const char *const dirs[] = {"c2s", "s2c"};
static const char *const ends[] = {"absent", "complete", "cut", "until-close"};

static struct sink_log *log_of(struct sink_flow *f)
{
    return (struct sink_log *)(void *)((char *)f - offsetof(struct sink_log, flow));
}

static void wrong(struct sink_log *l, const char *what, uint64_t n)
{
    if (l->wrong[0] == '\0')
        snprintf(l->wrong, sizeof l->wrong, "%s (transaction %" PRIu64 ")", what, n);
}

__attribute__((format(printf, 2, 3))) static void put(struct sink_log *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct page *page = l->page;
    int n = vsnprintf(page->text + page->n, l->max - page->n, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < l->max - page->n)
        page->n += (size_t)n;
    else
        page->text[page->n] = '\0';
}

size_t sink_log_escape(struct view text, size_t max, char *out, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < text.n && i < max && at + 5 < size; i++) {
        unsigned char c = (unsigned char)text.p[i];
        const char *known = memchr("\r\n\t\\\"", c, 5);
        if (known)
            at += (size_t)snprintf(out + at, size - at, "\\%c",
                                   "rnt\\\""[strchr("\r\n\t\\\"", c) - "\r\n\t\\\""]);
        else if (c < ' ' || c > '~')
            at += (size_t)snprintf(out + at, size - at, "\\x%02x", c);
        else
            out[at++] = (char)c;
    }
    out[at] = '\0';
    if (text.n > max && at + 32 < size)
        at += (size_t)snprintf(out + at, size - at, "…%zu", text.n);
    return at;
}

static void put_text(struct sink_log *l, struct view text)
{
    char out[SHOWN_MAX * 4 + 64];
    sink_log_escape(text, SHOWN_MAX, out, sizeof out);
    put(l, "\"%s\"", out);
}

static void put_time(struct sink_log *l, int64_t at_us)
{
    if (l->times)
        put(l, " @%" PRId64, at_us);
    put(l, "\n");
}

static void flush(struct sink_log *l, enum dir dir)
{
    struct pending *p = &l->pending[dir];
    if (p->size == 0)
        return;
    put(l, "body %" PRIu64 " %s ", p->n, dirs[dir]);
    if (p->size > PIECES_MAX)
        put(l, "%zu bytes", p->size);
    else
        put_text(l, view_n(p->bytes, p->size));
    put_time(l, p->at_us);
    p->size = 0;
}

// What follows is about that direction, or (2) about both.
static void turn_to(struct sink_log *l, int page)
{
    if (l->apart && page < 2) {
        l->page = &l->pages[page];
        flush(l, (enum dir)page);
        return;
    }
    if (!l->apart) {
        flush(l, C2S);
        flush(l, S2C);
    }
    l->page = &l->pages[2];
}

// Whether part is in the next wire bytes of the source; at their end, if that is where it belongs.
static void check_source(struct sink_log *l, uint64_t n, enum dir dir, struct view part,
                         uint64_t wire, bool at_end)
{
    struct view all = l->source[dir];
    if (all.n == 0 || part.n == 0)
        return;
    if (l->told[dir] + wire > all.n || part.n > wire) {
        wrong(l, "more than was relayed", n);
        return;
    }
    const char *from = all.p + l->told[dir];
    size_t size = (size_t)wire;
    if (at_end ? memcmp(from + size - part.n, part.p, part.n) != 0
               : !memmem(from, size, part.p, part.n))
        wrong(l, "other bytes than were relayed", n);
}

static struct txn *txn_find(struct sink_log *l, uint64_t n)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->txns[i].n == n)
            return &l->txns[i];
    return NULL;
}

static struct half *half_find(struct sink_log *l, uint64_t n, enum dir dir)
{
    struct txn *t = txn_find(l, n);
    struct half *h = t ? &t->half[dir] : NULL;
    if (!h || !h->begun || h->ended) {
        wrong(l, "a message that is not open", n);
        return NULL;
    }
    return h;
}

static void check_alive(struct sink_log *l)
{
    if (!l->opened || l->closed)
        wrong(l, "told of a flow that is not open", 0);
}

static struct half *half_begin(struct sink_log *l, const struct sink_msg *m)
{
    struct txn *t = txn_find(l, m->n);
    if (!t) {
        if (m->n < l->next)
            wrong(l, "a number used before", m->n);
        if (m->n > l->next)
            wrong(l, "a number left out", m->n);
        l->next = m->n + 1;
        if (l->count == TXN_MAX) {
            wrong(l, "too many transactions", m->n);
            l->count--;
        }
        t = &l->txns[l->count++];
        *t = (struct txn){.n = m->n};
    }
    struct half *h = &t->half[m->dir];
    if (h->begun)
        wrong(l, "a message begun twice", m->n);
    if (m->interim && m->dir == C2S)
        wrong(l, "an interim request", m->n);
    return h;
}

static void put_head(struct sink_log *l, const struct sink_msg *m)
{
    put(l, "begin %" PRIu64 " %s %s", m->n, dirs[m->dir], m->protocol);
    if (m->method.n > 0) {
        const struct view parts[] = {m->method, m->scheme, m->host, m->path, m->query};
        for (size_t i = 0; i < 5; i++) {
            char out[SHOWN_MAX * 4 + 64];
            sink_log_escape(parts[i], SHOWN_MAX, out, sizeof out);
            put(l, "%s%s", i < 2 ? " " : "|", out);
        }
    }
    if (m->version.n > 0)
        put(l, " %.*s", (int)m->version.n, m->version.p);
    if (m->status)
        put(l, " %u", m->status);
    if (m->head_wire > 0) {
        put(l, " head=%zu/%" PRIu64 " ", m->head.n, m->head_wire);
        put_text(l, m->head);
    }
    put(l, "%s%s%s", m->interim ? " interim" : "", m->as_parts ? " parts" : "",
        m->by_proxy ? " own" : "");
    put_time(l, m->at_us);
}

static void log_msg_begin(struct sink_flow *f, const struct sink_msg *m)
{
    struct sink_log *l = log_of(f);
    turn_to(l, m->dir);
    check_alive(l);
    struct half *h = half_begin(l, m);
    h->begun = !m->interim;
    if (m->head_wire < m->head.n)
        wrong(l, "a head larger than its wire", m->n);
    if (m->http && (m->http->is_request != (m->dir == C2S)))
        wrong(l, "a head of the other direction", m->n);
    check_source(l, m->n, m->dir, m->head, m->head_wire, true);
    l->told[m->dir] += m->head_wire;
    put_head(l, m);
}

static void log_msg_body(struct sink_flow *f, uint64_t n, enum dir dir, struct view content,
                         uint64_t wire, int64_t at_us)
{
    struct sink_log *l = log_of(f);
    check_alive(l);
    struct half *h = half_find(l, n, dir);
    if (wire < content.n)
        wrong(l, "a body larger than its wire", n);
    if (wire == 0)
        wrong(l, "a body of nothing", n);
    check_source(l, n, dir, content, wire, content.n == wire);
    l->told[dir] += wire;
    if (h) {
        h->content += content.n;
        h->wire += wire;
    }
    if (content.n == 0)
        return;
    struct pending *p = &l->pending[dir];
    if (l->times || p->n != n || (!l->apart && l->pending[!dir].size > 0))
        turn_to(l, dir);
    p->n = n;
    p->at_us = at_us;
    for (size_t i = 0; i < content.n && p->size + i < PIECES_MAX; i++)
        p->bytes[p->size + i] = content.p[i];
    p->size += content.n;
}

static void log_msg_end(struct sink_flow *f, uint64_t n, enum dir dir, enum msg_end how,
                        struct view trailers, uint64_t wire, int64_t at_us)
{
    struct sink_log *l = log_of(f);
    turn_to(l, dir);
    check_alive(l);
    struct half *h = half_find(l, n, dir);
    check_source(l, n, dir, trailers, wire, false);
    l->told[dir] += wire;
    if (trailers.n > wire)
        wrong(l, "trailers larger than their wire", n);
    if (!h)
        return;
    h->ended = true;
    h->wire += wire;
    put(l, "end %" PRIu64 " %s %s content=%" PRIu64 " wire=%" PRIu64, n, dirs[dir], ends[how],
        h->content, h->wire);
    if (trailers.n > 0) {
        put(l, " trailers=");
        put_text(l, trailers);
    }
    put_time(l, at_us);
}

static void log_txn_end(struct sink_flow *f, uint64_t n, const char *note)
{
    struct sink_log *l = log_of(f);
    turn_to(l, 2);
    check_alive(l);
    struct txn *t = txn_find(l, n);
    put(l, note[0] ? "txn %" PRIu64 " \"%s\"\n" : "txn %" PRIu64 "\n", n, note);
    if (!t) {
        wrong(l, "the end of a transaction that is not open", n);
        return;
    }
    for (int dir = 0; dir < 2; dir++)
        if (t->half[dir].begun && !t->half[dir].ended)
            wrong(l, "a transaction ended before its message", n);
    *t = l->txns[--l->count];
}

static void log_tls(struct sink_flow *f, const struct tls_facts *t)
{
    struct sink_log *l = log_of(f);
    turn_to(l, 2);
    check_alive(l);
    put(l, "tls %s|%s|%s|%s|%s|%s|%s", t->sni, t->alpn_offered, t->versions_offered, t->version,
        t->cipher, t->alpn, t->mode);
    put_time(l, t->at_us);
}

static void log_omitted(struct sink_flow *f, uint64_t n, enum dir dir, const char *what,
                        uint64_t wire)
{
    struct sink_log *l = log_of(f);
    turn_to(l, 2);
    check_alive(l);
    put(l, "omitted %" PRIu64 " %s %s %" PRIu64 "\n", n, dirs[dir], what, wire);
}

static void log_lost(struct sink_flow *f, uint64_t n, enum dir dir, enum cause cause, uint64_t wire,
                     int64_t at_us)
{
    struct sink_log *l = log_of(f);
    (void)n;
    turn_to(l, dir);
    check_alive(l);
    l->told[dir] += wire;
    put(l, "lost %s %d %" PRIu64, dirs[dir], (int)cause, wire);
    put_time(l, at_us);
}

static void log_linked(struct sink_flow *f, uint64_t n, int64_t original, const char *outcome)
{
    struct sink_log *l = log_of(f);
    turn_to(l, 2);
    check_alive(l);
    put(l, "linked %" PRIu64 " %" PRId64 " \"%s\"\n", n, original, outcome);
    if (!txn_find(l, n))
        wrong(l, "a link of a transaction that is not open", n);
}

static void log_close(struct sink_flow *f, const struct flow_totals *totals)
{
    struct sink_log *l = log_of(f);
    turn_to(l, C2S);
    turn_to(l, S2C);
    turn_to(l, 2);
    check_alive(l);
    l->closed = true;
    put(l, "close %s", totals->reason);
    if (totals->detail[0])
        put(l, " \"%s\"", totals->detail);
    put(l, " first=%d c2s=%" PRIu64 " s2c=%" PRIu64 "\n", totals->first_speaker,
        totals->relayed[C2S], totals->relayed[S2C]);
    if (l->count > 0)
        wrong(l, "a transaction open at the end", l->txns[0].n);
    for (int dir = 0; dir < 2; dir++)
        if (totals->relayed[dir] != l->told[dir])
            wrong(l,
                  dir ? "S2C bytes relayed and told of differ"
                      : "C2S bytes relayed and told of "
                        "differ",
                  0);
}

static const struct sink_ops flow_ops = {
    .msg_begin = log_msg_begin,
    .msg_body = log_msg_body,
    .msg_end = log_msg_end,
    .txn_end = log_txn_end,
    .tls = log_tls,
    .omitted = log_omitted,
    .lost = log_lost,
    .linked = log_linked,
    .close = log_close,
};

static struct sink_flow *log_open(struct sink *s, const struct flow_facts *facts)
{
    struct sink_log *l = (struct sink_log *)s;
    if (l->refuse)
        return NULL;
    if (l->opened && !l->closed)
        wrong(l, "a second flow", 0);
    l->opened = true;
    l->closed = false;
    l->facts = facts;
    l->next = 0;
    l->told[C2S] = l->told[S2C] = 0;
    l->flow.ops = &flow_ops;
    return &l->flow;
}

static const struct sink_factory factory_ops = {.open = log_open};

struct sink_log *sink_log_new(size_t text_max)
{
    struct sink_log *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->sink.ops = &factory_ops;
    l->max = text_max;
    for (int i = 0; i < 3; i++) {
        l->pages[i].text = calloc(1, text_max);
        if (!l->pages[i].text)
            abort();
    }
    l->page = &l->pages[2];
    return l;
}

void sink_log_free(struct sink_log *l)
{
    for (int i = 0; l && i < 3; i++)
        free(l->pages[i].text);
    free(l);
}

struct sink *sink_log_sink(struct sink_log *l)
{
    return &l->sink;
}

void sink_log_reset(struct sink_log *l)
{
    for (int i = 0; i < 3; i++) {
        l->pages[i].n = 0;
        l->pages[i].text[0] = '\0';
    }
    l->wrong[0] = '\0';
    l->opened = l->closed = false;
    l->count = 0;
    l->pending[C2S].size = l->pending[S2C].size = 0;
    l->next = l->told[C2S] = l->told[S2C] = 0;
}

void sink_log_refuse(struct sink_log *l, bool refuse)
{
    l->refuse = refuse;
}

void sink_log_source(struct sink_log *l, struct view c2s, struct view s2c)
{
    l->source[C2S] = c2s;
    l->source[S2C] = s2c;
}

void sink_log_times(struct sink_log *l, bool times)
{
    l->times = times;
}

const char *sink_log_text(const struct sink_log *l)
{
    return l->pages[2].text;
}

const char *sink_log_side(const struct sink_log *l, enum dir dir)
{
    return l->pages[dir].text;
}

void sink_log_apart(struct sink_log *l, bool apart)
{
    l->apart = apart;
}

const char *sink_log_wrong(const struct sink_log *l)
{
    return l->wrong[0] ? l->wrong : NULL;
}

uint64_t sink_log_told(const struct sink_log *l, enum dir dir)
{
    return l->told[dir];
}

size_t sink_log_open(const struct sink_log *l)
{
    return l->count;
}
