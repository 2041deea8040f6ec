// The emitter where room ends: of the ring, of the budget, of memory. What is lost is counted,
// exactly.
#include "tests/support/alloc.h"
#include "tests/support/babble.h"
#include "tests/support/random.h"
#include "tests/support/stage.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t sum_of_losses(enum cause cause, uint64_t *bytes)
{
    uint64_t transactions = 0;

    *bytes = 0;
    for (size_t i = 0; i < stage.ledger.losses; i++) {
        const Tapedeck__Loss *l = stage.ledger.loss[i];
        assert_int_equal(l->cause, cause);
        assert_true(l->first_us >= STAGE_BEGIN);
        transactions += l->transactions;
        *bytes += l->lost_c2s + l->lost_s2c;
    }
    return transactions;
}

static void test_drop_small(void **state)
{
    struct speak t;
    uint64_t bytes;

    (void)state;
    stage_begin(NULL, JOURNAL_MIN);
    speak_open(&t, emitter_sink(stage.emitter), STAGE_BEGIN);
    for (uint64_t n = 0; n < 1000; n++) {
        speak_exchange(&t, n, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(800, 1));
        t.now_us += 1000;
        emitter_tick(stage.emitter, t.now_us);
    }
    speak_close(&t);
    stage_drain();
    ledger_check(&stage.ledger, true);
    uint64_t lost = sum_of_losses(CAUSE_RING_FULL, &bytes);
    assert_in_range(stage.ledger.txns, 200, 300);
    assert_int_equal(lost, 1000 - stage.ledger.txns);
    assert_int_equal(bytes, lost * (strlen(STAGE_GET) + strlen(STAGE_OK) + 800));
    assert_int_equal(stage.stats.lost_transactions[CAUSE_RING_FULL], lost);
    assert_int_equal(stage.stats.lost_bytes[CAUSE_RING_FULL], bytes);
    stage_end();
}

static void test_drop_is_told_when_there_is_room(void **state)
{
    struct speak t;
    uint64_t bytes, n = 0;

    (void)state;
    stage_begin(NULL, JOURNAL_MIN);
    speak_open(&t, emitter_sink(stage.emitter), STAGE_BEGIN);
    while (stage.stats.lost_transactions[CAUSE_RING_FULL] < 10)
        speak_exchange(&t, n++, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(800, 1));
    emitter_tick(stage.emitter, t.now_us);
    stage_drain();
    assert_int_equal(stage.ledger.losses, 0);
    emitter_tick(stage.emitter, t.now_us);
    stage_drain();
    assert_int_equal(sum_of_losses(CAUSE_RING_FULL, &bytes), 10);
    // And once more in the same flow.
    while (stage.stats.lost_transactions[CAUSE_RING_FULL] < 15)
        speak_exchange(&t, n++, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(800, 1));
    speak_close(&t);
    stage_drain();
    assert_int_equal(stage.ledger.losses, 2);
    assert_int_equal(sum_of_losses(CAUSE_RING_FULL, &bytes), 15);
    assert_int_equal(stage.ledger.txns, n - 15);
    stage_end();
}

static void test_drop_large(void **state)
{
    struct speak t;
    uint64_t bytes;

    (void)state;
    stage_begin(NULL, JOURNAL_MIN);
    speak_open(&t, emitter_sink(stage.emitter), STAGE_BEGIN);
    speak_head(&t, 0, STAGE_PUT);
    struct view all = speak_bytes(1u << 20, 2);
    for (size_t at = 0; at < all.n; at += 8192)
        speak_body(&t, 0, C2S, view_head(view_from(all, at), 8192), 8200);
    // Room again: the rest of it and its Transaction are kept.
    stage_drain();
    speak_body(&t, 0, C2S, view_head(all, 100000), 100000);
    speak_end(&t, 0, C2S, MSG_COMPLETE, "", 0);
    speak_txn_end(&t, 0, "");
    // One whose Parts fit, and whose Transaction does not.
    speak_head(&t, 1, STAGE_PUT);
    uint64_t was = stage.stats.lost_bytes[CAUSE_RING_FULL];
    while (stage.stats.lost_bytes[CAUSE_RING_FULL] == was)
        speak_body(&t, 1, C2S, view_head(all, 20000), 20000);
    while (stage.stats.lost_bytes[CAUSE_RING_FULL] < was + 300)
        speak_lost(&t, C2S, CAUSE_RING_FULL, 1);
    for (uint64_t n = 2; n < 60; n++)
        speak_exchange(&t, n, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(n < 50 ? 800 : 0, 1));
    char note[256];
    memset(note, 'n', sizeof note);
    note[sizeof note - 1] = '\0';
    speak_txn_end(&t, 1, note);
    assert_int_equal(stage.stats.transactions, 60);
    speak_close(&t);
    stage_drain();
    ledger_check(&stage.ledger, true);
    uint64_t lost = sum_of_losses(CAUSE_RING_FULL, &bytes);
    assert_int_equal(stage.ledger.txns + lost, 60);
    assert_null(ledger_find(&stage.ledger, stage.ledger.flow[0].id, 1));
    const Tapedeck__Transaction *first = ledger_find(&stage.ledger, stage.ledger.flow[0].id, 0);
    assert_int_equal(first->request->body_size, (1u << 20) + 100000);
    assert_true(first->request->body_stored < first->request->body_size);
    assert_int_equal(first->request->body_digest.len, 32);
    stage_end();
}

