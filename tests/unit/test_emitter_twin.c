// Content that the recorder has already is referred to; what comes out is the same content, digest
// and account as without it. ledger_check() resolves each reference and makes each digest again.
#include "proxy/emit/twin.h"
#include "tests/support/alloc.h"
#include "tests/support/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LARGE (3 * TWIN_CHUNK + 5000)

static uint64_t n; // of the next transaction

static int set_up(void **state)
{
    stage_set_up(state);
    emitter_set_file(stage.emitter, 1);
    n = 0;
    return 0;
}

// An answer with that content, in pieces of step.
static void say_answer(struct view content, size_t step, enum msg_end how)
{
    speak_head(&stage.speak, n, STAGE_GET);
    speak_end(&stage.speak, n, C2S, MSG_COMPLETE, "", 0);
    speak_head(&stage.speak, n, STAGE_OK);
    for (size_t at = 0; at < content.n; at += step) {
        struct view now = view_head(view_from(content, at), step);
        speak_body(&stage.speak, n, S2C, now, now.n + 3);
    }
    speak_end(&stage.speak, n, S2C, how, "", 5);
    speak_txn_end(&stage.speak, n, "");
    n++;
}

// The same, and the transaction that it became.
static const Tapedeck__Transaction *answer(struct view content, size_t step, enum msg_end how)
{
    say_answer(content, step, how);
    stage_drain();
    return stage.ledger.txns == n ? stage.ledger.txn[n - 1] : NULL;
}

// What of the last transaction's answer travelled: content bytes, and those that were referred to.
static void travelled(const Tapedeck__Transaction *t, uint64_t *came, uint64_t *like)
{
    *came = t->response->body.len;
    *like = t->response->known ? t->response->body_stored : 0;
    for (size_t i = 0; i < stage.ledger.parts; i++) {
        const Tapedeck__Part *p = stage.ledger.part[i];
        if (p->n != t->n)
            continue;
        *came += p->bytes.len;
        *like += p->like.len ? p->size : 0;
    }
}

static void expect(struct view content, size_t step, uint64_t like)
{
    uint64_t came, referred;
    const Tapedeck__Transaction *t = answer(content, step, MSG_COMPLETE);
    assert_non_null(t);
    travelled(t, &came, &referred);
    assert_int_equal(referred, like);
    assert_int_equal(came, content.n - like);
    assert_int_equal(t->response->body_size, content.n);
    size_t size;
    unsigned char *again = ledger_content(&stage.ledger, t, true, &size);
    assert_int_equal(size, content.n);
    assert_memory_equal(again, content.p, size);
    free(again);
}

static void end(void)
{
    speak_close(&stage.speak);
    stage_drain();
}

static void test_travels_once(void **state)
{
    static const size_t sizes[] = {WIRE_KNOWN_MIN, 60000,          TWIN_CHUNK,
                                   TWIN_CHUNK + 1, 2 * TWIN_CHUNK, LARGE};
    static const size_t steps[] = {1000, TWIN_CHUNK, 100000};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct view content = speak_bytes(sizes[i], (unsigned)i + 1);
        expect(content, 7000, 0);
        for (size_t k = 0; k < 3; k++)
            expect(content, steps[k], content.n);
    }
    expect(speak_bytes(WIRE_KNOWN_MIN - 1, 9), 5000, 0);
    expect(speak_bytes(WIRE_KNOWN_MIN - 1, 9), 5000, 0); // too small to be worth it
    end();
}

static void test_differs(void **state)
{
    static const struct {
        size_t at;
        uint64_t like;
    } cases[] = {{0, 0},
                 {TWIN_CHUNK - 1, 0},
                 {TWIN_CHUNK, TWIN_CHUNK},
                 {2 * TWIN_CHUNK + 9, 2 * TWIN_CHUNK},
                 {LARGE - 1, 3 * TWIN_CHUNK}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *content = malloc(LARGE + 1);
        memcpy(content, speak_bytes(LARGE + 1, (unsigned)i).p, LARGE + 1);
        expect(view_n(content, LARGE), 30000, 0);
        content[cases[i].at] ^= 1;
        expect(view_n(content, LARGE), 9000, cases[i].like);
        expect(view_n(content, LARGE), 70000, LARGE); // which is known, too, by now
        expect(view_n(content, LARGE + 1), 70000, 3 * TWIN_CHUNK);
        expect(view_n(content, 2 * TWIN_CHUNK), 70000, TWIN_CHUNK);
        free(content);
    }
    end();
}

