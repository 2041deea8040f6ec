// The emitter: what the filter and redaction leave out, what others lost, what TLS said.
#include "proxy/emit/link.h"
#include "proxy/emit/redact.h"
#include "tests/support/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_filter(void **state)
{
    struct filter *f = stage_filter("path = '/things/7' and status < 300");

    (void)state;
    emitter_set_filter(stage.emitter, f);
    speak_exchange(&stage.speak, 0, STAGE_GET, VIEW_LIT(""), STAGE_OK, VIEW_LIT("kept"));
    speak_exchange(&stage.speak, 1, STAGE_GET, VIEW_LIT(""), "HTTP/1.1 404 No\r\n\r\n",
                   VIEW_LIT("not"));
    speak_exchange(&stage.speak, 2, STAGE_PUT, VIEW_LIT("x"), STAGE_OK, VIEW_LIT("not"));
    // It must be decided when it becomes large: no by its path, yes by both, open by its path.
    speak_exchange(&stage.speak, 3, STAGE_PUT, speak_bytes(200000, 1), STAGE_OK, VIEW_LIT("x"));
    speak_exchange(&stage.speak, 4, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(200000, 1));
    speak_exchange(&stage.speak, 5, "GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n",
                   speak_bytes(200000, 1), "HTTP/1.1 500 No\r\n\r\n",
                   VIEW_LIT("kept, since it was open"));
    speak_raw_begin(&stage.speak, 6, C2S);
    speak_raw(&stage.speak, 6, C2S, VIEW_LIT("not http"));
    speak_txn_end(&stage.speak, 6, "");
    // A long one that is certain not to be kept is not told of.
    speak_head(&stage.speak, 7, STAGE_PUT);
    speak_body(&stage.speak, 7, C2S, VIEW_LIT("abc"), 3);
    emitter_tick(stage.emitter, stage.speak.now_us + 5000000);
    speak_body(&stage.speak, 7, C2S, VIEW_LIT("def"), 3);
    speak_txn_end(&stage.speak, 7, "");
    // One that is open is not told of either, yet.
    speak_head(&stage.speak, 8, STAGE_GET);
    emitter_tick(stage.emitter, stage.speak.now_us + 5000000);
    speak_txn_end(&stage.speak, 8, "");
    speak_close(&stage.speak);
    stage_drain();
    assert_int_equal(stage.ledger.txns, 3);
    assert_int_equal(stage.ledger.txn[0]->n, 0);
    assert_int_equal(stage.ledger.txn[1]->n, 4);
    assert_int_equal(stage.ledger.txn[2]->n, 5);
    assert_int_equal(stage.ledger.flow[0].filtered, 6);
    assert_int_equal(stage.stats.filtered, 6);
    assert_int_equal(stage.ledger.opens, 2);
    emitter_set_filter(stage.emitter, NULL);
    filter_free(f);
}

static void test_filter_facts(void **state)
{
    static const struct link_identity who = {.pod = "pod-1", .namespace_ = "ns"};
    static const char *const takes[] = {
        "direction = inbound and client ~ '127.0.0.1' and server ~ '10.0.0.7:8080'",
        "front = fixed and target ~ backend and protocol = http and n = 0",
        "req.header['host'] = 'api:80' and res.header['content-type'] = 'text/plain'",
        "res.body contains 'ell' and res_size = 5 and req_size = 0 and state = complete",
        "duration = 2ms and wait = 2ms and time > 2000-01-01T00:00:00Z and version = '1.1'",
        "method = GET and scheme = http and host = 'api:80' and query = 'q=1' and by_proxy = 0",
        "pod = 'pod-1' and namespace = ns and not workload and not note",
        "sni = 'example.org'",
        "original = 5 and outcome ~ '^hit'",
    };
    struct tls_facts tls = {.at_us = STAGE_BEGIN,
                            .sni = "example.org",
                            .alpn_offered = "",
                            .versions_offered = "",
                            .version = "",
                            .cipher = "",
                            .alpn = "",
                            .mode = "opaque"};

    (void)state;
    stage.conf.identity = &who;
    stage_again(8u << 20);
    stage.speak.flow->ops->tls(stage.speak.flow, &tls);
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++) {
        struct filter *f = stage_filter(takes[i]);
        char opposite[500];
        snprintf(opposite, sizeof opposite, "not (%s)", takes[i]);
        struct filter *not_f = stage_filter(opposite);
        for (int round = 0; round < 2; round++) {
            struct speak t;
            emitter_set_filter(stage.emitter, round ? not_f : f);
            speak_open(&t, emitter_sink(stage.emitter), STAGE_BEGIN);
            t.flow->ops->tls(t.flow, &tls);
            speak_head(&t, 0, STAGE_GET);
            speak_end(&t, 0, C2S, MSG_COMPLETE, "", 0);
            t.now_us += 2000;
            speak_head(&t, 0, STAGE_OK);
            speak_body(&t, 0, S2C, VIEW_LIT("hello"), 5);
            speak_linked(&t, 0, 5, "hit");
            speak_end(&t, 0, S2C, MSG_COMPLETE, "", 0);
            speak_txn_end(&t, 0, "");
            speak_close(&t);
            stage_drain();
            if (stage.ledger.txns != i + 1)
                fail_msg("%s", round ? opposite : takes[i]);
        }
        emitter_set_filter(stage.emitter, NULL);
        filter_free(f);
        filter_free(not_f);
    }
    speak_close(&stage.speak);
}

