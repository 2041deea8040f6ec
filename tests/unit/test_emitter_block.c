// The emitter with --on-full block: what finds no room waits, and nothing is lost.
#include "tests/support/alloc.h"
#include "tests/support/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void drain_all(void)
{
    do {
        stage_drain();
        emitter_catch_up(stage.emitter);
    } while (emitter_waits(stage.emitter));
    stage_drain();
}

static void wait_to_read(void)
{
    while (emitter_blocked(stage.emitter)) {
        stage_drain();
        emitter_catch_up(stage.emitter);
    }
}

// Each speaks once, whenever it may read; then all end at once.
static void run_crowd(int flows, uint64_t ring)
{
    struct speak *t = calloc((size_t)flows, sizeof *t);
    struct view body = speak_bytes(2000, 7);

    assert_non_null(t);
    stage_conf(NULL);
    stage.conf.block = true;
    stage_begin(NULL, ring);
    for (int i = 0; i < flows; i++) {
        speak_open(&t[i], emitter_sink(stage.emitter), STAGE_BEGIN);
        if (i % 7 == 0)
            emitter_tick(stage.emitter, STAGE_BEGIN + i * 10000);
    }
    for (int i = 0; i < flows; i++) {
        wait_to_read();
        speak_head(&t[i], 0, STAGE_PUT);
        speak_body(&t[i], 0, C2S, body, body.n);
        speak_end(&t[i], 0, C2S, MSG_COMPLETE, "", 0);
    }
    for (int i = 0; i < flows; i++) {
        if (i % 3 == 0)
            continue; // it ends unanswered
        wait_to_read();
        speak_head(&t[i], 0, STAGE_OK);
        speak_end(&t[i], 0, S2C, MSG_COMPLETE, "", 0);
        speak_txn_end(&t[i], 0, "");
    }
    for (int i = 0; i < flows; i++)
        speak_close(&t[i]);
    drain_all();
    assert_int_equal(stage.ledger.losses, 0);
    assert_int_equal(stage.ledger.txns, flows);
    assert_int_equal(stage.ledger.flows, flows);
    stage_end();
    free(t);
}

static void test_block_bears_any_crowd(void **state)
{
    (void)state;
    run_crowd(1500, 4u << 20);
    run_crowd(700, 1u << 20);
    run_crowd(3000, JOURNAL_MIN);
}

// Bytes that were read before the ring was full, and shown since.
static void test_block_keeps_what_was_read(void **state)
{
    struct speak t[64];
    uint64_t n = 0;

    (void)state;
    stage.conf.block = true;
    stage_begin(NULL, 1u << 20);
    for (int i = 0; i < 64; i++) {
        speak_open(&t[i], emitter_sink(stage.emitter), STAGE_BEGIN);
        speak_head(&t[i], 0, STAGE_PUT);
    }
    while (!emitter_waits(stage.emitter))
        speak_exchange(&t[0], ++n, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(5000, 1));
    for (int i = 0; i < 64; i++) {
        for (int k = 0; k < 4; k++) {
            speak_body(&t[i], 0, C2S, speak_bytes(60000, (unsigned)k), 60000);
            emitter_tick(stage.emitter, STAGE_BEGIN + k * US_PER_S);
        }
        speak_end(&t[i], 0, C2S, MSG_COMPLETE, "A: b\r\n", 6);
        speak_txn_end(&t[i], 0, "a note");
    }
    for (int i = 0; i < 64; i++)
        speak_close(&t[i]);
    drain_all();
    assert_int_equal(stage.ledger.losses, 0);
    assert_int_equal(stage.ledger.txns, 64 + n);
    for (size_t i = 0; i < stage.ledger.txns; i++) {
        const Tapedeck__Transaction *x = stage.ledger.txn[i];
        size_t size;
        if (x->n)
            continue;
        assert_string_equal(x->note, "a note");
        unsigned char *content = ledger_content(&stage.ledger, x, false, &size);
        assert_int_equal(size, 240000);
        for (unsigned k = 0; k < 4; k++)
            assert_memory_equal(content + k * 60000, speak_bytes(60000, k).p, 60000);
        free(content);
    }
    stage_end();
}

