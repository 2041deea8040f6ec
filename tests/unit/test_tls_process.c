// The proxy's process with TLS of its own: it begins with its keys or not at all, takes
// certificates that are exchanged, and lets through whoever refuses ours, as openssl's client sees
// it.
#include "tests/support/certify.h"
#include "tests/support/pki.h"
#include "tests/support/program.h"
#include "tests/support/service.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 24

static struct service proxy;
static char texts[ARGS_MAX][2 * TMP_PATH], *args[ARGS_MAX + 1];
static int count;

static void __attribute__((format(printf, 1, 2))) add(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(texts[count], sizeof texts[0], format, list);
    va_end(list);
    args[count] = texts[count];
    count++;
}

// FOLDER/NAME.crt and .key, which appear whole.
static void make_pair(const char *file, const char *name, const struct pki *issuer, unsigned flags,
                      struct pki *kept)
{
    char cert[64], key[64];
    struct pki p;
    pki_make(&p, name, issuer, flags);
    pki_add_cert(tmp_in(proxy.dir, "fresh.crt"), &p);
    pki_add_key(tmp_in(proxy.dir, "fresh.key"), &p);
    snprintf(cert, sizeof cert, "%s.crt", file);
    snprintf(key, sizeof key, "%s.key", file);
    assert_int_equal(chmod(tmp_in(proxy.dir, "fresh.key"), 0600), 0);
    assert_int_equal(rename(tmp_in(proxy.dir, "fresh.key"), tmp_in(proxy.dir, key)), 0);
    assert_int_equal(rename(tmp_in(proxy.dir, "fresh.crt"), tmp_in(proxy.dir, cert)), 0);
    if (kept)
        *kept = p;
    else
        pki_clear(&p);
}

static int begin(void **state)
{
    (void)state;
    struct pki ca;
    proxy = (struct service){0};
    count = 0;
    memset(args, 0, sizeof args);
    tmp_make(proxy.dir);
    make_pair("ca", "Test CA", NULL, PKI_CA, &ca);
    make_pair("server", "localhost", &ca, 0, NULL);
    make_pair("own", "one.example", NULL, 0, NULL);
    pki_clear(&ca);
    add("--proxy-type=dual");
    add("--proxy-in-port=0");
    add("--proxy-out-port=0");
    add("--in-bind=127.0.0.1");
    add("--admin-listen=127.0.0.1:0");
    add("--workers=2");
    add("--user=0");
    add("--spool-size=2MiB");
    add("--max-flows=1000");
    add("--drain-timeout=1s");
    add("--recorder=unix:%s/nobody.sock", proxy.dir);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (proxy.pid) {
        service_signal(&proxy, SIGKILL);
        (void)service_wait(&proxy);
    }
    tmp_remove(proxy.dir);
    return 0;
}

static void start(void)
{
    if (!service_start(&proxy, "tapedeck-proxy", args)) {
        char *words = service_words(&proxy);
        fail_msg("%s", words);
    }
}

// What a script of the shell says; its exit code.
static int __attribute__((format(printf, 2, 3))) shell(char out[4096], const char *format, ...)
{
    char script[4 * TMP_PATH + 256];
    struct program p;
    va_list list;
    va_start(list, format);
    vsnprintf(script, sizeof script, format, list);
    va_end(list);
    program_shell(&p, script);
    snprintf(out, 4096, "%s", p.out);
    int code = p.code;
    program_clear(&p);
    return code;
}

// The admin listener's answer.
static void admin(char out[4096], const char *path)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(proxy.admin)};
    char request[64], all[1 << 16];
    size_t n = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    for (ssize_t got; (got = recv(fd, all + n, sizeof all - 1 - n, 0)) > 0;)
        n += (size_t)got;
    close(fd);
    all[n] = 0;
    const char *tls = strstr(all, "# HELP tapedeck_tls_");
    snprintf(out, 4096, "%s", tls ? tls : all);
}

static void has(const char *text, const char *words)
{
    if (strstr(text, words))
        return;
    char *said = service_words(&proxy);
    fprintf(stderr, "the proxy: %s\n", said);
    free(said);
    fail_msg("no \"%s\" in: %s", words, text);
}

