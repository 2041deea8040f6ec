// The program tapedeck-proxy, as its user meets it, without a recorder: it relays all the same.
#include "proto/base/addr.h"
#include "proxy/emit/journal.h"
#include "proxy/emit/pack.h"
#include "tests/support/service.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ORIGIN_MAX 32

static uint16_t origin_port;
static pid_t origin_pid;

// Answers a request head with its first line, and everything else with itself.
static void serve(int fd)
{
    char in[4096], out[4200];
    ssize_t n = read(fd, in, sizeof in - 1);
    if (n <= 0)
        return;
    in[n] = 0;
    if (strstr(in, "\r\n\r\n")) {
        int line = (int)strcspn(in, "\r");
        n = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%.*s", line,
                     line, in);
        (void)!write(fd, out, (size_t)n);
    } else {
        (void)!write(fd, in, (size_t)n);
    }
}

static void be_origin(int listener)
{
    struct pollfd fds[ORIGIN_MAX] = {{.fd = listener, .events = POLLIN}};
    int count = 1;
    while (poll(fds, (nfds_t)count, -1) > 0) {
        for (int i = count - 1; i > 0; i--) {
            char byte;
            if (!fds[i].revents)
                continue;
            if (recv(fds[i].fd, &byte, 1, MSG_PEEK) <= 0) {
                close(fds[i].fd);
                fds[i] = fds[--count];
            } else {
                serve(fds[i].fd);
            }
        }
        if (fds[0].revents && count < ORIGIN_MAX)
            fds[count++] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLIN};
    }
}

static int begin_origin(void **state)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    if (bind(fd, (struct sockaddr *)&sa, n) || listen(fd, 64) ||
        getsockname(fd, (struct sockaddr *)&sa, &n))
        return -1;
    origin_port = ntohs(sa.sin_port);
    origin_pid = fork();
    if (origin_pid == 0) {
        be_origin(fd);
        _exit(0);
    }
    close(fd);
    return 0;
}

static int end_origin(void **state)
{
    (void)state;
    kill(origin_pid, SIGKILL);
    return waitpid(origin_pid, NULL, 0) == origin_pid ? 0 : -1;
}

// What every run here has in common; more are added behind it.
struct run {
    struct service p;
    char texts[40][TMP_PATH + 64];
    char *args[41];
    int count;
};

static void __attribute__((format(printf, 2, 3))) add(struct run *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->texts[r->count], sizeof r->texts[0], format, args);
    va_end(args);
    r->args[r->count] = r->texts[r->count];
    r->count++;
}

static void set_up(struct run *r, const char *type, const char *protocol)
{
    memset(r, 0, sizeof *r);
    tmp_make(r->p.dir);
    add(r, "--proxy-type=%s", type);
    add(r, "--proxy-protocol=%s", protocol);
    add(r, "--proxy-host=127.0.0.1");
    add(r, "--proxy-port=%u", origin_port);
    add(r, "--proxy-in-port=0");
    add(r, "--proxy-out-port=0");
    add(r, "--in-bind=127.0.0.1");
    add(r, "--admin-listen=127.0.0.1:0");
    add(r, "--workers=2");
    add(r, "--user=0");
    add(r, "--spool-size=2MiB");
    add(r, "--drain-timeout=5s");
    add(r, "--recorder=unix:%s/nobody.sock", r->p.dir);
}

static void start(struct run *r)
{
    if (!service_start(&r->p, "tapedeck-proxy", r->args)) {
        char *words = service_words(&r->p);
        fail_msg("%s", words);
    }
}

static void clean_up(struct run *r)
{
    if (r->p.pid) {
        service_signal(&r->p, SIGKILL);
        (void)service_wait(&r->p);
    }
    tmp_remove(r->p.dir);
}

static int dial(uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
        return fd;
    close(fd);
    return -1;
}

