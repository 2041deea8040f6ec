// Frames: the bytes of tests/golden/frames are what both ends agreed on. They were made from wire.h
// and record.proto by other means than this code; each is read, understood, and written again.
#include "proto/record.pb-c.h"
#include "proto/wire.h"
#include "tests/support/guard.h"
#include "tests/support/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define T 1769860800000000LL

static void is_bytes(ProtobufCBinaryData got, const char *wanted, size_t n)
{
    assert_int_equal(got.len, n);
    assert_memory_equal(got.data, wanted, n);
}

// ---- what each golden file says

static void hello(const ProtobufCMessage *m)
{
    const Tapedeck__Hello *h = (const Tapedeck__Hello *)m;
    assert_int_equal(h->protocol, WIRE_VERSION);
    is_bytes(h->stream, "\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf", 16);
    assert_int_equal(h->first_seq, 5);
    assert_int_equal(h->next_seq, 300);
    assert_string_equal(h->software, "tapedeck-proxy 1.0.0");
    assert_string_equal(h->host, "node-7");
    assert_int_equal(h->pid, 4711);
    assert_int_equal(h->worker, 3);
    assert_int_equal(h->started_us, T);
    assert_string_equal(h->pod, "shop-5d9");
    assert_string_equal(h->namespace_, "prod");
    assert_string_equal(h->workload, "shop");
    assert_string_equal(h->node, "n1");
    assert_int_equal(h->n_labels, 2);
    assert_string_equal(h->labels[0]->value, "shop");
    assert_string_equal(h->labels[1]->name, "empty");
    assert_string_equal(h->settings, "{\"proxy-type\":\"dual\"}");
}

static void welcome(const ProtobufCMessage *m)
{
    const Tapedeck__Welcome *w = (const Tapedeck__Welcome *)m;
    assert_int_equal(w->protocol, 1);
    assert_int_equal(w->last_seq, 299);
    assert_string_equal(w->software, "tapedeck-recorder 1.0.0");
    assert_string_equal(w->refusal, "");
}

static void welcome_refusal(const ProtobufCMessage *m)
{
    assert_string_equal(((const Tapedeck__Welcome *)m)->refusal, "stream is in use");
}

static void bye(const ProtobufCMessage *m)
{
    assert_int_equal(((const Tapedeck__Bye *)m)->last_seq, 301);
    assert_string_equal(((const Tapedeck__Bye *)m)->reason, "sigterm");
}

static void flow_open(const ProtobufCMessage *m)
{
    const Tapedeck__FlowOpen *f = (const Tapedeck__FlowOpen *)m;
    assert_int_equal(f->at_us, T);
    assert_int_equal(f->direction, TAPEDECK__DIRECTION__INBOUND);
    assert_string_equal(f->front, "http");
    assert_string_equal(f->client, "10.0.0.9:51234");
    assert_string_equal(f->local, "[::1]:4143");
    assert_string_equal(f->original, "10.1.1.1:80");
    assert_string_equal(f->requested, "shop:80");
    assert_string_equal(f->target, "localhost:8080");
    assert_string_equal(f->server, "127.0.0.1:8080");
    assert_int_equal(f->dial_us, 321);
    assert_int_equal(f->dns_us, 120);
    assert_string_equal(f->server_local, "127.0.0.1:40000");
}

static void flow_close(const ProtobufCMessage *m)
{
    const Tapedeck__FlowClose *f = (const Tapedeck__FlowClose *)m;
    assert_int_equal(f->flow, 1);
    assert_int_equal(f->at_us, T + 5);
    assert_string_equal(f->reason, "client-reset");
    assert_int_equal(f->relayed_c2s, 512);
    assert_int_equal(f->relayed_s2c, 1LL << 40);
    assert_int_equal(f->account->omitted_c2s, 7);
    assert_int_equal(f->transactions, 9);
    assert_int_equal(f->filtered, 2);
    assert_int_equal(f->first_speaker, TAPEDECK__SIDE__CLIENT);
    assert_string_equal(f->detail, "connection reset by peer");
}

