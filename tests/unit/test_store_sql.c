// The capture without our tools: the sqlite3 program alone answers.
#include "tests/support/ask.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH];
static int64_t large, plain;

static int setup(void **state)
{
    (void)state;
    static char content[150000];
    struct tape t;
    tmp_make(dir);
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    tape_everything(&t);
    int64_t flow = tape_flow(&t, "localhost:8080");
    struct store_txn slow = {.protocol = "http",
                             .method = "GET",
                             .scheme = "http",
                             .host = "api.test",
                             .path = "/slow",
                             .status = 200,
                             .req = {.end = 1, .first_us = t.now, .last_us = t.now + 5},
                             .res = {.end = 1, .first_us = t.now + 9, .last_us = t.now + 7000000}};
    tape_txn(&t, flow, &slow);
    plain = tape_http(&t, flow, "GET", "/plain", 200, VIEW_LIT("a\0b\r\n\xff"));
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)(i * 13 + i / 256);
    large = tape_large(&t, flow, "/pieces", view_n(content, sizeof content), 7000);
    tape_end(&t, flow);
    tape_close(&t);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

// What `sqlite3 -readonly FILE SQL` prints; NULL: there is no such program here.
static const char *sqlite3_says(const char *sql)
{
    static char out[65536];
    int pipes[2], status;
    size_t n = 0;
    ssize_t got;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        if (chdir(dir) == 0 && dup2(pipes[1], STDOUT_FILENO) >= 0)
            execlp("sqlite3", "sqlite3", "-readonly", "capture.db", sql, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    while ((got = read(pipes[0], out + n, sizeof out - 1 - n)) > 0)
        n += (size_t)got;
    close(pipes[0]);
    out[n] = '\0';
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return NULL;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    return out;
}

static void expect(const char *sql, const char *answer)
{
    const char *is = sqlite3_says(sql);
    if (!is) {
        print_message("there is no sqlite3 program\n");
        skip();
    }
    assert_string_equal(is, answer);
}

static void the_slowest_requests(void **state)
{
    (void)state;
    expect("SELECT path, duration FROM http ORDER BY duration DESC, id LIMIT 3",
           "/slow|7000000\n/users/0/items|900\n/users/1/items|900\n");
}

static void error_rate_by_route(void **state)
{
    (void)state;
    expect("SELECT method, host, route, count, errors, error_rate FROM endpoints"
           " ORDER BY error_rate DESC, count DESC LIMIT 3",
           "GET|api.test|/users/{id}/items|36|12|0.3333\n"
           "POST|api.test|/users/{id}/items|18|0|0.0\nGET|api.test|/large|2|0|0.0\n");
}

static void bytes_by_peer(void **state)
{
    (void)state;
    char answer[256];
    snprintf(answer, sizeof answer, "%s\n",
             ask(path, "SELECT group_concat(peer || '|' || c || '|' || s, char(10)) FROM (SELECT"
                       " iif(client LIKE '[%', '[fd00::2]', '10.0.0.1') AS peer,"
                       " sum(e.relayed_c2s) AS c, sum(e.relayed_s2c) AS s FROM flow f"
                       " JOIN flow_end e ON e.flow = f.id GROUP BY 1 ORDER BY 1)"));
    expect("SELECT peer, sum(relayed_c2s), sum(relayed_s2c) FROM flows"
           " WHERE reason IS NOT NULL GROUP BY peer ORDER BY peer",
           answer);
}

static void all_headers_of_a_transaction(void **state)
{
    (void)state;
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT side, n, name, value FROM header WHERE txn = %lld",
             (long long)plain);
    expect(sql, "request|0|Host|api.test\nrequest|1|User-Agent|\"q\" \\ back\n"
                "answer|0|Content-Type|text/plain\nanswer|1|Set-Cookie|a=1\n"
                "answer|2|set-cookie|b=2\n");
}