// A filter that came when the server name had passed does not know it, and keeps; where there was
// none it knows so.
static void test_filter_late_sni(void **state)
{
    struct tls_facts tls = {.at_us = STAGE_BEGIN,
                            .sni = "example.org",
                            .alpn_offered = "",
                            .versions_offered = "",
                            .version = "",
                            .cipher = "",
                            .alpn = "",
                            .mode = "opaque"};
    struct filter *f = stage_filter("sni = 'example.org'");
    struct speak bare;

    (void)state;
    speak_open(&bare, emitter_sink(stage.emitter), STAGE_BEGIN);
    stage.speak.flow->ops->tls(stage.speak.flow, &tls);
    emitter_set_filter(stage.emitter, f);
    speak_exchange(&stage.speak, 0, STAGE_GET, VIEW_LIT(""), STAGE_OK, VIEW_LIT("yes"));
    speak_exchange(&bare, 0, STAGE_GET, VIEW_LIT(""), STAGE_OK, VIEW_LIT("no"));
    speak_close(&bare);
    speak_close(&stage.speak);
    stage_drain();
    assert_int_equal(stage.ledger.txns, 1);
    assert_int_equal(stage.stats.filtered, 1);
    emitter_set_filter(stage.emitter, NULL);
    filter_free(f);
}

// Where a transaction names no host its row has the flow's target.
static void test_filter_target(void **state)
{
    struct filter *f = stage_filter("host = 'backend:8080'");

    (void)state;
    emitter_set_filter(stage.emitter, f);
    speak_exchange(&stage.speak, 0, STAGE_GET, VIEW_LIT(""), STAGE_OK, VIEW_LIT("no"));
    speak_raw_begin(&stage.speak, 1, C2S);
    speak_raw(&stage.speak, 1, C2S, VIEW_LIT("yes"));
    speak_txn_end(&stage.speak, 1, "");
    speak_close(&stage.speak);
    stage_drain();
    assert_int_equal(stage.ledger.txns, 1);
    assert_int_equal(stage.ledger.txn[0]->n, 1);
    emitter_set_filter(stage.emitter, NULL);
    filter_free(f);
}

static void test_omitted(void **state)
{
    (void)state;
    struct sink_flow *f = stage.speak.flow;
    speak_head(&stage.speak, 0, STAGE_GET);
    f->ops->omitted(f, 0, C2S, "header:cookie", 12);
    f->ops->omitted(f, 0, C2S, "header:cookie", 1);
    f->ops->omitted(f, 0, C2S, "query:token", 2);
    speak_end(&stage.speak, 0, C2S, MSG_COMPLETE, "", 0);
    speak_head(&stage.speak, 0, STAGE_OK);
    f->ops->omitted(f, 0, S2C, "json:$.pw", 150000);
    speak_body(&stage.speak, 0, S2C, speak_bytes(140000, 2), 150020); // in parts
    speak_end(&stage.speak, 0, S2C, MSG_COMPLETE, "", 0);
    speak_txn_end(&stage.speak, 0, "");
    f->ops->omitted(f, 0, S2C, "json:$.pw", 5); // late
    speak_head(&stage.speak, 1, STAGE_GET);
    speak_body(&stage.speak, 1, C2S, (struct view){NULL, 77}, 0); // withheld; told of by lost
    speak_lost(&stage.speak, C2S, CAUSE_REDACTION_FAILED, 80);
    speak_txn_end(&stage.speak, 1, "");
    for (uint64_t n = 2; n < 80; n++) { // more rules than there are places for
        char what[20];
        snprintf(what, sizeof what, "header:x%u", (unsigned)n);
        speak_head(&stage.speak, n, STAGE_GET);
        f->ops->omitted(f, n, C2S, what, 1);
        speak_txn_end(&stage.speak, n, "");
    }
    speak_close(&stage.speak);
    stage_drain();
    const Tapedeck__Transaction *t = stage.ledger.txn[0];
    assert_int_equal(t->request->n_redacted, 2);
    assert_string_equal(t->request->redacted[0], "header:cookie");
    assert_string_equal(t->request->redacted[1], "query:token");
    assert_int_equal(t->account->omitted_c2s, 15);
    assert_string_equal(t->response->redacted[0], "json:$.pw");
    assert_int_equal(stage.ledger.flow[0].omitted[1], 150000);
    assert_int_equal(stage.ledger.txn[1]->request->body_size, 77);
    assert_int_equal(stage.ledger.txn[1]->request->body_stored, 0);
    assert_int_equal(stage.ledger.txn[1]->request->body_digest.len, 0);
    assert_string_equal(stage.ledger.txn[2]->request->redacted[0], "header:x2");
    assert_string_equal(stage.ledger.txn[79]->request->redacted[0], "other");
    assert_int_equal(stage.ledger.losses, 1);
    assert_int_equal(stage.ledger.loss[0]->cause, TAPEDECK__CAUSE__REDACTION_FAILED);
    assert_int_equal(stage.ledger.loss[0]->lost_c2s, 80);
}

