// The emitter: what a decoder tells becomes the right records, and every byte is accounted for.
#include "proto/digest.h"
#include "proxy/emit/pack.h"
#include "tests/support/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const Tapedeck__Transaction *only_txn(void)
{
    stage_drain();
    assert_int_equal(stage.ledger.txns, 1);
    return stage.ledger.txn[0];
}

static void expect_content(const Tapedeck__Transaction *t, bool s2c, struct view expected)
{
    size_t n;
    unsigned char *content = ledger_content(&stage.ledger, t, s2c, &n);

    assert_int_equal(n, expected.n);
    assert_memory_equal(content, expected.p, n);
    free(content);
}

static void expect_bytes(ProtobufCBinaryData bytes, const char *text)
{
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.len);
}

static void test_small(void **state)
{
    (void)state;
    speak_head(&stage.speak, 0, STAGE_GET);
    speak_end(&stage.speak, 0, C2S, MSG_COMPLETE, "", 0);
    stage.speak.now_us += 1500;
    speak_head(&stage.speak, 0, STAGE_OK);
    speak_body(&stage.speak, 0, S2C, VIEW_LIT("hello"), 10);
    speak_body(&stage.speak, 0, S2C, view_n(NULL, 0), 3);
    speak_end(&stage.speak, 0, S2C, MSG_COMPLETE, "X-T: 1\r\n", 15);
    struct iovec pieces[2];
    assert_int_equal(journal_unsent(stage.journal, pieces), 0); // all in one record, at its end
    speak_txn_end(&stage.speak, 0,
                  "no\xff"
                  "te");
    assert_int_equal(stage.kicks, 1);
    const Tapedeck__Transaction *t = only_txn();
    assert_int_equal(stage.ledger.records, 2);
    const Tapedeck__FlowOpen *open = stage.ledger.flow[0].open;
    assert_int_equal(open->at_us, STAGE_BEGIN);
    assert_int_equal(open->direction, TAPEDECK__DIRECTION__INBOUND);
    assert_string_equal(open->front, "fixed");
    assert_string_equal(open->client, "127.0.0.1:50000");
    assert_string_equal(open->local, "127.0.0.1:4143");
    assert_string_equal(open->original, "");
    assert_string_equal(open->server, "10.0.0.7:8080");
    assert_string_equal(open->target, "backend:8080");
    assert_int_equal(open->dial_us, 250);
    assert_int_equal(open->dns_us, 40);
    assert_int_equal(t->flow, stage.ledger.flow[0].id);
    assert_string_equal(t->protocol, "http");
    assert_string_equal(t->version, "1.1");
    assert_string_equal(t->method, "GET");
    assert_string_equal(t->scheme, "http");
    assert_string_equal(t->host, "api:80");
    assert_string_equal(t->path, "/things/7");
    assert_string_equal(t->query, "q=1");
    assert_string_equal(t->note, "no%FFte");
    assert_int_equal(t->status, 200);
    assert_false(t->by_proxy);
    assert_int_equal(t->request->first_us, STAGE_BEGIN);
    assert_int_equal(t->response->first_us, STAGE_BEGIN + 1500);
    expect_bytes(t->request->head, STAGE_GET);
    expect_bytes(t->response->head, STAGE_OK);
    expect_bytes(t->response->body, "hello");
    expect_bytes(t->response->trailers, "X-T: 1\r\n");
    assert_int_equal(t->response->head_wire, strlen(STAGE_OK));
    assert_int_equal(t->response->body_wire, 28);
    assert_int_equal(t->response->body_size, 5);
    assert_int_equal(t->response->body_digest.len, 0); // the recorder makes it
    assert_int_equal(t->response->rhythm.len, 0);
    assert_int_equal(t->request->end, TAPEDECK__MESSAGE_END__COMPLETE);
    assert_int_equal(t->account->stored_c2s, strlen(STAGE_GET));
    assert_int_equal(t->account->stored_s2c, strlen(STAGE_OK) + 28);
    speak_close(&stage.speak);
    stage_drain();
    assert_int_equal(stage.ledger.records, 3);
    assert_string_equal(stage.ledger.flow[0].close->reason, "done");
    assert_int_equal(stage.ledger.flow[0].close->first_speaker, TAPEDECK__SIDE__CLIENT);
    assert_int_equal(stage.stats.records, 3);
    assert_int_equal(stage.stats.transactions, 1);
}