static void say(int fd, const void *bytes, size_t n)
{
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

// Exactly those bytes come next.
static void hear(int fd, const void *bytes, size_t n)
{
    char got[4096];
    assert_true(n <= sizeof got);
    assert_int_equal(recv(fd, got, n, MSG_WAITALL), n);
    assert_memory_equal(got, bytes, n);
}

// The whole answer to a request that ends the connection, in static memory.
static const char *answer(uint16_t port, const char *request)
{
    static char text[1 << 16];
    size_t n = 0;
    int fd = dial(port);
    assert_true(fd >= 0);
    say(fd, request, strlen(request));
    shutdown(fd, SHUT_WR);
    for (ssize_t got; (got = recv(fd, text + n, sizeof text - 1 - n, 0)) > 0;)
        n += (size_t)got;
    close(fd);
    text[n] = 0;
    return text;
}

static void has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("no \"%s\" in: %s", words, text);
}

static const char *admin(const struct run *r, const char *path)
{
    char request[128];
    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    return answer(r->p.admin, request);
}

static void relays_http_in_and_out(void **state)
{
    struct run r;
    char request[256];
    (void)state;
    set_up(&r, "dual", "http");
    start(&r);
    has(answer(r.p.in, "GET /in HTTP/1.1\r\nHost: a\r\n\r\n"), "\r\n\r\nGET /in HTTP/1.1");
    snprintf(request, sizeof request,
             "GET http://127.0.0.1:%u/out HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", origin_port,
             origin_port);
    has(answer(r.p.out, request), "\r\n\r\nGET /out HTTP/1.1");
    snprintf(request, sizeof request,
             "GET http://localhost:%u/out HTTP/1.1\r\nHost: localhost\r\n\r\n", r.p.out);
    has(answer(r.p.out, request), "HTTP/1.1 508 ");
    // The admin listener is this proxy as well, by whatever name, and not for those who are
    // proxied.
    static const char *const names[] = {"127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(request, sizeof request,
                 "GET http://%s:%u/metrics HTTP/1.1\r\nHost: %s:%u\r\n\r\n", names[i], r.p.admin,
                 names[i], r.p.admin);
        has(answer(r.p.out, request), "HTTP/1.1 508 ");
    }

    int fd = dial(r.p.out);
    snprintf(request, sizeof request, "CONNECT 127.0.0.1:%u HTTP/1.1\r\nHost: a:1\r\n\r\n",
             origin_port);
    say(fd, request, strlen(request));
    hear(fd, "HTTP/1.1 200 Connection established\r\n\r\n", 39);
    say(fd, "through", 7);
    hear(fd, "through", 7);
    close(fd);
    clean_up(&r);
}

static void relays_tcp_and_socks(void **state)
{
    struct run r;
    char port[2] = {(char)(origin_port >> 8), (char)origin_port}, reply[10];
    (void)state;
    set_up(&r, "dual", "tcp:socks");
    start(&r);
    int fd = dial(r.p.in);
    say(fd, "plain", 5);
    hear(fd, "plain", 5);
    close(fd);

    fd = dial(r.p.out);
    say(fd, "\5\1\0\5\1\0\1\177\0\0\1", 11);
    say(fd, port, 2);
    hear(fd, "\5\0\5\0\0\1", 6);
    assert_int_equal(recv(fd, reply, 6, MSG_WAITALL), 6);
    say(fd, "socks", 5);
    hear(fd, "socks", 5);
    close(fd);

    char own[2] = {(char)(r.p.admin >> 8), (char)r.p.admin};
    fd = dial(r.p.out);
    say(fd, "\5\1\0\5\1\0\1\177\0\0\1", 11);
    say(fd, own, 2);
    hear(fd, "\5\0\5\2\0", 5);
    close(fd);
    clean_up(&r);
}

