// The HAR that is exported is HAR 1.2, as its consumers check it.
#include "tests/support/program.h"
#include "tests/support/sample.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

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

static json_t *export(const char *option, const char *filter, struct program *p)
{
    TAPEDECK(p, "export", "har", sample.path, option, filter);
    assert_int_equal(p->code, 0);
    json_error_t e;
    json_t *j = json_loadb(p->out, p->out_n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &e);
    if (!j)
        fprintf(stderr, "%s at %d\n", e.text, e.position);
    assert_non_null(j);
    return j;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    assert_non_null(s);
    return s;
}

static double number_of(const json_t *o, const char *key)
{
    json_t *n = json_object_get(o, key);
    assert_true(json_is_number(n));
    assert_true(isfinite(json_number_value(n)));
    return json_number_value(n);
}

static int64_t int_of(const json_t *o, const char *key)
{
    assert_true(json_is_integer(json_object_get(o, key)));
    return json_integer_value(json_object_get(o, key));
}

static void check_pairs(const json_t *owner, const char *key)
{
    json_t *list = json_object_get(owner, key), *pair;
    size_t i;
    assert_true(json_is_array(list));
    json_array_foreach(list, i, pair)
    {
        text_of(pair, "name");
        text_of(pair, "value");
    }
}

static bool is_base64(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    return strlen(s) % 4 == 0 && strspn(s + n, "=") == strlen(s + n) && strlen(s + n) <= 2;
}

static void check_request(const json_t *r)
{
    assert_true(text_of(r, "method")[0] != 0);
    assert_memory_equal(text_of(r, "url"), "http://", 7);
    assert_memory_equal(text_of(r, "httpVersion"), "HTTP/1.", 7);
    check_pairs(r, "cookies");
    check_pairs(r, "headers");
    check_pairs(r, "queryString");
    assert_true(int_of(r, "headersSize") >= -1);
    assert_true(int_of(r, "bodySize") >= -1);
    json_t *post = json_object_get(r, "postData");
    assert_int_equal(post != NULL, int_of(r, "bodySize") > 0);
    if (post) {
        text_of(post, "mimeType");
        text_of(post, "text");
        assert_null(json_object_get(post, "params")); // it and text exclude each other
        if (json_object_get(post, "encoding")) {
            assert_string_equal(text_of(post, "encoding"), "base64");
            assert_string_equal(text_of(post, "_encoding"), "base64");
            assert_true(is_base64(text_of(post, "text")));
        }
    }
}

static void check_response(const json_t *r)
{
    int64_t status = int_of(r, "status");
    assert_true(status == 0 || (status >= 100 && status < 600));
    text_of(r, "statusText");
    text_of(r, "httpVersion");
    check_pairs(r, "cookies");
    check_pairs(r, "headers");
    text_of(r, "redirectURL");
    assert_true(int_of(r, "headersSize") >= -1);
    assert_true(int_of(r, "bodySize") >= -1);
    json_t *content = json_object_get(r, "content");
    assert_true(json_is_object(content));
    assert_true(int_of(content, "size") >= 0);
    text_of(content, "mimeType");
    if (json_object_get(content, "encoding")) {
        assert_string_equal(text_of(content, "encoding"), "base64");
        assert_true(is_base64(text_of(content, "text")));
    } else if (json_object_get(content, "text")) {
        assert_int_equal(json_string_length(json_object_get(content, "text")),
                         int_of(content, "size"));
    }
    if (json_object_get(content, "compression"))
        assert_int_equal(int_of(content, "compression"),
                         int_of(content, "size") - int_of(r, "bodySize"));
}

static void check_timings(const json_t *entry)
{
    static const char *const names[] = {"blocked", "dns", "connect", "send", "wait", "receive"};
    const json_t *t = json_object_get(entry, "timings");
    double sum = 0;
    assert_true(json_is_object(t));
    for (int i = 0; i < 6; i++) {
        double v = number_of(t, names[i]);
        assert_true(v >= 0 || (v == -1 && i < 3));
        sum += v >= 0 ? v : 0;
    }
    double ssl = number_of(t, "ssl"), connect = number_of(t, "connect");
    assert_true(ssl == -1 || ssl <= connect);
    assert_true(fabs(sum - number_of(entry, "time")) < 0.0005);
}

