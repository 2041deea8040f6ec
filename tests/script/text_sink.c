#include "tests/script/text_sink.h"

#include "proto/base/buf.h"
#include "proxy/tls/certificate.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define TXNS  64
#define KEPT  65536 // bytes of a body that are shown
#define LINES 4096

struct half {
    bool begun, ended;
    enum msg_end how;
    uint64_t size, wire;
    struct buf body;
    struct buf head;
    unsigned interim;
    uint64_t omitted;
    char rule[64]; // the last that something was left out by
};

struct txn {
    bool used;
    uint64_t n;
    bool by_proxy;
    char protocol[16], method[32], scheme[16], host[300], path[1024], query[1024], version[8];
    unsigned status;
    int64_t begun_us, ended_us;
    struct half half[2];
};

struct text_flow {
    struct sink_flow flow; // first
    struct text_sink *to;
    struct txn txns[TXNS];
};

static void add_line(struct text_sink *s, struct buf *line)
{
    char **lines = s->count < LINES ? realloc(s->lines, (s->count + 1) * sizeof *lines) : NULL;
    char *text = lines ? malloc(buf_len(line) + 1) : NULL;
    if (lines)
        s->lines = lines;
    if (text) {
        memcpy(text, line->p, buf_len(line));
        text[buf_len(line)] = 0;
        s->lines[s->count++] = text;
    }
    buf_clear(line);
}

static void put_value(struct buf *line, const char *key, struct view v)
{
    bool quoted = v.n == 0;
    for (size_t i = 0; i < v.n; i++)
        quoted |= !isgraph((unsigned char)v.p[i]) || v.p[i] == '"' || v.p[i] == '\\';
    (void)buf_printf(line, " %s=%s", key, quoted ? "\"" : "");
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c == '\r' || c == '\n')
            (void)buf_printf(line, "\\%c", c == '\r' ? 'r' : 'n');
        else if (c == '"' || c == '\\')
            (void)buf_printf(line, "\\%c", c);
        else if (!isprint(c))
            (void)buf_printf(line, "\\x%02x", c);
        else
            (void)buf_add(line, &v.p[i], 1);
    }
    if (quoted)
        (void)buf_add(line, "\"", 1);
}

static struct txn *txn_of(struct sink_flow *f, uint64_t n)
{
    struct text_flow *t = (struct text_flow *)(void *)f;
    struct txn *empty = NULL;
    for (size_t i = 0; i < TXNS; i++) {
        if (t->txns[i].used && t->txns[i].n == n)
            return &t->txns[i];
        if (!t->txns[i].used)
            empty = &t->txns[i];
    }
    if (!empty)
        abort();
    memset(empty, 0, sizeof *empty);
    empty->used = true;
    empty->n = n;
    for (int d = 0; d < 2; d++) {
        buf_init(&empty->half[d].body, KEPT);
        buf_init(&empty->half[d].head, KEPT);
    }
    return empty;
}

static void copy(char *out, size_t size, struct view v)
{
    snprintf(out, size, "%.*s", (int)v.n, v.p ? v.p : "");
}

static void text_begin(struct sink_flow *f, const struct sink_msg *m)
{
    struct txn *t = txn_of(f, m->n);
    struct half *h = &t->half[m->dir];
    copy(t->protocol, sizeof t->protocol, view_of(m->protocol));
    t->by_proxy |= m->by_proxy;
    h->wire += m->head_wire;
    if (m->interim) {
        h->interim++;
        return;
    }
    h->begun = true;
    t->begun_us = t->begun_us ? t->begun_us : m->at_us;
    (void)buf_add_view(&h->head, m->head);
    if (m->dir == C2S) {
        copy(t->method, sizeof t->method, m->method);
        copy(t->scheme, sizeof t->scheme, m->scheme);
        copy(t->host, sizeof t->host, m->host);
        copy(t->path, sizeof t->path, m->path);
        copy(t->query, sizeof t->query, m->query);
        copy(t->version, sizeof t->version, m->version);
    } else {
        t->status = m->status;
    }
}

static void text_body(struct sink_flow *f, uint64_t n, enum dir dir, struct view content,
                      uint64_t wire, int64_t at_us)
{
    struct half *h = &txn_of(f, n)->half[dir];
    (void)at_us;
    h->size += content.n;
    h->wire += wire;
    if (content.p)
        (void)buf_add_view(&h->body, content);
}

static void text_end(struct sink_flow *f, uint64_t n, enum dir dir, enum msg_end how,
                     struct view trailers, uint64_t wire, int64_t at_us)
{
    struct txn *t = txn_of(f, n);
    struct half *h = &t->half[dir];
    (void)trailers;
    t->ended_us = at_us;
    h->ended = true;
    h->how = how;
    h->wire += wire;
}

static void put_half(struct buf *line, const char *name, struct half *h)
{
    static const char *const ends[] = {"absent", "complete", "cut", "until-close"};
    char key[32];
    (void)buf_printf(line, " %s=%s %s.size=%llu %s.wire=%llu", name,
                     ends[h->begun && h->ended ? h->how : MSG_ABSENT], name,
                     (unsigned long long)h->size, name, (unsigned long long)h->wire);
    if (h->interim)
        (void)buf_printf(line, " %s.interim=%u", name, h->interim);
    if (h->rule[0]) {
        (void)buf_printf(line, " %s.omitted=%llu", name, (unsigned long long)h->omitted);
        snprintf(key, sizeof key, "%s.rule", name);
        put_value(line, key, view_of(h->rule));
    }
    snprintf(key, sizeof key, "%s.head", name);
    put_value(line, key, buf_view(&h->head));
    snprintf(key, sizeof key, "%s.body", name);
    put_value(line, key, buf_view(&h->body));
    buf_clear(&h->head);
    buf_clear(&h->body);
}

