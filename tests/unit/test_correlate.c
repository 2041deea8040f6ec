// What goes from answers to later requests, as recordings show it; and what does not.
#include "tests/support/alloc.h"
#include "tests/support/random.h"
#include "tests/support/talks.h"
#include "tests/support/tmp.h"
#include "tools/correlate/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define EDGES 4000 // bytes of all edges as text

struct scene {
    char dir[TMP_PATH], path[TMP_PATH];
    struct tape tape;
    int64_t flow;
    struct capture capture;
    struct correlate *c;
    char text[EDGES];
};

static void begin(struct scene *s)
{
    memset(s, 0, sizeof *s);
    tmp_make(s->dir);
    tmp_path(s->path, s->dir, "x.db");
    tape_open(&s->tape, s->path);
    s->flow = tape_flow(&s->tape, "api.test:80");
}

static int number(int64_t id)
{
    return (int)(id & 0xffffff);
}

// "2 body.token = VALUE > 3 header authorization, 4 …\n" for each value.
static const char *edges(struct scene *s, const char *rules)
{
    struct rewrite *r = NULL;
    char why[WHY_MAX];
    size_t n = 0;
    tape_end(&s->tape, s->flow);
    tape_close(&s->tape);
    assert_int_equal(capture_find(&s->capture, s->path), 0);
    if (rules)
        assert_int_equal(rewrite_parse(&r, "r", view_of(rules), why), 0);
    assert_int_equal(correlate_find(&s->c, &s->capture, NULL, r, NULL, NULL), 0);
    rewrite_free(r);
    for (size_t i = 0; i < s->c->n; i++) {
        const struct correlate_value *v = &s->c->values[i];
        for (uint32_t k = 0; k < v->issues; k++) {
            const struct correlate_edge *e = &s->c->edges[v->issue + k];
            n += (size_t)snprintf(s->text + n, EDGES - n, "%s%d %s", k ? ", " : "", number(e->id),
                                  s->c->places[e->place].text);
        }
        n += (size_t)snprintf(s->text + n, EDGES - n, " = %.*s%s >", (int)v->text.n, v->text.p,
                              v->assumed ? " (assumed)" : "");
        for (uint32_t k = 0; k < v->uses; k++) {
            const struct correlate_edge *e = &s->c->edges[v->use + k];
            n += (size_t)snprintf(s->text + n, EDGES - n, "%s %d %s", k ? "," : "", number(e->id),
                                  s->c->places[e->place].text);
        }
        n += (size_t)snprintf(s->text + n, EDGES - n, "\n");
    }
    return s->text;
}

static void end(struct scene *s)
{
    correlate_free(s->c);
    capture_clear(&s->capture);
    tmp_remove(s->dir);
}

#define SAY(request, answer) talks_say(&s.tape, s.flow, request, answer)

static void test_tokens(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    SAY("POST /login\n\n{\"user\":\"bob\"}",
        "200\n\n{\"access_token\":\"tok_a8F3kQ9z\",\"refresh_token\":\"rf_Zk29dLq0P\"}");
    SAY("GET /orders\nAuthorization: Bearer tok_a8F3kQ9z", "200\n\n{\"orders\":[]}");
    SAY("POST /refresh\n\n{\"refresh_token\":\"rf_Zk29dLq0P\"}",
        "200\n\n{\"access_token\":\"tok_Q0mm31XyT\"}");
    SAY("GET /orders\nAuthorization: Bearer tok_Q0mm31XyT", "200\n\n{\"orders\":[]}");
    assert_string_equal(edges(&s, NULL),
                        "2 body.access_token = tok_a8F3kQ9z > 3 header authorization\n"
                        "2 body.refresh_token = rf_Zk29dLq0P > 4 body.refresh_token\n"
                        "4 body.access_token = tok_Q0mm31XyT > 5 header authorization\n");
    end(&s);
}

static void test_ids(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    SAY("POST /items\n\n{\"name\":\"x\"}", "201\nLocation: /items/17\n\n{\"id\":17,\"count\":3}");
    SAY("GET /items/17", "200\n\n{\"id\":17,\"count\":3}");
    SAY("POST /orders\n\n{\"item_id\":17,\"amount\":3}",
        "201\n\n{\"order\":{\"id\":\"ord-1042\"}}");
    SAY("GET /orders/ord-1042/lines?page=17&count=3", "200\n\n[]");
    SAY("PUT /pages/17", "204");
    SAY("POST /things\n\na=1",
        "201\nLocation: http://api.test/v1/things/9f8b6c1d-1111-4222-8333-0123456789ab\n\n");
    SAY("DELETE /v1/things/9f8b6c1d-1111-4222-8333-0123456789ab", "204");
    assert_string_equal(
        edges(&s, NULL),
        "2 header location > path[1], 2 body.id, 3 body.id = 17 > 3 path[1], 4 body.item_id\n"
        "4 body.order.id = ord-1042 > 5 path[1]\n"
        "7 header location > path[2] = 9f8b6c1d-1111-4222-8333-0123456789ab > 8 path[2]\n");
    end(&s);
}

