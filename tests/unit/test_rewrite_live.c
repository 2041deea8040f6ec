// What a run's own answers change in its later requests: cookies and named values; dates that move
// with it, tokens that are signed anew; what redaction took.
#include "tests/support/rewriting.h"
#include "tests/support/talks.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\n"

static const char *cookies(struct rewriting *r, const char *sent)
{
    static char out[500];
    char text[500];
    snprintf(text, sizeof text, "GET / HTTP/1.1\nCookie: %s\n\n", sent);
    snprintf(out, sizeof out, "%s", rewriting_do(r, text));
    return out;
}

static void test_cookies(void **state)
{
    (void)state;
    struct rewriting r;
    rewriting_begin(&r, NULL);
    assert_true(rewrite_active(r.session));
    rewriting_answer(&r, OK "Set-Cookie: s=old; Path=/\nSet-Cookie: t=1\n\n",
                     OK "Set-Cookie: s=new; Path=/; HttpOnly\nSet-Cookie: t=2\n\n");
    assert_string_equal(cookies(&r, "a=0; s=old; t=1"),
                        "GET / HTTP/1.1\nCookie: a=0; s=new; t=2\n\n");
    assert_string_equal(cookies(&r, "s=other"), "GET / HTTP/1.1\nCookie: s=other\n\n");
    assert_string_equal(cookies(&r, "s=new"), "GET / HTTP/1.1\nCookie: s=new\n\n");
    assert_int_equal(rewrite_sums(r.session)->cookies, 2);
    // Its answer renewed it, where the recording did not.
    rewriting_answer(&r, OK "\n", OK "Set-Cookie: u=fresh\n\n");
    assert_string_equal(cookies(&r, "u=stale"), "GET / HTTP/1.1\nCookie: u=fresh\n\n");
    // Another client, host, path, run.
    r.subject.client++;
    assert_string_equal(cookies(&r, "s=old"), "GET / HTTP/1.1\nCookie: s=old\n\n");
    r.subject.client--;
    r.subject.about.host = VIEW_LIT("other.test");
    assert_string_equal(cookies(&r, "s=old"), "GET / HTTP/1.1\nCookie: s=old\n\n");
    r.subject.about.host = VIEW_LIT("api.test");
    rewriting_answer(&r, OK "Set-Cookie: p=1; Path=/deep\n\n",
                     OK "Set-Cookie: p=2; Path=/deep\n\n");
    assert_string_equal(cookies(&r, "p=1"), "GET / HTTP/1.1\nCookie: p=1\n\n");
    r.subject.about.path = VIEW_LIT("/deep/er");
    assert_string_equal(cookies(&r, "p=1"), "GET / HTTP/1.1\nCookie: p=2\n\n");
    r.subject.about.path = VIEW_LIT("/deeper");
    assert_string_equal(cookies(&r, "p=1"), "GET / HTTP/1.1\nCookie: p=1\n\n");
    r.subject.run = 3;
    assert_string_equal(cookies(&r, "t=1"), "GET / HTTP/1.1\nCookie: t=1\n\n");
    r.subject.run = 0;
    rewrite_forget(r.session, 0);
    assert_string_equal(cookies(&r, "t=1"), "GET / HTTP/1.1\nCookie: t=1\n\n");
    // Gone in the run alone, and in both.
    rewriting_answer(&r, OK "Set-Cookie: g=1\n\n", OK "Set-Cookie: g=; Max-Age=0\n\n");
    assert_string_equal(cookies(&r, "g=1; h=2"), "GET / HTTP/1.1\nCookie: h=2\n\n");
    assert_string_equal(cookies(&r, "g=1"), "GET / HTTP/1.1\n\n");
    rewriting_answer(&r, OK "Set-Cookie: k=; Max-Age=0\n\n", OK "Set-Cookie: k=; Max-Age=0\n\n");
    assert_string_equal(cookies(&r, "k=1"), "GET / HTTP/1.1\nCookie: k=1\n\n");
    rewriting_answer(&r, OK "Set-Cookie: d=1; Domain=.test\n\n",
                     OK "Set-Cookie: d=2; Domain=test; Expires=Thu, 01 Jan 1970 00:00:00 GMT\n\n");
    assert_string_equal(cookies(&r, "d=1"), "GET / HTTP/1.1\n\n");
    rewriting_end(&r);
}