static void heads_that_are_hard_to_split(void **state)
{
    (void)state;
    struct tape t;
    char sql[256];
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "a:1");
    struct store_txn txn = {
        .protocol = "http",
        .req = {.end = 1,
                .head =
                    VIEW_LIT("GET \\\"/\" HTTP/1.1\r\nA: \\q\\s\\r\\n\\\\\"\r\nB:\r\n"
                             "C: \t tab \t\r\nno colon\r\nD: a:b\r\nE: \xc3\xa4,\"],[\"\r\n\r\n"),
                .trailers = VIEW_LIT("T: end\r\n")},
        .res = {.end = 1,
                .interim = VIEW_LIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n"
                                    "Link: </s>\r\n\r\n"),
                .head = VIEW_LIT("HTTP/1.1 200 OK\r\n\r\n")},
    };
    snprintf(sql, sizeof sql,
             "SELECT side, n, name, '<' || value || '>' FROM header WHERE txn = %lld",
             (long long)tape_txn(&t, flow, &txn));
    tape_close(&t);
    expect(sql, "request|0|A|<\\q\\s\\r\\n\\\\\">\nrequest|1|B|<>\nrequest|2|C|<tab>\n"
                "request|3||<no colon>\nrequest|4|D|<a:b>\nrequest|5|E|<\xc3\xa4,\"],[\">\n"
                "interim|3|Link|<</s>>\nrequest-trailer|0|T|<end>\n");
}

// Relayed as it was, not as it should be: ends of line without CR, bytes that are no UTF-8.
static void heads_that_are_wrong(void **state)
{
    (void)state;
    struct tape t;
    char sql[256];
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "a:1");
    struct store_txn txn = {
        .protocol = "http",
        .req = {.end = 1,
                .head = VIEW_LIT("GET / HTTP/1.1\nA: 1\nB: 2\r\nC: \xe4\xff\t\x01\n folded\n\n")},
        .res = {.end = 1, .head = VIEW_LIT("HTTP/1.1 200 OK\r\nA")}, // cut
    };
    snprintf(sql, sizeof sql, "SELECT side, n, name, hex(value) FROM header WHERE txn = %lld",
             (long long)tape_txn(&t, flow, &txn));
    tape_close(&t);
    expect(sql, "request|0|A|31\nrequest|1|B|32\nrequest|2|C|E4FF0901\nrequest|3||666F6C646564\n"
                "answer|0||41\n");
}

static void the_body_of_an_answer(void **state)
{
    (void)state;
    char sql[256], answer[256];
    snprintf(sql, sizeof sql, "SELECT hex(bytes) FROM content WHERE txn = %lld AND side = 'answer'",
             (long long)plain);
    expect(sql, "6100620D0AFF\n");
    // In pieces: whole, in order, byte for byte; its digest says so too.
    snprintf(sql, sizeof sql,
             "SELECT length(bytes), writefile('body.bin', bytes) FROM content"
             " WHERE txn = %lld AND side = 'answer'",
             (long long)large);
    expect(sql, "150000|150000\n");
    char file[TMP_PATH];
    size_t n;
    unsigned char *bytes = tmp_read(tmp_path(file, dir, "body.bin"), &n);
    assert_int_equal(n, 150000);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(bytes[i], (unsigned char)(i * 13 + i / 256));
    free(bytes);
    snprintf(answer, sizeof answer, "%s\n",
             ask(path, "SELECT hex(digest) FROM body WHERE stored = 150000"));
    expect("SELECT sha256 FROM content WHERE stored = 150000", answer);
}