static void test_halves(void **state)
{
    (void)state;
    speak_head(&stage.speak, 0, STAGE_GET); // unanswered
    speak_txn_end(&stage.speak, 0, "");
    speak_head(&stage.speak, 1, STAGE_OK); // answer only
    speak_end(&stage.speak, 1, S2C, MSG_UNTIL_CLOSE, "", 0);
    speak_txn_end(&stage.speak, 1, "");
    speak_head(&stage.speak, 2, STAGE_GET); // never ended: the close does it
    speak_close(&stage.speak);
    stage_drain();
    assert_int_equal(stage.ledger.txns, 3);
    assert_null(stage.ledger.txn[0]->response);
    assert_int_equal(stage.ledger.txn[0]->request->end, TAPEDECK__MESSAGE_END__CUT);
    assert_null(stage.ledger.txn[1]->request);
    assert_int_equal(stage.ledger.txn[1]->response->end, TAPEDECK__MESSAGE_END__UNTIL_CLOSE);
    assert_string_equal(stage.ledger.txn[2]->note, "the flow ended");
}

static void test_pipelined(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 5; n++) {
        speak_head(&stage.speak, n, STAGE_GET);
        speak_end(&stage.speak, n, C2S, MSG_COMPLETE, "", 0);
    }
    for (uint64_t n = 0; n < 5; n++) {
        speak_head(&stage.speak, n, STAGE_OK);
        speak_body(&stage.speak, n, S2C, speak_bytes(100 + n, 1), 100 + n);
        speak_end(&stage.speak, n, S2C, MSG_COMPLETE, "", 0);
        speak_txn_end(&stage.speak, n, "");
    }
    speak_close(&stage.speak);
    stage_drain();
    assert_int_equal(stage.ledger.txns, 5);
    for (uint64_t n = 0; n < 5; n++)
        assert_int_equal(ledger_find(&stage.ledger, stage.ledger.flow[0].id, n)->response->body.len,
                         100 + n);
}

static void test_large(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 1000, 16384, 65536, 131072};
    for (size_t i = 0; i < 5; i++) {
        struct view all = speak_bytes(1u << 20, 3);
        speak_head(&stage.speak, i, STAGE_PUT);
        for (size_t at = 0; at < (i ? all.n : 70000); at += sizes[i])
            speak_body(&stage.speak, i, C2S, view_head(view_from(all, at), sizes[i]), sizes[i] + 3);
        speak_end(&stage.speak, i, C2S, MSG_COMPLETE, "A: b\r\n", 11);
        speak_head(&stage.speak, i, STAGE_OK);
        speak_body(&stage.speak, i, S2C, VIEW_LIT("small"), 5);
        speak_end(&stage.speak, i, S2C, MSG_COMPLETE, "", 0);
        speak_txn_end(&stage.speak, i, "");
        stage_drain();
        const Tapedeck__Transaction *t = stage.ledger.txn[i];
        assert_true(t->request->parts > 0);
        assert_int_equal(t->request->body_digest.len, DIGEST_SIZE);
        expect_bytes(t->request->trailers, "A: b\r\n");
        expect_content(t, false, view_head(speak_bytes(1u << 20, 3), i ? 1u << 20 : 70000));
        expect_bytes(t->response->body, "small");
        assert_int_equal(t->response->parts, 0);
        // Small pieces gather, large ones need not.
        assert_true(t->request->parts <= (1u << 20) / 50000);
        assert_int_equal(stage.ledger.opens, i + 1);
        assert_string_equal(stage.ledger.open[i]->path, "/up");
        ledger_check(&stage.ledger, false);
    }
    speak_close(&stage.speak);
}

static void test_trailers_behind_gathered(void **state)
{
    (void)state;
    // The request is whole, with trailers, when the budget makes its body go out.
    stage.conf.budget = 0; // the smallest there is
    stage_again(8u << 20);
    struct view some = speak_bytes(30000, 5);
    speak_head(&stage.speak, 0, STAGE_PUT);
    speak_body(&stage.speak, 0, C2S, some, some.n);
    speak_end(&stage.speak, 0, C2S, MSG_COMPLETE, "Trailing: yes\r\n", 17);
    speak_head(&stage.speak, 1, STAGE_PUT);
    speak_body(&stage.speak, 1, C2S, some, some.n);
    speak_txn_end(&stage.speak, 0, "");
    speak_txn_end(&stage.speak, 1, "");
    stage_drain();
    assert_int_equal(stage.ledger.txn[0]->request->parts, 1);
    expect_bytes(stage.ledger.txn[0]->request->trailers, "Trailing: yes\r\n");
    expect_content(stage.ledger.txn[0], false, speak_bytes(30000, 5));
    expect_content(stage.ledger.txn[1], false, speak_bytes(30000, 5));
    speak_close(&stage.speak);
}