// A server that gives another cookie with every answer: each stands for the one that the recorded
// answer set, though the run's values are those of other answers in the recording.
static void test_rolling_cookies(void **state)
{
    char recorded[100], live[100], sent[40], expected[100];
    struct rewriting r;
    (void)state;
    rewriting_begin(&r, NULL);
    for (int i = 0; i < 20000; i++) {
        snprintf(recorded, sizeof recorded, OK "Set-Cookie: s=%d\n\n", i);
        snprintf(live, sizeof live, OK "Set-Cookie: s=%d\n\n", 20000 - i);
        rewriting_answer(&r, recorded, live);
    }
    for (int i = 0; i < 20000; i += 1999) {
        snprintf(sent, sizeof sent, "s=%d", i);
        snprintf(expected, sizeof expected, "GET / HTTP/1.1\nCookie: s=%d\n\n", 20000 - i);
        assert_string_equal(cookies(&r, sent), expected);
    }
    rewriting_end(&r);
}

static void test_named(void **state)
{
    (void)state;
    struct rewriting r;
    rewriting_begin(&r, "capture:\n- {where: body.id, name: job, path: /jobs}\n"
                        "- {where: header location > query.code, name: code}\n"
                        "- {where: body, match: 'n=([0-9]+)', name: n}\n"
                        "- {where: html csrf, name: csrf}\n"
                        "set:\n  path[1]: {value: '${live:job}', path: '/jobs/*'}\n"
                        "  header x: {value: '${live:n}-${live:code}', path: /n}\n"
                        "  body.csrf: {value: '${live:csrf}', path: /form}\n");
    r.subject.about.path = VIEW_LIT("/jobs/1");
    assert_false(rewrite_ready(r.session, &r.subject));
    r.subject.about.path = VIEW_LIT("/jobs");
    assert_true(rewrite_ready(r.session, &r.subject));
    assert_true(rewrite_wants_answer(r.session, &r.subject));
    rewriting_answer(&r, OK "\n", OK "Content-Type: application/json\n\n{\"id\": 77}");
    r.subject.about.path = VIEW_LIT("/jobs/1");
    assert_true(rewrite_ready(r.session, &r.subject));
    assert_string_equal(rewriting_do(&r, "GET /jobs/1 HTTP/1.1\n\n"), "GET /jobs/77 HTTP/1.1\n\n");
    rewriting_answer(&r, OK "\n", OK "Location: https://x/cb?state=1&code=a%20b\n\nsome n=12 here");
    r.subject.about.path = VIEW_LIT("/n");
    assert_string_equal(rewriting_do(&r, "GET /n HTTP/1.1\n\n"), "GET /n HTTP/1.1\nx: 12-a b\n\n");
    rewriting_answer(&r, OK "\n",
                     OK "Content-Type: text/html\n\n<p><input name='csrf' value=\"a&amp;b\">");
    r.subject.about.path = VIEW_LIT("/form");
    static const char form[] = "POST /form HTTP/1.1\nContent-Type: "
                               "application/x-www-form-urlencoded\nContent-Length: 6\n\ncsrf=1";
    assert_non_null(strstr(rewriting_do(&r, form), "Content-Length: 10\n\ncsrf=a%26b"));
    // Nobody waits twice for what does not come.
    r.subject.run = 1;
    assert_false(rewrite_ready(r.session, &r.subject));
    assert_string_equal(rewriting_do(&r, form), form);
    assert_int_equal(rewrite_sums(r.session)->missing, 1);
    assert_true(rewrite_ready(r.session, &r.subject));
    rewriting_end(&r);
}

// The recording began on 2026-01-01, the run on 2026-01-02.
static void test_dates(void **state)
{
    (void)state;
    struct rewriting r;
    assert_string_equal(
        rewriting_once(&r, "dates: all",
                       "POST /x?from=2026-01-31&n=1767225600&at=1767225600 HTTP/1.1\n"
                       "If-Modified-Since: Wed, 31 Dec 2025 23:59:59 GMT\nContent-Type: "
                       "application/json\nContent-Length: 142\n\n"
                       "{\"a\":\"2026-02-28T23:30:00.1234567+02:00\",\"b\":[\"2026-01-01 10:00\"], "
                       "\"created_at\":1767225600123,\"id\":1767225600,\"c\":\"1999\",\"exp\": "
                       "1767225600.50}"),
        "POST /x?from=2026-02-01&n=1767225600&at=1767312000 HTTP/1.1\n"
        "If-Modified-Since: Thu, 01 Jan 2026 23:59:59 GMT\nContent-Type: "
        "application/json\nContent-Length: 142\n\n"
        "{\"a\":\"2026-03-01T23:30:00.1234567+02:00\",\"b\":[\"2026-01-02 10:00\"], "
        "\"created_at\":1767312000123,\"id\":1767225600,\"c\":\"1999\",\"exp\": 1767312000.50}");
    rewriting_end(&r);
    assert_string_equal(
        rewriting_once(&r, "dates: [{where: query.a, by: -36h}, {where: 'path[0]', by: 1d}]",
                       "GET /2026-01-01?a=2026-01-02T12:00Z&b=2026-01-01 HTTP/1.1\n\n"),
        "GET /2026-01-02?a=2026-01-01T00:00Z&b=2026-01-01 HTTP/1.1\n\n");
    assert_int_equal(rewrite_sums(r.session)->dates, 2);
    rewriting_end(&r);
}

