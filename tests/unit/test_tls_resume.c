// Sessions that are taken up again: towards servers by host and name, towards clients by ticket and
// scope; what must not be shared; the ceiling of what is kept.
#include "proxy/tls/certificate.h"
#include "proxy/tls/sessions.h"
#include "tests/support/tls_scene.h"

#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const int versions[] = {0x0303, 0x0304};

// Meets and parts again; both ends must agree whether it was resumed.
static bool meet(struct tls_scene *s)
{
    struct tls_ends t;
    struct tls_facts_of client, server;
    tls_scene_meet(s, &t);
    tls_ends_run(&t);
    assert_string_equal(tls_engine_why(t.client.e), "");
    assert_int_equal(tls_engine_say(t.client.e, view_of("question")), 0);
    assert_int_equal(tls_engine_say(t.server.e, view_of("answer")), 0);
    tls_ends_run(&t);
    assert_int_equal(buf_len(&t.server.got), 8);
    assert_int_equal(buf_len(&t.client.got), 6);
    tls_engine_facts(t.server.e, &server);
    bool resumed = server.resumed;
    assert_string_equal(tls_scene_sni(t.server.e), s->to.name);
    tls_engine_facts(t.client.e, &client);
    assert_int_equal(client.resumed, resumed);
    assert_string_equal(client.certificate->subject, "CN=a.example");
    assert_true(client.certificate->not_after_us > 0);
    tls_ends_clear(&t);
    return resumed;
}

static void test_both_versions(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        assert_false(meet(&s));
        for (int k = 0; k < 200; k++)
            assert_true(meet(&s));
        tls_scene_clear(&s);
    }
}

static void test_what_is_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        struct tls_pair *pair = tls_make_pair(&(struct tls_make){.cn = "client"}, s.ca);
        assert_false(meet(&s));
        s.from.scope = "two";
        assert_false(meet(&s));
        assert_true(meet(&s));
        s.to.host = "a.example:444";
        assert_false(meet(&s));
        assert_true(meet(&s));
        s.to.name = s.to.sni = "x.b.example"; // what was verified was another name
        assert_false(meet(&s));
        assert_true(meet(&s));
        s.to.pair = pair; // a session may carry who we are
        assert_false(meet(&s));
        assert_true(meet(&s));
        s.to.pair = NULL;
        assert_true(meet(&s));
        tls_make_pair_free(pair);
        tls_scene_clear(&s);
    }
}

static void test_used_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        struct tls_ends t[3];
        struct tls_facts_of f;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        assert_false(meet(&s));
        for (size_t k = 0; k < 3; k++)
            tls_scene_meet(&s, &t[k]);
        for (size_t k = 0; k < 3; k++) {
            tls_ends_run(&t[k]);
            tls_engine_facts(t[k].client.e, &f);
            assert_int_equal(f.resumed, versions[i] == 0x0303 || k < 2); // two tickets came
            tls_ends_clear(&t[k]);
        }
        tls_scene_clear(&s);
    }
}

static void test_workers(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        assert_false(meet(&s));
        tls_context_free(s.server); // another worker with the same key
        s.server = NULL;
        assert_true(meet(&s));
        tls_context_free(s.server); // another process
        s.server = NULL;
        memset(s.ticket_key, 7, sizeof s.ticket_key);
        assert_false(meet(&s));
        assert_true(meet(&s));
        tls_context_free(s.server);
        s.server = NULL;
        s.accept.ticket_key = NULL;
        assert_false(meet(&s));
        assert_false(meet(&s));
        tls_scene_clear(&s);
    }
}

static void test_verdict_is_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        struct tls_pair *old = tls_make_pair(
            &(struct tls_make){.names = "DNS:a.example", .from_days = -9, .to_days = -2}, s.ca);
        s.from.pair = old;
        s.connect.verify = TLS_VERIFY_WARN;
        for (int k = 0; k < 3; k++) {
            struct tls_ends t;
            struct tls_facts_of f;
            tls_scene_meet(&s, &t);
            tls_ends_run(&t);
            tls_engine_facts(t.client.e, &f);
            assert_int_equal(f.resumed, k > 0);
            assert_non_null(strstr(f.verify, "certificate has expired"));
            tls_ends_clear(&t);
        }
        // The server takes up nothing, and has a better certificate now.
        struct tls_ends t;
        struct tls_facts_of f;
        tls_context_free(s.server);
        s.server = NULL;
        memset(s.ticket_key, 7, sizeof s.ticket_key);
        s.from.pair = s.leaf;
        tls_scene_meet(&s, &t);
        tls_ends_run(&t);
        tls_engine_facts(t.client.e, &f);
        assert_false(f.resumed);
        assert_string_equal(f.verify, "");
        tls_ends_clear(&t);
        tls_make_pair_free(old);
        tls_scene_clear(&s);
    }
}

