// speak: see speak.h.
#include "tests/support/speak.h"

#include <assert.h>
#include <stdlib.h>

void speak_open(struct speak *t, struct sink *sink, int64_t now_us)
{
    *t = (struct speak){.sink = sink, .now_us = now_us};
    t->facts = (struct flow_facts){
        .at_us = now_us,
        .direction = INBOUND,
        .front = "fixed",
        .requested = "",
        .target = "backend:8080",
        .dial_us = 250,
        .dns_us = 40,
    };
    int e = addr_parse(&t->facts.client, VIEW_LIT("127.0.0.1"), 50000);
    e |= addr_parse(&t->facts.local, VIEW_LIT("127.0.0.1"), 4143);
    e |= addr_parse(&t->facts.server, VIEW_LIT("10.0.0.7"), 8080);
    assert(e == 0);
    t->flow = sink->ops->open(sink, &t->facts);
}

void speak_close(struct speak *t)
{
    struct flow_totals totals = {
        .at_us = t->now_us,
        .reason = "done",
        .detail = "",
        .relayed = {t->relayed[C2S], t->relayed[S2C]},
        .first_speaker = 1,
    };
    if (t->flow)
        t->flow->ops->close(t->flow, &totals);
    t->flow = NULL;
}

void speak_head(struct speak *t, uint64_t n, const char *head)
{
    static struct http_head parsed;
    bool request = strncmp(head, "HTTP/", 5) != 0;
    struct view in = view_of(head);
    size_t used;
    int e = http_head_parse(in, 0, request, &parsed, &used);
    assert(e == 0 && used == in.n);
    struct sink_msg m = {
        .n = n,
        .dir = request ? C2S : S2C,
        .protocol = "http",
        .at_us = t->now_us,
        .interim = !request && parsed.status < 200 && parsed.status != 101,
        .head = in,
        .head_wire = in.n,
        .http = &parsed,
        .version = parsed.minor ? VIEW_LIT("1.1") : VIEW_LIT("1.0"),
        .status = parsed.status,
    };
    if (request) {
        const struct http_header *host = http_head_find(&parsed, VIEW_LIT("host"));
        size_t mark = view_find(parsed.target, '?');
        m.method = parsed.method;
        m.scheme = VIEW_LIT("http");
        m.host = host ? host->value : view_n(NULL, 0);
        m.path = view_head(parsed.target, mark);
        if (mark < parsed.target.n)
            m.query = view_from(parsed.target, mark + 1);
    }
    t->relayed[m.dir] += in.n;
    if (t->flow)
        t->flow->ops->msg_begin(t->flow, &m);
}

void speak_body(struct speak *t, uint64_t n, enum dir dir, struct view content, uint64_t wire)
{
    t->relayed[dir] += wire;
    if (t->flow)
        t->flow->ops->msg_body(t->flow, n, dir, content, wire, t->now_us);
}

void speak_end(struct speak *t, uint64_t n, enum dir dir, enum msg_end how, const char *trailers,
               uint64_t wire)
{
    t->relayed[dir] += wire;
    if (t->flow)
        t->flow->ops->msg_end(t->flow, n, dir, how, view_of(trailers), wire, t->now_us);
}

void speak_txn_end(struct speak *t, uint64_t n, const char *note)
{
    if (t->flow)
        t->flow->ops->txn_end(t->flow, n, note);
}

void speak_linked(struct speak *t, uint64_t n, int64_t original, const char *outcome)
{
    if (t->flow)
        t->flow->ops->linked(t->flow, n, original, outcome);
}

void speak_lost(struct speak *t, enum dir dir, enum cause cause, uint64_t wire)
{
    t->relayed[dir] += wire;
    if (t->flow)
        t->flow->ops->lost(t->flow, SINK_NO_MESSAGE, dir, cause, wire, t->now_us);
}

void speak_exchange(struct speak *t, uint64_t n, const char *request, struct view sent,
                    const char *answer, struct view got)
{
    speak_head(t, n, request);
    if (sent.n)
        speak_body(t, n, C2S, sent, sent.n);
    speak_end(t, n, C2S, MSG_COMPLETE, "", 0);
    speak_head(t, n, answer);
    if (got.n)
        speak_body(t, n, S2C, got, got.n);
    speak_end(t, n, S2C, MSG_COMPLETE, "", 0);
    speak_txn_end(t, n, "");
}

void speak_raw_begin(struct speak *t, uint64_t n, enum dir dir)
{
    struct sink_msg m = {
        .n = n,
        .dir = dir,
        .protocol = "raw",
        .at_us = t->now_us,
        .as_parts = true,
    };
    if (t->flow)
        t->flow->ops->msg_begin(t->flow, &m);
}

void speak_raw(struct speak *t, uint64_t n, enum dir dir, struct view bytes)
{
    speak_body(t, n, dir, bytes, bytes.n);
}

struct view speak_bytes(size_t n, unsigned seed)
{
    static char bytes[2u << 20];
    uint32_t x = seed * 2654435761u + 1;

    assert(n <= sizeof bytes);
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (char)(x >> 24);
    }
    return view_n(bytes, n);
}