static void test_max_body(void **state)
{
    (void)state;
    const uint64_t limits[] = {0, 1, 5000, 100000};
    for (int i = 0; i < 4; i++) {
        const size_t sizes[] = {10, 6000, 200000};
        stage.conf.max_body = limits[i];
        stage_again(8u << 20);
        for (uint64_t n = 0; n < 3; n++) {
            struct view all = speak_bytes(sizes[n], 8);
            unsigned char digest[DIGEST_SIZE];
            digest_once(all, digest);
            speak_head(&stage.speak, n, STAGE_PUT);
            for (size_t at = 0; at < all.n; at += 4000) {
                struct view now = view_head(view_from(all, at), 4000);
                speak_body(&stage.speak, n, C2S, now, now.n + 7);
            }
            speak_end(&stage.speak, n, C2S, MSG_COMPLETE, "", 0);
            speak_txn_end(&stage.speak, n, "");
            stage_drain();
            const Tapedeck__Transaction *t = stage.ledger.txn[stage.ledger.txns - 1];
            uint64_t kept = limits[i] < all.n ? limits[i] : all.n;
            assert_int_equal(t->request->body_size, all.n);
            assert_int_equal(t->request->body_stored, kept);
            if (kept < all.n)
                assert_memory_equal(t->request->body_digest.data, digest, DIGEST_SIZE);
            if (kept < all.n)
                assert_int_equal(t->account->omitted_c2s, all.n - kept);
            size_t got;
            unsigned char *content = ledger_content(&stage.ledger, t, false, &got);
            assert_memory_equal(content, speak_bytes(all.n, 8).p, kept);
            free(content);
        }
        speak_close(&stage.speak);
        stage_drain();
        ledger_check(&stage.ledger, true);
        ledger_clear(&stage.ledger);
        speak_open(&stage.speak, emitter_sink(stage.emitter), STAGE_BEGIN);
    }
    emitter_set_max_body(stage.emitter, 3);
    speak_exchange(&stage.speak, 0, STAGE_GET, VIEW_LIT(""), STAGE_OK, VIEW_LIT("hello"));
    expect_bytes(only_txn()->response->body, "hel");
    speak_close(&stage.speak);
}

// ---- raw

static void test_raw(void **state)
{
    (void)state;
    speak_raw_begin(&stage.speak, 0, C2S);
    speak_raw(&stage.speak, 0, C2S, VIEW_LIT("PI"));
    stage.speak.now_us += 10000;
    speak_raw(&stage.speak, 0, C2S, VIEW_LIT("NG")); // close enough to be one piece
    speak_raw_begin(&stage.speak, 0, S2C);
    speak_raw(&stage.speak, 0, S2C, VIEW_LIT("PO"));
    stage.speak.now_us += 20000;
    speak_raw(&stage.speak, 0, S2C, VIEW_LIT("NG")); // not any more
    speak_raw(&stage.speak, 0, C2S, VIEW_LIT("QUIT"));
    stage.speak.now_us += 50000;
    emitter_tick(stage.emitter, stage.speak.now_us); // ends the join
    stage_drain();
    assert_int_equal(stage.ledger.parts, 4);
    speak_raw(&stage.speak, 0, C2S, VIEW_LIT("!"));
    speak_end(&stage.speak, 0, C2S, MSG_UNTIL_CLOSE, "", 0);
    speak_txn_end(&stage.speak, 0, "");
    speak_close(&stage.speak);
    const Tapedeck__Transaction *t = only_txn();
    const struct {
        bool s2c;
        uint64_t offset;
        const char *bytes;
        int64_t first, last;
    } expected[] = {
        {false, 0, "PING", 0, 10000},  {true, 0, "PO", 10000, 10000},
        {true, 2, "NG", 30000, 30000}, {false, 4, "QUIT", 30000, 30000},
        {false, 8, "!", 80000, 80000},
    };
    assert_int_equal(stage.ledger.parts, 5);
    for (int i = 0; i < 5; i++) {
        const Tapedeck__Part *p = stage.ledger.part[i];
        assert_int_equal(p->s2c, expected[i].s2c);
        assert_int_equal(p->offset, expected[i].offset);
        expect_bytes(p->bytes, expected[i].bytes);
        assert_int_equal(p->first_us, STAGE_BEGIN + expected[i].first);
        assert_int_equal(p->last_us, STAGE_BEGIN + expected[i].last);
    }
    assert_string_equal(t->protocol, "raw");
    assert_int_equal(t->request->head.len, 0);
    assert_int_equal(t->request->body_size, 9);
    assert_int_equal(t->request->body_digest.len, DIGEST_SIZE);
    assert_int_equal(t->request->rhythm.len, 0); // the parts have their times
    assert_int_equal(t->response->end, TAPEDECK__MESSAGE_END__CUT);
    assert_int_equal(stage.ledger.opens, 0);
}

