// A mock's far ends over a real capture: what a client hears, however its bytes come, and whatever
// memory fails.
#include "proto/base/log.h"
#include "tests/support/alloc.h"
#include "tests/support/mocked.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH];
static char *paths[] = {path};
static char large[300000];

// An answer as it is: "HEAD|BODY" by its parts.
struct row {
    const char *method, *path, *query, *head, *body;
    const char *interim, *trailers;
    int status, end;
};

static void put(struct tape *t, int64_t flow, const struct row *r)
{
    char request[512];
    struct store_txn txn = {
        .protocol = "http",
        .version = "1.1",
        .method = r->method,
        .scheme = "http",
        .host = "api",
        .path = r->path,
        .query = r->query ? r->query : "",
        .status = r->status,
        .req = {.end = 1},
        .res = {.end = r->end ? r->end : 1},
    };
    snprintf(request, sizeof request, "%s %s%s%s HTTP/1.1\r\nHost: api\r\n\r\n", r->method, r->path,
             r->query ? "?" : "", r->query ? r->query : "");
    txn.req.head = view_of(request);
    txn.res.head = view_of(r->head);
    txn.res.body = view_of(r->body);
    txn.res.interim = view_of(r->interim);
    txn.res.trailers = view_of(r->trailers);
    txn.res.body_size = txn.res.body_stored = (int64_t)txn.res.body.n;
    tape_txn(t, flow, &txn);
}

#define OK(n) "HTTP/1.1 200 OK\r\nContent-Length: " #n "\r\n\r\n"

static const struct row rows[] = {
    {"GET", "/a", NULL, OK(5), "first", NULL, NULL, 200, 0},
    {"GET", "/a", NULL, OK(6), "second", NULL, NULL, 200, 0},
    {"HEAD", "/a", NULL, OK(5), "", NULL, NULL, 200, 0},
    {"GET", "/q", "x=1&y=2", OK(1), "q", NULL, NULL, 200, 0},
    {"GET", "/chunks", NULL, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "hello",
     "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "Sum: 1\r\n", 200, 0},
    {"GET", "/not", NULL, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "", NULL, NULL, 304,
     0},
    {"GET", "/until", NULL, "HTTP/1.1 200 OK\r\nX: y\r\n\r\n", "to the end", NULL, NULL, 200, 3},
    {"GET", "/cut", NULL, OK(10), "half", NULL, NULL, 200, 2},
    {"GET", "/redacted", NULL, OK(20), "{\"pw\":\"***\"}", NULL, NULL, 200, 0},
    {"GET", "/bye", NULL, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n",
     "bye", NULL, NULL, 200, 0},
};

static int set_up(void **state)
{
    struct tape t;
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "tape.db");
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)('a' + i % 23);
    tape_open(&t, path);
    int64_t f = tape_flow(&t, "api:80");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        put(&t, f, &rows[i]);
    tape_large(&t, f, "/large", view_n(large, sizeof large), 50000);
    tape_end(&t, f);
    f = tape_flow(&t, "mail:25");
    tape_raw(&t, f,
             (const char *const[]){"s:220 hi\n", "c:EHLO a\n", "s:250 a\n", "c:QUIT\n", "s:221\n",
                                   NULL});
    tape_end(&t, f);
    f = tape_flow(&t, "mail:25");
    tape_raw(&t, f,
             (const char *const[]){"s:220 hi\n", "c:EHLO b\n", "s:250 b", "s: there\n", NULL});
    tape_end(&t, f);
    tape_close(&t);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static void begin(struct mocked *m, const char *target, bool http)
{
    char why[WHY_MAX];
    struct mock_conf conf = {.captures = paths, .count = 1, .any_host = false};
    assert_int_equal(mocked_begin(m, &conf, target, http, why), 0);
}