static void test_pages_and_forms(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    SAY("GET /list", "200\n\n{\"next\":\"/list?cursor=eyJpZCI6MTB9\",\"cursor\":\"c0FzQ99x\"}");
    SAY("GET /list?cursor=eyJpZCI6MTB9", "200\n\n{}");
    SAY("GET /list?after=c0FzQ99x", "200\n\n{}");
    SAY("GET /form", "200\nSet-Cookie: sid=8f2Kd02mQzz; Path=/\n\n<form><input type=hidden "
                     "name=\"csrf\" value='Zx81kL0qPw'></form>");
    SAY("POST /form\nCookie: sid=8f2Kd02mQzz; lang=en\n\ncsrf=Zx81kL0qPw&a=b",
        "302\nLocation: "
        "/cb?code=9aB3xYz81\n\n");
    SAY("GET /cb?code=9aB3xYz81", "200\nX-CSRF-Token: abQ81mmZ0k\n\n");
    SAY("POST /x\nX-CSRF-Token: abQ81mmZ0k\n\n{}", "200\nETag: \"v1\"\n\n");
    SAY("GET /x\nIf-None-Match: \"v0\", \"v1\"", "304\n\n");
    assert_string_equal(edges(&s, NULL),
                        "2 body.next > query.cursor = eyJpZCI6MTB9 > 3 query.cursor\n"
                        "2 body.cursor = c0FzQ99x > 4 query.after\n"
                        "5 cookie sid = 8f2Kd02mQzz > 6 cookie sid\n"
                        "5 html csrf = Zx81kL0qPw > 6 body.csrf\n"
                        "6 header location > query.code = 9aB3xYz81 > 7 query.code\n"
                        "7 header x-csrf-token = abQ81mmZ0k > 8 header x-csrf-token\n"
                        "8 header etag = \"v1\" > 9 header if-none-match\n");
    end(&s);
}

static void test_what_is_none(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    SAY("POST /a\nX-Request-Id: "
        "0d9f6e2a-1234-4abc-8def-0123456789ab\n\n{\"email\":\"bob@example.com\"}",
        "200\nX-Request-Id: 0d9f6e2a-1234-4abc-8def-0123456789ab\nContent-Language: en-US\n\n"
        "{\"ok\":true,\"n\":1,\"type\":\"application/json\",\"status\":\"pending-review\","
        "\"at\":\"2026-01-31T12:00:00Z\",\"when\":1767225600,\"price\":12.50,\"email\":"
        "\"bob@example.com\",\"version\":\"version-2024-01\",\"country\":\"DE\",\"id\":1,"
        "\"ip\":\"10.1.2.3\",\"title\":\"A long title, of words\",\"role\":\"administrator\"}");
    SAY("POST /b?ok=true&page=1&type=application/json&at=2026-01-31T12:00:00Z&when=1767225600"
        "\nX-Request-Id: 0d9f6e2a-1234-4abc-8def-0123456789ab\nAccept: application/json\n"
        "X-Version: version-2024-01\n\n"
        "{\"ok\":true,\"n\":1,\"status\":\"pending-review\",\"price\":12.50,\"country\":\"DE\","
        "\"email\":\"bob@example.com\",\"ip\":\"10.1.2.3\",\"title\":\"A long title, of words\","
        "\"role\":\"administrator\",\"count\":1}",
        "200\n\n{}");
    assert_string_equal(edges(&s, NULL), "");
    end(&s);
}

// Of two clients each carries its own; what is carried while the answer is under way was not
// issued by it.
static void test_order(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    SAY("GET /a?session=k8Zq01LmPx", "200\n\n{\"session\":\"k8Zq01LmPx\"}");
    SAY("GET /b?session=k8Zq01LmPx", "200\n\n{}");
    SAY("GET /c", "200\n\n{\"session\":\"w1Yq77LmPx\"}");
    s.tape.now -= 1500; // begins before the answer has come
    SAY("GET /d?session=w1Yq77LmPx", "200\n\n{}");
    SAY("GET /e?session=w1Yq77LmPx", "200\n\n{}");
    assert_string_equal(edges(&s, NULL), "");
    end(&s);
}

