// The filter language: what is accepted, what its errors say and where, what a filter decides of a
// transaction whose fields become known one by one.
#include "proto/base/clock.h"
#include "proto/filter.h"
#include "proxy/emit/filter.h"
#include "tests/support/alloc.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW 1767225600000000LL // 2026-01-01T00:00:00Z

static struct filter *parse(const char *text)
{
    struct filter *f;
    size_t column = 0;
    char why[WHY_MAX] = "";
    int e = filter_parse(view_of(text), NOW, &f, &column, why);
    if (e)
        fail_msg("%s: column %zu: %s", text, column, why);
    return f;
}

// The subject that the tests below ask about.
static void example(struct filter_subject *s)
{
    filter_subject_begin(s);
    filter_know_number(s, FIELD_TIME, NOW - 60 * US_PER_S);
    filter_know_text(s, FIELD_PROTOCOL, VIEW_LIT("http"));
    filter_know_text(s, FIELD_DIRECTION, VIEW_LIT("inbound"));
    filter_know_text(s, FIELD_METHOD, VIEW_LIT("GET"));
    filter_know_text(s, FIELD_SCHEME, VIEW_LIT("http"));
    filter_know_text(s, FIELD_HOST, VIEW_LIT("API.example.com:8080"));
    filter_know_text(s, FIELD_PATH, VIEW_LIT("/v1/Items"));
    filter_know_text(s, FIELD_QUERY, VIEW_LIT("a=1&b=2"));
    filter_know_number(s, FIELD_STATUS, 503);
    filter_know_number(s, FIELD_DURATION, 250 * US_PER_MS);
    filter_know_absent(s, FIELD_WAIT);
    filter_know_number(s, FIELD_REQ_SIZE, 0);
    filter_know_number(s, FIELD_RES_SIZE, 64 * 1024);
    filter_know_number(s, FIELD_BY_PROXY, 1);
    filter_know_text(s, FIELD_NOTE, VIEW_LIT(""));
    filter_know_absent(s, FIELD_SNI);
    filter_know_text(s, FIELD_STATE, VIEW_LIT("complete"));
    filter_know_text(s, FIELD_CLIENT, VIEW_LIT("[::1]:4000"));
    filter_know_text(s, FIELD_REQ_HEADER,
                     VIEW_LIT("GET /v1/Items HTTP/1.1\r\nHost: API.example.com\r\nX-Tenant:  acme "
                              "\r\nAccept: a\r\naccept: b\r\nEmpty:\r\n folded: no\r\n\r\n"));
    filter_know_text(s, FIELD_RES_HEADER,
                     VIEW_LIT("HTTP/1.1 503 No\r\nContent-Type: text/html; charset=x\r\n\r\n"));
    filter_know_text(s, FIELD_REQ_BODY, VIEW_LIT(""));
    filter_know_text(s, FIELD_RES_BODY, VIEW_LIT("a\0timeout\nhere"));
}

static enum filter_verdict ask(const char *text, const struct filter_subject *s)
{
    struct filter *f = parse(text);
    enum filter_verdict v = filter_eval(filter_root(f), s);
    filter_free(f);
    return v;
}