static void tls(const ProtobufCMessage *m)
{
    const Tapedeck__Tls *t = (const Tapedeck__Tls *)m;
    assert_string_equal(t->sni, "example.com");
    assert_string_equal(t->alpn_offered, "h2,http/1.1");
    assert_string_equal(t->versions_offered, "1.3,1.2");
    assert_string_equal(t->version, "1.3");
    assert_string_equal(t->cipher, "TLS_AES_128_GCM_SHA256");
    assert_string_equal(t->alpn, "");
    assert_string_equal(t->mode, "opaque");
}

static void transaction(const ProtobufCMessage *m)
{
    const Tapedeck__Transaction *t = (const Tapedeck__Transaction *)m;
    assert_int_equal(t->n, 2);
    assert_string_equal(t->protocol, "http");
    assert_string_equal(t->version, "1.1");
    assert_string_equal(t->method, "GET");
    assert_string_equal(t->path, "/a");
    assert_string_equal(t->query, "b");
    assert_int_equal(t->status, 200);
    assert_true(t->by_proxy);
    assert_string_equal(t->note, "upgraded");
    assert_int_equal(t->account->stored_s2c, 70000);
    assert_int_equal(t->account->omitted_s2c, 5);
    assert_int_equal(t->request->end, TAPEDECK__MESSAGE_END__COMPLETE);
    is_bytes(t->request->head, "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n", 30);
    assert_int_equal(t->request->n_redacted, 2);
    assert_string_equal(t->request->redacted[1], "header:cookie");
    is_bytes(t->response->body, "\x00\xff{}", 4);
    is_bytes(t->response->trailers, "x: y\r\n", 6);
    is_bytes(t->response->rhythm, "\0\5\x8f\1\7", 5);
    assert_int_equal(t->response->body_wire, 12);
    assert_int_equal(t->response->end, TAPEDECK__MESSAGE_END__UNTIL_CLOSE);
    assert_int_equal(t->response->n_interim, 1);
    is_bytes(t->response->interim[0], "HTTP/1.1 103 Early Hints\r\n\r\n", 28);
}

static void transaction_large(const ProtobufCMessage *m)
{
    const Tapedeck__Transaction *t = (const Tapedeck__Transaction *)m;
    assert_null(t->response);
    assert_int_equal(t->status, 0);
    assert_int_equal(t->request->parts, 2);
    assert_int_equal(t->request->body_size, 299000);
    assert_int_equal(t->request->body_stored, 1000);
    assert_int_equal(t->request->body_digest.len, 32);
    assert_int_equal(t->request->end, TAPEDECK__MESSAGE_END__CUT);
}

static void transaction_open(const ProtobufCMessage *m)
{
    const Tapedeck__TransactionOpen *t = (const Tapedeck__TransactionOpen *)m;
    assert_int_equal(t->n, 3);
    assert_string_equal(t->method, "PUT");
    assert_string_equal(t->query, "q=1");
    assert_int_equal(t->status, 100);
    assert_int_equal(t->first_us, T);
}

static void part(const ProtobufCMessage *m)
{
    const Tapedeck__Part *p = (const Tapedeck__Part *)m;
    assert_true(p->s2c);
    assert_int_equal(p->offset, 262144);
    is_bytes(p->bytes, "body", 4);
    assert_int_equal(p->account->stored_s2c, 4);
}

static void loss(const ProtobufCMessage *m)
{
    const Tapedeck__Loss *l = (const Tapedeck__Loss *)m;
    assert_int_equal(l->cause, TAPEDECK__CAUSE__RING_FULL);
    assert_int_equal(l->transactions, 3);
    assert_int_equal(l->lost_c2s, 100);
    assert_int_equal(l->lost_s2c, 200);
    assert_int_equal(l->flows, 1);
    assert_string_equal(l->detail, "ring of 1MiB");
}

static void restart(const ProtobufCMessage *m)
{
    assert_int_equal(((const Tapedeck__Restart *)m)->at_us, T);
    assert_int_equal(((const Tapedeck__Restart *)m)->pid, 4712);
}

