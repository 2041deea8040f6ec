// A filter means the same in memory and in SQL: random filters over random transactions take the
// same ones. And it is asked so that SQLite can use its indexes.
#include "proto/base/clock.h"
#include "proxy/emit/filter.h"
#include "schema/query.h"
#include "schema/store.h"
#include "tests/support/random.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TXNS    150
#define FILTERS 6000
#define NOW     1767225600000000LL

static uint64_t seed = RANDOM_SEED;

static unsigned chance(unsigned n)
{
    return (unsigned)(random_next(&seed) >> 33) % n;
}

#define PICK(list) (list)[chance(sizeof(list) / sizeof *(list))]

static const char *const hosts[] = {"api.example.com", "API.example.com:8080", "db", "web", ""};
static const char *const paths[] = {"/", "/v1/items", "/V1/Items", "/healthz", "*", ""};
static const char *const queries[] = {"", "a=1", "a=1&b=2", "%41"};
static const char *const methods[] = {"GET", "POST", "get", ""};
static const char *const notes[] = {"", "not http", "Not HTTP"};
static const char *const names[] = {"x-tenant", "content-type", "host", "x-none"};
static const char *const values[] = {"acme", "Acme", "text/plain", "application/json; charset=x",
                                     "",     "a b"};
static const char *const bodies[] = {"", "hello timeout world", "Hello", "x\ny\nz", "\xff\xfe"};
static const int statuses[] = {0, 200, 200, 404, 500, 503};
static const int64_t times[] = {NOW - 3600 * US_PER_S, NOW - 60 * US_PER_S, NOW, NOW + 5};

struct txn {
    char req[512], res[512];
    struct store_txn row;
    struct filter_subject subject;
    int64_t id;
};

static struct txn txns[TXNS];
static struct store *writer, *reader;
static char dir[TMP_PATH];

static size_t make_head(char *out, size_t size, const char *first)
{
    size_t n = (size_t)snprintf(out, size, "%s\r\n", first);
    for (unsigned i = chance(4); i > 0; i--) {
        const char *name = PICK(names);
        n += (size_t)snprintf(out + n, size - n, "%s%s:%s%s\r\n", chance(9) ? "" : " ",
                              chance(2) ? name : "X-Tenant", chance(2) ? " " : "", PICK(values));
    }
    return n + (size_t)snprintf(out + n, size - n, chance(9) ? "\r\n" : "");
}

static void know(struct filter_subject *s, enum filter_field f, const char *v)
{
    filter_know_text(s, f, view_of(v));
}

static void know_half(struct txn *t, const struct store_half *h, bool res)
{
    struct filter_subject *s = &t->subject;
    enum filter_field head = res ? FIELD_RES_HEADER : FIELD_REQ_HEADER;
    enum filter_field body = res ? FIELD_RES_BODY : FIELD_REQ_BODY;
    if (h->head.p)
        filter_know_text(s, head, h->head);
    else
        filter_know_absent(s, head);
    filter_know_text(s, body, h->body);
    filter_know_number(s, res ? FIELD_RES_SIZE : FIELD_REQ_SIZE, (int64_t)h->body.n);
}