static void tells_its_state(void **state)
{
    struct run r;
    (void)state;
    set_up(&r, "reverse", "tcp");
    start(&r);
    assert_int_equal(r.p.out, 0);
    int fd = dial(r.p.in);
    say(fd, "x", 1);
    hear(fd, "x", 1);
    has(admin(&r, "/healthz"), "HTTP/1.1 200 OK");
    has(admin(&r, "/readyz"), "HTTP/1.1 200 OK");
    has(admin(&r, "/metrics"), "\ntapedeck_flows_total{listener=\"in\"} 1\n");
    has(admin(&r, "/metrics"), "\ntapedeck_flows_open{listener=\"in\"} 1\n");
    has(admin(&r, "/metrics"), "\ntapedeck_bytes_total{dir=\"c2s\"} 1\n");
    const char *flows = admin(&r, "/flows");
    has(flows, "{\"total\":1,\"flows\":[{");
    has(flows, "\"listener\":\"in\",\"front\":\"fixed\",\"client\":\"127.0.0.1:");
    has(flows,
        "\"state\":\"relay\",\"first_speaker\":\"client\",\"c2s\":1,\"s2c\":1,\"buffered\":0");
    has(admin(&r, "/nothing"), "HTTP/1.1 404 ");
    has(answer(r.p.admin, "DELETE /flows HTTP/1.0\r\n\r\n"), "HTTP/1.1 405 ");
    close(fd);
    clean_up(&r);
}

static void refuses_bad_options(void **state)
{
    static const char *const cases[][2] = {
        {"--proxy-protocol=tcp:tcp", "tcp:tcp"},
        {"--proxy-port=70000", "70000"},
        {"--nonsense", "nonsense"},
        {"--out-bind=nowhere.example", "out-bind"},
        {"--log-topics=bogus", "log-topics cannot be \"bogus\": it takes words of all|dial|flow"},
        {"--log-topics=flow,", "log-topics cannot be \"flow,\""},
        {"operand", "\"operand\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r;
        set_up(&r, "forward", "http");
        add(&r, "%s", cases[i][0]);
        assert_false(service_start(&r.p, "tapedeck-proxy", r.args));
        assert_int_equal(service_wait(&r.p), 2);
        char *words = service_words(&r.p);
        has(words, cases[i][1]);
        assert_ptr_equal(strchr(words, '\n'), words + strlen(words) - 1);
        free(words);
        clean_up(&r);
    }
}

static void is_not_ready_without_its_threads(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)state;
    skip(); // its own start does not survive the limit
#else
    struct rlimit before, huge;
    struct run r;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_STACK, &before), 0);
    huge = before;
    huge.rlim_cur = (rlim_t)1 << 46; // a thread's stack, more than there are addresses
    if (huge.rlim_cur > huge.rlim_max)
        skip();
    set_up(&r, "forward", "http");
    assert_int_equal(setrlimit(RLIMIT_STACK, &huge), 0);
    bool ready = service_start(&r.p, "tapedeck-proxy", r.args);
    assert_int_equal(setrlimit(RLIMIT_STACK, &before), 0);
    assert_false(ready);
    assert_int_equal(service_wait(&r.p), 1);
    char *words = service_words(&r.p);
    has(words, "tapedeck-proxy: cannot start the thread of worker 0: ");
    assert_null(strstr(words, "ready "));
    free(words);
    clean_up(&r);
#endif
}

static void weighs_connections_against_the_ring(void **state)
{
    struct run r;
    char *words;
    (void)state;
    set_up(&r, "dual", "http");
    add(&r, "--max-flows=1171");
    start(&r);
    words = service_words(&r.p);
    has(words, "max-flows=1171 borne=1170 spool-size=2097152");
    free(words);
    clean_up(&r);
    set_up(&r, "dual", "http");
    add(&r, "--spool-size=64MiB"); // as the defaults are
    start(&r);
    words = service_words(&r.p);
    assert_null(strstr(words, "borne="));
    free(words);
    clean_up(&r);
}