// Never pieces from different places as if they were one.
static void the_body_of_an_answer_with_a_hole(void **state)
{
    (void)state;
    static const struct {
        const char *change, *says;
    } cases[] = {
        {"DELETE FROM part WHERE at = 0 AND size = 7000", "150000|\n"},
        {"DELETE FROM part WHERE at = 7000", "150000|7000\n"},
        {"DELETE FROM part WHERE at IN (70000, 84000)", "150000|70000\n"},
        {"UPDATE part SET size = 0, bytes = x'' WHERE at = 14000", "150000|14000\n"},
        {"UPDATE part SET bytes = NULL WHERE at = 14000", "150000|14000\n"},
        {"DELETE FROM part WHERE at = 147000", "150000|147000\n"},
    };
    char sql[256], whole[TMP_PATH];
    size_t n;
    void *bytes = tmp_read(path, &n);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask_change(path, cases[i].change);
        snprintf(sql, sizeof sql,
                 "SELECT stored, length(bytes) FROM content WHERE txn = %lld AND side = 'answer'",
                 (long long)large);
        expect(sql, cases[i].says);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM content c JOIN part p ON p.at < length(c.bytes) AND p.size ="
                 " 7000 AND substr(c.bytes, p.at + 1, 7000) <> p.bytes WHERE c.txn = %lld",
                 (long long)large);
        expect(sql, "0\n");
        tmp_write(tmp_path(whole, dir, "capture.db"), bytes, n);
    }
    free(bytes);
}

static void conversations_losses_and_what_is_open(void **state)
{
    (void)state;
    expect("SELECT dir, bytes FROM raw WHERE flow = (SELECT min(flow) FROM raw) ORDER BY first_us",
           "c2s|hello\n\ns2c|who?\n\nc2s|me\n\ns2c|bye\n\n");
    expect("SELECT cause, transactions, lost_c2s, lost_s2c, target FROM losses",
           "ring-full|2|100|2000|localhost:8080\nring-full|0|10|20|\n");
    expect("SELECT count(*) FROM open_transactions", "0\n");
    struct tape t;
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "a:1");
    tape_txn_open(&t, flow, "/long");
    tape_part(&t, flow, true, 0, VIEW_LIT("so far"));
    tape_close(&t);
    expect("SELECT method, path, client, res_so_far FROM open_transactions",
           "GET|/long|[fd00::2]:6000|6\n");
}

// The words of the plan are the test: no view may read more than what it is asked for.
static void views_use_their_indexes(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *plan;
    } cases[] = {
        {"SELECT url FROM http WHERE id = 5", "USING INTEGER PRIMARY KEY (rowid=?)"},
        {"SELECT url FROM http WHERE status = 500 ORDER BY start_us", "USING INDEX txn_start"},
        {"SELECT url FROM http ORDER BY start_us LIMIT 5", "USING INDEX txn_start"},
        {"SELECT url FROM http WHERE start_us > 5 ORDER BY start_us",
         "USING INDEX txn_start (start_us>?)"},
        {"SELECT value FROM header WHERE txn = 5", "SEARCH head USING INTEGER PRIMARY KEY"},
        {"SELECT bytes FROM content WHERE txn = 5", "SEARCH txn USING INTEGER PRIMARY KEY"},
        {"SELECT bytes FROM raw WHERE flow = 5", "USING INDEX part_of (flow=?"},
        {"SELECT kept FROM flows WHERE id = 5", "SEARCH f USING INTEGER PRIMARY KEY"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", cases[i].sql);
        const char *plan = sqlite3_says(sql);
        if (!plan)
            skip();
        if (!strstr(plan, cases[i].plan) || strstr(plan, "SCAN t\n") || strstr(plan, "TEMP B-TREE"))
            fail_msg("%s\n%s", cases[i].sql, plan);
    }
    const char *plan = sqlite3_says("EXPLAIN QUERY PLAN SELECT path FROM http WHERE id = 5");
    assert_null(strstr(plan, "LEFT-JOIN")); // nothing is joined that is not asked for
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_slowest_requests),
        TEST(error_rate_by_route),
        TEST(bytes_by_peer),
        TEST(all_headers_of_a_transaction),
        TEST(heads_that_are_hard_to_split),
        TEST(heads_that_are_wrong),
        TEST(the_body_of_an_answer),
        TEST(the_body_of_an_answer_with_a_hole),
        TEST(conversations_losses_and_what_is_open),
        TEST(views_use_their_indexes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
