// Records become rows: every field arrives, and what cannot be is refused.
#include "proto/record.pb-c.h"
#include "recorder/unpack.h"
#include "tests/support/alloc.h"
#include "tests/support/frames.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define STREAM 3

static struct unpack *u;

static struct view pack(const ProtobufCMessage *m)
{
    static uint8_t packed[65536];
    size_t n = protobuf_c_message_get_packed_size(m);
    assert_true(n <= sizeof packed);
    return view_n(packed, protobuf_c_message_pack(m, packed));
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static ProtobufCBinaryData bytes(const char *s)
{
    return (ProtobufCBinaryData){.len = strlen(s), .data = (uint8_t *)(uintptr_t)s};
}

static void assert_view(struct view v, const char *s)
{
    assert_int_equal(v.n, strlen(s));
    assert_memory_equal(v.p, s, v.n);
}

static void a_flow(void **state)
{
    (void)state;
    struct unpack_row r;
    Tapedeck__FlowOpen m;
    tapedeck__flow_open__init(&m);
    m.at_us = 5;
    m.direction = TAPEDECK__DIRECTION__OUTBOUND;
    m.front = text("socks5");
    m.client = text("c:1");
    m.local = text("l:2");
    m.original = text("o:3");
    m.requested = text("Named.Host:80");
    m.target = text("TARGET:80");
    m.server = text("s:4");
    m.server_local = text("sl:5");
    m.dial_us = 6;
    m.dns_us = 7;
    assert_int_equal(unpack_record(u, STREAM, 9, WIRE_FLOW_OPEN, pack(&m.base), &r), 0);
    assert_int_equal(r.type, WIRE_FLOW_OPEN);
    assert_false(r.flow.inbound);
    assert_int_equal(r.flow.at_us, 5);
    assert_int_equal(r.flow.dial_us, 6);
    assert_int_equal(r.flow.dns_us, 7);
    assert_string_equal(r.flow.front, "socks5");
    assert_string_equal(r.flow.client, "c:1");
    assert_string_equal(r.flow.local, "l:2");
    assert_string_equal(r.flow.original, "o:3");
    assert_string_equal(r.flow.requested, "named.host:80");
    assert_string_equal(r.flow.target, "target:80");
    assert_string_equal(r.flow.server, "s:4");
    assert_string_equal(r.flow.server_local, "sl:5");
}

static void the_end_of_a_flow(void **state)
{
    (void)state;
    struct unpack_row r;
    Tapedeck__FlowClose m;
    Tapedeck__Account a;
    tapedeck__flow_close__init(&m);
    tapedeck__account__init(&a);
    m.flow = 9;
    m.at_us = 11;
    m.reason = text("done");
    m.detail = text("more");
    m.relayed_c2s = 12;
    m.relayed_s2c = 13;
    m.transactions = 14;
    m.filtered = 15;
    m.first_speaker = TAPEDECK__SIDE__SERVER;
    a.stored_c2s = 16;
    a.stored_s2c = 17;
    a.omitted_c2s = 18;
    a.omitted_s2c = 19;
    m.account = &a;
    assert_int_equal(unpack_record(u, STREAM, 20, WIRE_FLOW_CLOSE, pack(&m.base), &r), 0);
    const struct store_flow_end *f = &r.flow_end;
    assert_true(f->flow == store_key(STREAM, 9));
    assert_int_equal(f->at_us, 11);
    assert_string_equal(f->reason, "done");
    assert_string_equal(f->detail, "more");
    assert_int_equal(f->relayed_c2s, 12);
    assert_int_equal(f->relayed_s2c, 13);
    assert_int_equal(f->transactions, 14);
    assert_int_equal(f->filtered, 15);
    assert_int_equal(f->first_speaker, 2);
    assert_int_equal(f->account.stored_c2s, 16);
    assert_int_equal(f->account.stored_s2c, 17);
    assert_int_equal(f->account.omitted_c2s, 18);
    assert_int_equal(f->account.omitted_s2c, 19);
}

static void a_transaction(void **state)
{
    (void)state;
    struct unpack_row r;
    Tapedeck__Transaction m;
    Tapedeck__Message req, res;
    char *redacted[2] = {text("header:cookie"), text("query:t")}, *more[1] = {text("json:$.pw")};
    ProtobufCBinaryData interim[2] = {bytes("HTTP/1.1 100 C\r\n\r\n"),
                                      bytes("HTTP/1.1 103 E\r\n\r\n")};
    tapedeck__transaction__init(&m);
    tapedeck__message__init(&req);
    tapedeck__message__init(&res);
    req.first_us = 1;
    req.last_us = 2;
    req.head = bytes("GET / HTTP/1.1\r\n\r\n");
    req.head_wire = 18;
    req.body_wire = 4;
    req.end = TAPEDECK__MESSAGE_END__CUT;
    req.redacted = redacted;
    req.n_redacted = 2;
    res.redacted = more;
    res.n_redacted = 1;
    res.first_us = 3;
    res.last_us = 4;
    res.body = bytes("body");
    res.trailers = bytes("a: b\r\n");
    res.rhythm = bytes("\x01\x02");
    res.interim = interim;
    res.n_interim = 2;
    res.body_size = 70;
    res.body_stored = 4;
    res.body_digest = bytes("0123456789abcdef0123456789abcdef");
    res.end = TAPEDECK__MESSAGE_END__UNTIL_CLOSE;
    m.flow = 8;
    m.n = 5;
    m.protocol = text("http");
    m.version = text("1.1");
    m.method = text("GET");
    m.scheme = text("HTTP");
    m.host = text("API.Example:80");
    m.path = text("/Path");
    m.query = text("Q=1");
    m.status = 200;
    m.note = text("note");
    m.by_proxy = 1;
    m.original = INT64_MAX;
    m.outcome = text("hit");
    m.request = &req;
    m.response = &res;
    assert_int_equal(unpack_record(u, STREAM, 9, WIRE_TRANSACTION, pack(&m.base), &r), 0);
    const struct store_txn *t = &r.txn;
    assert_true(t->flow == store_key(STREAM, 8));
    assert_int_equal(t->n, 5);
    assert_int_equal(t->status, 200);
    assert_true(t->by_proxy);
    assert_true(t->original == INT64_MAX);
    assert_string_equal(t->outcome, "hit");
    assert_string_equal(t->host, "api.example:80");
    assert_string_equal(t->scheme, "http");
    assert_string_equal(t->path, "/Path");
    assert_string_equal(t->query, "Q=1");
    assert_string_equal(t->method, "GET");
    assert_string_equal(t->note, "note");
    assert_string_equal(t->redacted, "header:cookie,query:t,json:$.pw");
    assert_int_equal(t->req.end, 2);
    assert_int_equal(t->req.wire, 22);
    assert_view(t->req.head, "GET / HTTP/1.1\r\n\r\n");
    assert_null(t->req.body.p);
    assert_int_equal(t->res.end, 3);
    assert_view(t->res.body, "body");
    assert_view(t->res.trailers, "a: b\r\n");
    assert_view(t->res.rhythm, "\x01\x02");
    assert_view(t->res.interim, "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\n\r\n");
    assert_int_equal(t->res.digest.n, 32);
    assert_int_equal(t->res.body_size, 70);
    assert_int_equal(t->res.body_stored, 4);
    assert_null(t->res.head.p);

    // A half that was never seen.
    m.request = NULL;
    assert_int_equal(unpack_record(u, STREAM, 9, WIRE_TRANSACTION, pack(&m.base), &r), 0);
    assert_int_equal(r.txn.req.end, 0);
    assert_string_equal(r.txn.redacted, "json:$.pw");
}

static void the_other_records(void **state)
{
    (void)state;
    struct unpack_row r;
    Tapedeck__Tls tls;
    tapedeck__tls__init(&tls);
    tls.flow = 1;
    tls.at_us = 2;
    tls.sni = text("API.x");
    tls.alpn_offered = text("h2,http/1.1");
    tls.versions_offered = text("1.3");
    tls.version = text("1.2");
    tls.cipher = text("C");
    tls.alpn = text("h2");
    tls.mode = text("opaque");
    assert_int_equal(unpack_record(u, STREAM, 2, WIRE_TLS, pack(&tls.base), &r), 0);
    assert_string_equal(r.tls.sni, "api.x");
    assert_string_equal(r.tls.mode, "opaque");
    assert_string_equal(r.tls.alpn_offered, "h2,http/1.1");

    Tapedeck__TransactionOpen open;
    tapedeck__transaction_open__init(&open);
    open.flow = 1;
    open.n = 3;
    open.first_us = 4;
    open.host = text("H");
    open.path = text("/P");
    assert_int_equal(unpack_record(u, STREAM, 2, WIRE_TRANSACTION_OPEN, pack(&open.base), &r), 0);
    assert_string_equal(r.txn_open.host, "h");
    assert_string_equal(r.txn_open.path, "/P");
    assert_int_equal(r.txn_open.n, 3);

    Tapedeck__Part part;
    tapedeck__part__init(&part);
    part.flow = 1;
    part.offset = 77;
    part.s2c = 1;
    part.bytes = bytes("xyz");
    assert_int_equal(unpack_record(u, STREAM, 2, WIRE_PART, pack(&part.base), &r), 0);
    assert_int_equal(r.part.at, 77);
    assert_true(r.part.s2c);
    assert_view(r.part.bytes, "xyz");

    static const char *const causes[] = {"unknown",       "ring-full",        "decode-lost",
                                         "out-of-memory", "redaction-failed", "recorder-refused",
                                         "died",          "budget-full",      "unknown"};
    Tapedeck__Loss loss;
    tapedeck__loss__init(&loss);
    for (int i = 0; i < 9; i++) {
        loss.cause = (Tapedeck__Cause)i;
        loss.lost_c2s = 5;
        loss.transactions = 6;
        loss.flows = 7;
        assert_int_equal(unpack_record(u, STREAM, 2, WIRE_LOSS, pack(&loss.base), &r), 0);
        assert_string_equal(r.loss.cause, causes[i]);
        assert_int_equal(r.loss.flow, 0);
        assert_int_equal(r.loss.lost_c2s, 5);
        assert_int_equal(r.loss.transactions, 6);
        assert_int_equal(r.loss.flows, 7);
    }
    loss.flow = 1;
    assert_int_equal(unpack_record(u, STREAM, 2, WIRE_LOSS, pack(&loss.base), &r), 0);
    assert_true(r.loss.flow == store_key(STREAM, 1));

    Tapedeck__Restart restart;
    tapedeck__restart__init(&restart);
    restart.at_us = 8;
    restart.pid = 9;
    assert_int_equal(unpack_record(u, STREAM, 2, WIRE_RESTART, pack(&restart.base), &r), 0);
    assert_int_equal(r.restart.at_us, 8);
    assert_int_equal(r.restart.pid, 9);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct unpack_row r;
    // No such type, no such message.
    assert_int_equal(unpack_record(u, STREAM, 2, 0, VIEW_LIT(""), &r), E_SYNTAX);
    assert_int_equal(unpack_record(u, STREAM, 2, WIRE_TYPES, VIEW_LIT(""), &r), E_SYNTAX);
    assert_int_equal(unpack_record(u, STREAM, 2, WIRE_PART, VIEW_LIT("\xff"), &r), E_SYNTAX);
    // A flow that did not begin before the record, or none.
    Tapedeck__FlowClose m;
    tapedeck__flow_close__init(&m);
    static const uint64_t flows[] = {0, 9, 10, (uint64_t)1 << 40, UINT64_MAX};
    for (size_t i = 0; i < sizeof flows / sizeof *flows; i++) {
        m.flow = flows[i];
        assert_int_equal(unpack_record(u, STREAM, 9, WIRE_FLOW_CLOSE, pack(&m.base), &r), E_SYNTAX);
    }
    m.flow = 8;
    assert_int_equal(unpack_record(u, STREAM, 9, WIRE_FLOW_CLOSE, pack(&m.base), &r), 0);
    // Numbers beyond 63 bits.
    m.relayed_s2c = (uint64_t)1 << 63;
    assert_int_equal(unpack_record(u, STREAM, 9, WIRE_FLOW_CLOSE, pack(&m.base), &r), E_SYNTAX);
    Tapedeck__Transaction t;
    Tapedeck__Message half;
    tapedeck__transaction__init(&t);
    tapedeck__message__init(&half);
    t.flow = 1;
    t.response = &half;
    assert_int_equal(unpack_record(u, STREAM, 9, WIRE_TRANSACTION, pack(&t.base), &r), 0);
    half.head_wire = half.body_wire = INT64_MAX;
    assert_int_equal(unpack_record(u, STREAM, 9, WIRE_TRANSACTION, pack(&t.base), &r), E_SYNTAX);
    half.body_wire = 0;
    half.end = (Tapedeck__MessageEnd)4;
    assert_int_equal(unpack_record(u, STREAM, 9, WIRE_TRANSACTION, pack(&t.base), &r), E_SYNTAX);
    half.end = TAPEDECK__MESSAGE_END__COMPLETE;
    half.body_digest = bytes("short");
    assert_int_equal(unpack_record(u, STREAM, 9, WIRE_TRANSACTION, pack(&t.base), &r), E_SYNTAX);
    half.body_digest.len = 0;
    half.parts = 2;
    half.body = bytes("and here");
    assert_int_equal(unpack_record(u, STREAM, 9, WIRE_TRANSACTION, pack(&t.base), &r), E_SYNTAX);
}

static int take_txn(const Tapedeck__Transaction *t, struct unpack_row *r)
{
    return unpack_record(u, STREAM, 9, WIRE_TRANSACTION, pack(&t->base), r);
}

static void content_that_is_referred_to(void **state)
{
    (void)state;
    static const char name[] = "0123456789abcdef0123456789ABCDEF";
    struct unpack_row r;
    Tapedeck__Transaction t;
    Tapedeck__Message half;
    tapedeck__transaction__init(&t);
    t.flow = 1;
    t.response = &half;
    for (int way = -1; way < 9; way++) {
        tapedeck__message__init(&half);
        half.known = true;
        half.body_digest = bytes(name);
        half.body_size = 19000;
        half.body_stored = WIRE_KNOWN_MIN;
        half.head_wire = 50;
        half.body_wire = 19010;
        switch (way) {
        case 0:
            half.body_digest.len = 0;
            break;
        case 1:
            half.body_digest.len = 31;
            break;
        case 2:
            half.body = bytes("what it should not bring");
            break;
        case 3:
            half.parts = 1;
            break;
        case 4:
            half.body_stored = WIRE_KNOWN_MIN - 1;
            break;
        case 5:
            half.body_stored = 19001;
            break;
        case 6:
            half.body_stored = 0;
            break;
        case 7:
            half.body_wire = UINT64_MAX;
            break;
        case 8: // more than a proxy remembers
            half.body_size = half.body_stored = STORE_KNOWN_MAX + 1;
            break;
        default:
            assert_int_equal(take_txn(&t, &r), 0);
            assert_true(r.txn.res.known && !r.txn.req.known);
            assert_view(r.txn.res.digest, name);
            assert_int_equal(r.txn.res.body_stored, WIRE_KNOWN_MIN);
            assert_int_equal(r.txn.res.body_size, 19000);
            assert_int_equal(r.txn.res.body_wire, 19010);
            assert_int_equal(r.txn.res.wire, 19060);
            continue;
        }
        assert_int_equal(take_txn(&t, &r), E_SYNTAX);
    }
}

static void pieces_that_are_like_others(void **state)
{
    (void)state;
    static const char name[] = "0123456789abcdef0123456789ABCDEF";
    struct unpack_row r;
    Tapedeck__Part m;
    for (int way = -2; way < 7; way++) {
        tapedeck__part__init(&m);
        m.flow = 1;
        m.like = bytes(name);
        m.offset = 65536;
        m.size = STORE_LIKE_MAX;
        if (way == -2)
            m.like.len = m.size = 0;
        if (way == 0)
            m.like.len = 31;
        if (way == 1)
            m.like.len = 0; // a size of nothing
        if (way == 2)
            m.bytes = bytes("it brings some");
        if (way == 3)
            m.size = 0;
        if (way == 4)
            m.size++;
        if (way == 5)
            m.offset = INT64_MAX - 5;
        if (way == 6)
            m.size = UINT64_MAX;
        int e = unpack_record(u, STREAM, 9, WIRE_PART, pack(&m.base), &r);
        assert_int_equal(e, way < 0 ? 0 : E_SYNTAX);
        if (way != -1)
            continue;
        assert_view(r.part.like, name);
        assert_int_equal(r.part.size, STORE_LIKE_MAX);
        assert_int_equal(r.part.at, 65536);
        assert_int_equal(r.part.bytes.n, 0);
    }
}

static void who_speaks(void **state)
{
    (void)state;
    struct unpack_hello h;
    Tapedeck__Hello m;
    Tapedeck__Label a, b, *labels[2] = {&a, &b};
    uint8_t name[16] = "0123456789abcde";
    tapedeck__hello__init(&m);
    tapedeck__label__init(&a);
    tapedeck__label__init(&b);
    a.name = text("app");
    a.value = text("x\"y");
    b.name = text("bad");
    b.value = text("\xff\xfe");
    m.labels = labels;
    m.n_labels = 2;
    m.protocol = 2;
    m.stream = (ProtobufCBinaryData){.len = 16, .data = name};
    m.first_seq = 3;
    m.next_seq = 4;
    m.pid = 5;
    m.worker = 6;
    m.pod = text("pod");
    m.settings = text("{ \"a\": \"b\", \"l\": [\"x\", 1] }");
    assert_int_equal(unpack_hello(u, pack(&m.base), &h), 0);
    assert_memory_equal(h.stream.name, name, 16);
    assert_int_equal(h.protocol, 2);
    assert_int_equal(h.first_seq, 3);
    assert_int_equal(h.next_seq, 4);
    assert_int_equal(h.stream.pid, 5);
    assert_int_equal(h.stream.worker, 6);
    assert_string_equal(h.stream.pod, "pod");
    assert_string_equal(h.stream.labels_json, "{\"app\":\"x\\\"y\",\"bad\":null}");
    assert_string_equal(h.stream.settings_json, "{\"a\":\"b\",\"l\":[\"x\",1]}");
    // Settings that the capture's schema would refuse are left out, not the stream.
    static const char *const bad[] = {"",
                                      "x",
                                      "[]",
                                      "{\"a\":{}}",
                                      "{\"a\":[[]]}",
                                      "{\"a\"",
                                      "{\"a\":1} x",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"\xff\":1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        m.settings = text(bad[i]);
        assert_int_equal(unpack_hello(u, pack(&m.base), &h), 0);
        assert_string_equal(h.stream.settings_json, "{}");
    }
    m.stream.len = 15;
    assert_int_equal(unpack_hello(u, pack(&m.base), &h), E_SYNTAX);
}

// A payload of many tiny fields asks for much memory; it is refused, and memory is as before.
static void a_payload_cannot_become_huge(void **state)
{
    (void)state;
    struct unpack_row r;
    struct unpack_hello h;
    size_t n = WIRE_PAYLOAD_MAX;
    char *many = malloc(n);
    for (size_t i = 0; i + 1 < n; i += 2) {
        many[i] = 0x72; // labels of a hello: empty messages
        many[i + 1] = 0;
    }
    assert_int_equal(unpack_hello(u, view_n(many, n), &h), E_SYNTAX);
    // A Message in a Transaction: as many interim heads as fit.
    for (size_t i = 0; i + 1 < n; i += 2) {
        many[i] = 0x72; // field 14 of Message
        many[i + 1] = 0;
    }
    memcpy(many, "\x5a\xfc\xff\x3f", 4); // field 11: request, of n - 4 bytes
    int e = unpack_record(u, STREAM, 9, WIRE_TRANSACTION, view_n(many, n), &r);
    assert_int_equal(e, E_SYNTAX);
    free(many);
    Tapedeck__Restart m;
    tapedeck__restart__init(&m);
    assert_int_equal(unpack_record(u, STREAM, 2, WIRE_RESTART, pack(&m.base), &r), 0);
}

static void large_payloads_come_whole(void **state)
{
    (void)state;
    struct unpack_row r;
    struct buf b;
    size_t n = WIRE_PAYLOAD_MAX - 64;
    char *content = malloc(n);
    memset(content, 'x', n);
    buf_init(&b, FRAMES_MAX);
    for (int i = 0; i < 3; i++) {
        buf_reset(&b);
        frames_part(&b, 5, 1, 0, 0, view_n(content, n));
        struct view payload = view_from(buf_view(&b), WIRE_HEADER);
        assert_int_equal(unpack_record(u, STREAM, 5, WIRE_PART, payload, &r), 0);
        assert_int_equal(r.part.bytes.n, n);
        assert_memory_equal(r.part.bytes.p, content, n);
    }
    buf_clear(&b);
    free(content);
}

static void memory_may_be_missing(void **state)
{
    (void)state;
    struct buf b;
    struct frames_txn t = {.flow = 1,
                           .host = "h",
                           .path = "/",
                           .status = 200,
                           .body = {.p = malloc(300000), .n = 300000}};
    memset((char *)(uintptr_t)t.body.p, 'x', t.body.n);
    buf_init(&b, FRAMES_MAX);
    frames_txn(&b, 5, &t);
    size_t txn = buf_len(&b);
    frames_hello(&b, 1, 1, 1);
    for (long i = 0, failed = 1; failed; i++) {
        struct unpack_row r;
        struct unpack_hello h;
        alloc_fail_at(i);
        struct unpack *mine = unpack_new();
        int e = mine ? 0 : E_NOMEM;
        for (int twice = 0; twice < 2 && !e; twice++)
            e = unpack_record(mine, STREAM, 5, WIRE_TRANSACTION,
                              view_n(b.p + b.at + WIRE_HEADER, txn - WIRE_HEADER), &r);
        if (!e)
            e = unpack_hello(mine, view_from(buf_view(&b), txn + WIRE_HEADER), &h);
        failed = alloc_fail_end();
        // A larger block is only a wish: without it the payload is met piecemeal.
        assert_true(e == 0 || (failed && e == E_NOMEM));
        unpack_free(mine);
    }
    buf_clear(&b);
    free((char *)(uintptr_t)t.body.p);
}

static void nothing_beyond_the_payload_is_read(void **state)
{
    (void)state;
    struct guard g;
    struct buf b;
    struct frames_txn t = {
        .flow = 1, .host = "h", .path = "/", .status = 200, .body = VIEW_LIT("body")};
    buf_init(&b, FRAMES_MAX);
    frames_txn(&b, 5, &t);
    struct view payload = view_from(buf_view(&b), WIRE_HEADER);
    guard_init(&g, payload.n);
    for (size_t n = 0; n <= payload.n; n++)
        for (unsigned type = 0; type <= WIRE_TYPES; type++) {
            struct unpack_row r;
            int e = unpack_record(u, STREAM, 5, type, guard_fill(&g, view_head(payload, n)), &r);
            assert_true(e == 0 || e == E_SYNTAX);
        }
    guard_free(&g);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow),
        cmocka_unit_test(the_end_of_a_flow),
        cmocka_unit_test(a_transaction),
        cmocka_unit_test(the_other_records),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(content_that_is_referred_to),
        cmocka_unit_test(pieces_that_are_like_others),
        cmocka_unit_test(who_speaks),
        cmocka_unit_test(a_payload_cannot_become_huge),
        cmocka_unit_test(large_payloads_come_whole),
        cmocka_unit_test(memory_may_be_missing),
        cmocka_unit_test(nothing_beyond_the_payload_is_read),
    };
    u = unpack_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unpack_free(u);
    return failed;
}
