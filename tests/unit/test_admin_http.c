// The admin listener's HTTP, as its clients meet it.
#include "proxy/admin_http.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY_MAX 20000

static struct event_base *base;
static struct admin_http *http;
static pthread_t thread;
static struct sockaddr_in address = {.sin_family = AF_INET};

static void show(void *arg, const struct admin_request *r, struct admin_answer *out)
{
    (void)arg;
    out->status = 200;
    out->type = "text/x";
    if (!view_eq(r->method, VIEW_LIT("GET")) && !view_eq(r->method, VIEW_LIT("POST"))) {
        out->status = 405;
        out->allow = "GET, POST";
    }
    if (buf_add_view(&out->body, r->body.n ? r->body : r->path))
        out->status = 500;
}

static void *run(void *arg)
{
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
    return arg;
}

static int begin(void **state)
{
    socklen_t n = sizeof address;
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = 0;
    if (bind(fd, (struct sockaddr *)&address, n) != 0 || listen(fd, 256) ||
        getsockname(fd, (struct sockaddr *)&address, &n) || evthread_use_pthreads())
        return -1;
    base = event_base_new();
    http = base ? admin_http_new(base, fd, BODY_MAX, show, NULL) : NULL;
    return http && pthread_create(&thread, NULL, run, NULL) == 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    event_base_loopbreak(base);
    pthread_join(thread, NULL);
    admin_http_free(http);
    event_base_free(base);
    return 0;
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void hear(int fd, const char *text)
{
    static char got[BODY_MAX + 2048];
    memset(got, 0, sizeof got);
    size_t n = strlen(text);
    assert_true(n < sizeof got);
    for (size_t at = 0; at < n;) {
        ssize_t more = recv(fd, got + at, n - at, 0);
        if (more <= 0)
            break;
        at += (size_t)more;
    }
    assert_string_equal(got, text);
}

static void hear_end(int fd)
{
    char rest[4096];
    while (recv(fd, rest, sizeof rest, 0) > 0)
        ;
    close(fd);
}

#define OK(n)                                                                                      \
    "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: " #n                               \
    "\r\nCache-Control: no-store\r\n"

static void keeps_connections(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "HEAD /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two?x HTTP/1.1\r\nHost: a\r\n\r\nGET /th");
    hear(fd, OK(4) "\r\n" OK(4) "\r\n/two");
    say(fd, "ree HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    hear(fd, OK(6) "Connection: close\r\n\r\n/three");
    hear_end(fd);
    fd = dial();
    say(fd, "GET / HTTP/1.0\r\n\r\n");
    hear(fd, OK(1) "Connection: close\r\n\r\n/");
    hear_end(fd);
}

static void takes_content(void **state)
{
    static char large[BODY_MAX + 1], request[BODY_MAX + 200], answer[BODY_MAX + 200];
    (void)state;
    int fd = dial();
    say(fd, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfiv");
    usleep(20000);
    say(fd, "eePOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    hear(fd, OK(5) "\r\nfivee" OK(2) "\r\n/b");
    say(fd, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    hear(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "ab");
    hear(fd, OK(2) "\r\nab");
    memset(large, 'x', BODY_MAX); // more than a head may have
    snprintf(request, sizeof request, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s",
             BODY_MAX, large);
    snprintf(answer, sizeof answer, OK(20000) "\r\n%s", large);
    say(fd, request);
    hear(fd, answer);
    say(fd, "GET /again HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    hear(fd, OK(6) "Connection: close\r\n\r\n/again");
    hear_end(fd);
}

static void refuses(void **state)
{
    static char large[ADMIN_HEAD_MAX + 100] = "GET / HTTP/1.1\r\nX: ";
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {"nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 411 "},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20001\r\n\r\n", "HTTP/1.1 413 "},
        {"POST / HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nContent-Length: 1\r\n\r\nx",
         "HTTP/1.1 403 Forbidden\r\n"},
        {"DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
         "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/x\r\nContent-Length: 1\r\n"
         "Cache-Control: no-store\r\nAllow: GET, POST\r\nConnection: close\r\n\r\n/"},
        {large, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
    };
    (void)state;
    memset(large + strlen(large), 'x', ADMIN_HEAD_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = dial();
        say(fd, cases[i].request);
        hear(fd, cases[i].answer);
        hear_end(fd);
    }
}

static int descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

// However many come, they take a few descriptors, and each has its turn.
static void takes_few_at_a_time(void **state)
{
    enum { CLIENTS = 200 };
    int fds[CLIENTS];
    (void)state;
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = dial();
    for (int i = 0; i < CLIENTS; i++) {
        say(fds[i], "GET / HTTP/1.0\r\n\r\n");
        hear(fds[i], "HTTP/1.1 200 OK\r\n");
        assert_true(descriptors() < CLIENTS + ADMIN_CONNECTIONS_MAX + 50);
        hear_end(fds[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_connections, begin, end),
        cmocka_unit_test_setup_teardown(takes_content, begin, end),
        cmocka_unit_test_setup_teardown(refuses, begin, end),
        cmocka_unit_test_setup_teardown(takes_few_at_a_time, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
