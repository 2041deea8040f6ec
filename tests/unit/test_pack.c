// Packing: what is unpacked again equals what was known, and never takes more than its bound.
#include "proto/digest.h"
#include "proto/record.pb-c.h"
#include "proxy/emit/pack.h"
#include "proxy/tls/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// Into memory of exactly the bound, so that a sanitizer sees a byte too much.
#define PACKED(bound, call)                                                                        \
    size_t most = (bound);                                                                         \
    uint8_t *out = malloc(most);                                                                   \
    assert_non_null(out);                                                                          \
    size_t n = (call);                                                                             \
    assert_true(n <= most)

static struct pack_half full_half(uint64_t big, const struct view *interim, const char *const *rule)
{
    static const unsigned char digest[DIGEST_SIZE] = "0123456789abcdef0123456789abcde";
    return (struct pack_half){
        .first_us = (int64_t)(big >> 1),
        .last_us = (int64_t)(big >> 1),
        .head = VIEW_LIT("head"),
        .body = VIEW_LIT("bo\0dy"),
        .trailers = VIEW_LIT("trailers"),
        .rhythm = VIEW_LIT("\x01\x02"),
        .head_wire = big,
        .body_wire = big - 1,
        .body_size = big - 2,
        .body_stored = big - 3,
        .digest = digest,
        .parts = UINT32_MAX,
        .end = MSG_UNTIL_CLOSE,
        .interims = interim ? PACK_INTERIMS_MAX : 0,
        .interim = interim,
        .rules = rule ? PACK_RULES_MAX : 0,
        .rule = rule,
    };
}

static void check_half(const Tapedeck__Message *m, const struct pack_half *h)
{
    assert_int_equal(m->first_us, h->first_us);
    assert_int_equal(m->last_us, h->last_us);
    assert_true(view_eq(view_n(m->head.data, m->head.len), h->head));
    assert_true(view_eq(view_n(m->body.data, m->body.len), h->body));
    assert_true(view_eq(view_n(m->trailers.data, m->trailers.len), h->trailers));
    assert_true(view_eq(view_n(m->rhythm.data, m->rhythm.len), h->rhythm));
    assert_int_equal(m->head_wire, h->head_wire);
    assert_int_equal(m->body_wire, h->body_wire);
    assert_int_equal(m->body_size, h->body_size);
    assert_int_equal(m->body_stored, h->body_stored);
    assert_memory_equal(m->body_digest.data, h->digest, DIGEST_SIZE);
    assert_int_equal(m->parts, h->parts);
    assert_int_equal(m->end, h->end);
    assert_int_equal(m->n_interim, h->interims);
    for (unsigned i = 0; i < h->interims; i++)
        assert_true(view_eq(view_n(m->interim[i].data, m->interim[i].len), h->interim[i]));
    assert_int_equal(m->n_redacted, h->rules);
    for (unsigned i = 0; i < h->rules; i++)
        assert_string_equal(m->redacted[i], h->rule[i]);
}

// What was written is what protobuf-c makes of the same values.
static void check_bytes(const Tapedeck__Transaction *m, const uint8_t *out, size_t n)
{
    uint8_t *again = malloc(n);
    assert_non_null(again);
    assert_int_equal(tapedeck__transaction__get_packed_size(m), n);
    assert_int_equal(tapedeck__transaction__pack(m, again), n);
    assert_memory_equal(again, out, n);
    free(again);
}

static struct pack_txn full_txn(void)
{
    static struct view interim[PACK_INTERIMS_MAX];
    static const char *rule[PACK_RULES_MAX];
    for (int i = 0; i < PACK_INTERIMS_MAX; i++)
        interim[i] = VIEW_LIT("HTTP/1.1 100 Continue\r\n\r\n");
    for (int i = 0; i < PACK_RULES_MAX; i++)
        rule[i] = "header:authorization";
    return (struct pack_txn){
        .flow = UINT64_MAX,
        .n = UINT64_MAX,
        .protocol = "http",
        .version = "1.1",
        .method = "GET",
        .scheme = "https",
        .host = "host:1",
        .path = "/p",
        .query = "q",
        .note = "note",
        .original = INT64_MAX,
        .outcome = "hit",
        .status = UINT32_MAX,
        .by_proxy = true,
        .half = {full_half(UINT64_MAX, interim, rule), full_half(UINT64_MAX - 9, interim, rule)},
        .account = {{UINT64_MAX, UINT64_MAX - 1}, {UINT64_MAX - 2, UINT64_MAX - 3}},
    };
}