static const struct {
    const char *file;
    enum wire_kind kind;
    unsigned type;
    uint64_t seq;
    const ProtobufCMessageDescriptor *message; // NULL: no payload
    void (*check)(const ProtobufCMessage *m);
} golden[] = {
    {"hello", WIRE_HELLO, 0, 0, &tapedeck__hello__descriptor, hello},
    {"welcome", WIRE_WELCOME, 0, 0, &tapedeck__welcome__descriptor, welcome},
    {"welcome_refusal", WIRE_WELCOME, 0, 0, &tapedeck__welcome__descriptor, welcome_refusal},
    {"ack", WIRE_ACK, 0, 0x0102030405060708, NULL, NULL},
    {"bye", WIRE_BYE, 0, 0, &tapedeck__bye__descriptor, bye},
    {"flow_open", WIRE_RECORD, WIRE_FLOW_OPEN, 1, &tapedeck__flow_open__descriptor, flow_open},
    {"flow_close", WIRE_RECORD, WIRE_FLOW_CLOSE, 2, &tapedeck__flow_close__descriptor, flow_close},
    {"tls", WIRE_RECORD, WIRE_TLS, 3, &tapedeck__tls__descriptor, tls},
    {"transaction", WIRE_RECORD, WIRE_TRANSACTION, 4, &tapedeck__transaction__descriptor,
     transaction},
    {"transaction_large", WIRE_RECORD, WIRE_TRANSACTION, 5, &tapedeck__transaction__descriptor,
     transaction_large},
    {"transaction_open", WIRE_RECORD, WIRE_TRANSACTION_OPEN, 6,
     &tapedeck__transaction_open__descriptor, transaction_open},
    {"part", WIRE_RECORD, WIRE_PART, 7, &tapedeck__part__descriptor, part},
    {"loss", WIRE_RECORD, WIRE_LOSS, 8, &tapedeck__loss__descriptor, loss},
    {"restart", WIRE_RECORD, WIRE_RESTART, 9, &tapedeck__restart__descriptor, restart},
};
#define GOLDEN_COUNT (sizeof golden / sizeof golden[0])

static struct view read_golden(const char *file)
{
    char path[100];
    size_t n;
    snprintf(path, sizeof path, "golden/frames/%s.hex", file);
    unsigned char *bytes = hex_read(path, &n);
    return view_n(bytes, n);
}

static void free_golden(struct view v)
{
    free((void *)(uintptr_t)v.p);
}

// ---- the tests

static void golden_bytes_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct view all = read_golden(golden[i].file);
        struct wire_frame f;
        size_t used;
        assert_int_equal(wire_take(all, &f, &used), 0);
        assert_int_equal(used, all.n);
        assert_int_equal(f.kind, golden[i].kind);
        assert_int_equal(f.type, golden[i].type);
        assert_int_equal(f.seq, golden[i].seq);
        assert_int_equal(f.payload.n, all.n - WIRE_HEADER);
        if (golden[i].message) {
            ProtobufCMessage *m = protobuf_c_message_unpack(golden[i].message, NULL, f.payload.n,
                                                            (const uint8_t *)f.payload.p);
            if (!m)
                fail_msg("%s", golden[i].file);
            assert_int_equal(m->n_unknown_fields, 0);
            golden[i].check(m);
            protobuf_c_message_free_unpacked(m, NULL);
        }
        free_golden(all);
    }
}

static void golden_bytes_are_written_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct view all = read_golden(golden[i].file);
        unsigned char out[2000];
        size_t n = 0;
        if (golden[i].message) {
            ProtobufCMessage *m = protobuf_c_message_unpack(
                golden[i].message, NULL, all.n - WIRE_HEADER, (const uint8_t *)all.p + WIRE_HEADER);
            assert_non_null(m);
            n = protobuf_c_message_get_packed_size(m);
            assert_true(n + WIRE_HEADER <= sizeof out);
            assert_int_equal(protobuf_c_message_pack(m, out + WIRE_HEADER), n);
            protobuf_c_message_free_unpacked(m, NULL);
        }
        wire_put_header(out, golden[i].kind, golden[i].type, (uint32_t)n, golden[i].seq);
        assert_true(view_eq(view_n(out, n + WIRE_HEADER), all));
        free_golden(all);
    }
}