static void test_cut(void **state)
{
    struct view content = speak_bytes(LARGE, 3);
    uint64_t came, like;
    (void)state;
    expect(content, 30000, 0);
    const Tapedeck__Transaction *t =
        answer(view_head(content, 2 * TWIN_CHUNK + 100), 8000, MSG_CUT);
    travelled(t, &came, &like);
    assert_int_equal(like, 2 * TWIN_CHUNK);
    assert_int_equal(came, 100);
    // The flow ends within it.
    speak_head(&stage.speak, n, STAGE_OK);
    speak_body(&stage.speak, n, S2C, view_head(content, TWIN_CHUNK + 100), TWIN_CHUNK + 100);
    n++;
    end();
    assert_int_equal(stage.ledger.txns, n);
    travelled(stage.ledger.txn[n - 1], &came, &like);
    assert_int_equal(like, TWIN_CHUNK);
    assert_int_equal(came, 100);
}

static void test_another_file(void **state)
{
    struct view content = speak_bytes(LARGE, 4);
    (void)state;
    expect(content, 30000, 0);
    emitter_set_file(stage.emitter, 2);
    expect(content, 30000, 0);
    expect(content, 30000, LARGE);
    emitter_set_file(stage.emitter, 2); // the same: connected again
    expect(content, 30000, LARGE);
    emitter_set_file(stage.emitter, 0);
    expect(content, 30000, 0);
    expect(content, 30000, 0);
    end();
}

// With a limit the digest is that of the whole all the same, and only what is within is referred
// to.
static void test_limit(void **state)
{
    static const uint64_t limits[] = {
        0, 1024, 4096, 12000, WIRE_KNOWN_MIN - 1, WIRE_KNOWN_MIN, TWIN_CHUNK, LARGE - 1, 300000};
    struct view content = speak_bytes(LARGE, 5);
    unsigned char digest[DIGEST_SIZE];
    (void)state;
    digest_once(content, digest);
    for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
        uint64_t limit = limits[k], kept = limit < LARGE ? limit : LARGE;
        emitter_set_max_body(stage.emitter, limit);
        for (int i = 0; i < 3; i++) {
            uint64_t came, like;
            const Tapedeck__Transaction *t = answer(content, 11000, MSG_COMPLETE);
            travelled(t, &came, &like);
            uint64_t known = i && kept >= WIRE_KNOWN_MIN ? kept : 0;
            assert_int_equal(like, known);
            assert_int_equal(came, kept - known);
            assert_int_equal(t->response->body_stored, kept);
            assert_int_equal(t->response->body_size, LARGE);
            assert_memory_equal(t->response->body_digest.data, digest, DIGEST_SIZE);
        }
        // Alike, but for the end, which is not kept.
        const Tapedeck__Transaction *t = answer(view_head(content, LARGE - 1), 11000, MSG_COMPLETE);
        digest_once(view_head(content, LARGE - 1), digest);
        assert_memory_equal(t->response->body_digest.data, digest, DIGEST_SIZE);
        digest_once(content, digest);
    }
    end();
}