static void test_tokens(void **state)
{
    (void)state;
    struct rewriting r;
#define BEARER "GET / HTTP/1.1\nAuthorization: Bearer "
    static const char old[] =
        BEARER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJib2IiLCJleHAiOjE3NjcyMjkyMDAsIm4iOi"
               "AxfQ.Ku4AYcQs_brlfQ7dLT0WsYKrpnpiTpTW8-TL3A4Xzpk\n\n";
    setenv("REWRITE_KEY", "new", 1);
    assert_string_equal(
        rewriting_once(
            &r, "jwt: [{where: header authorization, alg: HS256, key: '${env:REWRITE_KEY}'}]", old),
        BEARER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJib2IiLCJleHAiOjE3NjczMTU2MDAsIm4iOi"
               "AxfQ.e5GV4UejGMOwm_t0eSC_QpTl01OjRM2kj8mJ3uWuqZo\n\n");
    assert_int_equal(rewrite_sums(r.session)->signed_tokens, 1);
    rewriting_end(&r);
    assert_string_equal(
        rewriting_once(&r,
                       "jwt: [{where: header authorization, alg: HS512, key: new, set: {exp: "
                       "'5', iss: me}}]",
                       old),
        BEARER "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJtZSIsInN1YiI6ImJvYiIsImV4cCI6NSwibi"
               "I6IDF9.MPkRn5YK-t9OW0zaq8Z4EE7Yme-Qf1QzK4KJpWqNB3p3a1ba4BBrpJS0gyPxW6mGyiIJ_YWFkk_"
               "zoty4_CKMLg\n\n");
    assert_string_equal(rewriting_do(&r, BEARER "opaque\n\n"), BEARER "opaque\n\n");
    rewriting_end(&r);
}

static int told(void *arg, const char *place, uint64_t requests, int64_t example, bool mended)
{
    char *text = arg;
    size_t n = strlen(text);
    snprintf(text + n, 500 - n, "%s %d 1.%d %d\n", place, (int)requests, (int)(example & 0xffffff),
             mended);
    return 0;
}

static void test_redacted_and_filters(void **state)
{
    (void)state;
    char dir[TMP_PATH], path[TMP_PATH], text[500] = "";
    struct tape tape;
    struct capture capture;
    struct rewriting r;
    tmp_make(dir);
    tape_open(&tape, tmp_path(path, dir, "x.db"));
    int64_t flow = tape_flow(&tape, "api.test:80");
    for (int i = 0; i < 2; i++)
        talks_say(&tape, flow,
                  "GET /a\nAuthorization: Bearer redacted:0123456789abcdef\n"
                  "Cookie: s=redacted:aaaaaaaaaaaaaaaa; t=1",
                  i ? "200" : "404");
    talks_say(&tape, flow, "GET /b\nCookie: s=redacted:aaaaaaaaaaaaaaaa", "200");
    tape_end(&tape, flow);
    tape_close(&tape);
    assert_int_equal(capture_find(&capture, path), 0);
    struct rewrite_setup setup = {.capture = &capture};
    rewriting_with(&r,
                   "set: [{where: header authorization, value: 'Bearer x', path: /a}, {where: "
                   "cookie s, value: y, path: /b}, {where: header z, value: z, filter: 'status = "
                   "404'}]",
                   &setup);
    assert_int_equal(rewrite_redacted(r.session, &capture, NULL, told, text), 0);
    assert_string_equal(text, "header authorization 2 1.2 1\ncookie s 3 1.2 0\n");
    r.subject.id = store_key(1, 2);
    assert_string_equal(rewriting_do(&r, "GET / HTTP/1.1\n\n"), "GET / HTTP/1.1\nz: z\n\n");
    r.subject.id = store_key(1, 3);
    assert_string_equal(rewriting_do(&r, "GET / HTTP/1.1\n\n"), "GET / HTTP/1.1\n\n");
    rewriting_end(&r);
    capture_clear(&capture);
    tmp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cookies), cmocka_unit_test(test_rolling_cookies),
        cmocka_unit_test(test_named),   cmocka_unit_test(test_dates),
        cmocka_unit_test(test_tokens),  cmocka_unit_test(test_redacted_and_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