static void test_hidden(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    SAY("POST /login\n\n{}", "200\n\n{\"token\":\"a8F3kQ9z\",\"access_token\":\"b8F3kQ9z\"}");
    SAY("GET /a\nAuthorization: Bearer redacted:0123456789abcdef", "200\n\n{}");
    SAY("POST /refresh\nAuthorization: Bearer redacted:0123456789abcdef\n\n{}",
        "200\n\n{\"access_token\":\"c8F3kQ9z\"}");
    SAY("GET /a\nAuthorization: Bearer redacted:fedcba9876543210", "200\n\n{}");
    assert_string_equal(edges(&s, NULL),
                        "2 body.access_token = redacted:0123456789abcdef (assumed) > 3 header "
                        "authorization, 4 header authorization\n"
                        "4 body.access_token = redacted:fedcba9876543210 (assumed) > 5 header "
                        "authorization\n");
    end(&s);
    // Several at a time behind one address: each connection has its own.
    begin(&s);
    int64_t other = tape_flow(&s.tape, "api.test:80");
    SAY("POST /login\n\n{}", "200\n\n{\"token\":\"a8F3kQ9z\"}");
    talks_say(&s.tape, other, "POST /login\n\n{}", "200\n\n{\"token\":\"b8F3kQ9z\"}");
    SAY("GET /a\nAuthorization: Bearer redacted:0123456789abcdef", "200\n\n{}");
    tape_end(&s.tape, other);
    assert_string_equal(edges(&s, NULL),
                        "3 body.token = redacted:0123456789abcdef (assumed) > 5 header "
                        "authorization\n");
    end(&s);
}

static void test_rules(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    SAY("GET /pick", "200\n\n{\"word\":\"blue\",\"token\":\"a8F3kQ9zz\"}");
    SAY("GET /paint?with=blue&token=a8F3kQ9zz", "200\n\n{}");
    assert_string_equal(edges(&s, "correlate: [{from: {where: body.word, path: /pick}, to: "
                                  "[query.with, {where: body.with, path: /x}]}]"),
                        "2 body.word = blue > 3 query.with\n");
    end(&s);
}

// A run whose server issues other values: each request carries those.
static void play(struct rewrite_session *session, int64_t id, const char *request,
                 const char *answer, const char *expected)
{
    struct buf head, content;
    char why[WHY_MAX], *heads[2], all[2000];
    struct rewrite_subject t = {
        .id = id, .client = 1, .about = {VIEW_LIT("GET"), VIEW_LIT("api.test"), VIEW_LIT("/")}};
    buf_init(&head, 1 << 20);
    buf_init(&content, 1 << 20);
    assert_true(rewrite_ready(session, &t));
    struct view in = talks_head(request, false, &heads[0]), body = talks_content(request);
    int e = rewrite_request(session, &t, 0, in, body, &head, &content, why);
    assert_true(e >= 0);
    struct view now[] = {e & REWRITE_HEAD ? buf_view(&head) : in,
                         e & REWRITE_CONTENT ? buf_view(&content) : body};
    snprintf(all, sizeof all, "%.*s%.*s", (int)now[0].n, now[0].p, (int)now[1].n, now[1].p);
    if (!strstr(all, expected))
        fail_msg("%s\nhas not: %s", all, expected);
    struct compare_half live = {.head = talks_head(answer, true, &heads[1]),
                                .content = talks_content(answer),
                                .whole = true};
    assert_int_equal(rewrite_answered(session, &t, 0, &live, &live), 0);
    free(heads[0]);
    free(heads[1]);
    buf_clear(&head);
    buf_clear(&content);
}