// Content may be longer than the bytes that it stands for: redaction made it so, or not all of it
// is kept.
static void test_longer_than_its_wire(void **state)
{
    static const struct {
        size_t step, share; // of its wire bytes in its size
        uint64_t limit;
    } cases[] = {{200000, 3, UINT64_MAX}, {200000, 1000000, UINT64_MAX},
                 {30000, 2, UINT64_MAX},  {400000, 1, 200000},
                 {70000, 1, 200000},      {400000, 3, 150000}};
    char *content = malloc(400000);
    (void)state;
    assert_non_null(content);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(content, speak_bytes(400000, (unsigned)i).p, 400000);
        emitter_set_max_body(stage.emitter, cases[i].limit);
        for (int k = 0; k < 3; k++) {
            speak_head(&stage.speak, n, STAGE_OK);
            for (struct view in = view_n(content, 400000); in.n > 0;) {
                struct view now = view_head(in, cases[i].step);
                speak_body(&stage.speak, n, S2C, now, now.n / cases[i].share);
                in = view_from(in, now.n);
            }
            speak_end(&stage.speak, n, S2C, MSG_COMPLETE, "", 5);
            speak_txn_end(&stage.speak, n++, "");
            content[140000] ^= 1;
        }
    }
    free(content);
    end();
    assert_int_equal(stage.ledger.losses, 0);
}

// The head of a chunk comes alone, while what came before is held.
static void test_framing_alone(void **state)
{
    struct view content = speak_bytes(60000, 8);
    uint64_t came, like;
    (void)state;
    for (int i = 0; i < 2; i++) {
        speak_head(&stage.speak, n, STAGE_OK);
        speak_body(&stage.speak, n, S2C, view_n("", 0), 7);
        speak_body(&stage.speak, n, S2C, view_head(content, 20000), 20000);
        speak_body(&stage.speak, n, S2C, view_n("", 0), 9);
        speak_body(&stage.speak, n, S2C, view_from(content, 20000), 40000);
        speak_body(&stage.speak, n, S2C, view_n("", 0), 5);
        speak_end(&stage.speak, n, S2C, MSG_COMPLETE, "", 2);
        speak_txn_end(&stage.speak, n, "");
        stage_drain();
        travelled(stage.ledger.txn[n++], &came, &like);
        assert_int_equal(like, i ? 60000 : 0);
    }
    end();
}

// A limit that changes between a message's head and its content.
static void test_limit_changes(void **state)
{
    struct view content = speak_bytes(LARGE, 9);
    uint64_t came, like;
    (void)state;
    emitter_set_max_body(stage.emitter, 100000);
    for (int i = 0; i < 3; i++) {
        speak_head(&stage.speak, n, STAGE_OK);
        emitter_set_max_body(stage.emitter, 150000);
        speak_body(&stage.speak, n, S2C, content, content.n);
        speak_end(&stage.speak, n, S2C, MSG_COMPLETE, "", 0);
        speak_txn_end(&stage.speak, n, "");
        stage_drain();
        travelled(stage.ledger.txn[n++], &came, &like);
        assert_int_equal(like, i == 2 ? 150000 : 0);
        assert_int_equal(came, i == 2 ? 0 : i ? 150000 : 100000);
    }
    end();
}

// A filter on content that comes when some is held, or known: that is not what it may judge by.
static void test_filter_comes(void **state)
{
    struct view content = speak_bytes(LARGE, 10);
    struct filter *open = stage_filter("state = complete or state != complete");
    struct filter *f = stage_filter("res.body ~ 'no such word'");
    struct filter *all = stage_filter("state = complete");
    (void)state;
    expect(content, 30000, 0);
    for (int way = 0; way < 3; way++) {
        static const struct {
            size_t size;
            enum msg_end end;
        } ways[] = {{LARGE, MSG_COMPLETE}, {2 * TWIN_CHUNK + 9, MSG_COMPLETE}, {90000, MSG_CUT}};
        // It waits for the end, so that nothing decides before.
        emitter_set_filter(stage.emitter, open);
        speak_head(&stage.speak, n, STAGE_OK);
        speak_body(&stage.speak, n, S2C, view_head(content, ways[way].size), ways[way].size);
        if (way)
            emitter_set_filter(stage.emitter, f);
        speak_end(&stage.speak, n, S2C, ways[way].end, "", 0);
        emitter_set_filter(stage.emitter, f);
        speak_txn_end(&stage.speak, n++, "");
        emitter_set_filter(stage.emitter, NULL);
        stage_drain();
        assert_int_equal(stage.ledger.txns, n);
    }
    // What is known of a content that was cut is known when it is judged.
    emitter_set_filter(stage.emitter, all);
    for (int i = 0; i < 2; i++) {
        speak_head(&stage.speak, n + (uint64_t)i, STAGE_OK);
        speak_body(&stage.speak, n + (uint64_t)i, S2C, view_head(content, 90000), 90000);
        if (i)
            speak_end(&stage.speak, n + 1, S2C, MSG_CUT, "", 0);
        speak_txn_end(&stage.speak, n + (uint64_t)i, "");
    }
    emitter_set_filter(stage.emitter, NULL);
    stage_drain();
    assert_int_equal(stage.ledger.txns, n);
    filter_free(all);
    filter_free(open);
    filter_free(f);
    end();
}

