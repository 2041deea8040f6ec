// What jsonl, csv, curl and raw write, and how files appear.
#include "tests/support/program.h"
#include "tests/support/sample.h"
#include "tools/fields.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
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

static const char *filter_of(enum sample_kind kind)
{
    static char text[40];
    snprintf(text, sizeof text, "id = %lld", (long long)ids[kind]);
    return text;
}

static json_t *jsonl(const char *bodies, enum sample_kind kind)
{
    struct program p;
    TAPEDECK(&p, "export", "jsonl", sample.path, bodies, filter_of(kind), "--heads");
    assert_int_equal(p.code, 0);
    json_t *j = json_loadb(p.out, p.out_n, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL);
    assert_non_null(j);
    program_clear(&p);
    return j;
}

static json_t *at(json_t *j, const char *one, const char *two)
{
    json_t *v = json_object_get(json_object_get(j, one), two);
    if (!v)
        fprintf(stderr, "no %s.%s\n", one, two);
    assert_non_null(v);
    return v;
}

static void test_jsonl(void **state)
{
    (void)state;
    json_t *j = jsonl("--bodies=decoded", SAMPLE_GZIP);
    assert_string_equal(json_string_value(at(j, "response", "body")), sample_json);
    assert_string_equal(json_string_value(at(j, "response", "encoding")), "text");
    assert_true(json_is_true(at(j, "response", "decoded")));
    assert_string_equal(json_string_value(at(j, "response", "line")), "HTTP/1.1 200 OK");
    json_t *field = json_array_get(at(j, "response", "headers"), 3);
    assert_string_equal(json_string_value(json_array_get(field, 0)), "x-a");
    assert_string_equal(json_string_value(json_array_get(field, 1)), "2");
    assert_int_equal(strncmp(json_string_value(at(j, "request", "head")), "GET /users?", 11), 0);
    assert_int_equal(json_integer_value(at(j, "timing", "end_us")) -
                         json_integer_value(at(j, "timing", "start_us")),
                     12300);
    json_decref(j);
    j = jsonl("--bodies=stored", SAMPLE_GZIP);
    assert_string_equal(json_string_value(at(j, "response", "encoding")), "base64");
    assert_int_equal(strncmp(json_string_value(at(j, "response", "body")), "H4sI", 4), 0);
    json_decref(j);
    j = jsonl("--bodies=none", SAMPLE_GZIP);
    assert_null(json_object_get(json_object_get(j, "response"), "body"));
    json_decref(j);
    j = jsonl("--bodies=decoded", SAMPLE_LARGE);
    assert_int_equal(json_string_length(at(j, "response", "body")), SAMPLE_LARGE_SIZE);
    json_decref(j);
    j = jsonl("--bodies=decoded", SAMPLE_SILENT);
    assert_true(json_is_null(json_object_get(j, "response")));
    json_decref(j);
    j = jsonl("--bodies=decoded", SAMPLE_CHUNKED);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(at(j, "response", "interim"), 0), "line")),
        "HTTP/1.1 100 Continue");
    assert_int_equal(json_array_size(at(j, "response", "trailers")), 1);
    json_decref(j);
    j = jsonl("--bodies=decoded", SAMPLE_REDACTED);
    assert_int_equal(json_array_size(json_object_get(j, "redacted")), 2);
    json_decref(j);
}

static void test_jsonl_conversation(void **state)
{
    (void)state;
    json_t *j = jsonl("--bodies=decoded", SAMPLE_RAW);
    json_t *chunks = json_object_get(j, "chunks");
    assert_int_equal(json_array_size(chunks), 4);
    assert_null(json_object_get(j, "request"));
    json_t *one = json_array_get(chunks, 1);
    assert_string_equal(json_string_value(json_object_get(one, "from")), "server");
    assert_string_equal(json_string_value(json_object_get(one, "encoding")), "base64");
    assert_string_equal(json_string_value(json_object_get(one, "bytes")), "AQID/yBiaW5hcnk=");
    one = json_array_get(chunks, 2);
    assert_string_equal(json_string_value(json_object_get(one, "bytes")), "quit\r\n");
    assert_int_equal(json_integer_value(json_object_get(one, "at")), 7);
    json_decref(j);
}

static void test_csv(void **state)
{
    struct program p;
    (void)state;
    TAPEDECK(&p, "export", "csv", sample.path, "--columns", "method,path,status,host",
             "status in (302, 502)", "--order", "newest");
    assert_int_equal(p.code, 0);
    assert_string_equal(p.out, "method,path,status,host\r\n"
                               "GET,/,502,down.test\r\n"
                               "POST,/login,302,api.test\r\n");
    program_clear(&p);
    TAPEDECK(&p, "export", "csv", sample.path, "--no-header", filter_of(SAMPLE_EVIL));
    assert_non_null(strstr(p.out, ",\"/\x1b[31mred\x07\"\"'\\\xff\","));
    program_clear(&p);
}