static void test_valid(void **state)
{
    struct program p;
    json_t *j = export("--color=never", "", &p), *log = json_object_get(j, "log"), *entry;
    size_t i;
    (void)state;
    assert_string_equal(text_of(log, "version"), "1.2");
    text_of(json_object_get(log, "creator"), "name");
    text_of(json_object_get(log, "creator"), "version");
    json_t *entries = json_object_get(log, "entries");
    assert_int_equal(json_array_size(entries), SAMPLE_TXNS - 1);
    assert_non_null(strstr(p.err, "left out"));
    const char *before = "";
    json_array_foreach(entries, i, entry)
    {
        const char *started = text_of(entry, "startedDateTime");
        int year, month, day, hour, minute, second, ms, n = 0;
        assert_int_equal(sscanf(started, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day,
                                &hour, &minute, &second, &ms, &n),
                         7);
        assert_int_equal(n, strlen(started));
        assert_true(strcmp(before, started) <= 0);
        before = started;
        assert_null(json_object_get(entry, "pageref"));
        assert_true(json_is_object(json_object_get(entry, "cache")));
        assert_true(text_of(entry, "connection")[0] != 0);
        assert_null(strpbrk(text_of(entry, "serverIPAddress"), "[]"));
        check_request(json_object_get(entry, "request"));
        check_response(json_object_get(entry, "response"));
        check_timings(entry);
    }
    json_decref(j);
    program_clear(&p);
}

static json_t *entry_of(json_t *har, enum sample_kind kind)
{
    json_t *entries = json_object_get(json_object_get(har, "log"), "entries"), *entry;
    size_t i;
    char id[32];
    snprintf(id, sizeof id, "1.%d", (int)(ids[kind] & 0xffffffff));
    json_array_foreach(entries, i, entry) if (strcmp(text_of(entry, "_id"), id) == 0) return entry;
    fail();
    return NULL;
}

static const char *value_of(const json_t *list, size_t i, const char *name)
{
    json_t *pair = json_array_get(list, i);
    assert_string_equal(text_of(pair, "name"), name);
    return text_of(pair, "value");
}

static void test_content(void **state)
{
    struct program p;
    json_t *j = export("--limit=100", "", &p);
    (void)state;
    json_t *entry = entry_of(j, SAMPLE_GZIP), *req = json_object_get(entry, "request");
    json_t *res = json_object_get(entry, "response"), *content = json_object_get(res, "content");
    assert_string_equal(text_of(content, "text"), sample_json);
    assert_string_equal(text_of(req, "url"), "http://api.test/users?page=2&q=a%20b+c&flag");
    json_t *query = json_object_get(req, "queryString");
    assert_string_equal(value_of(query, 0, "page"), "2");
    assert_string_equal(value_of(query, 1, "q"), "a b c");
    assert_string_equal(value_of(query, 2, "flag"), "");
    json_t *cookies = json_object_get(req, "cookies");
    assert_string_equal(value_of(cookies, 1, "b"), "two");
    assert_string_equal(value_of(cookies, 2, "c"), "");
    // The order of header fields, their case and their duplicates are kept.
    json_t *headers = json_object_get(res, "headers");
    assert_string_equal(value_of(headers, 2, "X-B"), "1");
    assert_string_equal(value_of(headers, 3, "x-a"), "2");
    assert_string_equal(value_of(headers, 4, "X-B"), "3");
    // 12.3 ms behind the http front: the dial of 1.5 ms lies within the request.
    json_t *t = json_object_get(entry, "timings");
    assert_true(number_of(t, "dns") == 0.5);
    assert_true(number_of(t, "connect") == 1);
    assert_true(number_of(t, "send") == 0.2);
    assert_true(number_of(t, "wait") == 9.5);
    assert_true(number_of(t, "receive") == 1.1);
    assert_true(number_of(entry, "time") == 12.3);

    content = json_object_get(json_object_get(entry_of(j, SAMPLE_PNG), "response"), "content");
    assert_string_equal(text_of(content, "encoding"), "base64");
    assert_string_equal(text_of(content, "text"), "iVBORw0KGgoAAAANSUhEUgD//g==");
    assert_int_equal(int_of(content, "size"), sample_png_size);
    req = json_object_get(entry_of(j, SAMPLE_UPLOAD), "request");
    assert_string_equal(text_of(json_object_get(req, "postData"), "encoding"), "base64");
    req = json_object_get(entry_of(j, SAMPLE_FORM), "request");
    assert_string_equal(text_of(json_object_get(req, "postData"), "text"),
                        "user=jo&pass='sh\nsafe'&at=@");
    content = json_object_get(json_object_get(entry_of(j, SAMPLE_BROTLI), "response"), "content");
    assert_string_equal(text_of(content, "text"), sample_brotli);
    content = json_object_get(json_object_get(entry_of(j, SAMPLE_ZSTD), "response"), "content");
    assert_string_equal(text_of(content, "text"), sample_zstd);
    content = json_object_get(json_object_get(entry_of(j, SAMPLE_BAD_GZIP), "response"), "content");
    assert_string_equal(text_of(content, "text"), "not gzip at all");
    assert_non_null(strstr(text_of(content, "comment"), "not gzip"));
    content = json_object_get(json_object_get(entry_of(j, SAMPLE_CAPPED), "response"), "content");
    assert_string_equal(text_of(content, "comment"), "1000 of 5000 bytes were kept");
    content = json_object_get(json_object_get(entry_of(j, SAMPLE_LARGE), "response"), "content");
    assert_int_equal(int_of(content, "size"), SAMPLE_LARGE_SIZE);
    json_decref(j);
    program_clear(&p);
}