static void a_frame_is_taken_only_when_whole(void **state)
{
    (void)state;
    struct guard g;
    guard_init(&g, 2000);
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct view all = read_golden(golden[i].file);
        struct wire_frame f = {.kind = 77};
        for (size_t n = 0; n < all.n; n++) {
            size_t used = 0;
            assert_int_equal(wire_take(guard_fill(&g, view_head(all, n)), &f, &used), E_AGAIN);
            assert_int_equal(used, n < WIRE_HEADER ? WIRE_HEADER : all.n);
            assert_int_equal(f.kind, 77);
        }
        size_t used;
        struct view in = guard_fill(&g, all);
        assert_int_equal(wire_take(in, &f, &used), 0);
        assert_ptr_equal(f.payload.p, in.p + WIRE_HEADER); // a loan, no copy
        free_golden(all);
    }
    guard_free(&g);
}

static void frames_follow_each_other(void **state)
{
    (void)state;
    char stream[20000];
    size_t n = 0, count = 0, used;
    struct wire_frame f;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct view all = read_golden(golden[i].file);
        memcpy(stream + n, all.p, all.n);
        n += all.n;
        free_golden(all);
    }
    for (struct view in = view_n(stream, n); in.n > 0; in = view_from(in, used)) {
        assert_int_equal(wire_take(in, &f, &used), 0);
        assert_int_equal(f.seq, golden[count++].seq);
    }
    assert_int_equal(count, GOLDEN_COUNT);
}

static void a_frame_beyond_the_maximum_ends_the_connection(void **state)
{
    (void)state;
    unsigned char header[WIRE_HEADER];
    struct wire_frame f;
    size_t used;
    wire_put_header(header, WIRE_RECORD, WIRE_PART, WIRE_PAYLOAD_MAX, 1);
    assert_int_equal(wire_take(view_n(header, sizeof header), &f, &used), E_AGAIN);
    assert_int_equal(used, WIRE_HEADER + WIRE_PAYLOAD_MAX);
    header[3]++; // one more
    for (size_t n = 4; n <= sizeof header; n++)
        assert_int_equal(wire_take(view_n(header, n), &f, &used), E_RANGE);
    assert_int_equal(wire_take(view_n(header, 3), &f, &used), E_AGAIN);
    memset(header, 0xff, 4);
    assert_int_equal(wire_take(view_n(header, 4), &f, &used), E_RANGE);
    assert_int_equal(wire_take(VIEW_LIT("GET / HTTP/1.1\r\n\r\n"), &f, &used), E_RANGE);
}

static void what_is_not_known_is_still_a_frame(void **state)
{
    (void)state;
    static const unsigned char future[] = {0, 0, 0, 3, 0xc8, 0x63, 0xff, 0xff, 0,  0,
                                           0, 0, 0, 0, 0,    2,    'x',  'y',  'z'};
    struct wire_frame f;
    size_t used;
    assert_int_equal(wire_take(view_n(future, sizeof future), &f, &used), 0);
    assert_int_equal(used, sizeof future);
    assert_int_equal(f.kind, 200);
    assert_int_equal(f.type, 99);
    assert_true(view_eq(f.payload, VIEW_LIT("xyz")));

    // A field of a later version within a message we know.
    static const uint8_t later[] = {0x08, 7, 0xfa, 0x07, 2, 'h', 'i'};
    Tapedeck__Restart *r = tapedeck__restart__unpack(NULL, sizeof later, later);
    assert_non_null(r);
    assert_int_equal(r->at_us, 7);
    tapedeck__restart__free_unpacked(r, NULL);
}

static void kinds_and_types_have_names(void **state)
{
    (void)state;
    static const char *const kinds[] = {"?", "hello", "welcome", "record", "ack", "bye", "?"};
    static const char *const types[] = {
        "?",    "flow-open", "flow-close", "tls", "transaction", "transaction-open",
        "part", "loss",      "restart",    "?"};
    for (unsigned i = 0; i < 7; i++)
        assert_string_equal(wire_kind_text(i), kinds[i]);
    for (unsigned i = 0; i < 10; i++)
        assert_string_equal(wire_type_text(i), types[i]);
    assert_string_equal(wire_kind_text(4294967295u), "?");
    assert_string_equal(wire_type_text(4294967295u), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes_are_understood),
        cmocka_unit_test(golden_bytes_are_written_again),
        cmocka_unit_test(a_frame_is_taken_only_when_whole),
        cmocka_unit_test(frames_follow_each_other),
        cmocka_unit_test(a_frame_beyond_the_maximum_ends_the_connection),
        cmocka_unit_test(what_is_not_known_is_still_a_frame),
        cmocka_unit_test(kinds_and_types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