// What the emitter would say of the same transaction.
static void describe(struct txn *t, int64_t flow)
{
    const struct store_txn *r = &t->row;
    struct filter_subject *s = &t->subject;
    bool req = r->req.end != 0, res = r->res.end != 0;
    filter_subject_begin(s);
    filter_know_number(s, FIELD_ID, t->id);
    filter_know_number(s, FIELD_FLOW, flow);
    filter_know_number(s, FIELD_N, r->n);
    know(s, FIELD_PROTOCOL, r->protocol);
    know(s, FIELD_DIRECTION, flow == store_key(1, 1) ? "inbound" : "outbound");
    know(s, FIELD_METHOD, r->method);
    know(s, FIELD_SCHEME, r->scheme);
    know(s, FIELD_HOST, r->host[0] ? r->host : "target:80");
    know(s, FIELD_PATH, r->path);
    know(s, FIELD_QUERY, r->query);
    know(s, FIELD_VERSION, r->version);
    know(s, FIELD_NOTE, r->note);
    if (r->status)
        filter_know_number(s, FIELD_STATUS, r->status);
    else
        filter_know_absent(s, FIELD_STATUS);
    int64_t start = req ? r->req.first_us : r->res.first_us;
    int64_t end = res ? r->res.last_us : r->req.last_us;
    filter_know_number(s, FIELD_TIME, start);
    filter_know_number(s, FIELD_DURATION, end - start);
    if (req && res)
        filter_know_number(s, FIELD_WAIT, r->res.first_us - r->req.last_us);
    else
        filter_know_absent(s, FIELD_WAIT);
    know(s, FIELD_STATE,
         !req              ? "answer-only"
         : r->req.end == 2 ? "request-cut"
         : !res            ? "unanswered"
         : r->res.end == 2 ? "answer-cut"
                           : "complete");
    filter_know_number(s, FIELD_BY_PROXY, r->by_proxy);
    if (r->original)
        filter_know_number(s, FIELD_ORIGINAL, r->original);
    else
        filter_know_absent(s, FIELD_ORIGINAL);
    if (r->original || r->outcome[0])
        know(s, FIELD_OUTCOME, r->outcome);
    else
        filter_know_absent(s, FIELD_OUTCOME);
    know(s, FIELD_CLIENT, "127.0.0.1:40000");
    know(s, FIELD_SERVER, flow == store_key(1, 1) ? "127.0.0.1:80" : "");
    know(s, FIELD_TARGET, "target:80");
    know(s, FIELD_REQUESTED, "");
    know(s, FIELD_FRONT, "fixed");
    if (flow == store_key(1, 1))
        know(s, FIELD_SNI, "api.example.com");
    else
        filter_know_absent(s, FIELD_SNI);
    know(s, FIELD_POD, "pod-1");
    know(s, FIELD_NAMESPACE, "");
    know(s, FIELD_WORKLOAD, "Cart");
    know_half(t, &r->req, false);
    know_half(t, &r->res, true);
}

static void make_txn(struct txn *t, int64_t i)
{
    static char folded[TXNS][64];
    int64_t at = PICK(times) + chance(1000), flow = store_key(1, chance(2) + 1);
    const char *body = PICK(bodies), *host = PICK(hosts);
    // As unpack puts it.
    for (size_t j = 0; j <= strlen(host); j++)
        folded[i][j] = host[j] >= 'A' && host[j] <= 'Z' ? (char)(host[j] + 32) : host[j];
    t->row = (struct store_txn){.flow = flow,
                                .n = i,
                                .protocol = chance(4)   ? "http"
                                            : chance(2) ? "raw"
                                                        : "tls",
                                .version = chance(2) ? "1.1" : "",
                                .method = PICK(methods),
                                .scheme = chance(2) ? "http" : "",
                                .host = folded[i],
                                .path = PICK(paths),
                                .query = PICK(queries),
                                .note = PICK(notes),
                                .redacted = "",
                                .by_proxy = chance(4) == 0,
                                .original = chance(2),
                                .outcome = PICK(notes)};
    struct store_half *req = &t->row.req, *res = &t->row.res;
    unsigned halves = chance(8);
    if (halves != 0) {
        *req = (struct store_half){.end = chance(5) ? 1 : 2,
                                   .first_us = at,
                                   .last_us = at + chance(3),
                                   .body = view_of(PICK(bodies))};
        if (chance(6))
            req->head = view_n(t->req, make_head(t->req, sizeof t->req, "GET /x HTTP/1.1"));
    }
    if (halves != 1) {
        t->row.status = PICK(statuses);
        *res = (struct store_half){.end = 1 + (int)chance(3),
                                   .first_us = at + 5,
                                   .last_us = at + 5 + chance(4) * 100000,
                                   .body = view_of(body)};
        if (chance(6))
            res->head = view_n(t->res, make_head(t->res, sizeof t->res, "HTTP/1.1 200 x: y"));
    }
    t->id = store_key(1, (uint64_t)i + 10);
    describe(t, flow);
    assert_int_equal(store_put_txn(writer, t->id, &t->row), 0);
}