static void says_that_a_port_is_taken(void **state)
{
    struct run r;
    (void)state;
    set_up(&r, "reverse", "tcp");
    add(&r, "--proxy-in-port=%u", origin_port);
    assert_false(service_start(&r.p, "tapedeck-proxy", r.args));
    assert_int_equal(service_wait(&r.p), 1);
    char *words = service_words(&r.p);
    has(words, "another process listens there");
    free(words);
    clean_up(&r);
}

static void drains_when_asked(void **state)
{
    struct run r;
    (void)state;
    set_up(&r, "reverse", "tcp");
    start(&r);
    int fd = dial(r.p.in);
    say(fd, "a", 1);
    hear(fd, "a", 1);
    service_signal(&r.p, SIGTERM);
    service_says(&r.p, "draining");
    while ((errno = 0, dial(r.p.in)) >= 0)
        usleep(1000);
    has(admin(&r, "/readyz"), "HTTP/1.1 503 ");
    say(fd, "b", 1);
    hear(fd, "b", 1);
    close(fd);
    // No recorder came, and there is no spool directory.
    assert_int_equal(service_wait(&r.p), 3);
    service_says(&r.p, "nobody keeps them records=");
    clean_up(&r);
}

// One worker has no flow and ends at once; it is not waited for, and the other one is asked.
static void lists_flows_while_it_drains(void **state)
{
    struct run r;
    (void)state;
    set_up(&r, "reverse", "tcp");
    start(&r);
    int fd = dial(r.p.in);
    say(fd, "a", 1);
    hear(fd, "a", 1);
    service_signal(&r.p, SIGTERM);
    service_says(&r.p, "draining");
    for (int i = 0; i < 30; i++, usleep(10000))
        has(admin(&r, "/flows"), "{\"total\":1,\"flows\":[{");
    close(fd);
    assert_int_equal(service_wait(&r.p), 3);
    clean_up(&r);
}

static void loses_nothing_that_was_not_there(void **state)
{
    struct run r;
    (void)state;
    set_up(&r, "reverse", "tcp");
    start(&r);
    service_signal(&r.p, SIGTERM);
    assert_int_equal(service_wait(&r.p), 0);
    clean_up(&r);
}

static void ends_at_once_when_asked_twice(void **state)
{
    struct run r;
    char byte;
    (void)state;
    set_up(&r, "reverse", "tcp");
    add(&r, "--drain-timeout=1h");
    start(&r);
    int fd = dial(r.p.in);
    say(fd, "a", 1);
    hear(fd, "a", 1);
    service_signal(&r.p, SIGTERM);
    service_says(&r.p, "draining");
    service_signal(&r.p, SIGINT);
    assert_int_equal(service_wait(&r.p), 3);
    service_says(&r.p, "nobody keeps them records=");
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    clean_up(&r);
}

static void write_text(const char *path, const char *text)
{
    tmp_write(path, text, strlen(text));
}

static void reads_its_options_again(void **state)
{
    struct run r;
    char path[TMP_PATH], byte;
    (void)state;
    set_up(&r, "reverse", "tcp");
    tmp_path(path, r.p.dir, "config.yaml");
    write_text(path, "max-flows: 100\n");
    add(&r, "--config=%s", path);
    start(&r);
    int first = dial(r.p.in);
    say(first, "a", 1);
    hear(first, "a", 1);

    write_text(path, "max-flows: 1\nhead-max: 32KiB\n");
    service_signal(&r.p, SIGHUP);
    service_says(&r.p, "options read again");
    service_says(&r.p, "names=\"head-max\"");
    int second = dial(r.p.in);
    assert_int_equal(recv(second, &byte, 1, 0), 0);
    service_says(&r.p, "reason=max-flows");

    write_text(path, "max-flows: nonsense\n");
    service_signal(&r.p, SIGHUP);
    service_says(&r.p, "options stay as they were");
    write_text(path, "log-topics: flow,bogus\n");
    service_signal(&r.p, SIGHUP);
    service_says(&r.p, "log-topics cannot be \"flow,bogus");
    say(first, "b", 1);
    hear(first, "b", 1);
    close(first);
    close(second);
    clean_up(&r);
}