static void test_raw_bulk(void **state)
{
    (void)state;
    struct view all = speak_bytes(2u << 20, 9);
    speak_raw_begin(&stage.speak, 0, S2C);
    speak_raw(&stage.speak, 0, S2C, view_head(all, 700000)); // beyond EMIT_PART_MAX at once
    for (size_t at = 700000; at < all.n; at += 5000) {
        struct view now = view_head(view_from(all, at), 5000);
        speak_raw(&stage.speak, 0, S2C, now);
        stage.speak.now_us += 100;
    }
    speak_txn_end(&stage.speak, 0, "");
    speak_close(&stage.speak);
    expect_content(only_txn(), true, speak_bytes(2u << 20, 9));
    assert_true(stage.ledger.parts < 40);
    for (size_t i = 0; i < stage.ledger.parts; i++)
        assert_true(stage.ledger.part[i]->bytes.len <= EMIT_PART_MAX);
}

// ---- time

static void test_long(void **state)
{
    (void)state;
    stage.speak.now_us += 500000;
    emitter_tick(stage.emitter, stage.speak.now_us);
    struct iovec pieces[2];
    assert_int_equal(journal_unsent(stage.journal, pieces), 0);
    stage.speak.now_us += 500000; // a flow that lives for a second is told of
    emitter_tick(stage.emitter, stage.speak.now_us);
    stage_drain();
    assert_int_equal(stage.ledger.records, 1);
    speak_head(&stage.speak, 0, STAGE_GET);
    speak_end(&stage.speak, 0, C2S, MSG_COMPLETE, "", 0);
    emitter_tick(stage.emitter, stage.speak.now_us + 999999);
    stage_drain();
    assert_int_equal(stage.ledger.opens, 0);
    stage.speak.now_us += 1000000;
    emitter_tick(stage.emitter, stage.speak.now_us);
    stage_drain();
    assert_int_equal(stage.ledger.opens, 1);
    assert_int_equal(stage.ledger.open[0]->first_us, stage.speak.now_us - 1000000);
    assert_string_equal(stage.ledger.open[0]->query, "q=1");
    // Events that trickle in are seen within two seconds, not only at the end.
    speak_head(&stage.speak, 0, STAGE_OK);
    for (int i = 0; i < 30; i++) {
        speak_body(&stage.speak, 0, S2C, VIEW_LIT("data: tick\n\n"), 12);
        stage.speak.now_us += 200000;
        emitter_tick(stage.emitter, stage.speak.now_us);
    }
    stage_drain();
    assert_int_equal(stage.ledger.opens, 1);
    assert_in_range(stage.ledger.parts, 2, 6);
    speak_txn_end(&stage.speak, 0, "");
    assert_int_equal(only_txn()->response->body_size, 30 * 12);
    speak_close(&stage.speak);
}

static uint64_t varint(ProtobufCBinaryData *in)
{
    uint64_t v = 0;

    for (int shift = 0;; shift += 7) {
        assert_true(in->len > 0);
        uint8_t c = *in->data++;
        in->len--;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return v;
    }
}

static void test_rhythm(void **state)
{
    (void)state;
    speak_head(&stage.speak, 0, STAGE_GET);
    speak_end(&stage.speak, 0, C2S, MSG_COMPLETE, "", 0);
    speak_head(&stage.speak, 0, STAGE_OK);
    speak_body(&stage.speak, 0, S2C, speak_bytes(10, 1), 10);
    for (int i = 0; i < 400; i++) {
        stage.speak.now_us += 300;
        speak_body(&stage.speak, 0, S2C, speak_bytes(10, 1), 10);
        speak_body(&stage.speak, 0, S2C, speak_bytes(5, 1), 5); // in the same read
    }
    speak_end(&stage.speak, 0, S2C, MSG_COMPLETE, "", 0);
    speak_txn_end(&stage.speak, 0, "");
    const Tapedeck__Transaction *t = only_txn();
    assert_int_equal(t->request->rhythm.len, 0);
    ProtobufCBinaryData r = t->response->rhythm;
    uint64_t sum = 0;
    for (int i = 0; i < 256; i++) {
        assert_int_equal(varint(&r), i ? 300 : 0);
        uint64_t wire = varint(&r);
        if (i == 0)
            assert_int_equal(wire, strlen(STAGE_OK) + 10);
        else if (i < 255)
            assert_int_equal(wire, 15);
        sum += wire;
    }
    assert_int_equal(r.len, 0);
    assert_int_equal(sum, strlen(STAGE_OK) + 10 + 400 * 15);
    speak_close(&stage.speak);
}