// Content that comes to be withheld when its front was known.
static void test_withheld(void **state)
{
    struct view content = speak_bytes(LARGE, 11);
    uint64_t came, like;
    (void)state;
    expect(content, 30000, 0);
    for (int i = 0; i < 2; i++) {
        speak_head(&stage.speak, n, STAGE_OK);
        speak_body(&stage.speak, n, S2C, view_head(content, 90000), 90000);
        speak_body(&stage.speak, n, S2C, view_n(NULL, LARGE - 90000), LARGE - 90000);
        speak_end(&stage.speak, n, S2C, MSG_COMPLETE, "", 0);
        speak_txn_end(&stage.speak, n, "");
        stage_drain();
        const Tapedeck__Message *m = stage.ledger.txn[n]->response;
        travelled(stage.ledger.txn[n++], &came, &like);
        assert_int_equal(like, TWIN_CHUNK);
        assert_int_equal(came, 90000 - TWIN_CHUNK);
        assert_int_equal(m->body_size, LARGE);
        assert_int_equal(m->body_digest.len, 0);
    }
    expect(content, 30000, LARGE);
    end();
}

// Nor does a ring without room, memory that runs short, or a second of life change what is told.
static void test_short_of_all(void **state)
{
    (void)state;
    char *content = malloc(LARGE);
    assert_non_null(content);
    memcpy(content, speak_bytes(LARGE, 6).p, LARGE);
    for (long i = 0; i < 400; i++) {
        stage_conf(state);
        stage_begin(NULL, 8 << 20);
        emitter_set_file(stage.emitter, 1);
        if (i % 2) // what is kept comes with the Transaction
            emitter_set_max_body(stage.emitter, 5000);
        alloc_fail_at(i / 2);
        speak_open(&stage.speak, emitter_sink(stage.emitter), STAGE_BEGIN);
        n = 0;
        for (int k = 0; k < 4; k++) {
            content[2 * TWIN_CHUNK] ^= k == 3;
            say_answer(view_n(content, LARGE), 50000, MSG_COMPLETE);
        }
        speak_close(&stage.speak);
        alloc_fail_end();
        stage_drain();
        stage_end();
    }
    free(content);
}

static void test_long_life(void **state)
{
    struct view content = speak_bytes(LARGE, 7);
    uint64_t came, like;
    (void)state;
    expect(content, 30000, 0);
    speak_head(&stage.speak, n, STAGE_OK);
    speak_body(&stage.speak, n, S2C, view_head(content, TWIN_CHUNK + 100), TWIN_CHUNK + 100);
    stage.speak.now_us += 3 * US_PER_S;
    emitter_tick(stage.emitter, stage.speak.now_us);
    speak_body(&stage.speak, n, S2C, view_from(content, TWIN_CHUNK + 100), 9);
    speak_end(&stage.speak, n, S2C, MSG_UNTIL_CLOSE, "", 0);
    speak_txn_end(&stage.speak, n, "");
    stage_drain();
    travelled(stage.ledger.txn[n++], &came, &like);
    assert_int_equal(like, TWIN_CHUNK);
    assert_int_equal(came, LARGE - TWIN_CHUNK);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_travels_once, set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(test_differs, set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(test_cut, set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(test_another_file, set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(test_longer_than_its_wire, set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(test_framing_alone, set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(test_limit_changes, set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(test_filter_comes, set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(test_withheld, set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(test_long_life, set_up, stage_tear_down),
        cmocka_unit_test(test_short_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