static void a_filter_keeps_what_it_says(void **state)
{
    (void)state;
    static const char *const keeps[] = {
        "",
        "  \t\n",
        "status >= 500 and host ~ \"^api\" and duration > 100ms and not path ~ \"/healthz\"",
        "STATUS>=500&&Host~'^API'",
        "status=503",
        "status == 503",
        "status != 200",
        "status in (200,503)",
        "status in ( 503 )",
        "!status=200",
        "! ! status",
        "not not not status = 200",
        "(status = 200 or status = 503) and method = GET",
        "status = 503 or status = 200 and method = POST",
        "host = api.example.com:8080",
        "host = API.EXAMPLE.COM:8080",
        "host contains EXAMPLE",
        "host ~ ^api\\.EXAMPLE",
        "host in (x, \"Api.Example.Com:8080\")",
        "method = GET",
        "method != get",
        "path = /v1/Items",
        "path contains \"v1/I\"",
        "path !~ items",
        "path ~ \"/[A-Z]tems$\"",
        "query contains a=1&b",
        "url = http://api.example.com:8080/v1/Items?a=1&b=2",
        "direction = inbound",
        "DIRECTION = Inbound AND NOT Direction = OUTBOUND",
        "duration >= 250ms and duration <= 250000us and duration < 1s and duration > 0",
        "res_size = 64k and res_size = 64KiB and res_size >= 65536",
        "since 10m",
        "since 2025-12-31 and until 2026-01-01T00:00:00Z",
        "not since 30s",
        "until 30s",
        "time < 2026-01-01",
        "by_proxy",
        "by_proxy = true",
        "by_proxy != false",
        "host and path and status and duration",
        "not note and not sni and not req_size and not wait",
        "sni != x and sni !~ x and not sni = x and not sni ~ x",
        "wait != 10ms and not wait < 10ms and not wait >= 10ms",
        "req.header[\"x-tenant\"] = acme",
        "req.header[X-Tenant] = \"acme\"",
        "REQ.HEADER[ 'x-tenant' ] ~ ^ac",
        "req.header[accept] = a",
        "not req.header[accept] contains b",
        "not req.header[empty] and req.header[empty] = ''",
        "not req.header[folded] and req.header[folded] != no and not req.header[none] = ''",
        "not req.header[GET]",
        "req_type = ''",
        "res_type = \"text/html; charset=x\" and res_type",
        "res.body contains timeout and res.body and not req.body",
        "res.body ~ 'timeout$|here$'",
        "res.body !~ absent and not req.body contains x",
        "client = [::1]:4000",
        "state = complete",
        "path contains ''",
        "note = \"\" and note in ('')",
        "host~\"api\\.ex\"",
        "path != \"a\\\"b\\\\c\\'d\"",
    };
    struct filter_subject s;
    example(&s);
    for (size_t i = 0; i < sizeof keeps / sizeof *keeps; i++) {
        char opposite[600];
        if (ask(keeps[i], &s) != FILTER_KEEP)
            fail_msg("does not keep: %s", keeps[i]);
        if (i < 2)
            continue;
        snprintf(opposite, sizeof opposite, "not (%s)", keeps[i]);
        if (ask(opposite, &s) != FILTER_DROP)
            fail_msg("keeps: %s", opposite);
    }
}

