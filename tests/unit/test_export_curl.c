// The commands of export curl, run by a shell against a server that keeps what real curl sends: it
// must be the request that was recorded.
#include "tests/support/program.h"
#include "tests/support/sample.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// Whether the request is all there: by its length, or its last chunk.
static bool is_whole(const char *bytes)
{
    const char *end = strstr(bytes, "\r\n\r\n"), *length = strstr(bytes, "Content-Length: ");
    if (!end)
        return false;
    if (strstr(bytes, "chunked"))
        return strstr(end + 4, "0\r\n\r\n") != NULL;
    return !length || strlen(end + 4) >= strtoul(length + 16, NULL, 10);
}

// Takes one connection, keeps the request that comes, and answers. In a process of its own.
static pid_t server(int *port, const char *path)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s, 1), 0);
    assert_int_equal(getsockname(s, (struct sockaddr *)&a, &length), 0);
    *port = ntohs(a.sin_port);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) {
        close(s);
        return pid;
    }
    static char bytes[65536];
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    size_t n = 0;
    alarm(30);
    int c = accept(s, NULL, NULL);
    for (ssize_t got; !is_whole(bytes) && n + 1 < sizeof bytes &&
                      (got = recv(c, bytes + n, sizeof bytes - n - 1, 0)) > 0;)
        n += (size_t)got;
    tmp_write(path, bytes, n);
    if (send(c, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
        _exit(1);
    _exit(0);
}

// Sends a request as the export tells it: what curl sent, to be freed. HOST stands for the server's
// name in the head.
static char *sent(const char *method, const char *path, const char *query, const char *fields,
                  const char *body)
{
    struct sample s;
    struct program p;
    char received[TMP_PATH], host[64], head[2048], script[3 * TMP_PATH];
    int port;
    size_t n;
    sample_begin(&s, "capture.db");
    pid_t pid = server(&port, tmp_path(received, s.dir, "received"));
    snprintf(host, sizeof host, "127.0.0.1:%d", port);
    snprintf(head, sizeof head, "%s %s%s%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", method, path,
             *query ? "?" : "", query, host, fields);
    struct sample_txn t = {.method = method,
                           .host = host,
                           .path = path,
                           .query = query,
                           .status = 200,
                           .req = {.head = view_of(head), .body = view_of(body)},
                           .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\n\r\n")}};
    sample_flow(&s, true);
    sample_http(&s, &t);
    sample_flow_end(&s);
    sample_finish(&s);
    snprintf(script, sizeof script, "tapedeck export curl %s > %s/script; sh %s/script", s.path,
             s.dir, s.dir);
    program_shell(&p, script);
    if (p.err_n || p.code)
        fprintf(stderr, "%s\n", p.err);
    kill(pid, p.code ? SIGKILL : 0);
    waitpid(pid, NULL, 0);
    assert_int_equal(p.code, 0);
    program_clear(&p);
    char *bytes = tmp_read(received, &n);
    char *text = calloc(1, n + 1);
    assert_non_null(text);
    memcpy(text, bytes, n);
    free(bytes);
    sample_remove(&s);
    // The name of the server, which is another one each time.
    char *at = strstr(text, host);
    if (at) {
        memcpy(at, "HOST", 4);
        memmove(at + 4, at + strlen(host), strlen(at + strlen(host)) + 1);
    }
    return text;
}

static void same(const char *method, const char *path, const char *query, const char *fields,
                 const char *body)
{
    char want[2048];
    char *got = sent(method, path, query, fields, body);
    snprintf(want, sizeof want, "%s %s%s%s HTTP/1.1\r\nHost: HOST\r\n%s\r\n%s", method, path,
             *query ? "?" : "", query, fields, body);
    assert_string_equal(got, want);
    free(got);
}

static void test_plain(void **state)
{
    (void)state;
    same("GET", "/a/../b", "x=1&y=%20", "Accept: */*\r\nX-Twice: 1\r\nX-Twice: 2\r\n", "");
    same("POST", "/p", "", "Content-Type: text/plain\r\nContent-Length: 4\r\n", "text");
    same("DELETE", "/p", "", "Accept: a\r\n", "");
}

// A request that says that it has no content: many servers answer 411 to one that does not.
static void test_no_content(void **state)
{
    (void)state;
    same("POST", "/p", "", "Accept: a\r\nContent-Length: 0\r\n", "");
    same("PUT", "/p", "", "Accept: a\r\nContent-Length: 0\r\n", "");
    same("POST", "/p", "", "Accept: a\r\n", "");
    char *got = sent("POST", "/p", "", "Accept: a\r\nTransfer-Encoding: chunked\r\n", "");
    assert_string_equal(got, "POST /p HTTP/1.1\r\nHost: HOST\r\nAccept: a\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    free(got);
}

// Targets that curl would cut, or refuse, in a URL.
static void test_target(void **state)
{
    (void)state;
    same("GET", "/frag#x", "y", "Accept: a\r\n", "");
    same("GET", "/q", "a#b", "Accept: a\r\n", "");
    same("GET", "/\x01\xff\"'", "\xe9", "Accept: a\r\n", "");
    same("OPTIONS", "*", "", "Accept: a\r\n", "");
    same("GET", "/[1-3]{a,b}", "", "Accept: a\r\n", "");
}

// A field over several lines is one; a line that is no field cannot be sent, which is said.
static void test_folded(void **state)
{
    (void)state;
    char *got = sent("GET", "/", "", "X-Long: one\r\n  two\r\n\tthree\r\nAccept: a\r\n", "");
    assert_string_equal(got, "GET / HTTP/1.1\r\nHost: HOST\r\nX-Long: one two three\r\n"
                             "Accept: a\r\n\r\n");
    free(got);
    got = sent("GET", "/", "", "Accept: a\r\nno field\r\n@x: y\r\n", "");
    assert_string_equal(got, "GET / HTTP/1.1\r\nHost: HOST\r\nAccept: a\r\n\r\n");
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_no_content),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_folded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