static int set_up(void **state)
{
    (void)state;
    char why[WHY_MAX], path[TMP_PATH];
    int64_t id;
    uint64_t last;
    tmp_make(dir);
    tmp_path(path, dir, "capture.db");
    if (store_open(&writer, path, STORE_WRITE, why) != 0)
        fail_msg("%s", why);
    struct store_stream st = {.name = "0123456789abcde",
                              .software = "t",
                              .pod = "pod-1",
                              .workload = "Cart",
                              .labels_json = "{}",
                              .settings_json = "{}"};
    assert_int_equal(store_stream(writer, &st, 1, &id, &last), 0);
    assert_int_equal(id, 1);
    assert_int_equal(store_begin(writer), 0);
    for (int i = 1; i <= 2; i++) {
        struct store_flow f = {.inbound = i == 1,
                               .front = "fixed",
                               .client = "127.0.0.1:40000",
                               .local = "127.0.0.1:1",
                               .target = "target:80",
                               .server = i == 1 ? "127.0.0.1:80" : ""};
        assert_int_equal(store_put_flow(writer, store_key(1, (uint64_t)i), &f), 0);
    }
    struct store_tls tls = {.flow = store_key(1, 1), .mode = "opaque", .sni = "api.example.com"};
    assert_int_equal(store_put_tls(writer, store_key(1, 3), &tls), 0);
    for (int64_t i = 0; i < TXNS; i++)
        make_txn(&txns[i], i);
    assert_int_equal(store_commit(writer), 0);
    if (store_open(&reader, path, STORE_READ, why) != 0)
        fail_msg("%s", why);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    store_close(reader);
    store_close(writer);
    tmp_remove(dir);
    return 0;
}

// ---- random filters

struct text {
    char p[FILTER_TEXT_MAX];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->n += (size_t)vsnprintf(t->p + t->n, sizeof t->p - t->n, format, args);
    va_end(args);
}

static void say_text_value(struct text *t)
{
    static const char *const pool[] = {"api.example.com",
                                       "API",
                                       "get",
                                       "GET",
                                       "/v1",
                                       "items",
                                       "a=1",
                                       "timeout",
                                       "acme",
                                       "Acme",
                                       "http",
                                       "raw",
                                       "tcp://",
                                       "",
                                       "e",
                                       "target",
                                       "1.1",
                                       "not",
                                       "Cart",
                                       "text/plain",
                                       "db",
                                       "80"};
    say(t, "\"%s\"", PICK(pool));
}

static void say_pattern(struct text *t)
{
    static const char *const pool[] = {"^api",     "^API",    "[a-z]+$", "^$",         ".",
                                       "/v[0-9]/", "[A-Z]",   "o w",     "(a|b)",      "x{0,2}$",
                                       "\\.com",   "^[^/]*$", "^.$",     "plain|json", "T"};
    say(t, "'%s'", PICK(pool));
}

static void say_value(struct text *t, enum filter_field f)
{
    static const char *const durations[] = {"0", "5us", "100ms", "300ms", "1s"};
    static const char *const dates[] = {"2026-01-01", "2025-12-31T23:00:00Z",
                                        "2026-01-01T00:00:00.000005Z"};
    switch (filter_fields[f].type) {
    case FILTER_NUMBER:
        if (f == FIELD_STATUS)
            say(t, "%d", PICK(statuses));
        else if (f == FIELD_ID)
            say(t, "%lld", (long long)txns[chance(TXNS)].id);
        else if (f == FIELD_FLOW)
            say(t, "%lld", (long long)store_key(1, chance(3)));
        else
            say(t, "%u", chance(f == FIELD_N ? TXNS : 2));
        break;
    case FILTER_SIZE:
        say(t, "%u", chance(20));
        break;
    case FILTER_DURATION:
        say(t, "%s", PICK(durations));
        break;
    case FILTER_TIME:
        say(t, "%s", PICK(dates));
        break;
    default:
        if (f == FIELD_DIRECTION)
            say(t, chance(2) ? "inbound" : "outbound");
        else if (f == FIELD_STATE)
            say(t, chance(2) ? "complete" : "unanswered");
        else
            say_text_value(t);
    }
}