static void keys_that_cannot_be_read_are_one_line(void **state)
{
    char line[2 * TMP_PATH];
    (void)state;
    add("--tls-in-secret=%s/none", proxy.dir);
    assert_false(service_start(&proxy, "tapedeck-proxy", args));
    assert_int_equal(service_wait(&proxy), 1);
    char *words = service_words(&proxy);
    snprintf(line, sizeof line, "tapedeck-proxy: tls-in-secret: %s/none/tls.crt: No such file",
             proxy.dir);
    has(words, line);
    assert_string_equal(strchr(words, '\n'), "\n");
    free(words);
}

static void certificates_that_are_exchanged_are_shown(void **state)
{
    char out[4096];
    (void)state;
    if (!certify_here())
        skip();
    add("--tls-in-public=%s/own.crt", proxy.dir);
    add("--tls-in-private=%s/own.key", proxy.dir);
    start();
    static const char client[] = "openssl s_client -connect 127.0.0.1:%u </dev/null 2>/dev/null";
    shell(out, client, proxy.in);
    has(out, "CN = one.example");
    make_pair("own", "two.example", NULL, 0, NULL);
    service_says(&proxy, "certificates were read again option=\"tls-in-public, tls-in-private\"");
    shell(out, client, proxy.in);
    has(out, "CN = two.example");
    // No core dump: there are keys in it.
    shell(out, "grep 'core file' /proc/%d/limits", (int)proxy.pid);
    has(out, "Max core file size        0                    0 ");
}

static void who_refuses_us_passes_from_then_on(void **state)
{
    static const char client[] = // one that says something: else it has only looked at us
        "echo GET / HTTP/1.0 | openssl s_client -proxy 127.0.0.1:%u -connect localhost:%u "
        "-CAfile %s -verify_return_error 2>&1";
    char out[4096], entry[128];
    struct program server;
    unsigned port = 0;
    (void)state;
    if (!certify_here())
        skip();
    snprintf(out, sizeof out,
             "exec openssl s_server -www -accept 127.0.0.1:0 -cert %s -key %s 2>&1",
             tmp_in(proxy.dir, "server.crt"), tmp_in(proxy.dir, "server.key"));
    program_start(&server, (const char *const[]){"/bin/sh", "-c", out, NULL}, NULL);
    assert_true(program_wait_for(&server, "ACCEPT 127.0.0.1:"));
    assert_int_equal(sscanf(strstr(server.out, "ACCEPT "), "ACCEPT 127.0.0.1:%u", &port), 1);
    add("--tls-out");
    add("--tls-ca-dir=%s/made", proxy.dir);
    add("--upstream-ca=%s/ca.crt", proxy.dir);
    start();

    shell(out, client, proxy.out, port, tmp_in(proxy.dir, "made/tapedeck-ca.crt"));
    has(out, "issuer=O = Tapedeck");
    has(out, "Verification: OK");
    admin(out, "/flows");
    has(out, ",\"passed\":[]}");
    assert_int_not_equal(shell(out, client, proxy.out, port, tmp_in(proxy.dir, "ca.crt")), 0);
    for (int i = 0; i < 4; i++) { // whichever worker it is
        shell(out, client, proxy.out, port, tmp_in(proxy.dir, "ca.crt"));
        has(out, "issuer=CN = Test CA");
        has(out, "Verification: OK");
    }
    admin(out, "/flows");
    snprintf(entry, sizeof entry,
             "\"passed\":[{\"host\":\"localhost\",\"port\":%u,\"cause\":\"client-refused\","
             "\"until\":\"2",
             port);
    has(out, entry);
    has(out, "Z\",\"times\":1}]}");
    admin(out, "/metrics");
    has(out, "\ntapedeck_tls_passed_total{cause=\"client-refused\"} 4\n");
    has(out, "\ntapedeck_tls_handshakes_total{side=\"client\",result=\"failed\"} 1\n");
    has(out, "\ntapedeck_tls_handshakes_total{side=\"client\",result=\"full\"} 1\n");
    program_end(&server, SIGTERM);
    program_clear(&server);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(keys_that_cannot_be_read_are_one_line),
        WITH(certificates_that_are_exchanged_are_shown),
        WITH(who_refuses_us_passes_from_then_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