static void test_played(void **state)
{
    (void)state;
    struct scene s;
    int64_t id[5];
    char why[WHY_MAX];
    struct rewrite_session *session;
    static const char basic[] =
        "GET /b\nAuthorization: Basic Ym9iOms5Wno4MVFhYg=="; // bob:k9Zz81Qab
    begin(&s);
    id[0] = SAY("POST /login\n\n{}", "200\n\n{\"token\":\"a8F3kQ9zz\",\"user\":{\"id\":12},"
                                     "\"api_key\":\"k9Zz81Qab\"}");
    id[1] = SAY("GET /users/12/x\nAuthorization: Bearer a8F3kQ9zz", "200\n\n{}");
    id[2] =
        SAY("POST /x\n\n{\"user_id\": 12, \"other\": [12], \"t\": \"x a8F3kQ9zz\"}", "200\n\n{}");
    id[3] = SAY(basic, "200\n\n{}");
    id[4] = SAY("POST /f\n\nuser_id=12&token=a8F3kQ9zz", "200\n\n{}");
    edges(&s, NULL);
    struct rewrite_setup setup = {.edges = s.c};
    assert_int_equal(rewrite_begin(&session, &setup, why), 0);
    struct rewrite_subject later = {.id = id[1]};
    assert_false(rewrite_ready(session, &later));
    play(session, id[0], "POST /login\n\n{}",
         "200\n\n{\"token\":\"Zz\\\"11\",\"user\":{\"id\":99},\"api_key\":\"new/key\"}", "{}");
    assert_true(rewrite_ready(session, &later));
    later.run = 1; // another run has its own
    assert_false(rewrite_ready(session, &later));
    play(session, id[1], "GET /users/12/x\nAuthorization: Bearer a8F3kQ9zz", "200",
         "GET /users/99/x HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer Zz\"11\r\n");
    play(session, id[2], "POST /x\n\n{\"user_id\": 12, \"other\": [12], \"t\": \"x a8F3kQ9zz\"}",
         "200", "{\"user_id\": 99, \"other\": [12], \"t\": \"x a8F3kQ9zz\"}");
    play(session, id[3], basic, "200", "Basic Ym9iOm5ldy9rZXk=");
    play(session, id[4], "POST /f\n\nuser_id=12&token=a8F3kQ9zz", "200",
         "user_id=99&token=Zz%2211");
    assert_int_equal(rewrite_sums(session)->missing, 0);
    rewrite_end(session);

    // A login that fails: its dependents wait no longer, and go as recorded.
    assert_int_equal(rewrite_begin(&session, &setup, why), 0);
    later = (struct rewrite_subject){.id = id[0]};
    rewrite_unanswered(session, &later);
    play(session, id[1], "GET /users/12/x\nAuthorization: Bearer a8F3kQ9zz", "200",
         "GET /users/12/x HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer a8F3kQ9zz\r\n");
    assert_int_equal(rewrite_sums(session)->missing, 2);
    rewrite_end(session);
    end(&s);
}