static void test_unrecorded_flows(void **state)
{
    struct speak t[400];
    uint64_t bytes;

    (void)state;
    stage_begin(NULL, JOURNAL_MIN);
    for (int i = 0; i < 400; i++) {
        speak_open(&t[i], emitter_sink(stage.emitter), STAGE_BEGIN);
        speak_exchange(&t[i], 0, STAGE_GET, VIEW_LIT(""), STAGE_OK, VIEW_LIT("x"));
    }
    for (int i = 0; i < 400; i++)
        speak_close(&t[i]);
    stage_drain();
    emitter_tick(stage.emitter, STAGE_BEGIN);
    stage_drain();
    ledger_check(&stage.ledger, true);
    const struct ledger_flow *none = ledger_find_flow(&stage.ledger, 0);
    assert_non_null(none);
    assert_int_equal(none->lost_flows + stage.ledger.flows - 1, 400);
    assert_in_range(none->lost_flows, 50, 350);
    assert_int_equal(stage.ledger.txns + sum_of_losses(CAUSE_RING_FULL, &bytes), 400);
    stage_end();
}

static void test_idle_flows_take_nobodys_place(void **state)
{
    enum { IDLE = 3000 };
    struct speak *t = calloc(IDLE, sizeof *t), one;
    struct journal_facts facts;

    (void)state;
    assert_non_null(t);
    stage_begin(NULL, JOURNAL_MIN);
    for (int i = 0; i < IDLE; i++)
        speak_open(&t[i], emitter_sink(stage.emitter), STAGE_BEGIN);
    emitter_tick(stage.emitter, STAGE_BEGIN + 2 * US_PER_S);
    journal_facts(stage.journal, &facts);
    assert_true(facts.reserved <= JOURNAL_MIN / 4);
    assert_in_range(stage.stats.records, 10, 200); // a live view sees some
    stage_drain();
    speak_open(&one, emitter_sink(stage.emitter), STAGE_BEGIN);
    for (uint64_t n = 0; n < 100; n++)
        speak_exchange(&one, n, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(800, 1));
    speak_close(&one);
    for (int i = 0; i < IDLE; i++) {
        if (i % 100 == 0)
            stage_drain();
        speak_close(&t[i]);
    }
    stage_drain();
    assert_int_equal(stage.ledger.losses, 0);
    assert_int_equal(stage.ledger.txns, 100);
    assert_int_equal(stage.ledger.flows, IDLE + 1);
    stage_end();
    free(t);
}

static void test_budget(void **state)
{
    struct speak t[100];

    (void)state;
    stage.conf.budget = 1u << 20;
    stage_begin(NULL, 16u << 20);
    for (int i = 0; i < 100; i++) { // 100 bodies of 30 kB under way, in 1 MiB
        speak_open(&t[i], emitter_sink(stage.emitter), STAGE_BEGIN);
        speak_head(&t[i], 0, STAGE_PUT);
        speak_body(&t[i], 0, C2S, speak_bytes(30000, (unsigned)i), 30000);
        assert_true(stage.stats.tap_bytes <= 1u << 20);
    }
    for (int i = 0; i < 100; i++) {
        speak_end(&t[i], 0, C2S, MSG_COMPLETE, "", 0);
        speak_txn_end(&t[i], 0, "");
        speak_close(&t[i]);
    }
    stage_drain();
    assert_int_equal(stage.ledger.txns, 100);
    assert_int_equal(stage.ledger.losses, 0);
    assert_in_range(stage.ledger.parts, 65, 99);
    for (size_t i = 0; i < 100; i++) {
        size_t n;
        unsigned char *content = ledger_content(&stage.ledger, stage.ledger.txn[i], false, &n);
        assert_memory_equal(content, speak_bytes(30000, (unsigned)i).p, 30000);
        free(content);
    }
    stage_end();
}