static void test_interim(void **state)
{
    (void)state;
    static const char hints[] = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    speak_head(&stage.speak, 0, STAGE_GET);
    speak_head(&stage.speak, 0, "HTTP/1.1 100 Continue\r\n\r\n");
    for (int i = 0; i < 20; i++)
        speak_head(&stage.speak, 0, hints);
    stage.speak.flow->ops->omitted(stage.speak.flow, 0, S2C, "header:link",
                                   4); // within what is left out as a whole
    stage.speak.now_us += 10;
    speak_head(&stage.speak, 0, STAGE_OK);
    speak_txn_end(&stage.speak, 0, "");
    const Tapedeck__Transaction *t = only_txn();
    assert_int_equal(t->response->n_interim, 8);
    expect_bytes(t->response->interim[0], "HTTP/1.1 100 Continue\r\n\r\n");
    expect_bytes(t->response->interim[7], hints);
    expect_bytes(t->response->head, STAGE_OK);
    assert_int_equal(t->response->first_us, STAGE_BEGIN + 10);
    assert_int_equal(t->account->omitted_s2c, 13 * strlen(hints));
    assert_int_equal(t->request->n_redacted, 0);
    assert_int_equal(t->response->n_redacted, 2);
    assert_string_equal(t->response->redacted[0], "interim:rest");
    assert_string_equal(t->response->redacted[1], "header:link");
    speak_close(&stage.speak);
}

// Of three in a pipeline: told twice, told of nothing, told with a text that is none.
static void test_linked(void **state)
{
    char longer[PACK_TEXT_MAX + 100];
    (void)state;
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    for (uint64_t n = 0; n < 3; n++)
        speak_head(&stage.speak, n, STAGE_GET);
    speak_linked(&stage.speak, 7, 1, "of nobody");
    speak_linked(&stage.speak, 0, 1, "hit");
    speak_linked(&stage.speak, 0, (INT64_C(3) << 40) + 5, "hit fault=latency");
    speak_linked(&stage.speak, 2, 0, "mi\xffss");
    for (uint64_t n = 0; n < 3; n++) {
        speak_end(&stage.speak, n, C2S, MSG_COMPLETE, "", 0);
        speak_head(&stage.speak, n, STAGE_OK);
        speak_end(&stage.speak, n, S2C, MSG_COMPLETE, "", 0);
        speak_txn_end(&stage.speak, n, "");
    }
    speak_head(&stage.speak, 3, STAGE_GET);
    speak_linked(&stage.speak, 3, 9, longer);
    speak_end(&stage.speak, 3, C2S, MSG_CUT, "", 0);
    speak_txn_end(&stage.speak, 3, "");
    speak_close(&stage.speak);
    stage_drain();
    assert_int_equal(stage.ledger.txns, 4);
    const Tapedeck__Transaction *t[4];
    for (uint64_t n = 0; n < 4; n++)
        t[n] = ledger_find(&stage.ledger, stage.ledger.flow[0].id, n);
    assert_true(t[0]->original == (UINT64_C(3) << 40) + 5);
    assert_string_equal(t[0]->outcome, "hit fault=latency");
    assert_true(t[1]->original == 0);
    assert_string_equal(t[1]->outcome, "");
    assert_true(t[2]->original == 0);
    assert_string_equal(t[2]->outcome, "mi%FFss");
    assert_true(t[3]->original == 9);
    assert_int_equal(strlen(t[3]->outcome), PACK_TEXT_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_small),
        TEST(test_halves),
        TEST(test_pipelined),
        TEST(test_large),
        TEST(test_trailers_behind_gathered),
        TEST(test_max_body),
        TEST(test_raw),
        TEST(test_raw_bulk),
        TEST(test_long),
        TEST(test_rhythm),
        TEST(test_interim),
        TEST(test_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