static void keeps_journals_for_the_next_run(void **state)
{
    struct run r;
    struct stat st;
    char spool[TMP_PATH], ring[TMP_PATH + 32];
    (void)state;
    set_up(&r, "reverse", "tcp");
    tmp_path(spool, r.p.dir, "spool");
    add(&r, "--spool-dir=%s", spool);
    add(&r, "--drain-timeout=0");
    start(&r);
    assert_int_equal(stat(spool, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    for (int i = 0; i < 2; i++) {
        snprintf(ring, sizeof ring, "%s/journal-%d.ring", spool, i);
        assert_int_equal(stat(ring, &st), 0);
    }
    // Enough of them that both workers have some.
    for (int i = 0; i < 32; i++) {
        int fd = dial(r.p.in);
        say(fd, "a", 1);
        hear(fd, "a", 1);
        close(fd);
    }
    service_signal(&r.p, SIGKILL);
    assert_int_equal(service_wait(&r.p), 128 + SIGKILL);

    add(&r, "--workers=1");
    start(&r);
    service_says(&r.p, "journal of an earlier run is sent journal=1");
    service_signal(&r.p, SIGTERM);
    assert_int_equal(service_wait(&r.p), 0);
    clean_up(&r);
}

// A journal in which not even the beginning of the next run finds room.
static void fill_journal(const char *path)
{
    char why[WHY_MAX];
    struct journal *j;
    void *room;
    assert_int_equal(journal_open(&j, path, 1 << 20, 0, why), 0);
    for (size_t most = 4096; most >= PACK_RESTART_MAX; most /= 2) {
        while ((room = journal_room(j, most, 0)))
            journal_commit(j, WIRE_RESTART, pack_restart(room, 1, 1));
    }
    journal_close(j);
}

static void says_what_it_could_not_tell(void **state)
{
    struct run r;
    char spool[TMP_PATH], ring[TMP_PATH];
    (void)state;
    set_up(&r, "reverse", "tcp");
    assert_int_equal(mkdir(tmp_path(spool, r.p.dir, "spool"), 0700), 0);
    fill_journal(tmp_path(ring, spool, "journal-0.ring"));
    add(&r, "--spool-dir=%s", spool);
    add(&r, "--spool-size=1MiB");
    add(&r, "--workers=1");
    add(&r, "--drain-timeout=0");
    start(&r);
    int fd = dial(r.p.in);
    say(fd, "a", 1);
    hear(fd, "a", 1);
    close(fd);
    service_signal(&r.p, SIGTERM);
    assert_int_equal(service_wait(&r.p), 3);
    service_says(&r.p, "cause=ring-full flows=1 transactions=1 c2s=1 s2c=1");
    clean_up(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relays_http_in_and_out),
        cmocka_unit_test(relays_tcp_and_socks),
        cmocka_unit_test(tells_its_state),
        cmocka_unit_test(refuses_bad_options),
        cmocka_unit_test(is_not_ready_without_its_threads),
        cmocka_unit_test(weighs_connections_against_the_ring),
        cmocka_unit_test(says_that_a_port_is_taken),
        cmocka_unit_test(drains_when_asked),
        cmocka_unit_test(lists_flows_while_it_drains),
        cmocka_unit_test(loses_nothing_that_was_not_there),
        cmocka_unit_test(ends_at_once_when_asked_twice),
        cmocka_unit_test(reads_its_options_again),
        cmocka_unit_test(keeps_journals_for_the_next_run),
        cmocka_unit_test(says_what_it_could_not_tell),
    };
    return cmocka_run_group_tests(tests, begin_origin, end_origin);
}