static void test_budget_of_heads(void **state)
{
    struct speak t[200];
    uint64_t bytes;

    (void)state;
    stage.conf.budget = 0;
    stage_begin(NULL, 16u << 20);
    for (int i = 0; i < 200; i++) { // their heads alone are beyond it
        speak_open(&t[i], emitter_sink(stage.emitter), STAGE_BEGIN);
        speak_head(&t[i], 0, STAGE_GET);
        speak_body(&t[i], 0, C2S, speak_bytes(100, 1), 100);
    }
    for (int i = 0; i < 200; i++) {
        speak_head(&t[i], 0, STAGE_OK);
        speak_txn_end(&t[i], 0, "");
        speak_close(&t[i]);
    }
    stage_drain();
    ledger_check(&stage.ledger, true);
    assert_int_equal(stage.ledger.txns + sum_of_losses(CAUSE_BUDGET_FULL, &bytes), 200);
    assert_in_range(stage.ledger.txns, 20, 199);
    stage_end();
}

static void test_too_many_pipelined(void **state)
{
    struct speak t;
    uint64_t bytes;

    (void)state;
    stage_begin(NULL, 16u << 20);
    speak_open(&t, emitter_sink(stage.emitter), STAGE_BEGIN);
    for (uint64_t n = 0; n < EMIT_PENDING_MAX + 10; n++) {
        speak_head(&t, n, STAGE_GET);
        speak_end(&t, n, C2S, MSG_COMPLETE, "", 0);
    }
    for (uint64_t n = 0; n < EMIT_PENDING_MAX + 10; n++) {
        speak_head(&t, n, STAGE_OK);
        speak_txn_end(&t, n, "");
    }
    speak_close(&t);
    stage_drain();
    assert_int_equal(stage.ledger.txns, EMIT_PENDING_MAX);
    assert_int_equal(sum_of_losses(CAUSE_BUDGET_FULL, &bytes), 10);
    assert_int_equal(bytes, 10 * (strlen(STAGE_GET) + strlen(STAGE_OK)));
    stage_end();
}

static void test_restart(void **state)
{
    char dir[TMP_PATH], path[TMP_PATH];
    struct speak t;

    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "ring");
    stage_begin(path, JOURNAL_MIN);
    speak_open(&t, emitter_sink(stage.emitter), STAGE_BEGIN);
    for (uint64_t n = 0; stage.stats.lost_transactions[CAUSE_RING_FULL] == 0; n++)
        speak_exchange(&t, n, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(800, 1));
    // The process dies: nothing is closed. The next one finds the ring full to the brim.
    char copy[TMP_PATH];
    size_t size;
    tmp_path(copy, dir, "copy");
    void *bytes = tmp_read(path, &size);
    tmp_write(copy, bytes, size);
    free(bytes);
    speak_close(&t);
    emitter_free(stage.emitter);
    journal_close(stage.journal);

    stage_begin(copy, JOURNAL_MIN);
    struct journal_facts facts;
    journal_facts(stage.journal, &facts);
    assert_true(facts.recovered);
    struct speak early, late;
    speak_open(&early, emitter_sink(stage.emitter), STAGE_BEGIN);
    speak_exchange(&early, 0, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(5000, 1));
    stage_drain();
    emitter_tick(stage.emitter, STAGE_BEGIN);
    speak_open(&late, emitter_sink(stage.emitter), STAGE_BEGIN);
    speak_exchange(&late, 0, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(5000, 1));
    speak_close(&early);
    speak_close(&late);
    stage_drain();
    assert_int_equal(stage.ledger.restarts, 1);
    assert_true(stage.ledger.flow[0].ended);
    // The early one had no room, for itself or for its transaction; the late one had.
    uint64_t lost = 0, rows = 0;
    for (size_t i = 1; i < stage.ledger.flows; i++) {
        lost += stage.ledger.flow[i].lost_transactions;
        rows += stage.ledger.flow[i].rows;
    }
    assert_int_equal(lost, 1);
    assert_int_equal(rows, 1);
    stage_end();
    tmp_remove(dir);
}

// ---- memory

