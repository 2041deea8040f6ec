// Commands whose i-th allocation fails end with a word, and leak nothing. They run in this process;
// what they print goes nowhere.
#include "tests/support/alloc.h"
#include "tests/support/sample.h"
#include "tools/commands.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct sample sample;
static int64_t ids[SAMPLE_TXNS];

static int set_up(void **state)
{
    (void)state;
    sample_standard(&sample, ids);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sample_remove(&sample);
    return 0;
}

// Runs it with standard output and error shut; the exit code.
static int quietly(int argc, char **argv)
{
    fflush(NULL);
    int out = dup(1), err = dup(2), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, 1);
    dup2(null, 2);
    int code = cli_main(argc, argv, NULL);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    close(null);
    return code;
}

static void survives(const char *const *words)
{
    int argc = 0;
    char *argv[12];
    for (; words[argc]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc];
    argv[argc] = NULL;
    long i = 0;
    // Early ones one by one, later ones in growing steps: there are as many as rows.
    for (bool failed = true; failed; i += i < 150 ? 1 : i / 20) {
        alloc_fail_at(i);
        int code = quietly(argc, argv);
        failed = alloc_fail_end();
        assert_in_range(code, 0, 2);
        assert_true(i < 10000000);
    }
    assert_true(i > 5);
}
#define SURVIVES(...) survives((const char *const[]){"tapedeck", __VA_ARGS__, NULL})

static void test_listing(void **state)
{
    (void)state;
    SURVIVES("ls", sample.path, "status >= 200 or not res.header[\"x-b\"]", "-n", "7");
    SURVIVES("ls", sample.path, "--json");
    SURVIVES("ls", sample.dir, "--open", "path ~ stream");
    SURVIVES("stats", sample.path, "--by", "endpoint");
    SURVIVES("query", sample.path, "SELECT * FROM http");
    SURVIVES("query", sample.path, "--csv", "SELECT * FROM head");
}

static void test_showing(void **state)
{
    char id[32];
    (void)state;
    snprintf(id, sizeof id, "%lld", (long long)ids[SAMPLE_GZIP]);
    SURVIVES("show", sample.path, id);
    SURVIVES("show", sample.path, id, "--body", "response", "--decode");
    snprintf(id, sizeof id, "%lld", (long long)ids[SAMPLE_RAW]);
    SURVIVES("show", sample.path, id, "--json");
}

static void test_exporting(void **state)
{
    char path[TMP_PATH];
    (void)state;
    tmp_path(path, sample.dir, "out");
    SURVIVES("export", "jsonl", sample.path, "-o", path, "path = /users or protocol = raw");
    SURVIVES("export", "har", sample.path, "-o", path, "path in (/users, /login, /zstd)");
    SURVIVES("export", "curl", sample.path, "-o", path, "method != GET");
    SURVIVES("export", "csv", sample.path, "-o", path, "--columns", "id,host");
    SURVIVES("help", "fields");
    SURVIVES("export", "har", "--help");
}

static void test_comparing(void **state)
{
    struct sample other;
    char path[TMP_PATH];
    (void)state;
    sample_begin(&other, "other.db");
    sample_flow(&other, true);
    struct sample_txn t = {
        .method = "GET",
        .scheme = "http",
        .host = "api.test",
        .path = "/users",
        .query = "page=2&q=a%20b+c&flag",
        .version = "HTTP/1.1",
        .status = 200,
        .req = {.head = VIEW_LIT("GET /users HTTP/1.1\r\nX: 1\r\n\r\n")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\n\r\n"), .body = VIEW_LIT("{\"a\":[1,2]}")}};
    sample_http(&other, &t);
    sample_flow_end(&other);
    sample_finish(&other);
    tmp_path(path, sample.dir, "rules.yaml");
    SURVIVES("diff", sample.path, other.path, "--learn", path, "path = /users");
    SURVIVES("diff", sample.path, other.path, "--json", "--rules", path, "path = /users");
    SURVIVES("diff", sample.path, sample.path, "status = 200");
    sample_remove(&other);
}

static void test_ca(void **state)
{
    char folder[TMP_PATH], path[TMP_PATH];
    (void)state;
    tmp_path(folder, sample.dir, "ca");
    tmp_path(path, sample.dir, "out");
    SURVIVES("ca", "init", "--tls-ca-dir", folder);
    SURVIVES("ca", "show", "--tls-ca-dir", folder, "--json");
    SURVIVES("ca", "export", "--tls-ca-dir", folder, "--form=p12", "-o", path);
    SURVIVES("ca", "export", "--tls-ca-dir", folder, "--form=bundle", "-o", path);
    SURVIVES("ca", "install-hints", "--tls-ca-dir", folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listing),   cmocka_unit_test(test_showing),
        cmocka_unit_test(test_exporting), cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_ca),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