static void test_clients(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        struct tls_pair *pair = tls_make_pair(&(struct tls_make){.cn = "client"}, s.ca);
        s.accept.clients = s.trust;
        s.accept.client_required = true;
        s.to.pair = pair;
        for (int k = 0; k < 3; k++) {
            struct tls_ends t;
            struct tls_facts_of f;
            tls_scene_meet(&s, &t);
            tls_ends_run(&t);
            tls_engine_facts(t.server.e, &f);
            assert_int_equal(f.resumed, k > 0);
            assert_string_equal(f.certificate->subject, "CN=client");
            tls_ends_clear(&t);
        }
        tls_make_pair_free(pair);
        tls_scene_clear(&s);
    }
}

static void test_versions_differ(void **state)
{
    (void)state;
    struct tls_scene s;
    tls_scene_init(&s);
    assert_false(meet(&s)); // 1.3
    s.to.most = 0x0303;
    assert_false(meet(&s));
    assert_true(meet(&s));
    s.to.most = 0;
    assert_true(meet(&s));
    tls_scene_clear(&s);
}

// A handshake that fails although it began with a session: the next one begins without.
static void test_failure_forgets(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        struct tls_ends t;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        assert_false(meet(&s));
        tls_scene_meet(&s, &t);
        tls_ends_give(&t.client, view_n(NULL, 0));
        tls_ends_give(&t.client, VIEW_LIT("\x15\x03\x03\x00\x02\x02\x28"));
        assert_int_equal(tls_engine_state(t.client.e), TLS_FAILED);
        tls_ends_clear(&t);
        assert_false(meet(&s));
        assert_true(meet(&s));
        tls_scene_clear(&s);
    }
}

static SSL_SESSION *make_session(int version, unsigned number)
{
    SSL_SESSION *s = SSL_SESSION_new();
    assert_non_null(s);
    assert_true(SSL_SESSION_set_protocol_version(s, version));
    assert_true(SSL_SESSION_set1_id(s, (unsigned char *)&number, sizeof number));
    return s;
}

static unsigned number_of(const SSL_SESSION *s)
{
    unsigned number, n;
    memcpy(&number, SSL_SESSION_get_id(s, &n), sizeof number);
    return number;
}

static void test_ceiling(void **state)
{
    (void)state;
    struct tls_sessions *s = tls_sessions_new(100);
    char key[32], *verify;
    assert_non_null(s);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "host-%u", i);
        assert_int_equal(tls_sessions_put(s, key, make_session(0x0304, i), i & 1 ? "bad" : ""), 0);
    }
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "host-%u", i);
        SSL_SESSION *one = tls_sessions_take(s, key, 0x0301, 0x0304, &verify);
        assert_int_equal(one != NULL, i >= 2900); // the oldest went first
        if (one) {
            assert_int_equal(number_of(one), i);
            assert_int_equal(verify != NULL, i & 1);
            free(verify);
            SSL_SESSION_free(one);
        }
    }
    // Of one key: the newest come first, and not more than its share is kept.
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(tls_sessions_put(s, "one", make_session(0x0304, i), ""), 0);
    for (unsigned i = 0; i < SESSIONS_A_KEY; i++) {
        SSL_SESSION *one = tls_sessions_take(s, "one", 0x0301, 0x0304, &verify);
        assert_int_equal(number_of(one), 199 - i);
        SSL_SESSION_free(one);
    }
    assert_null(tls_sessions_take(s, "one", 0x0301, 0x0304, &verify));
    // TLS 1.2: the newest only, as often as it is wanted. Five of one key take the room of one.
    for (unsigned i = 0; i < 99; i++) {
        snprintf(key, sizeof key, "host-%u", i);
        assert_int_equal(tls_sessions_put(s, key, make_session(0x0304, i), ""), 0);
    }
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(tls_sessions_put(s, "one", make_session(0x0303, i), ""), 0);
    for (unsigned i = 0; i < 99; i++) {
        snprintf(key, sizeof key, "host-%u", i);
        SSL_SESSION *other = tls_sessions_take(s, key, 0x0301, 0x0304, &verify);
        assert_non_null(other);
        SSL_SESSION_free(other);
    }
    assert_null(tls_sessions_take(s, "one", 0x0304, 0x0304, &verify));
    for (unsigned i = 0; i < 3; i++) {
        SSL_SESSION *one = tls_sessions_take(s, "one", 0x0301, 0x0304, &verify);
        assert_int_equal(number_of(one), 4);
        SSL_SESSION_free(one);
    }
    assert_int_equal(tls_sessions_put(s, "two", make_session(0x0303, 9), ""), 0);
    tls_sessions_forget(s, "one");
    assert_null(tls_sessions_take(s, "one", 0x0301, 0x0304, &verify));
    SSL_SESSION *two = tls_sessions_take(s, "two", 0x0301, 0x0304, &verify);
    assert_int_equal(number_of(two), 9);
    SSL_SESSION_free(two);
    tls_sessions_free(s);
    tls_sessions_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_versions),   cmocka_unit_test(test_what_is_apart),
        cmocka_unit_test(test_used_once),       cmocka_unit_test(test_workers),
        cmocka_unit_test(test_verdict_is_kept), cmocka_unit_test(test_clients),
        cmocka_unit_test(test_versions_differ), cmocka_unit_test(test_failure_forgets),
        cmocka_unit_test(test_ceiling),
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    tls_make_clear();
    return bad;
}
