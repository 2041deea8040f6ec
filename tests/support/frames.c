// frames: see frames.h.
#include "tests/support/frames.h"

#include "proto/record.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void must(int failed)
{
    if (failed) {
        fprintf(stderr, "frames: out of memory\n");
        abort();
    }
}

void frames_put(struct buf *out, unsigned kind, unsigned type, uint64_t seq, struct view payload)
{
    unsigned char header[WIRE_HEADER];
    wire_put_header(header, (enum wire_kind)kind, type, (uint32_t)payload.n, seq);
    must(buf_add(out, header, sizeof header));
    must(buf_add_view(out, payload));
}

static void put(struct buf *out, unsigned kind, unsigned type, uint64_t seq,
                const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *packed = malloc(n ? n : 1);
    must(!packed);
    protobuf_c_message_pack(m, packed);
    frames_put(out, kind, type, seq, view_n(packed, n));
    free(packed);
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static ProtobufCBinaryData bytes(struct view v)
{
    return (ProtobufCBinaryData){.len = v.n, .data = (uint8_t *)(uintptr_t)v.p};
}

static void put_hello(struct buf *out, int stream, uint64_t first_seq, uint64_t next_seq,
                      bool refers)
{
    uint8_t name[16];
    Tapedeck__Label tier, *labels[1] = {&tier};
    Tapedeck__Hello m;
    tapedeck__label__init(&tier);
    tapedeck__hello__init(&m);
    memset(name, stream, sizeof name);
    tier.name = text("tier");
    tier.value = text("front");
    m.protocol = WIRE_VERSION;
    m.stream = bytes(view_n(name, sizeof name));
    m.first_seq = first_seq;
    m.next_seq = next_seq;
    m.software = text("test 1");
    m.host = text("testhost");
    m.pid = (uint32_t)getpid();
    m.pod = text("pod-1");
    m.namespace_ = text("shop");
    m.workload = text("cart");
    m.started_us = 1767225600000000;
    m.labels = labels;
    m.n_labels = 1;
    m.settings = text("{\"proxy-type\":\"dual\"}");
    m.refers = refers;
    put(out, WIRE_HELLO, 0, 0, &m.base);
}

void frames_hello(struct buf *out, int stream, uint64_t first_seq, uint64_t next_seq)
{
    put_hello(out, stream, first_seq, next_seq, true);
}

void frames_hello_plain(struct buf *out, int stream, uint64_t first_seq, uint64_t next_seq)
{
    put_hello(out, stream, first_seq, next_seq, false);
}

void frames_bye(struct buf *out, uint64_t last_seq)
{
    Tapedeck__Bye m;
    tapedeck__bye__init(&m);
    m.last_seq = last_seq;
    put(out, WIRE_BYE, 0, 0, &m.base);
}

void frames_flow_open(struct buf *out, uint64_t seq, const char *target)
{
    Tapedeck__FlowOpen m;
    tapedeck__flow_open__init(&m);
    m.at_us = 1767225600000000;
    m.direction = TAPEDECK__DIRECTION__INBOUND;
    m.front = text("fixed");
    m.client = text("127.0.0.1:40000");
    m.local = text("127.0.0.1:4143");
    m.target = text(target);
    m.server = text("127.0.0.1:8080");
    m.server_local = text("127.0.0.1:40001");
    m.dial_us = 120;
    put(out, WIRE_RECORD, WIRE_FLOW_OPEN, seq, &m.base);
}

void frames_flow_close(struct buf *out, uint64_t seq, uint64_t flow, uint64_t transactions,
                       uint64_t c2s, uint64_t s2c)
{
    Tapedeck__FlowClose m;
    tapedeck__flow_close__init(&m);
    m.flow = flow;
    m.at_us = 1767225601000000;
    m.reason = text("done");
    m.relayed_c2s = c2s;
    m.relayed_s2c = s2c;
    m.transactions = transactions;
    m.first_speaker = TAPEDECK__SIDE__CLIENT;
    put(out, WIRE_RECORD, WIRE_FLOW_CLOSE, seq, &m.base);
}

void frames_txn(struct buf *out, uint64_t seq, struct frames_txn *t)
{
    char request[1024], answer[256];
    Tapedeck__Transaction m;
    Tapedeck__Message req, res;
    Tapedeck__Account account;
    tapedeck__transaction__init(&m);
    tapedeck__message__init(&req);
    tapedeck__message__init(&res);
    tapedeck__account__init(&account);
    int n =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", t->path, t->host);
    req.head = bytes(view_n(request, (size_t)n));
    req.head_wire = (uint64_t)n;
    req.first_us = req.last_us = t->at_us;
    req.end = TAPEDECK__MESSAGE_END__COMPLETE;
    t->wire[0] = (uint64_t)n;
    t->wire[1] = 0;
    if (t->status) {
        n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 %u X\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                     t->status, t->body.n);
        res.head = bytes(view_n(answer, (size_t)n));
        res.head_wire = (uint64_t)n;
        res.body = bytes(t->body);
        res.body_wire = res.body_size = res.body_stored = t->body.n;
        res.first_us = t->at_us + 1000;
        res.last_us = t->at_us + 3000;
        res.end = TAPEDECK__MESSAGE_END__COMPLETE;
        t->wire[1] = (uint64_t)n + t->body.n;
        m.response = &res;
    }
    account.stored_c2s = t->wire[0];
    account.stored_s2c = t->wire[1];
    m.flow = t->flow;
    m.n = t->n;
    m.protocol = text("http");
    m.version = text("1.1");
    m.method = text("GET");
    m.scheme = text("http");
    m.host = text(t->host);
    m.path = text(t->path);
    m.status = t->status;
    m.request = &req;
    m.account = &account;
    put(out, WIRE_RECORD, WIRE_TRANSACTION, seq, &m.base);
}

void frames_part(struct buf *out, uint64_t seq, uint64_t flow, uint64_t n, uint64_t at,
                 struct view content)
{
    Tapedeck__Part m;
    Tapedeck__Account account;
    tapedeck__part__init(&m);
    tapedeck__account__init(&account);
    m.flow = flow;
    m.n = n;
    m.s2c = 1;
    m.offset = at;
    m.first_us = m.last_us = 1767225600000000;
    m.bytes = bytes(content);
    account.stored_s2c = content.n;
    m.account = &account;
    put(out, WIRE_RECORD, WIRE_PART, seq, &m.base);
}

void frames_restart(struct buf *out, uint64_t seq)
{
    Tapedeck__Restart m;
    tapedeck__restart__init(&m);
    m.at_us = 1767225600000000;
    m.pid = 4711;
    put(out, WIRE_RECORD, WIRE_RESTART, seq, &m.base);
}

size_t frames_answers(struct view in, struct frames_answer *out, size_t max, size_t *used)
{
    size_t count = 0, n;
    struct wire_frame f;
    *used = 0;
    while (count < max && wire_take(view_from(in, *used), &f, &n) == 0) {
        struct frames_answer *a = &out[count++];
        *used += n;
        *a = (struct frames_answer){.kind = f.kind, .seq = f.seq};
        if (f.kind != WIRE_WELCOME)
            continue;
        Tapedeck__Welcome *m =
            tapedeck__welcome__unpack(NULL, f.payload.n, (const uint8_t *)f.payload.p);
        must(!m);
        a->seq = m->last_seq;
        a->file = m->file;
        snprintf(a->refusal, sizeof a->refusal, "%s", m->refusal);
        tapedeck__welcome__free_unpacked(m, NULL);
    }
    return count;
}