static void say_in(struct text *t, enum filter_field f)
{
    say(t, " in (");
    for (unsigned i = chance(3) + 1; i > 0; i--) {
        say_value(t, f);
        say(t, i > 1 ? ", " : ")");
    }
}

static void say_test(struct text *t)
{
    static const char *const signs[] = {"=", "!=", "<", "<=", ">", ">="};
    enum filter_field f = (enum filter_field)chance(FIELD_COUNT);
    enum filter_type type = filter_fields[f].type;
    bool texts = type == FILTER_TEXT || type == FILTER_BYTES;
    if (chance(25) == 0) {
        say(t, chance(2) ? "since %s" : "until %s", chance(2) ? "10m" : "2026-01-01");
        return;
    }
    say(t, "%s", filter_fields[f].name);
    if (f == FIELD_REQ_HEADER || f == FIELD_RES_HEADER)
        say(t, "[\"%s\"]", PICK(names));
    unsigned how = chance(6);
    if (how == 0)
        return;
    if (texts && how <= 2) {
        say(t, chance(2) ? " ~ " : " !~ ");
        say_pattern(t);
    } else if (texts && (how == 3 || type == FILTER_BYTES)) {
        say(t, " contains ");
        say_text_value(t);
    } else if (how == 4) {
        say_in(t, f);
    } else {
        say(t, " %s ", signs[chance(texts ? 2 : 6)]);
        say_value(t, f);
    }
}

static void say_filter(struct text *t, unsigned depth)
{
    unsigned how = depth ? chance(6) : 0;
    if (how <= 1) {
        say_test(t);
    } else if (how == 2) {
        say(t, "not ");
        say_filter(t, depth - 1);
    } else if (how == 3) {
        say(t, "(");
        say_filter(t, depth - 1);
        say(t, ")");
    } else {
        say_filter(t, depth - 1);
        say(t, how == 4 ? " and " : " or ");
        say_filter(t, depth - 1);
    }
}

static unsigned differ; // filters that took some, but not all

static void compare(const char *text)
{
    struct filter *f;
    struct store_query *q;
    size_t column = 0;
    char why[WHY_MAX] = "";
    bool taken[TXNS] = {false};
    unsigned count = 0;
    if (filter_parse(view_of(text), NOW, &f, &column, why) != 0)
        fail_msg("%s: column %zu: %s", text, column, why);
    int e = store_transactions(reader, f, STORE_BY_ID, 0, 0, &q);
    if (e)
        fail_msg("%s: %s", text, store_why(reader));
    while ((e = store_step(q)) == 1) {
        int64_t i = store_int(q, FIELD_N);
        assert_true(i >= 0 && i < TXNS && !taken[i]);
        taken[i] = true;
        count++;
    }
    if (e)
        fail_msg("%s: %s", text, store_why(reader));
    store_query_free(q);
    for (int i = 0; i < TXNS; i++) {
        enum filter_verdict v = filter_eval(filter_root(f), &txns[i].subject);
        if (v != (taken[i] ? FILTER_KEEP : FILTER_DROP))
            fail_msg("%s\ntransaction %d: %d in memory, %d in SQL\n%s", text, i, v, taken[i],
                     txns[i].req);
    }
    differ += count > 0 && count < TXNS;
    filter_free(f);
}

static void memory_and_sql_agree(void **state)
{
    (void)state;
    for (int i = 0; i < FILTERS; i++) {
        struct text t = {.n = 0};
        say_filter(&t, chance(5));
        compare(t.p);
    }
    assert_true(differ > FILTERS / 4);
}

// Each field and operator by itself, also negated.
static void each_test_agrees(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        struct text t = {.n = 0};
        say(&t, chance(2) ? "" : "not ");
        say_test(&t);
        compare(t.p);
    }
}