// An error is a column and a sentence; a sentence must hold the given words.
static const struct wrong {
    const char *text;
    size_t column;
    const char *words;
} wrongs[] = {
    {"stauts = 200", 0, "\"stauts\" is no field; did you mean status?"},
    {"status = 200 and hots = x", 17, "did you mean host?"},
    {"req.headr[x] = 1", 0, "did you mean req.header?"},
    {"qqqqqq = 1", 0, "is no field; there are id, time, protocol"},
    {"x = 1", 0, "there are id"},
    {"host < b", 5, "host is text and has no order: use =, !=, ~, !~, contains or in"},
    {"path >= /", 5, "path is text"},
    {"status ~ 5", 7, "status is no text: use =, !=, <, <=, >, >= or in"},
    {"duration contains 5", 9, "duration is no text"},
    {"status = abc", 9, "status takes a whole number, not \"abc\""},
    {"status = 5xx", 9, "a whole number"},
    {"status = 99999999999999999999", 9, "out of range"},
    {"status in (200, x)", 16, "a whole number"},
    {"by_proxy = maybe", 11, "by_proxy takes a whole number"},
    {"duration > 100", 11, "a duration with its unit such as 100ms"},
    {"duration > 1.5", 11, "a duration with its unit"},
    {"req_size > 10 lots", 14, "and, or or the end is wanted here, not \"lots\""},
    {"req_size > 10lots", 11, "a size such as 512, 64k or 10MiB, not \"10lots\""},
    {"time > 10m", 7, "a time such as 2026-01-31 or"},
    {"since yesterday", 6, "since takes a duration before now such as 10m, or a time"},
    {"until", 5, "a value is missing at the end"},
    {"since and status = 1", 6, "a value is missing before \"and\"; put the word in quotes"},
    {"direction = in", 12, "a value is missing before \"in\""},
    {"direction = inwards", 12, "direction is one of inbound|outbound, never \"inwards\""},
    {"state in (complete, done)", 20, "state is one of complete|unanswered"},
    {"status =", 8, "a value is missing at the end"},
    {"status = )", 9, "a value is missing before \")\""},
    {"status = ,", 9, "a value is missing before \",\""},
    {"host = or", 7, "a value is missing before \"or\""},
    {"host = \"abc", 7, "this quote is not closed: another \" is missing"},
    {"host = 'abc\\'", 7, "another ' is missing"},
    {"host = 'abc\"", 7, "this quote is not closed"},
    {"(status = 200", 0, "this ( is not closed"},
    {"status = 1 and (", 16, "a field is missing at the end"},
    {"status = 200)", 12, "this ) has no ( before it"},
    {"()", 1, "a field is wanted here, such as status or host, not \")\""},
    {"(status = 1 path = x)", 12, "and, or or ) is wanted here, not \"path\""},
    {"status = 1 path = x", 11, "and, or or the end is wanted here, not \"path\""},
    {"status = 1 \"", 11, "and, or or the end is wanted here, not \"\"\""},
    {"and", 0, "a field is missing before \"and\""},
    {"status and", 10, "a field is missing at the end"},
    {"status and or host", 11, "a field is missing before \"or\""},
    {"not", 3, "a field is missing at the end"},
    {"= 5", 0, "a field is wanted here"},
    {"status = 1 && || host", 14, "not \"|\""},
    {"status in 200", 10, "\"in\" takes values in parentheses"},
    {"status in", 9, "\"in\" takes values in parentheses"},
    {"status in (", 11, "a value is missing at the end"},
    {"status in ()", 11, "a value is missing before \")\""},
    {"status in (200", 10, "this ( is not closed"},
    {"status in (200 201)", 15, "a comma or ) is wanted between values"},
    {"status in (200,)", 15, "a value is missing before \")\""},
    {"req.header = x", 11, "req.header needs the header's name: req.header[\"x-name\"]"},
    {"req.header", 10, "req.header needs the header's name"},
    {"req.header[] = x", 11, "the header's name is missing"},
    {"req.header['x' = 1", 15, "a ] is missing behind the header's name"},
    {"req.header[x y] = 1", 13, "a ] is missing"},
    {"req.header[\"x] = 1", 11, "this quote is not closed"},
    {"req.header[x] > 1", 14, "req.header is text and has no order"},
    {"req.body = x", 9, "req.body is a body: use ~, !~ or contains"},
    {"res.body in (x)", 9, "res.body is a body"},
    {"res.body > 5", 9, "res.body is a body"},
    {"host ~ \"(\"", 7, "this is no regular expression that can be used: "},
    {"host ~ \"[a\"", 7, "this is no regular expression"},
    {"host ~ \"*\\1\"", 7, "back references such as \\1 are not offered"},
    {"host ~ '(a{1,250}){1,250}'", 7, "more than 2000 units"},
    {"host ~ 'a{2001}'", 7, "more than 2000 units"},
    {"host ~ '(((((((((((((((((((((((((((((((((x)))))))))))))))))))))))))))))))))'", 7,
     "more than 32 deep"},
    {"host ~ 'a**'", 7, "repeated without end"},
    {"host ~ '(a*|b*)*'", 7, "repeated without end"},
    {"host ~ '(x|a?b?)+'", 7, "repeated without end"},
    {"host ~ '((a|)c{0,2}){2,}'", 7, "repeated without end"},
    {"host ~ '()*'", 7, "repeated without end"},
    {"host ~ '(\\\\b^)*'", 7, "repeated without end"},
    {"status = 1\x01", 9, "a whole number, not \"1?\""},
    {"\xc3\xa4 = 1", 0, "a field is wanted here"},
};