static void test_lost(void **state)
{
    (void)state;
    speak_exchange(&stage.speak, 0, STAGE_GET, VIEW_LIT(""), STAGE_OK, VIEW_LIT("x"));
    speak_lost(&stage.speak, S2C, CAUSE_DECODE_LOST, 1000);
    stage.speak.now_us += 7;
    speak_lost(&stage.speak, S2C, CAUSE_DECODE_LOST, 1);
    speak_lost(&stage.speak, C2S, CAUSE_OUT_OF_MEMORY, 10);
    stage_drain();
    assert_int_equal(stage.ledger.losses, 0);
    emitter_tick(stage.emitter, stage.speak.now_us);
    stage_drain();
    assert_int_equal(stage.ledger.losses, 2);
    assert_int_equal(stage.ledger.loss[0]->cause, TAPEDECK__CAUSE__DECODE_LOST);
    assert_int_equal(stage.ledger.loss[0]->lost_s2c, 1001);
    assert_int_equal(stage.ledger.loss[0]->first_us, STAGE_BEGIN);
    assert_int_equal(stage.ledger.loss[0]->last_us, STAGE_BEGIN + 7);
    stage.speak.relayed[C2S] += 500; // bytes that nobody told of
    speak_close(&stage.speak);
    stage_drain();
    assert_int_equal(stage.ledger.losses, 3);
    assert_int_equal(stage.ledger.loss[2]->lost_c2s, 500);
    assert_int_equal(stage.stats.lost_bytes[CAUSE_DECODE_LOST], 1501);
}

static void test_tls(void **state)
{
    struct tls_facts tls = {.at_us = STAGE_BEGIN,
                            .sni = "sn\x80i",
                            .alpn_offered = "h2,http/1.1",
                            .versions_offered = "1.3",
                            .version = "1.3",
                            .cipher = "TLS_AES",
                            .alpn = "",
                            .mode = "opaque"};

    (void)state;
    stage.speak.flow->ops->tls(stage.speak.flow, &tls);
    speak_close(&stage.speak);
    stage_drain();
    assert_int_equal(stage.ledger.tlss, 1);
    assert_string_equal(stage.ledger.tls[0]->sni, "sn%80i");
    assert_string_equal(stage.ledger.tls[0]->alpn_offered, "h2,http/1.1");
    assert_string_equal(stage.ledger.tls[0]->mode, "opaque");
}

// What could not be redacted is lost, but not when the filter drops the transaction anyway: whether
// it says so at the beginning or at the end.
static void test_lost_and_filtered(void **state)
{
    static const unsigned char key[32] = "a key";
    static const char *const filters[] = {"not path = '/gz'", "status = 201"};

    (void)state;
    speak_close(&stage.speak);
    for (int i = 0; i < 4; i++) {
        struct filter *f = stage_filter(i < 2 ? filters[i] : i == 2 ? "path = '/gz'" : "n = 0");
        emitter_set_filter(stage.emitter, f);
        char why[WHY_MAX];
        struct speak speak;
        struct redact *redact = redact_new("json:$.pw", key, emitter_sink(stage.emitter), why);
        assert_non_null(redact);
        speak_open(&speak, redact_sink(redact), STAGE_BEGIN);
        speak_head(&speak, 0, "GET /gz HTTP/1.1\r\nHost: h\r\n\r\n");
        speak_end(&speak, 0, C2S, MSG_COMPLETE, "", 0);
        speak_head(&speak, 0,
                   "HTTP/1.1 200 OK\r\nContent-Type: a/json\r\nContent-Encoding: gzip\r\n\r\n");
        speak_body(&speak, 0, S2C, VIEW_LIT("zipped"), 36);
        speak_end(&speak, 0, S2C, MSG_COMPLETE, "", 0);
        speak_txn_end(&speak, 0, "");
        speak_close(&speak);
        redact_free(redact);
        stage_drain();
        size_t kept = i < 2 ? 0 : (size_t)i - 1;
        assert_int_equal(stage.ledger.txns, kept);
        assert_int_equal(stage.ledger.losses, kept);
        if (kept)
            assert_int_equal(stage.ledger.loss[kept - 1]->lost_s2c, 36);
        emitter_set_filter(stage.emitter, NULL);
        filter_free(f);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_filter),        TEST(test_filter_facts),      TEST(test_filter_late_sni),
        TEST(test_filter_target), TEST(test_omitted),           TEST(test_lost),
        TEST(test_tls),           TEST(test_lost_and_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
