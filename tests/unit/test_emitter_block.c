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

// Each speaks once, whenever it may read; then all end at once. file: of the recorder.
static void run_crowd(int flows, uint64_t ring, uint64_t file)
{
    struct speak *t = calloc((size_t)flows, sizeof *t);
    struct view body = speak_bytes(file ? 20000 : 2000, 7);

    assert_non_null(t);
    stage_conf(NULL);
    stage.conf.block = true;
    stage_begin(NULL, ring);
    emitter_set_file(stage.emitter, file);
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
    for (uint64_t file = 0; file < 2; file++) {
        run_crowd(1500, 4u << 20, file);
        run_crowd(700, 1u << 20, file);
        run_crowd(3000, JOURNAL_MIN, file);
    }
}

// Bytes that were read before the ring was full, and shown since.
static void test_block_keeps_what_was_read(void **state)
{
    struct speak t[64];
    uint64_t n = 0;

    (void)state;
    stage.conf.block = true;
    stage_begin(NULL, 1u << 20);
    emitter_set_file(stage.emitter, 1);
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

// The content of a step: the same of all but for its last byte.
static struct view step_content(size_t size, int step)
{
    static char content[200000];

    assert_true(size <= sizeof content);
    memcpy(content, speak_bytes(size, 1).p, size);
    content[size - 1] = (char)step;
    return view_n(content, size);
}

// Reads only while it may; acknowledges a little whenever it may not.
static void run_blocking(uint64_t ring, size_t budget, size_t size, uint64_t file)
{
    struct speak t[8];
    unsigned waits = 0;
    int steps = file ? 480 : 1600; // each like the one before: a long way to what they are

    stage.conf.block = true;
    stage.conf.budget = budget;
    stage_begin(NULL, ring);
    emitter_set_file(stage.emitter, file);
    for (int i = 0; i < 8; i++)
        speak_open(&t[i], emitter_sink(stage.emitter), STAGE_BEGIN);
    for (int step = 0; step < steps; step++) {
        int i = step * 3 % 8;
        while (emitter_blocked(stage.emitter)) {
            stage_drain();
            emitter_catch_up(stage.emitter);
            waits++;
        }
        uint64_t n = (uint64_t)step / 16;
        if (step % 16 < 8) {
            speak_head(&t[i], n, STAGE_PUT);
            speak_body(&t[i], n, C2S, step_content(size, step), size);
            speak_end(&t[i], n, C2S, MSG_COMPLETE, "", 0);
        } else {
            speak_head(&t[i], n, STAGE_OK);
            speak_body(&t[i], n, S2C, step_content(size / 2, step), size / 2);
            speak_end(&t[i], n, S2C, MSG_COMPLETE, "", 0);
            speak_txn_end(&t[i], n, "");
        }
    }
    for (int i = 0; i < 8; i++)
        speak_close(&t[i]);
    drain_all();
    assert_int_equal(stage.ledger.losses, 0);
    assert_int_equal(stage.ledger.txns, steps / 2);
    assert_true(file || waits > 0);
    stage_end();
}

static void test_block_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t file = 0; file < 2; file++) {
        run_blocking(JOURNAL_MIN, 0, 3000, file);
        run_blocking(JOURNAL_MIN, 4u << 20, 100000, file);
        run_blocking(1u << 20, 4u << 20, 60000, file);
        run_blocking(1u << 20, 4u << 20, 200000, file);
    }
}

static void feed(struct speak *t, uint64_t n, enum dir dir, struct view content)
{
    while (content.n > 0) {
        struct view now = view_head(content, 60000);
        wait_to_read();
        speak_body(t, n, dir, now, now.n);
        content = view_from(content, now.n);
    }
}

// Contents that were the recorder's for very long, and then are not, when the ring is full: one
// that is told of for its age, one of a flow that ends, one that is cut.
static void test_block_keeps_what_is_like(void **state)
{
    enum { SIZE = 20000000, FRONT = 18000000 };
    struct speak t[3], other;
    uint64_t n = 1;
    char *bytes = malloc(SIZE);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 31 + i / 251 + i / 70001);
    stage.conf.block = true;
    stage.conf.budget = 32u << 20;
    stage_begin(NULL, 1u << 20);
    emitter_set_file(stage.emitter, 1);
    speak_open(&other, emitter_sink(stage.emitter), STAGE_BEGIN);
    speak_head(&other, 0, STAGE_PUT);
    feed(&other, 0, C2S, view_n(bytes, SIZE));
    speak_end(&other, 0, C2S, MSG_COMPLETE, "", 0);
    speak_txn_end(&other, 0, "");
    drain_all();
    for (int i = 0; i < 3; i++) {
        speak_open(&t[i], emitter_sink(stage.emitter), STAGE_BEGIN);
        speak_head(&t[i], 0, STAGE_PUT);
        feed(&t[i], 0, C2S, view_n(bytes, FRONT));
    }
    drain_all();
    while (!emitter_waits(stage.emitter))
        speak_exchange(&other, n++, STAGE_GET, VIEW_LIT(""), STAGE_OK, VIEW_LIT("x"));
    for (int k = 1; k < 4; k++)
        emitter_tick(stage.emitter, STAGE_BEGIN + k * 2 * US_PER_S);
    speak_close(&t[1]);
    speak_end(&t[2], 0, C2S, MSG_CUT, "", 0);
    speak_txn_end(&t[2], 0, "");
    speak_close(&t[2]);
    drain_all();
    feed(&t[0], 0, C2S, view_n(bytes + FRONT, SIZE - FRONT));
    speak_end(&t[0], 0, C2S, MSG_COMPLETE, "", 0);
    speak_txn_end(&t[0], 0, "");
    speak_close(&t[0]);
    speak_close(&other);
    drain_all();
    assert_int_equal(stage.ledger.losses, 0);
    assert_int_equal(stage.ledger.txns, n + 3);
    uint64_t referred = 0;
    for (size_t i = 0; i < stage.ledger.parts; i++)
        referred += stage.ledger.part[i]->size;
    assert_true(referred > (uint64_t)3 * (FRONT - 100000));
    stage_end();
    free(bytes);
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
        emitter_set_file(stage.emitter, 1);
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
        cmocka_unit_test_setup(test_block_keeps_what_is_like, stage_conf),
        cmocka_unit_test_setup(test_no_memory_to_wait, stage_conf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