static void the_deepest_filter_is_understood_by_sqlite(void **state)
{
    (void)state;
    struct text t = {.n = 0};
    // Each level's right operand is the next: the worst for SQLite's parser.
    for (int i = 0; i < FILTER_DEPTH_MAX; i++)
        say(&t, i % 2 ? "status = 200 and (" : "path = '/' or (");
    say(&t, "n > 3");
    for (int i = 0; i < FILTER_DEPTH_MAX; i++)
        say(&t, ")");
    compare(t.p);
    t.n = 0;
    for (int i = 0; i < FILTER_DEPTH_MAX / 2; i++)
        say(&t, i % 2 ? "n != 1 and not (" : "n = 5 or not (");
    say(&t, "n > 3");
    for (int i = 0; i < FILTER_DEPTH_MAX / 2; i++)
        say(&t, ")");
    compare(t.p);
    t.n = 0;
    say(&t, "n");
    for (int i = 1; i < FILTER_NODES_MAX / 2; i++)
        say(&t, i % 2 ? " and n" : " or n");
    compare(t.p);
    t.n = 0;
    say(&t, "n in (1");
    while (t.n + 4 < FILTER_TEXT_MAX - 1)
        say(&t, ",1");
    say(&t, ")");
    compare(t.p);
}

static void assert_plan(const char *text, const char *order, const char *words)
{
    struct filter *f;
    struct store_query *q;
    struct buf sql;
    size_t column;
    char why[WHY_MAX], plan[2048] = "";
    assert_int_equal(filter_parse(view_of(text), NOW, &f, &column, why), 0);
    buf_init(&sql, 65536);
    assert_int_equal(buf_printf(&sql, "EXPLAIN QUERY PLAN "), 0);
    assert_int_equal(transactions_select(&sql, "http"), 0);
    assert_int_equal(buf_printf(&sql, " WHERE "), 0);
    assert_int_equal(store_filter_clause(f, &sql, 1), 0);
    assert_int_equal(buf_printf(&sql, " %s", order), 0);
    assert_int_equal(buf_add(&sql, "", 1), 0);
    assert_int_equal(store_query(reader, sql.p, &q), 0);
    assert_int_equal(store_filter_bind(q, f, 1), 0);
    while (store_step(q) == 1) {
        struct view line = store_bytes(q, 3);
        snprintf(plan + strlen(plan), sizeof plan - strlen(plan), "%.*s; ", (int)line.n, line.p);
    }
    if (!strstr(plan, words) || strstr(plan, "FOR ORDER BY"))
        fail_msg("%s: %s", text, plan);
    store_query_free(q);
    buf_clear(&sql);
    filter_free(f);
}

static void indexes_serve_time_and_id(void **state)
{
    (void)state;
    assert_plan("since 10m", "", "start_us>");
    assert_plan("since 10m and until 5m and method = GET", "", "start_us>");
    assert_plan("not since 10m", "", "start_us<");
    assert_plan("time >= 2026-01-01", "", "start_us>");
    assert_plan("host = a and since 10m", "", "start_us>");
    assert_plan("id = 5", "", "INTEGER PRIMARY KEY (rowid=?)");
}

// The newest of a million are there at once, also when few match.
static void listings_walk_the_index_of_time(void **state)
{
    (void)state;
    char order[256];
    snprintf(order, sizeof order, "%s LIMIT 50", transactions_order(STORE_NEWEST_FIRST));
    static const char *const filters[] = {"method = GET", "status >= 500", "status in (500, 503)",
                                          "host = API.example.com", "host = a and status = 200"};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        assert_plan(filters[i], order, "SEARCH t USING INDEX txn_start (start_us>?);");
}

// A filter's text is never SQL.
static void values_are_bound(void **state)
{
    (void)state;
    compare("host = \"x' OR '1'='1\"");
    compare("path = \"'; DROP TABLE txn; --\"");
    compare("req.header[\"x') OR (1=1\"] = y or n = 3");
    compare("note contains \"\\\"\" or note contains ?1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_test_agrees),
        cmocka_unit_test(memory_and_sql_agree),
        cmocka_unit_test(the_deepest_filter_is_understood_by_sqlite),
        cmocka_unit_test(indexes_serve_time_and_id),
        cmocka_unit_test(listings_walk_the_index_of_time),
        cmocka_unit_test(values_are_bound),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
