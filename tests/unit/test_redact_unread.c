// What HTTP's decoder gives up: no secret of it reaches the next sink, whatever fails.
#include "proxy/emit/redact.h"
#include "proxy/tap.h"
#include "tests/support/alloc.h"
#include "tests/support/ear.h"
#include "tests/support/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const unsigned char key[32] = "this is the key of all the tests";
static struct redact *redact;
static struct ear ear;
static char why[WHY_MAX];

static bool holds_secret(void)
{
    for (int dir = C2S; dir <= S2C; dir++) {
        if (memmem(ear.content[dir], ear.content_n[dir], "SECRET", 6) ||
            memmem(ear.head[dir], sizeof ear.head[dir], "SECRET", 6))
            return true;
    }
    return strstr(ear.query, "SECRET") || strstr(ear.path, "SECRET");
}

// A conversation through a tap. room: bytes that it may hold.
static void converse(const struct decoder_ops *hint, size_t room, struct view c2s, struct view s2c)
{
    struct stats stats = {0};
    size_t used = 0;
    struct tap_env env = {.sink = redact_sink(redact), .stats = &stats, .used = &used, .max = room};
    static const struct flow_facts facts = {.front = "fixed", .requested = "", .target = "t:1"};
    struct tap tap;

    tap_open(&tap, &env, &facts, hint, STAGE_BEGIN);
    tap_feed(&tap, C2S, view_head(c2s, 20), STAGE_BEGIN);
    tap_feed(&tap, C2S, view_from(c2s, 20), STAGE_BEGIN);
    tap_feed(&tap, S2C, s2c, STAGE_BEGIN);
    tap_end(&tap, C2S, STAGE_BEGIN);
    tap_end(&tap, S2C, STAGE_BEGIN);
    tap_close(&tap, "done", "", STAGE_BEGIN);
}

#define BEGINNING "GET /?a=SECRET HTTP/1.1\r\nCookie: a=SECRET\r\n"
#define ANSWER    "HTTP/1.1 200 OK\r\nSet-Cookie: a=SECRET\r\nContent-Length: 0\r\n\r\n"

// Whatever fails, and wherever: neither memory nor room may be a way around the rules.
static void test_unreadable(void **state)
{
    static const size_t rooms[] = {1 << 20, 0, 21, 4096};

    (void)state;
    for (size_t k = 0; k < 8; k++) {
        long failed = 1;
        // Without memory for the flow, the first allocation, the next sink only counts.
        for (long i = -1; failed; i += i < 0 ? 2 : 1) {
            redact = redact_new("default,query:a", key, ear_begin(&ear), why);
            assert_non_null(redact);
            alloc_fail_at(i < 0 ? 1000000 : i);
            converse(k < 4 ? &decoder_http1 : NULL, rooms[k % 4], VIEW_LIT(BEGINNING),
                     VIEW_LIT(ANSWER));
            failed = alloc_fail_end() || i < 0;
            assert_false(holds_secret());
            assert_int_equal(ear.wire[C2S], ear.relayed[C2S]);
            assert_int_equal(ear.wire[S2C], ear.relayed[S2C]);
            if (i < 0) {
                assert_int_equal(ear.withheld[C2S], sizeof BEGINNING - 1);
                assert_int_equal(ear.omitted[C2S], sizeof BEGINNING - 1);
                assert_int_equal(ear.lost[C2S], 0);
                assert_non_null(strstr(ear.what, "http (unreadable)"));
            }
            redact_free(redact);
            ear_end(&ear);
        }
    }
}

// The same with rules that name no header, and without any.
static void test_unreadable_by_rules(void **state)
{
    (void)state;
    for (int none = 0; none < 2; none++) {
        redact = redact_new(none ? "none" : "json:$.a", key, ear_begin(&ear), why);
        assert_non_null(redact);
        converse(NULL, 1 << 20, VIEW_LIT(BEGINNING), VIEW_LIT(ANSWER));
        assert_int_equal(ear.content_n[C2S], none ? sizeof BEGINNING - 1 : 0);
        assert_int_equal(ear.withheld[C2S], none ? 0 : sizeof BEGINNING - 1);
        redact_free(redact);
        ear_end(&ear);
    }
}

// A conversation in four pieces: some of the client's, both of the server's, the client's rest.
static void converse_cut(struct view c2s, size_t cut, struct view s2c, size_t s2c_cut)
{
    struct stats stats = {0};
    size_t used = 0;
    struct tap_env env = {
        .sink = redact_sink(redact), .stats = &stats, .used = &used, .max = 1 << 20};
    static const struct flow_facts facts = {.front = "fixed", .requested = "", .target = "t:1"};
    struct tap tap;

    tap_open(&tap, &env, &facts, NULL, STAGE_BEGIN);
    tap_feed(&tap, C2S, view_head(c2s, cut), STAGE_BEGIN);
    tap_feed(&tap, S2C, view_head(s2c, s2c_cut), STAGE_BEGIN);
    tap_feed(&tap, S2C, view_from(s2c, s2c_cut), STAGE_BEGIN);
    tap_feed(&tap, C2S, view_from(c2s, cut), STAGE_BEGIN);
    tap_close(&tap, "done", "", STAGE_BEGIN);
}