static void story(void)
{
    struct speak t;

    speak_open(&t, emitter_sink(stage.emitter), STAGE_BEGIN);
    speak_exchange(&t, 0, STAGE_GET, VIEW_LIT(""), STAGE_OK, VIEW_LIT("hello"));
    speak_head(&t, 1, STAGE_PUT);
    speak_head(&t, 1, "HTTP/1.1 100 Continue\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        speak_body(&t, 1, C2S, speak_bytes(9000, 1), 9009);
        t.now_us += 1000;
    }
    speak_end(&t, 1, C2S, MSG_COMPLETE, "X: y\r\n", 8);
    speak_head(&t, 1, STAGE_OK);
    if (t.flow)
        t.flow->ops->omitted(t.flow, 1, S2C, "header:set-cookie", 5);
    speak_linked(&t, 1, 5, "hit");
    speak_linked(&t, 1, 6, "hit fault=latency");
    speak_txn_end(&t, 1, "");
    speak_raw_begin(&t, 2, C2S);
    speak_raw(&t, 2, C2S, VIEW_LIT("raw"));
    speak_raw_begin(&t, 2, S2C);
    speak_raw(&t, 2, S2C, speak_bytes(50000, 1));
    speak_txn_end(&t, 2, "");
    struct tls_facts tls = {.at_us = STAGE_BEGIN,
                            .sni = "sni",
                            .alpn_offered = "",
                            .versions_offered = "",
                            .version = "",
                            .cipher = "",
                            .alpn = "",
                            .mode = "opaque"};
    if (t.flow)
        t.flow->ops->tls(t.flow, &tls);
    emitter_tick(stage.emitter, t.now_us);
    speak_close(&t);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (int onwards = 0; onwards < 2; onwards++) {
        for (long i = 0, failed = 1; failed; i++) {
            uint64_t bytes;
            stage_begin(NULL, 4u << 20);
            if (onwards)
                alloc_fail_from(i);
            else
                alloc_fail_at(i);
            story();
            failed = alloc_fail_end();
            emitter_tick(stage.emitter, STAGE_BEGIN);
            stage_drain();
            ledger_check(&stage.ledger, true);
            assert_int_equal(stage.ledger.txns + sum_of_losses(CAUSE_OUT_OF_MEMORY, &bytes), 3);
            const struct ledger_flow *none = ledger_find_flow(&stage.ledger, 0);
            if (none) {
                assert_int_equal(none->lost_flows, 1);
                assert_int_equal(none->lost[0] + none->lost[1], bytes);
                assert_true(bytes > 200000);
            }
            if (!failed)
                assert_int_equal(stage.ledger.txns, 3);
            stage_end();
        }
    }
    for (long i = 0, failed = 1; failed; i++) {
        char why[WHY_MAX];
        assert_int_equal(journal_open(&stage.journal, NULL, JOURNAL_MIN, 0, why), 0);
        alloc_fail_at(i);
        stage.emitter = emitter_new(&stage.conf, stage.journal, &stage.stats, STAGE_BEGIN);
        failed = alloc_fail_end();
        assert_int_equal(failed, stage.emitter == NULL);
        emitter_free(stage.emitter);
        journal_close(stage.journal);
    }
}

static void test_steady_state_allocates_nothing(void **state)
{
    struct speak t;

    (void)state;
    stage_begin(NULL, 16u << 20);
    speak_open(&t, emitter_sink(stage.emitter), STAGE_BEGIN);
    for (uint64_t n = 0; n < 1000; n++) {
        if (n == 10)
            alloc_fail_end(); // counts from here
        speak_exchange(&t, n, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(3000, 1));
        if (n % 100 == 0)
            emitter_tick(stage.emitter, t.now_us);
    }
    assert_int_equal(alloc_count(), 0);
    speak_close(&t);
    stage_end();
}

static void test_babble(void **state)
{
    static char bytes[3000];
    struct babble_result sum = {0};
    uint64_t random = RANDOM_SEED;

    (void)state;
    for (int round = 0; round < 400; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)(random_next(&random) >> 32);
        bytes[0] = (char)round;
        struct babble_result r = babble(view_n(bytes, sizeof bytes));
        sum.ended += r.ended;
        sum.rows += r.rows;
        sum.filtered += r.filtered;
        sum.lost_ring += r.lost_ring;
    }
    assert_true(sum.rows > 1000 && sum.filtered > 1000 && sum.lost_ring > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_drop_small, stage_conf),
        cmocka_unit_test_setup(test_drop_is_told_when_there_is_room, stage_conf),
        cmocka_unit_test_setup(test_drop_large, stage_conf),
        cmocka_unit_test_setup(test_unrecorded_flows, stage_conf),
        cmocka_unit_test_setup(test_idle_flows_take_nobodys_place, stage_conf),
        cmocka_unit_test_setup(test_budget, stage_conf),
        cmocka_unit_test_setup(test_budget_of_heads, stage_conf),
        cmocka_unit_test_setup(test_too_many_pipelined, stage_conf),
        cmocka_unit_test_setup(test_restart, stage_conf),
        cmocka_unit_test_setup(test_no_memory, stage_conf),
        cmocka_unit_test_setup(test_steady_state_allocates_nothing, stage_conf),
        cmocka_unit_test_setup(test_babble, stage_conf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