static void test_txn(void **state)
{
    struct pack_txn t = full_txn();

    (void)state;
    PACKED(pack_txn_bound(&t), pack_txn(out, &t));
    Tapedeck__Transaction *m = tapedeck__transaction__unpack(NULL, n, out);
    assert_non_null(m);
    assert_true(m->flow == UINT64_MAX && m->n == UINT64_MAX && m->status == UINT32_MAX);
    assert_true(m->by_proxy);
    assert_string_equal(m->protocol, "http");
    assert_string_equal(m->version, "1.1");
    assert_string_equal(m->method, "GET");
    assert_string_equal(m->scheme, "https");
    assert_string_equal(m->host, "host:1");
    assert_string_equal(m->path, "/p");
    assert_string_equal(m->query, "q");
    assert_string_equal(m->note, "note");
    assert_true(m->original == INT64_MAX);
    assert_string_equal(m->outcome, "hit");
    check_half(m->request, &t.half[C2S]);
    check_half(m->response, &t.half[S2C]);
    assert_true(m->account->stored_c2s == UINT64_MAX && m->account->stored_s2c == UINT64_MAX - 1);
    assert_true(m->account->omitted_c2s == UINT64_MAX - 2);
    assert_true(m->account->omitted_s2c == UINT64_MAX - 3);
    check_bytes(m, out, n);
    tapedeck__transaction__free_unpacked(m, NULL);
    free(out);
}

static void test_txn_with_nothing(void **state)
{
    struct pack_txn t = {.protocol = "",
                         .version = "",
                         .method = "",
                         .scheme = "",
                         .host = "",
                         .path = "",
                         .query = "",
                         .note = "",
                         .outcome = ""};

    (void)state;
    PACKED(pack_txn_bound(&t), pack_txn(out, &t));
    Tapedeck__Transaction *m = tapedeck__transaction__unpack(NULL, n, out);
    assert_non_null(m);
    assert_null(m->request);
    assert_null(m->response);
    check_bytes(m, out, n);
    tapedeck__transaction__free_unpacked(m, NULL);
    free(out);
}

static void test_txn_open(void **state)
{
    struct pack_txn t = full_txn();

    (void)state;
    t.half[C2S].first_us = 0;
    t.half[S2C].first_us = 77;
    PACKED(pack_txn_open_bound(&t), pack_txn_open(out, &t));
    Tapedeck__TransactionOpen *m = tapedeck__transaction_open__unpack(NULL, n, out);
    assert_non_null(m);
    assert_int_equal(m->first_us, 77);
    assert_string_equal(m->path, "/p");
    assert_true(m->status == UINT32_MAX);
    tapedeck__transaction_open__free_unpacked(m, NULL);
    free(out);
}

static void test_part(void **state)
{
    (void)state;
    for (int dir = C2S; dir <= S2C; dir++) {
        struct pack_part p = {.flow = UINT64_MAX,
                              .n = 1,
                              .offset = UINT64_MAX,
                              .dir = (enum dir)dir,
                              .first_us = INT64_MAX,
                              .last_us = INT64_MIN,
                              .bytes = VIEW_LIT("piece"),
                              .stored = UINT64_MAX,
                              .omitted = UINT64_MAX - 1};
        PACKED(pack_part_bound(&p), pack_part(out, &p));
        Tapedeck__Part *m = tapedeck__part__unpack(NULL, n, out);
        assert_non_null(m);
        assert_int_equal(m->s2c, dir == S2C);
        assert_true(m->offset == UINT64_MAX && m->first_us == INT64_MAX);
        assert_int_equal(m->bytes.len, 5);
        assert_true(m->account->stored_c2s == (dir == C2S ? UINT64_MAX : 0));
        assert_true(m->account->omitted_s2c == (dir == S2C ? UINT64_MAX - 1 : 0));
        tapedeck__part__free_unpacked(m, NULL);
        free(out);
    }
}

static void test_flow(void **state)
{
    char longest[2000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest + PACK_TEXT_MAX - 1, "\xc3\xa4", 2); // a character at the cut
    struct flow_facts facts = {.at_us = -1,
                               .direction = OUTBOUND,
                               .front = longest,
                               .requested = longest,
                               .target = "t",
                               .dial_us = INT64_MAX,
                               .dns_us = INT64_MAX};

    (void)state;
    struct addr *ends[] = {&facts.client, &facts.local, &facts.original, &facts.server,
                           &facts.server_local};
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            addr_parse(ends[i], VIEW_LIT("2001:db8:1111:2222:3333:4444:5555:6666"), 65535), 0);
    PACKED(PACK_FLOW_OPEN_MAX, pack_flow_open(out, &facts));
    Tapedeck__FlowOpen *m = tapedeck__flow_open__unpack(NULL, n, out);
    assert_non_null(m);
    assert_int_equal(m->direction, TAPEDECK__DIRECTION__OUTBOUND);
    assert_string_equal(m->server_local, "[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
    assert_int_equal(strlen(m->requested), PACK_TEXT_MAX - 1);
    assert_int_equal(strlen(m->front), PACK_REASON_MAX);
    tapedeck__flow_open__free_unpacked(m, NULL);

    struct flow_totals totals = {-1, longest, longest, {UINT64_MAX, UINT64_MAX}, 2};
    struct pack_flow_close c = {.flow = UINT64_MAX,
                                .omitted = {UINT64_MAX, UINT64_MAX},
                                .transactions = UINT64_MAX,
                                .filtered = UINT64_MAX,
                                .totals = &totals};
    n = pack_flow_close(out, &c);
    assert_true(n <= PACK_FLOW_CLOSE_MAX);
    Tapedeck__FlowClose *close = tapedeck__flow_close__unpack(NULL, n, out);
    assert_non_null(close);
    assert_true(close->relayed_s2c == UINT64_MAX && close->account->omitted_c2s == UINT64_MAX);
    assert_int_equal(close->first_speaker, TAPEDECK__SIDE__SERVER);
    assert_int_equal(strlen(close->detail), PACK_DETAIL_MAX);
    tapedeck__flow_close__free_unpacked(close, NULL);
    free(out);
}