// Of nothing that could be empty, or not without end: however many of them.
static void repetitions_that_are_taken(void **state)
{
    static const char *const taken[] = {
        "(a|b)*", "(a*b)*", "(a?){0,5}", "a*b*c+", "(a|b*c)*x{0,}", "(/[^/]*)*", "((a|b)+c?)",
    };
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        struct filter *f = NULL;
        size_t column;
        char text[100], why[WHY_MAX] = "";
        snprintf(text, sizeof text, "path ~ '%s'", taken[i]);
        if (filter_parse(view_of(text), NOW, &f, &column, why))
            fail_msg("%s: %s", text, why);
        filter_free(f);
    }
}

static void an_error_points_at_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        const struct wrong *w = &wrongs[i];
        struct filter *f;
        size_t column = 9999;
        char why[WHY_MAX] = "";
        int e = filter_parse(view_of(w->text), NOW, &f, &column, why);
        if (!e || f || column != w->column || !strstr(why, w->words))
            fail_msg("%s: %d, column %zu, \"%s\"; wanted column %zu, \"%s\"", w->text, e, column,
                     why, w->column, w->words);
        assert_true(strlen(why) < WHY_MAX - 1 && !strchr(why, '\n'));
    }
}

static void a_nul_byte_is_refused(void **state)
{
    (void)state;
    struct filter *f;
    size_t column;
    char why[WHY_MAX];
    assert_int_equal(filter_parse(view_n("status\0", 7), NOW, &f, &column, why), E_SYNTAX);
    assert_int_equal(column, 6);
}

static char *repeated(const char *head, const char *piece, size_t times, const char *tail)
{
    size_t n = strlen(head) + strlen(piece) * times + strlen(tail) + 1;
    char *text = malloc(n), *to = text;
    assert_non_null(text);
    to += snprintf(to, n, "%s", head);
    for (size_t i = 0; i < times; i++)
        to += snprintf(to, n - (size_t)(to - text), "%s", piece);
    snprintf(to, n - (size_t)(to - text), "%s", tail);
    return text;
}

static int parse_only(const char *text, size_t *column)
{
    struct filter *f;
    char why[WHY_MAX];
    int e = filter_parse(view_of(text), NOW, &f, column, why);
    filter_free(f);
    return e;
}

static void size_and_nesting_have_ceilings(void **state)
{
    (void)state;
    size_t column;
    char *text = repeated("", "(", FILTER_DEPTH_MAX, "n");
    char *closed = repeated(text, ")", FILTER_DEPTH_MAX, "");
    assert_int_equal(parse_only(closed, &column), 0);
    free(closed);
    free(text);

    text = repeated("", "(", FILTER_DEPTH_MAX + 1, "n");
    assert_int_equal(parse_only(text, &column), E_LIMIT);
    assert_int_equal(column, FILTER_DEPTH_MAX);
    free(text);

    text = repeated("", "not ", FILTER_DEPTH_MAX, "n");
    assert_int_equal(parse_only(text, &column), 0);
    free(text);
    text = repeated("", "!", FILTER_DEPTH_MAX + 1, "n");
    assert_int_equal(parse_only(text, &column), E_LIMIT);
    assert_int_equal(column, FILTER_DEPTH_MAX);
    free(text);

    text = repeated("n", " or n", FILTER_NODES_MAX / 2 - 1, "");
    assert_int_equal(parse_only(text, &column), 0);
    free(text);
    text = repeated("n", " or n", FILTER_NODES_MAX / 2, "");
    assert_int_equal(parse_only(text, &column), E_LIMIT);
    free(text);

    text = repeated("path = '", "x", FILTER_TEXT_MAX - 9, "'");
    assert_int_equal(parse_only(text, &column), 0);
    free(text);
    text = repeated("path = '", "x", FILTER_TEXT_MAX - 8, "'");
    assert_int_equal(parse_only(text, &column), E_LIMIT);
    assert_int_equal(column, FILTER_TEXT_MAX);
    free(text);

    text = repeated("path ~ '", "x", 1025, "'");
    assert_int_equal(parse_only(text, &column), E_LIMIT);
    free(text);
}