// What a client hears that says text, cut at a place, until nothing comes any more. "$" at the end:
// the connection ended; "!": it was reset.
static const char *dialogue(struct mocked *m, struct view text, size_t cut, bool ends)
{
    static char heard[400000];
    size_t n = 0;
    ssize_t got = 0;
    int fd = mocked_client(m);
    mocked_turn(m);
    for (int part = 0; part < 2; part++) {
        struct view piece = part ? view_from(text, cut) : view_head(text, cut);
        if (piece.n > 0)
            (void)!send(fd, piece.p, piece.n, MSG_NOSIGNAL);
        mocked_turn(m);
    }
    if (ends)
        shutdown(fd, SHUT_WR);
    do {
        mocked_turn(m);
        got = recv(fd, heard + n, sizeof heard - 2 - n, 0);
        n += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    if (got == 0)
        heard[n++] = '$';
    else if (errno == ECONNRESET)
        heard[n++] = '!';
    heard[n] = 0;
    close(fd);
    mocked_turn(m);
    return heard;
}

#define ASK(method, path) method " " path " HTTP/1.1\r\nHost: api\r\n\r\n"

static void at_every_cut(const char *target, const char *says, bool ends, const char *hears)
{
    size_t n = strlen(says);
    for (size_t cut = 0; cut <= n; cut++) {
        struct mocked m;
        begin(&m, target, false);
        const char *heard = dialogue(&m, view_of(says), cut, ends);
        if (strcmp(heard, hears))
            print_message("cut at %zu: %s\n", cut, heard);
        assert_string_equal(heard, hears);
        assert_null(sink_log_wrong(m.log));
        assert_int_equal(m.env.live.count, 0);
        mocked_end(&m);
    }
}

static void requests_in_order(void **state)
{
    (void)state;
    at_every_cut("api:80",
                 ASK("GET", "/a") ASK("HEAD", "/a") ASK("GET", "/a") ASK("GET", "/q?y=2&x=1"), true,
                 OK(5) "first" OK(5) OK(6) "second" OK(1) "q$");
}

static void answers_of_all_framings(void **state)
{
    (void)state;
    at_every_cut("api:80",
                 ASK("GET", "/chunks") ASK("GET", "/not") ASK("GET", "/until") ASK("GET", "/a"),
                 false,
                 "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "5\r\nhello\r\n0\r\nSum: 1\r\n\r\nHTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"
                 "HTTP/1.1 200 OK\r\nX: y\r\n\r\nto the end$");
}

static void ends_where_the_recording_did(void **state)
{
    (void)state;
    at_every_cut("api:80", ASK("GET", "/cut") ASK("GET", "/a"), false, OK(10) "half$");
    at_every_cut("api:80", ASK("GET", "/bye") ASK("GET", "/a"), false,
                 "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye$");
}

static void says_the_length_that_is_left(void **state)
{
    (void)state;
    at_every_cut("api:80", ASK("GET", "/redacted"), true,
                 "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"pw\":\"***\"}$");
}

static void old_clients(void **state)
{
    (void)state;
    at_every_cut("api:80", "GET /chunks HTTP/1.0\r\nHost: api\r\n\r\n", false,
                 "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello$");
    at_every_cut("api:80", "GET /a HTTP/1.0\r\nHost: api\r\n\r\n", false, OK(5) "first$");
}

static void goes_on_when_expected(void **state)
{
    struct mocked m;
    (void)state;
    begin(&m, "api:80", false);
    const char *says =
        "GET /a HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx";
    const char *heard = dialogue(&m, view_of(says), strlen(says) - 1, true);
    assert_memory_equal(heard, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 502 ", 38);
    assert_non_null(strstr(heard, "Tapedeck-Miss: body\r\n"));
    assert_non_null(strstr(sink_log_text(m.log), "\"miss\""));
    mocked_end(&m);
}

static void streams_large_ones(void **state)
{
    struct mocked m;
    (void)state;
    begin(&m, "api:80", false);
    const char *heard =
        dialogue(&m, view_of("GET /large HTTP/1.1\r\nHost: api.test\r\n\r\n"), 0, true);
    const char *body = strstr(heard, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), sizeof large + 1);
    assert_memory_equal(body + 4, large, sizeof large);
    mocked_end(&m);
}

static void forward_clients(void **state)
{
    struct mocked m;
    (void)state;
    begin(&m, "", true);
    const char *says = "GET http://api/a HTTP/1.1\r\nHost: api\r\n\r\nGET http://other/a "
                       "HTTP/1.1\r\nHost: other\r\n\r\n"
                       "GET http://api/a HTTP/1.1\r\nHost: api\r\n\r\n";
    const char *heard = dialogue(&m, view_of(says), 10, true);
    assert_memory_equal(heard, OK(5) "firstHTTP/1.1 502 ", strlen(OK(5)) + 18);
    assert_non_null(strstr(heard, "Tapedeck-Miss: host\r\n"));
    assert_non_null(strstr(heard, OK(6) "second$"));
    mocked_end(&m);
}

static void conversations(void **state)
{
    (void)state;
    at_every_cut("mail:25", "EHLO a\nQUIT\n", true, "220 hi\n250 a\n221\n$");
    at_every_cut("mail:25", "EHLO b\n", true, "220 hi\n250 b there\n$");
    at_every_cut("mail:25", "EHLO c\n", false, "220 hi\n$");
}

static void tells_what_it_played(void **state)
{
    struct mocked m;
    struct mock_tally tally;
    (void)state;
    begin(&m, "api:80", false);
    dialogue(&m, view_of(ASK("GET", "/a") ASK("GET", "/none")), 0, true);
    mock_tally(m.mock, &tally);
    assert_int_equal(tally.hits, 1);
    assert_int_equal(tally.misses, 1);
    assert_int_equal(tally.unused, tally.recorded - 1);
    assert_non_null(strstr(sink_log_text(m.log), "\"hit\""));
    mocked_end(&m);
}

static void bears_garbage(void **state)
{
    static const char *const all[] = {
        "\x16\x03\x01", "GET", "\r\n\r\n", ASK("GET", "/a") "\x01\x02garbage\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct mocked m;
        begin(&m, "api:80", false);
        const char *heard = dialogue(&m, view_of(all[i]), 1, true);
        size_t n = strlen(heard);
        assert_true(n > 0 && (heard[n - 1] == '$' || heard[n - 1] == '!'));
        assert_null(sink_log_wrong(m.log));
        mocked_end(&m);
    }
}

// The client hears what was recorded, or the connection ends; nothing else.
static void without_memory(void **state)
{
    static const struct {
        const char *target, *says, *hears;
    } all[] = {
        {"api:80",
         ASK("GET", "/a") ASK("GET", "/chunks") "GET /large HTTP/1.1\r\nHost: api.test\r\n\r\n",
         NULL},
        {"mail:25", "EHLO a\nQUIT\n", "220 hi\n250 a\n221\n$"},
    };
    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        for (long i = 0, failed = 1; failed; i++) {
            struct mocked m;
            begin(&m, all[k].target, false);
            alloc_fail_at(i);
            const char *heard = dialogue(&m, view_of(all[k].says), 0, true);
            failed = alloc_fail_end();
            size_t n = strlen(heard);
            assert_true(n > 0 && (heard[n - 1] == '$' || heard[n - 1] == '!'));
            if (all[k].hears && n > 1 && heard[n - 1] == '$')
                assert_memory_equal(heard, all[k].hears, n - 1);
            assert_null(sink_log_wrong(m.log));
            mocked_end(&m);
        }
    }
}