// Reads only while it may; acknowledges a little whenever it may not.
static void run_blocking(uint64_t ring, size_t budget, size_t size)
{
    struct speak t[8];
    unsigned waits = 0;

    stage.conf.block = true;
    stage.conf.budget = budget;
    stage_begin(NULL, ring);
    for (int i = 0; i < 8; i++)
        speak_open(&t[i], emitter_sink(stage.emitter), STAGE_BEGIN);
    for (int step = 0; step < 1600; step++) {
        int i = step * 3 % 8;
        while (emitter_blocked(stage.emitter)) {
            stage_drain();
            emitter_catch_up(stage.emitter);
            waits++;
        }
        uint64_t n = (uint64_t)step / 16;
        if (step % 16 < 8) {
            speak_head(&t[i], n, STAGE_PUT);
            speak_body(&t[i], n, C2S, speak_bytes(size, 1), size);
            speak_end(&t[i], n, C2S, MSG_COMPLETE, "", 0);
        } else {
            speak_head(&t[i], n, STAGE_OK);
            speak_body(&t[i], n, S2C, speak_bytes(size / 2, 1), size / 2);
            speak_end(&t[i], n, S2C, MSG_COMPLETE, "", 0);
            speak_txn_end(&t[i], n, "");
        }
    }
    for (int i = 0; i < 8; i++)
        speak_close(&t[i]);
    drain_all();
    assert_int_equal(stage.ledger.losses, 0);
    assert_int_equal(stage.ledger.txns, 800);
    assert_true(waits > 0);
    stage_end();
}

static void test_block_loses_nothing(void **state)
{
    (void)state;
    run_blocking(JOURNAL_MIN, 0, 3000);
    run_blocking(JOURNAL_MIN, 4u << 20, 100000);
    run_blocking(1u << 20, 4u << 20, 60000);
    run_blocking(1u << 20, 4u << 20, 200000);
}

// Without memory to wait in, what finds no room is lost, and counted.
static void test_no_memory_to_wait(void **state)
{
    for (long i = 0, failed = 1; failed; i++) {
        struct speak t[3];
        uint64_t n = 0, lost = 0;

        stage_conf(state);
        stage.conf.block = true;
        stage_begin(NULL, 1u << 20);
        for (int k = 0; k < 3; k++) {
            speak_open(&t[k], emitter_sink(stage.emitter), STAGE_BEGIN);
            speak_head(&t[k], 0, STAGE_PUT);
        }
        while (!emitter_waits(stage.emitter))
            speak_exchange(&t[0], ++n, STAGE_GET, VIEW_LIT(""), STAGE_OK, speak_bytes(30000, 1));
        alloc_fail_at(i);
        for (int k = 0; k < 3; k++) {
            speak_body(&t[k], 0, C2S, speak_bytes(60000, 1), 60000);
            speak_txn_end(&t[k], 0, "a note");
            speak_close(&t[k]);
        }
        failed = alloc_fail_end();
        drain_all();
        ledger_check(&stage.ledger, true);
        for (size_t k = 0; k < stage.ledger.losses; k++)
            lost += stage.ledger.loss[k]->transactions;
        assert_int_equal(stage.ledger.txns + lost, n + 3);
        assert_true(failed || lost == 0);
        assert_int_equal(stage.ledger.flows, 3);
        stage_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_block_loses_nothing, stage_conf),
        cmocka_unit_test_setup(test_block_bears_any_crowd, stage_conf),
        cmocka_unit_test_setup(test_block_keeps_what_was_read, stage_conf),
        cmocka_unit_test_setup(test_no_memory_to_wait, stage_conf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