static void the_caret_stands_below_the_column(void **state)
{
    (void)state;
    char *shown = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&shown, &n);
    filter_print_error(out, VIEW_LIT("path = \xc3\xa4 \tand\nhots = 1"), 11, "not here");
    filter_print_error(out, VIEW_LIT("path = \"\xc3\xa4\" oops"), 12, "why");
    filter_print_error(out, VIEW_LIT("status ="), 8, "end");
    fclose(out);
    assert_string_equal(shown, "  path = \xc3\xa4  and\n"
                               "            ^\nnot here\n"
                               "  path = \"\xc3\xa4\" oops\n"
                               "             ^\nwhy\n"
                               "  status =\n"
                               "          ^\nend\n");
    free(shown);
}

static void unknown_fields_leave_the_verdict_open(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum filter_verdict verdict;
    } asked[] = {
        {"status = 200", FILTER_UNDECIDED},
        {"not status = 200", FILTER_UNDECIDED},
        {"status != 200", FILTER_UNDECIDED},
        {"status = 200 and method = GET", FILTER_UNDECIDED},
        {"status = 200 and method = POST", FILTER_DROP},
        {"method = POST and status = 200", FILTER_DROP},
        {"status = 200 or method = GET", FILTER_KEEP},
        {"method = GET or status = 200", FILTER_KEEP},
        {"status = 200 or method = POST", FILTER_UNDECIDED},
        {"not (status = 200 and method = POST)", FILTER_KEEP},
        {"res.header[x] = 1", FILTER_UNDECIDED},
        {"res_type ~ json", FILTER_UNDECIDED},
        {"res.body", FILTER_UNDECIDED},
        {"req_type ~ json", FILTER_DROP},
        {"url contains x", FILTER_UNDECIDED},
        {"id = 5 and method = GET", FILTER_UNDECIDED},
    };
    struct filter_subject s;
    filter_subject_begin(&s);
    filter_know_text(&s, FIELD_METHOD, VIEW_LIT("GET"));
    filter_know_text(&s, FIELD_REQ_HEADER, VIEW_LIT("GET / HTTP/1.1\r\n\r\n"));
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        if (ask(asked[i].text, &s) != asked[i].verdict)
            fail_msg("%s: not %d", asked[i].text, asked[i].verdict);
}

static void the_url_is_that_of_the_view(void **state)
{
    (void)state;
    struct filter_subject s;
    filter_subject_begin(&s);
    filter_know_text(&s, FIELD_PROTOCOL, VIEW_LIT("raw"));
    filter_know_text(&s, FIELD_SCHEME, VIEW_LIT(""));
    filter_know_text(&s, FIELD_HOST, VIEW_LIT("db:5432"));
    filter_know_text(&s, FIELD_PATH, VIEW_LIT(""));
    filter_know_absent(&s, FIELD_QUERY);
    assert_int_equal(ask("url = tcp://db:5432", &s), FILTER_KEEP);
    filter_know_text(&s, FIELD_PROTOCOL, VIEW_LIT("tls"));
    assert_int_equal(ask("url = tls://db:5432", &s), FILTER_KEEP);
    filter_know_text(&s, FIELD_SCHEME, VIEW_LIT("http"));
    filter_know_text(&s, FIELD_PATH, VIEW_LIT("*"));
    assert_int_equal(ask("url = http://db:5432", &s), FILTER_KEEP);
    // Longer than what is made without allocating.
    static char long_path[5000];
    memset(long_path, '/', sizeof long_path);
    filter_know_text(&s, FIELD_PATH, view_n(long_path, sizeof long_path));
    assert_int_equal(ask("url ~ '^http.*/$'", &s), FILTER_KEEP);
    struct filter *f = parse("url ~ x");
    alloc_fail_from(0);
    assert_int_equal(filter_eval(filter_root(f), &s), FILTER_UNDECIDED);
    assert_true(alloc_fail_end());
    filter_free(f);
}