static void test_answers(void **state)
{
    struct program p;
    json_t *j = export("--limit=100", "", &p);
    (void)state;
    json_t *res = json_object_get(entry_of(j, SAMPLE_FORM), "response");
    assert_string_equal(text_of(res, "redirectURL"), "/home");
    json_t *cookie = json_array_get(json_object_get(res, "cookies"), 0);
    assert_string_equal(text_of(cookie, "name"), "sid");
    assert_string_equal(text_of(cookie, "path"), "/");
    assert_string_equal(text_of(cookie, "domain"), "api.test");
    assert_string_equal(text_of(cookie, "sameSite"), "Lax");
    assert_string_equal(text_of(cookie, "expires"), "2026-10-21T07:28:00.000000Z");
    assert_true(json_is_true(json_object_get(cookie, "httpOnly")));
    assert_true(json_is_true(json_object_get(cookie, "secure")));
    res = json_object_get(entry_of(j, SAMPLE_SILENT), "response");
    assert_int_equal(int_of(res, "status"), 0);
    assert_string_equal(text_of(res, "_error"), "unanswered");
    // The length of a redacted head is not what passed.
    json_t *req = json_object_get(entry_of(j, SAMPLE_REDACTED), "request");
    assert_int_equal(int_of(req, "headersSize"), -1);
    json_t *answer = json_object_get(entry_of(j, SAMPLE_REDACTED), "response");
    assert_int_equal(int_of(answer, "headersSize"), 45); // nothing was redacted in it
    // Bytes that are not UTF-8 are characters of ISO-8859-1.
    res = json_object_get(entry_of(j, SAMPLE_EVIL), "response");
    assert_string_equal(text_of(res, "statusText"), "caf\xc3\xa9");
    json_t *connect = json_object_get(entry_of(j, SAMPLE_CONNECT), "request");
    assert_string_equal(text_of(connect, "url"), "http://secure.test:443/");
    json_decref(j);
    program_clear(&p);
}

static void test_options(void **state)
{
    struct program p;
    json_t *j = export("--no-bodies", "path = /users", &p);
    (void)state;
    assert_null(strstr(p.out, "12345678901234567890"));
    json_decref(j);
    program_clear(&p);
    j = export("--max-decoded=10", "path = /users", &p); // stays gzip, so base64
    json_t *entries = json_object_get(json_object_get(j, "log"), "entries");
    json_t *content =
        json_object_get(json_object_get(json_array_get(entries, 0), "response"), "content");
    assert_string_equal(text_of(content, "encoding"), "base64");
    assert_non_null(strstr(text_of(content, "comment"), "larger than 10 bytes"));
    json_decref(j);
    program_clear(&p);
    j = export("--limit=5", "path = /nothing", &p);
    assert_int_equal(json_array_size(json_object_get(json_object_get(j, "log"), "entries")), 0);
    json_decref(j);
    program_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