// The commands are run by a shell with a `curl` that tells its arguments and its input: the bytes
// of the capture must come out as they went in.
static const char curl[] = "#!/bin/sh\n"
                           "for a in \"$@\"; do printf '[%s]\\n' \"$a\"; done\n"
                           "case \" $* \" in *' @- '*) cat;; *' @-') cat;; esac\n";

static void run_curl(struct program *p, enum sample_kind kind)
{
    char script[6 * TMP_PATH], path[TMP_PATH];
    tmp_write(tmp_path(path, sample.dir, "curl"), curl, sizeof curl - 1);
    chmod(path, 0755);
    snprintf(script, sizeof script,
             "tapedeck export curl %s %s > %s/script && PATH=%s:$PATH && sh %s/script", sample.path,
             filter_of(kind), sample.dir, sample.dir, sample.dir);
    program_shell(p, script);
    assert_int_equal(p->code, 0);
    unlink(path);
}

static void holds(const struct program *p, const char *text, size_t n)
{
    if (!memmem(p->out, p->out_n, text, n))
        fprintf(stderr, "not found: %.*s\nin: %s\n", (int)n, text, p->out);
    assert_non_null(memmem(p->out, p->out_n, text, n));
}
#define HOLDS(p, text) holds((p), (text), sizeof(text) - 1)

static void test_curl(void **state)
{
    struct program p;
    (void)state;
    run_curl(&p, SAMPLE_FORM);
    HOLDS(&p, "[--data-raw]\n[user=jo&pass='sh\nsafe'&at=@]\n");
    HOLDS(&p, "[http://api.test/login]\n");
    HOLDS(&p, "[-H]\n[Content-Type: application/x-www-form-urlencoded]\n");
    assert_null(strstr(p.out, "Content-Length"));
    program_clear(&p);
    run_curl(&p, SAMPLE_UPLOAD);
    HOLDS(&p, "[-X]\n[PUT]\n");
    HOLDS(&p, "[--data-binary]\n[@-]\n");
    holds(&p, (const char *)sample_png, sample_png_size);
    program_clear(&p);
    run_curl(&p, SAMPLE_EVIL);
    HOLDS(&p, "[http://api.test/]\n");
    HOLDS(&p, "[--request-target]\n[/\x1b[31mred\x07\"'\\\xff?q=<\xe9>]\n");
    HOLDS(&p, "[X-Latin: caf\xe9]\n");
    HOLDS(&p, "[X-Shell: $(id) `id` 'x']\n");
    HOLDS(&p, "[X-Empty;]\n");
    program_clear(&p);
    run_curl(&p, SAMPLE_HEAD);
    HOLDS(&p, "[--head]\n");
    program_clear(&p);
    TAPEDECK(&p, "export", "curl", sample.path, "protocol = raw or method = CONNECT");
    assert_int_equal(p.out_n, 0);
    assert_non_null(strstr(p.err, "2 transactions"));
    program_clear(&p);
}

static char *raw_file(const char *dir, enum sample_kind kind, const char *what, size_t *n)
{
    char path[2 * TMP_PATH], id[FIELDS_ID];
    snprintf(path, sizeof path, "%s/%s-%s", dir, fields_id(ids[kind], id), what);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    return tmp_read(path, n);
}