static void test_significance(void **state)
{
    (void)state;
    static const char *const strong[] = {"0d9f6e2a-1234-4abc-8def-0123456789ab",
                                         "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                                         "507f1f77bcf86cd799439011",
                                         "eyJhbGciOiJIUzI1NiJ9.eyJhIjoyfQ.xyz",
                                         "0af7651916cd43dd8448eb211c80319c",
                                         "redacted:0123456789abcdef",
                                         "tok_a8F3kQ9z",
                                         "a8F3kQ9zz",
                                         "eyJpZCI6MTB9",
                                         "1234567890123456789",
                                         "abc123def456",
                                         "c2Vzc2lvbjpib2I=",
                                         "xkzqwvbnmtrplkjh"};
    static const char *const plain[] = {"true",
                                        "1",
                                        "12345",
                                        "application/json",
                                        "text/html;charset=utf-8",
                                        "2026-01-31T12:00:00Z",
                                        "2026-01-31",
                                        "1767225600",
                                        "1767225600123",
                                        "Wed, 31 Dec 2025 23:59:59 GMT",
                                        "bob@example.com",
                                        "10.1.2.3",
                                        "pending-review",
                                        "version-2024-01",
                                        "administrator",
                                        "A long title, of words",
                                        "internationalization",
                                        "12.50",
                                        "/static/app/main.js",
                                        "getUserById",
                                        "GetOrdersByCustomerIdAndName",
                                        "en-US",
                                        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"};
    for (size_t i = 0; i < sizeof strong / sizeof *strong; i++)
        if (!significance_strong(view_of(strong[i])))
            fail_msg("%s is not strong", strong[i]);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (significance_strong(view_of(plain[i])))
            fail_msg("%s is strong", plain[i]);
    // What is drawn from the letters of base64 or base 36 is hardly ever taken for words.
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    uint64_t state_of = RANDOM_SEED;
    int missed[2] = {0};
    for (int i = 0; i < 20000; i++) {
        char text[32];
        for (size_t k = 0; k < 24; k++)
            text[k] = letters[random_next(&state_of) % (i % 2 ? 64 : 36)];
        missed[i % 2] += !significance_strong(view_n(text, 24));
    }
    assert_in_range(missed[0], 0, 40);
    assert_in_range(missed[1], 0, 40);
    static const char *const nouns[][2] = {{"items", "item"},
                                           {"item_id", "item"},
                                           {"itemId", "item"},
                                           {"categories", "category"},
                                           {"parent_box_id", "box"},
                                           {"boxes", "box"},
                                           {"address", "address"},
                                           {"id", ""},
                                           {"data", ""},
                                           {"Users", "user"}};
    for (size_t i = 0; i < sizeof nouns / sizeof *nouns; i++) {
        char out[SIGNIFICANCE_NOUN];
        significance_noun(view_of(nouns[i][0]), out);
        assert_string_equal(out, nouns[i][1]);
    }
}

static void test_without_memory(void **state)
{
    (void)state;
    struct scene s;
    size_t values;
    begin(&s);
    SAY("POST /login\n\n{}", "200\nLocation: /cb?code=9aB3xYz81\n\n{\"token\":\"a8F3kQ9zz\"}");
    SAY("GET /cb?code=9aB3xYz81\nAuthorization: Bearer a8F3kQ9zz", "200\n\n{}");
    edges(&s, NULL);
    values = s.c->n;
    correlate_free(s.c);
    s.c = NULL;
    for (long i = 0, failed = 1; failed; i++) {
        alloc_fail_at(i);
        int e = correlate_find(&s.c, &s.capture, NULL, NULL, NULL, NULL);
        failed = alloc_fail_end();
        if (!failed)
            assert_int_equal(e, 0);
        if (!e) // what could not be read was told, and is left out
            assert_true(s.c->n == values || failed);
        correlate_free(s.c);
        s.c = NULL;
    }
    end(&s);
}

// All of it as the command shows it; rules that are written find the same again.
static void test_shown(void **state)
{
    (void)state;
    struct scene s;
    struct graph g;
    char *text = NULL, again[EDGES];
    size_t n = 0, left;
    begin(&s);
    SAY("POST /login\n\n{}", "200\n\n{\"users\":[{\"token\":\"a8F3kQ9zz\"}]}");
    SAY("GET /users/7/x\nAuthorization: Bearer a8F3kQ9zz", "200\n\n{}");
    SAY("GET /users/8/x\nAuthorization: Bearer a8F3kQ9zz", "200\n\n{}");
    SAY("GET /y?it's=a8F3kQ9zz", "200\n\n{}");
    snprintf(again, sizeof again, "%s", edges(&s, NULL));
    assert_int_equal(graph_make(&g, s.c, &s.capture), 0);
    FILE *f = open_memstream(&text, &n);
    graph_show(&g, f);
    fflush(f);
    assert_string_equal(
        text, "POST api.test/login  answers body.users[*].token\n"
              "  → GET api.test/users/*/x  header authorization  (2 times, 1 value: 1.2 a8F3kQ9zz "
              "1.3)\n"
              "  → GET api.test/y  query[\"it's\"]  (1 time, 1 value: 1.2 a8F3kQ9zz 1.5)\n");
    rewind(f);
    graph_show_dot(&g, f);
    fflush(f);
    assert_non_null(strstr(text, "\"POST api.test /login\" -> \"GET api.test /users/*/x\" "
                                 "[label=\"body.users[*].token → header authorization (2)\"];"));
    rewind(f);
    graph_show_json(&g, f);
    fflush(f);
    assert_non_null(strstr(text,
                           "{\"from\":{\"method\":\"POST\",\"host\":\"api.test\",\"path\":"
                           "\"/login\",\"where\":\"body.users[*].token\",\"example\":\"1.2\"}"));
    fclose(f);
    free(text);
    f = open_memstream(&text, &n);
    graph_write_rules(&g, f, &left);
    fclose(f);
    assert_int_equal(left, 0);
    correlate_free(s.c);
    graph_clear(&g);
    struct rewrite *r;
    char why[WHY_MAX];
    if (rewrite_parse(&r, "w", view_of(text), why))
        fail_msg("%s in %s", why, text);
    assert_int_equal(correlate_find(&s.c, &s.capture, NULL, r, NULL, NULL), 0);
    assert_int_equal(s.c->n, 1);
    assert_int_equal(s.c->values[0].uses, 3);
    assert_true(view_eq(s.c->values[0].text, VIEW_LIT("a8F3kQ9zz")));
    rewrite_free(r);
    free(text);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),          cmocka_unit_test(test_ids),
        cmocka_unit_test(test_pages_and_forms), cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_order),           cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_rules),           cmocka_unit_test(test_played),
        cmocka_unit_test(test_shown),           cmocka_unit_test(test_significance),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