#define GET   "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define ASKED "/ HTTP/1.1\r\nHost: h\r\nAuthorization: SECRET\r\n\r\n"
#define HEAD  "GET / HTTP/1.1\r\nHost: h\r\n"
#define GIVEN "\r\nSet-Cookie: a=SECRET\r\nContent-Length: 0\r\n\r\n"

// What some reader takes for HTTP all the same, however it is cut.
static void test_unreadable_oddities(void **state)
{
    static const struct {
        struct view c2s, s2c;
    } cases[] = {
        {VIEW_LIT("\xef\xbb\xbfGET " ASKED), VIEW_LIT("")},
        {VIEW_LIT("\x00\x00GET " ASKED), VIEW_LIT("")},
        {VIEW_LIT("G@T " ASKED), VIEW_LIT("")},
        {VIEW_LIT("G(T " ASKED), VIEW_LIT(OK)},
        {VIEW_LIT(HEAD "Author\x00ization: SECRET\r\n\r\n"), VIEW_LIT(OK)},
        {VIEW_LIT(HEAD "Auth\x01orization: SECRET\r\n\r\n"), VIEW_LIT(OK)},
        {VIEW_LIT(HEAD "Auth\rorization: SECRET\r\n\r\n"), VIEW_LIT("")},
        {VIEW_LIT(HEAD "\x7f"
                       "Auth\x80oriza\xadtion\x01\r\n : SECRET\r\n\r\n"),
         VIEW_LIT(OK)},
        {VIEW_LIT(HEAD "Cook\xc2\xadie: a=SECRET\r\n\r\n"), VIEW_LIT(OK)},
        {VIEW_LIT(GET), VIEW_LIT("HTTP/1.1 200 OK\r\nSet-Cook\x00ie: SECRET\r\n\r\n")},
        {VIEW_LIT(GET), VIEW_LIT("HTTP/2 200 OK" GIVEN)},
        {VIEW_LIT(GET), VIEW_LIT("http/1.1 200 OK" GIVEN)},
        {VIEW_LIT(GET), VIEW_LIT("ICY 200 OK" GIVEN)},
        {VIEW_LIT(GET), VIEW_LIT("\r\nHTTP/1.1 200 OK" GIVEN)},
        {VIEW_LIT(GET), VIEW_LIT("  HTTP/1.1 200 OK" GIVEN)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t a = cases[i].c2s.n, b = cases[i].s2c.n;
        for (size_t k = 0; k <= a + b; k++) {
            redact = redact_new("default", key, ear_begin(&ear), why);
            assert_non_null(redact);
            converse_cut(cases[i].c2s, k < a ? k : a, cases[i].s2c, k < a ? k % (b + 1) : k - a);
            if (holds_secret())
                fail_msg("case %zu, cut at %zu", i, k);
            assert_int_equal(ear.wire[C2S], ear.relayed[C2S]);
            assert_int_equal(ear.wire[S2C], ear.relayed[S2C]);
            redact_free(redact);
            ear_end(&ear);
        }
    }
}

// Bodies of JSON that are gathered draw on the budget that holds are under.
static void test_budget_is_shared(void **state)
{
    static char text[5000];
    struct stats stats = {0};
    struct speak speak;
    size_t used = 3000;

    (void)state;
    memset(text, ' ', sizeof text);
    text[0] = '{';
    redact = redact_new("json:$.a", key, ear_begin(&ear), why);
    redact_bound(redact, &used, 12000, &stats);
    speak_open(&speak, redact_sink(redact), STAGE_BEGIN);
    for (uint64_t n = 0; n < 2; n++) {
        speak_head(&speak, n, "HTTP/1.1 200 OK\r\nContent-Type: a/json\r\n\r\n");
        speak_body(&speak, n, S2C, view_n(text, sizeof text), sizeof text);
    }
    // The second found no room.
    assert_true(used >= 8000 && used <= 12000);
    assert_int_equal(stats.tap_bytes, used - 3000);
    assert_int_equal(ear.lost[S2C], sizeof text);
    for (uint64_t n = 0; n < 2; n++) {
        speak_end(&speak, n, S2C, n ? MSG_COMPLETE : MSG_CUT, "", 0);
        speak_txn_end(&speak, n, "");
    }
    assert_int_equal(used, 3000);
    // Nor is anything left when the flow ends first.
    speak_head(&speak, 2, "HTTP/1.1 200 OK\r\nContent-Type: a/json\r\n\r\n");
    speak_body(&speak, 2, S2C, view_n(text, sizeof text), sizeof text);
    assert_true(used >= 8000);
    speak_close(&speak);
    assert_int_equal(used, 3000);
    assert_int_equal(stats.tap_bytes, 0);
    redact_free(redact);
    ear_end(&ear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_unreadable_by_rules),
        cmocka_unit_test(test_unreadable_oddities),
        cmocka_unit_test(test_budget_is_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