static void says_why_it_cannot_begin(void **state)
{
    struct mocked m;
    char why[WHY_MAX], *none[] = {(char *)"/no/such/capture.db"};
    struct mock_conf conf = {.captures = none, .count = 1};
    (void)state;
    assert_int_not_equal(mocked_begin(&m, &conf, "api:80", false, why), 0);
    assert_non_null(strstr(why, "/no/such/capture.db"));
    conf = (struct mock_conf){.captures = paths, .count = 1, .filter = "status ="};
    assert_int_not_equal(mocked_begin(&m, &conf, "api:80", false, why), 0);
    assert_memory_equal(why, "filter, column ", 15);
    conf = (struct mock_conf){.captures = paths, .count = 1, .rules = "/no/such/rules"};
    assert_int_not_equal(mocked_begin(&m, &conf, "api:80", false, why), 0);
    assert_non_null(strstr(why, "/no/such/rules"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_in_order),
        cmocka_unit_test(answers_of_all_framings),
        cmocka_unit_test(ends_where_the_recording_did),
        cmocka_unit_test(says_the_length_that_is_left),
        cmocka_unit_test(old_clients),
        cmocka_unit_test(goes_on_when_expected),
        cmocka_unit_test(streams_large_ones),
        cmocka_unit_test(forward_clients),
        cmocka_unit_test(conversations),
        cmocka_unit_test(tells_what_it_played),
        cmocka_unit_test(bears_garbage),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(says_why_it_cannot_begin),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