static void test_others(void **state)
{
    char longest[2000];
    memset(longest, '\xff', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct certificate c = {.not_before_us = -1, .not_after_us = -1};
    memset(c.subject, '\xff', sizeof c.subject - 1);
    memset(c.issuer, '\xff', sizeof c.issuer - 1);
    memset(c.names, 'n', sizeof c.names - 1);
    memset(c.fingerprint, '\xff', sizeof c.fingerprint);
    struct tls_facts facts = {-1,      longest, longest, longest, longest, longest, longest,
                              longest, longest, longest, longest, true,    true,    &c};

    (void)state;
    PACKED(PACK_TLS_MAX, pack_tls(out, UINT64_MAX, &facts));
    Tapedeck__Tls *tls = tapedeck__tls__unpack(NULL, n, out);
    assert_non_null(tls);
    assert_memory_equal(tls->sni, "%FF%FF", 6);
    assert_int_equal(strlen(tls->certificate->names), sizeof c.names - 1);
    assert_int_equal(tls->certificate->fingerprint.len, 32);
    tapedeck__tls__free_unpacked(tls, NULL);
    struct pack_loss l = {UINT64_MAX, CAUSE_REDACTION_FAILED,   UINT64_MAX,
                          UINT64_MAX, {UINT64_MAX, UINT64_MAX}, -1,
                          -1};
    n = pack_loss(out, &l);
    assert_true(n <= PACK_LOSS_MAX);
    Tapedeck__Loss *loss = tapedeck__loss__unpack(NULL, n, out);
    assert_non_null(loss);
    assert_int_equal(loss->cause, TAPEDECK__CAUSE__REDACTION_FAILED);
    assert_true(loss->flows == UINT64_MAX && loss->lost_s2c == UINT64_MAX);
    tapedeck__loss__free_unpacked(loss, NULL);
    n = pack_restart(out, -1, UINT32_MAX);
    assert_true(n <= PACK_RESTART_MAX);
    Tapedeck__Restart *restart = tapedeck__restart__unpack(NULL, n, out);
    assert_non_null(restart);
    assert_true(restart->pid == UINT32_MAX);
    tapedeck__restart__free_unpacked(restart, NULL);
    free(out);
}

static void test_text(void **state)
{
    static const struct {
        struct view in;
        const char *out;
    } cases[] = {
        {VIEW_LIT(""), ""},
        {VIEW_LIT("/plain?x=1"), "/plain?x=1"},
        {VIEW_LIT("a\0b"), "a%00b"},
        {VIEW_LIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {VIEW_LIT("x\xff"), "x%FF"},
        {VIEW_LIT("\xc3"), "%C3"},
        {VIEW_LIT("\xe2\x82"), "%E2%82"},
        {VIEW_LIT("\xc0\x80"), "%C0%80"},               // overlong
        {VIEW_LIT("\xe0\x9f\xbf"), "%E0%9F%BF"},        // overlong
        {VIEW_LIT("\xed\xa0\x80"), "%ED%A0%80"},        // a surrogate
        {VIEW_LIT("\xf4\x90\x80\x80"), "%F4%90%80%80"}, // beyond the last
        {VIEW_LIT("\xf0\x8f\xbf\xbf"), "%F0%8F%BF%BF"},
        {VIEW_LIT("\xf5\x80\x80\x80"), "%F5%80%80%80"},
        {VIEW_LIT("\xe2\x28\xa1"), "%E2(%A1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64];
        size_t n = pack_text(out, cases[i].in);
        assert_string_equal(out, cases[i].out);
        assert_int_equal(n, strlen(cases[i].out));
        assert_true(n < PACK_TEXT_ROOM(cases[i].in.n));
    }
    char out[1];
    assert_int_equal(pack_text(out, view_n(NULL, 0)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_txn),      cmocka_unit_test(test_txn_with_nothing),
        cmocka_unit_test(test_txn_open), cmocka_unit_test(test_part),
        cmocka_unit_test(test_flow),     cmocka_unit_test(test_others),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