static void test_raw(void **state)
{
    struct program p;
    char dir[TMP_PATH];
    size_t n;
    (void)state;
    TAPEDECK(&p, "export", "raw", sample.path, filter_of(SAMPLE_CHUNKED));
    assert_string_equal(p.out,
                        "POST /chunked HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\n"
                        "Transfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
                        "d\r\nhello, world\n\r\n0\r\nX-Sum: 1\r\n\r\n"
                        "HTTP/1.1 100 Continue\r\n\r\n"
                        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "5\r\nmade\n\r\n0\r\nX-Took: 3ms\r\n\r\n");
    program_clear(&p);
    TAPEDECK(&p, "show", sample.path, "--raw", "--body", "response",
             strchr(filter_of(SAMPLE_CUT), '=') + 2);
    assert_string_equal(p.out,
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf of it\r\n");
    assert_non_null(strstr(p.err, "cut off"));
    program_clear(&p);
    tmp_path(dir, sample.dir, "raw");
    TAPEDECK(&p, "export", "raw", sample.path, "--out", dir);
    assert_int_equal(p.code, 0);
    program_clear(&p);
    char *bytes = raw_file(dir, SAMPLE_PNG, "response.http", &n);
    assert_int_equal(n, 44 + sample_png_size);
    assert_memory_equal(bytes + 44, sample_png, sample_png_size);
    free(bytes);
    bytes = raw_file(dir, SAMPLE_RAW, "client.bin", &n);
    assert_int_equal(n, 13);
    assert_memory_equal(bytes, "hello\r\nquit\r\n", 13);
    free(bytes);
    bytes = raw_file(dir, SAMPLE_LARGE, "response.http", &n);
    assert_int_equal(n, SAMPLE_LARGE_SIZE + 45);
    free(bytes);
    TAPEDECK(&p, "export", "raw", sample.path, "--out", dir);
    assert_int_equal(p.code, 1);
    assert_non_null(strstr(p.err, "not empty"));
    program_clear(&p);
    tmp_remove(dir);
    TAPEDECK(&p, "export", "raw", sample.path, "--out", dir, "--by", "flow",
             "host = api.test and "
             "direction = inbound and method = GET and path in (/slow, /silent)");
    assert_int_equal(p.code, 0);
    char path[2 * TMP_PATH];
    snprintf(path, sizeof path, "%s/flow-1.1-client.bin", dir);
    bytes = tmp_read(path, &n);
    assert_memory_equal(bytes,
                        "GET /slow HTTP/1.1\r\nHost: api.test\r\n\r\n"
                        "GET /silent HTTP/1.1\r\nHost: api.test\r\n\r\n",
                        n);
    assert_int_equal(n, 78);
    free(bytes);
    program_clear(&p);
    tmp_remove(dir);
}

// A file appears whole, for its owner only, or not at all.
static void test_out(void **state)
{
    struct program p;
    char path[TMP_PATH], script[6 * TMP_PATH];
    struct stat st;
    (void)state;
    tmp_path(path, sample.dir, "out.jsonl");
    TAPEDECK(&p, "export", "jsonl", sample.path, "-o", path, "-n", "1");
    assert_int_equal(p.code, 0);
    assert_int_equal(p.out_n, 0);
    program_clear(&p);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    TAPEDECK(&p, "export", "har", sample.path, "status ==", "-o", path);
    assert_int_equal(p.code, 2);
    program_clear(&p);
    struct stat after;
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_ino, st.st_ino); // untouched
    TAPEDECK(&p, "export", "csv", sample.path, "-o", "/nowhere/at/all.csv");
    assert_int_equal(p.code, 1);
    assert_non_null(strstr(p.err, "/nowhere/at/all.csv"));
    program_clear(&p);
    snprintf(script, sizeof script,
             "tapedeck export csv %s -o %s -n 1 path = /nothing --exit-code; echo $?; ls -a %s | "
             "grep out.jsonl",
             sample.path, path, sample.dir);
    program_shell(&p, script);
    assert_string_equal(p.out, "3\nout.jsonl\n"); // no temporary file is left
    program_clear(&p);
    unlink(path);
}

static void test_show(void **state)
{
    struct program p;
    char id[FIELDS_ID];
    (void)state;
    TAPEDECK(&p, "show", sample.path, fields_id(ids[SAMPLE_GZIP], id));
    assert_int_equal(p.code, 0);
    assert_non_null(strstr(p.out, "\n      \"name\": \"J\303\266rg\"\n"));
    assert_non_null(strstr(p.out, "192.0.2.7:80 (api.test:80)"));
    assert_non_null(strstr(p.out, "wait 9.50ms"));
    program_clear(&p);
    TAPEDECK(&p, "show", sample.path, id, "--body", "response", "--decode");
    assert_string_equal(p.out, sample_json);
    program_clear(&p);
    TAPEDECK(&p, "show", sample.path, id, "--body", "response");
    assert_memory_equal(p.out, "\x1f\x8b", 2);
    program_clear(&p);
    TAPEDECK(&p, "show", sample.path, fields_id(ids[SAMPLE_BAD_GZIP], id), "--body", "response",
             "--decode");
    assert_string_equal(p.out, "not gzip at all");
    assert_int_equal(p.code, 1);
    program_clear(&p);
    TAPEDECK(&p, "show", sample.path, fields_id(ids[SAMPLE_RAW], id));
    assert_non_null(strstr(p.out, "client  09:00:03.444300  +0  7 bytes\nhello\n"));
    assert_non_null(strstr(p.out, "opaque, SNI secure.test, TLS 1.2"));
    program_clear(&p);
    TAPEDECK(&p, "show", sample.path, fields_id(ids[SAMPLE_LARGE], id), "--limit", "100");
    assert_non_null(strstr(p.out, "3,145,728 bytes more"));
    program_clear(&p);
    TAPEDECK(&p, "show", sample.path, fields_id(ids[SAMPLE_EVIL], id));
    assert_null(memchr(p.out, 0x1b, p.out_n));
    assert_null(memchr(p.out, 0x07, p.out_n));
    program_clear(&p);
    TAPEDECK(&p, "show", sample.path, fields_id(ids[SAMPLE_FORM], id), "--json");
    json_t *j = json_loads(p.out, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(j, "id")), ids[SAMPLE_FORM]);
    json_decref(j);
    program_clear(&p);
    TAPEDECK(&p, "show", sample.path, "1.999999");
    assert_int_equal(p.code, 1);
    assert_non_null(strstr(p.err, "there is no transaction 1.999999"));
    program_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jsonl), cmocka_unit_test(test_jsonl_conversation),
        cmocka_unit_test(test_csv),   cmocka_unit_test(test_curl),
        cmocka_unit_test(test_raw),   cmocka_unit_test(test_out),
        cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