static void it_is_told_which_fields_a_filter_needs(void **state)
{
    (void)state;
    struct filter *f = parse("status = 1 and not (req.header[x] or res_type ~ x) or req.body");
    assert_true(filter_fields_of(filter_root(f)) ==
                (FILTER_BIT(FIELD_STATUS) | FILTER_BIT(FIELD_REQ_HEADER) |
                 FILTER_BIT(FIELD_RES_HEADER) | FILTER_BIT(FIELD_REQ_SIZE)));
    filter_free(f);
    f = parse("id = 4 or req.body contains x");
    assert_true(filter_fields_of(filter_root(f)) & FILTER_ROW_ONLY);
    assert_true(filter_fields_of(filter_root(f)) & FILTER_BIT(FIELD_REQ_BODY));
    filter_free(f);
    assert_true(filter_fields_of(NULL) == 0);
}

static const char *const busy = "status in (1, 2, 3) and host ~ '^(a|b)+' or not "
                                "req.header[\"x\\\"y\"] !~ 'q' and url contains x";

static void a_failed_allocation_is_an_error_without_a_leak(void **state)
{
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        struct filter *f;
        size_t column;
        char why[WHY_MAX];
        alloc_fail_at(i);
        int e = filter_parse(view_of(busy), NOW, &f, &column, why);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        filter_free(f);
    }
}

static void every_prefix_ends_within_its_bytes(void **state)
{
    (void)state;
    struct guard g;
    guard_init(&g, 256);
    struct view all = view_of(busy);
    for (size_t n = 0; n <= all.n; n++) {
        struct filter *f;
        size_t column = 0;
        char why[WHY_MAX];
        int e = filter_parse(guard_fill(&g, view_head(all, n)), NOW, &f, &column, why);
        assert_true(e == 0 || column <= n);
        filter_free(f);
    }
    // The evaluator stays within what it is given, too.
    struct filter_subject s;
    struct view head = VIEW_LIT("GET / HTTP/1.1\r\nX\"Y: q\r\nx\"y: r\r\n\r\n");
    struct filter *f = parse(busy);
    for (size_t n = 0; n <= head.n; n++) {
        filter_subject_begin(&s);
        filter_know_absent(&s, FIELD_STATUS);
        filter_know_text(&s, FIELD_REQ_HEADER, guard_fill(&g, view_head(head, n)));
        assert_int_not_equal(filter_eval(filter_root(f), &s), FILTER_KEEP);
    }
    filter_free(f);
    guard_free(&g);
}

static void every_field_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        struct view name = view_of(filter_fields[i].name);
        assert_true(name.n > 0 && strlen(filter_fields[i].sentence) > 0);
        assert_int_equal(filter_field_find(name), i);
        assert_int_equal(filter_field_nearest(name), i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_keeps_what_it_says),
        cmocka_unit_test(an_error_points_at_its_place),
        cmocka_unit_test(repetitions_that_are_taken),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(size_and_nesting_have_ceilings),
        cmocka_unit_test(the_caret_stands_below_the_column),
        cmocka_unit_test(unknown_fields_leave_the_verdict_open),
        cmocka_unit_test(the_url_is_that_of_the_view),
        cmocka_unit_test(it_is_told_which_fields_a_filter_needs),
        cmocka_unit_test(a_failed_allocation_is_an_error_without_a_leak),
        cmocka_unit_test(every_prefix_ends_within_its_bytes),
        cmocka_unit_test(every_field_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
