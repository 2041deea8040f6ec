// Which bodies JSON rules look at, and what becomes of those that cannot be read: nothing of them
// is kept. counted.
#include "proxy/emit/redact.h"
#include "tests/support/alloc.h"
#include "tests/support/ear.h"
#include "tests/support/speak.h"
#include "tests/support/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const unsigned char key[32] = "this is the key of all the tests";
static struct redact *redact;
static struct speak speak;
static struct ear ear;
static char why[WHY_MAX];

static void begin(const char *rules)
{
    redact = redact_new(rules, key, ear_begin(&ear), why);
    if (!redact)
        fail_msg("%s", why);
    speak_open(&speak, redact_sink(redact), STAGE_BEGIN);
}

static void end(void)
{
    speak_close(&speak);
    // Whatever was done to the content, each wire byte was told of once.
    assert_int_equal(ear.wire[C2S], ear.relayed[C2S]);
    assert_int_equal(ear.wire[S2C], ear.relayed[S2C]);
    redact_free(redact);
    ear_end(&ear);
}

#define JSON "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"

static void body_in(const char *head, struct view body, size_t step)
{
    speak_head(&speak, 0, head);
    for (size_t at = 0; at < body.n; at += step) {
        struct view now = view_head(view_from(body, at), step);
        speak_body(&speak, 0, S2C, now, now.n + 2);
    }
    speak_end(&speak, 0, S2C, MSG_COMPLETE, "", 5);
    speak_txn_end(&speak, 0, "");
}

static void expect_body(const char *head, struct view body, bool passes)
{
    begin("json:$..pw");
    body_in(head, body, 7000);
    if (passes) {
        assert_int_equal(ear.content_n[S2C], body.n);
        assert_memory_equal(ear.content[S2C], body.p, body.n);
        assert_int_equal(ear.lost[S2C], 0);
    } else {
        assert_int_equal(ear.content_n[S2C], 0);
        assert_int_equal(ear.withheld[S2C], body.n);
        assert_true(ear.lost[S2C] >= body.n);
    }
    end();
}

static void test_which_bodies(void **state)
{
    (void)state;
    struct view json = VIEW_LIT("{\"pw\": unreadable}"), text = VIEW_LIT("plain { text");
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", json, false);
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", text, true);
    expect_body("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Type: text/html\r\n\r\n", json,
                true);
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", json, true);
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", text, true);
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", json, false);
    expect_body("HTTP/1.1 200 OK\r\n\r\n", json, false);
    expect_body("HTTP/1.1 200 OK\r\n\r\n", text, true);
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: application/problem+JSON\r\n\r\n", text, false);
    expect_body("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: image/png\r\n\r\n",
                text, true);
    expect_body("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: a/json\r\n\r\n", text,
                false);
    expect_body("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n\r\n", text, true);
    expect_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", text, false);
    expect_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", text, true);
    // Several lines of a name: who reads the body may heed any of them.
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Type: a/json\r\n\r\n", text,
                false);
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Type: text/plain\r\n\r\n",
                json, false);
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Type: image/png\r\n\r\n",
                json, false);
    expect_body("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\n",
                text, false);
    expect_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n",
                text, false);
    // Lines that the parsed form may not have.
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: text/html,\r\n a/json\r\n\r\n", text, false);
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
                "Content-Type : application/json\r\n\r\n",
                text, false);
    expect_body("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX y: z\r\n\r\n", json, false);
    expect_body("HTTP/1.1 200 OK\r\nX y: z\r\nContent-Encoding\r\n : gzip\r\n\r\n", text, false);
    // Too large, by one byte.
    char *large = malloc(REDACT_BODY_MAX + 1);
    memset(large, ' ', REDACT_BODY_MAX + 1);
    large[0] = '[';
    large[REDACT_BODY_MAX - 1] = ']';
    expect_body(JSON, view_n(large, REDACT_BODY_MAX), true);
    expect_body(JSON, view_n(large, REDACT_BODY_MAX + 1), false);
    free(large);
}

static void test_cut_body(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        begin("json:$..pw");
        speak_head(&speak, 0, JSON);
        speak_body(&speak, 0, S2C, VIEW_LIT("{\"pw\": \"secr"), 12);
        if (how == 0)
            speak_end(&speak, 0, S2C, MSG_CUT, "", 0);
        if (how < 2)
            speak_txn_end(&speak, 0, "");
        else
            ear.wire[S2C] += 12; // it died with the flow; the emitter sees what is missing
        assert_int_equal(ear.content_n[S2C], 0);
        end();
    }
}

static void test_held_is_bounded(void **state)
{
    (void)state;
    begin("json:$..pw");
    struct view piece = speak_bytes(1000000, 1);
    for (uint64_t n = 0; n < 12; n++) {
        speak_head(&speak, n, JSON);
        speak_body(&speak, n, S2C, piece, piece.n);
    }
    assert_int_equal(ear.lost[S2C], 4000000); // beyond REDACT_HELD_MAX
    for (uint64_t n = 0; n < 12; n++) {
        speak_end(&speak, n, S2C, MSG_COMPLETE, "", 0);
        speak_txn_end(&speak, n, "");
    }
    assert_int_equal(ear.content_n[S2C], 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_bodies),
        cmocka_unit_test(test_cut_body),
        cmocka_unit_test(test_held_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