static void text_txn_end(struct sink_flow *f, uint64_t n, const char *note)
{
    struct txn *t = txn_of(f, n);
    struct buf line;
    buf_init(&line, 1u << 20);
    (void)buf_printf(&line, "txn n=%llu protocol=%s", (unsigned long long)n, t->protocol);
    put_value(&line, "method", view_of(t->method));
    put_value(&line, "scheme", view_of(t->scheme));
    put_value(&line, "host", view_of(t->host));
    put_value(&line, "path", view_of(t->path));
    put_value(&line, "query", view_of(t->query));
    put_value(&line, "version", view_of(t->version));
    (void)buf_printf(&line, " status=%u by_proxy=%d ms=%lld", t->status, t->by_proxy,
                     (long long)(t->ended_us - t->begun_us) / 1000);
    put_value(&line, "note", view_of(note));
    put_half(&line, "req", &t->half[C2S]);
    put_half(&line, "res", &t->half[S2C]);
    t->used = false;
    add_line(((struct text_flow *)(void *)f)->to, &line);
}

static void text_tls(struct sink_flow *f, const struct tls_facts *tls)
{
    struct buf line;
    buf_init(&line, 4096);
    (void)buf_printf(&line, "tls");
    put_value(&line, "sni", view_of(tls->sni));
    put_value(&line, "alpn", view_of(tls->alpn));
    put_value(&line, "version", view_of(tls->version));
    put_value(&line, "mode", view_of(tls->mode));
    put_value(&line, "why", view_of(tls->why ? tls->why : ""));
    put_value(&line, "offered", view_of(tls->alpn_offered));
    put_value(&line, "versions", view_of(tls->versions_offered));
    put_value(&line, "client_version", view_of(tls->client_version ? tls->client_version : ""));
    put_value(&line, "subject", view_of(tls->certificate ? tls->certificate->subject : ""));
    put_value(&line, "issuer", view_of(tls->certificate ? tls->certificate->issuer : ""));
    (void)buf_printf(&line, " resumed=%d client_resumed=%d", tls->resumed, tls->client_resumed);
    add_line(((struct text_flow *)(void *)f)->to, &line);
}

static void text_omitted(struct sink_flow *f, uint64_t n, enum dir dir, const char *what,
                         uint64_t wire)
{
    struct half *h = &txn_of(f, n)->half[dir];
    h->omitted += wire;
    snprintf(h->rule, sizeof h->rule, "%s", what);
}

static void text_lost(struct sink_flow *f, uint64_t n, enum dir dir, enum cause cause,
                      uint64_t wire, int64_t at_us)
{
    struct buf line;
    (void)n;
    buf_init(&line, 256);
    (void)at_us;
    (void)buf_printf(&line, "lost dir=%s cause=%d wire=%llu", dir == C2S ? "c2s" : "s2c",
                     (int)cause, (unsigned long long)wire);
    add_line(((struct text_flow *)(void *)f)->to, &line);
}

static void text_linked(struct sink_flow *f, uint64_t n, int64_t original, const char *outcome)
{
    struct buf line;
    buf_init(&line, 1024);
    (void)buf_printf(&line, "linked n=%llu original=%lld", (unsigned long long)n,
                     (long long)original);
    put_value(&line, "outcome", view_of(outcome));
    add_line(((struct text_flow *)(void *)f)->to, &line);
}

static void text_close(struct sink_flow *f, const struct flow_totals *totals)
{
    static const char *const speakers[] = {"none", "client", "server"};
    struct text_flow *t = (struct text_flow *)(void *)f;
    struct buf line;
    buf_init(&line, 4096);
    (void)buf_printf(&line, "flow-close reason=%s", totals->reason);
    put_value(&line, "detail", view_of(totals->detail));
    (void)buf_printf(&line, " c2s=%llu s2c=%llu first=%s", (unsigned long long)totals->relayed[C2S],
                     (unsigned long long)totals->relayed[S2C], speakers[totals->first_speaker]);
    for (size_t i = 0; i < TXNS; i++)
        if (t->txns[i].used)
            abort(); // a decoder ends what it began
    add_line(t->to, &line);
    free(t);
}

static const struct sink_ops text_ops = {
    .msg_begin = text_begin,
    .msg_body = text_body,
    .msg_end = text_end,
    .txn_end = text_txn_end,
    .tls = text_tls,
    .omitted = text_omitted,
    .lost = text_lost,
    .linked = text_linked,
    .close = text_close,
};

static struct sink_flow *text_open(struct sink *s, const struct flow_facts *facts)
{
    struct text_flow *t = facts ? calloc(1, sizeof *t) : NULL;
    char client[ADDR_TEXT], server[ADDR_TEXT];
    struct buf line;
    if (!t)
        return NULL;
    t->flow.ops = &text_ops;
    t->to = (struct text_sink *)(void *)s;
    buf_init(&line, 4096);
    (void)buf_printf(&line, "flow-open direction=%s front=%s client=%s server=%s",
                     facts->direction == INBOUND ? "inbound" : "outbound", facts->front,
                     addr_text(&facts->client, client), addr_text(&facts->server, server));
    put_value(&line, "requested", view_of(facts->requested));
    put_value(&line, "target", view_of(facts->target));
    add_line(t->to, &line);
    return &t->flow;
}

static const struct sink_factory text_factory = {.open = text_open};

void text_sink_init(struct text_sink *s)
{
    *s = (struct text_sink){.sink.ops = &text_factory};
}

void text_sink_clear(struct text_sink *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->lines[i]);
    free(s->lines);
    text_sink_init(s);
}
