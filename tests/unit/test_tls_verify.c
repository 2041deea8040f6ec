// Who is trusted, and why it failed: bad certificates in strict, warn and off; certificates of
// clients given, absent and unfit; alerts and cuts; versions that do not meet.
#include "proxy/tls/certificate.h"
#include "tests/support/tls_scene.h"

#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const int versions[] = {0x0303, 0x0304};

static void assert_both(const struct tls_ends *t, enum tls_state client, enum tls_state server)
{
    assert_int_equal(tls_engine_state(t->client.e), client);
    assert_int_equal(tls_engine_state(t->server.e), server);
}

static void assert_why(const struct tls_engine *e, enum tls_failure failure, const char *piece)
{
    assert_int_equal(tls_engine_state(e), TLS_FAILED);
    if (!strstr(tls_engine_why(e), piece))
        fail_msg("\"%s\" does not say \"%s\"", tls_engine_why(e), piece);
    assert_int_equal(tls_engine_failure(e), failure);
}

// One bad leaf, or a good one for the wrong trust.
struct bad {
    struct tls_make leaf;
    const char *name, *why;
    bool self_signed, other_ca, revoked;
};

static const struct bad bads[] = {
    {{.names = "DNS:a.example", .from_days = -9, .to_days = -2},
     "a.example",
     "certificate has expired: CN=leaf, issued by CN=Scene CA",
     false,
     false,
     false},
    {{.names = "DNS:a.example", .from_days = 2, .to_days = 9},
     "a.example",
     "certificate is not yet valid",
     false,
     false,
     false},
    {{.names = "DNS:other.example,IP:10.0.0.1"},
     "a.example",
     "hostname mismatch: CN=leaf, which is for other.example,10.0.0.1",
     false,
     false,
     false},
    {{.names = "DNS:a.example"}, "10.0.0.1", "IP address mismatch", false, false, false},
    {{.names = "DNS:a.example"},
     "a.example",
     "self-signed certificate: CN=leaf",
     true,
     false,
     false},
    {{.names = "DNS:a.example"},
     "a.example",
     "unable to get local issuer certificate: CN=leaf, issued by CN=Other CA",
     false,
     true,
     false},
    {{.names = "DNS:a.example"}, "a.example", "certificate revoked", false, false, true},
    {{.names = "DNS:a.example", .key = TLS_MAKE_RSA_1024},
     "a.example",
     "EE certificate key too weak",
     false,
     false,
     false},
    {{.names = "DNS:a.example", .usage = "clientAuth"},
     "a.example",
     "unsuitable certificate purpose",
     false,
     false,
     false},
};

static void meet_bad(const struct bad *b, enum tls_verify verify, int version)
{
    struct tls_scene s;
    struct tls_ends t;
    struct tls_facts_of f;
    tls_scene_init(&s);
    tls_scene_versions(&s, version);
    struct tls_pair *other = tls_make_pair(&(struct tls_make){.cn = "Other CA", .ca = true}, NULL);
    struct tls_pair *leaf = tls_make_pair(&b->leaf, b->self_signed ? NULL
                                                    : b->other_ca  ? other
                                                                   : s.ca);
    struct tls_trust *trust = tls_make_trust(s.ca, b->revoked ? leaf : NULL);
    s.connect.trust = trust;
    s.connect.verify = verify;
    s.from.pair = leaf;
    s.to.name = s.to.sni = b->name;
    tls_scene_meet(&s, &t);
    tls_ends_run(&t);
    if (verify == TLS_VERIFY_STRICT) {
        assert_why(t.client.e, TLS_FAILED_TRUST, b->why);
        assert_int_equal(t.client.last, E_DAMAGED);
        // Our alert tells the server, which sees that we do not like its certificate.
        if (!strstr(b->why, "purpose") && !strstr(b->why, "weak"))
            assert_why(t.server.e, TLS_FAILED_REFUSED, "the peer sent alert");
    } else {
        assert_both(&t, TLS_OPEN, TLS_OPEN);
        tls_engine_facts(t.client.e, &f);
        if (verify == TLS_VERIFY_OFF)
            assert_string_equal(f.verify, "");
        else
            assert_non_null(strstr(f.verify, b->why));
        assert_string_equal(f.certificate->subject, "CN=leaf");
    }
    tls_ends_clear(&t);
    tls_make_trust_free(trust);
    tls_make_pair_free(leaf);
    tls_make_pair_free(other);
    tls_scene_clear(&s);
}

static void test_bad_servers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++)
        for (int v = TLS_VERIFY_OFF; v <= TLS_VERIFY_STRICT; v++)
            for (size_t k = 0; k < 2; k++)
                meet_bad(&bads[i], (enum tls_verify)v, versions[k]);
}

static void test_chain(void **state)
{
    (void)state;
    struct tls_scene s;
    struct tls_ends t;
    tls_scene_init(&s);
    struct tls_pair *middle = tls_make_pair(&(struct tls_make){.cn = "Middle", .ca = true}, s.ca);
    struct tls_pair *leaf =
        tls_make_pair(&(struct tls_make){.names = "DNS:a.example", .key = TLS_MAKE_RSA}, middle);
    s.from.pair = leaf;
    tls_scene_meet(&s, &t);
    tls_ends_run(&t);
    assert_both(&t, TLS_OPEN, TLS_OPEN);
    tls_ends_clear(&t);
    tls_scene_clear(&s);
    tls_make_pair_free(leaf);
    tls_make_pair_free(middle);
}

// A client with or without a pair, a server that asks or demands.
enum given { NONE, GOOD, BAD };

static void meet_client(int version, bool required, enum given given)
{
    struct tls_scene s;
    struct tls_ends t;
    struct tls_facts_of f;
    tls_scene_init(&s);
    tls_scene_versions(&s, version);
    s.accept.clients = s.trust;
    s.accept.client_required = required;
    struct tls_pair *pair =
        tls_make_pair(&(struct tls_make){.cn = "client"}, given == GOOD ? s.ca : NULL);
    s.to.pair = given == NONE ? NULL : pair;
    tls_scene_meet(&s, &t);
    tls_ends_give(&t.client, view_n(NULL, 0));
    tls_ends_step(&t, true, 0);
    tls_ends_step(&t, false, 0);
    if (version == 0x0304) { // done, as far as the client knows
        assert_int_equal(tls_engine_state(t.client.e), TLS_OPEN);
        tls_engine_facts(t.client.e, &f);
        assert_int_equal(f.wants_cert, given == NONE);
    }
    tls_ends_run(&t);
    if (given == GOOD || (given == NONE && !required)) {
        assert_both(&t, TLS_OPEN, TLS_OPEN);
        tls_engine_facts(t.server.e, &f);
        assert_string_equal(f.certificate ? f.certificate->subject : "",
                            given == GOOD ? "CN=client" : "");
        tls_engine_facts(t.client.e, &f);
        assert_int_equal(f.wants_cert, given == NONE);
    } else if (given == NONE) {
        assert_why(t.server.e, TLS_FAILED_TRUST, "peer did not return a certificate");
        assert_why(t.client.e, TLS_FAILED_WANTS_CERT, "wants a client certificate");
        assert_int_equal(t.client.last, E_DAMAGED);
    } else {
        assert_why(t.server.e, TLS_FAILED_TRUST, "self-signed certificate: CN=client");
        assert_why(t.client.e, TLS_FAILED_WANTS_CERT, "wants another client certificate");
    }
    tls_ends_clear(&t);
    tls_make_pair_free(pair);
    tls_scene_clear(&s);
}

static void test_clients(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (int required = 0; required < 2; required++)
            for (int given = NONE; given <= BAD; given++)
                meet_client(versions[i], required, (enum given)given);
}

static void test_client_cut(void **state)
{
    (void)state;
    // A server that closes where it could have sent the alert.
    struct tls_scene s;
    struct tls_ends t;
    tls_scene_init(&s);
    tls_scene_versions(&s, 0x0303);
    s.accept.clients = s.trust;
    tls_scene_meet(&s, &t);
    tls_ends_give(&t.client, view_n(NULL, 0));
    tls_ends_step(&t, true, 0);
    tls_ends_step(&t, false, 0);
    tls_engine_cut(t.client.e, true, true);
    assert_why(t.client.e, TLS_FAILED_WANTS_CERT, "reset the connection");
    tls_ends_clear(&t);
    tls_scene_clear(&s);
}

static void test_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        struct tls_ends t;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        tls_scene_meet(&s, &t);
        tls_engine_cut(t.server.e, false, true); // before anything
        assert_why(t.server.e, TLS_FAILED_OTHER, "closed the connection during the handshake");
        tls_ends_clear(&t);
        for (int reset = 0; reset < 2; reset++) {
            tls_scene_meet(&s, &t);
            tls_ends_give(&t.client, view_n(NULL, 0));
            tls_ends_step(&t, true, 0);
            tls_engine_took(t.server.e, tls_engine_out(t.server.e).n);
            tls_engine_cut(t.server.e, reset, true);
            assert_why(t.server.e, TLS_FAILED_REFUSED, "right behind our certificate");
            tls_engine_cut(t.client.e, reset, true);
            assert_why(t.client.e, TLS_FAILED_OTHER, reset ? "reset" : "closed");
            tls_ends_clear(&t);
        }
        tls_scene_meet(&s, &t); // with close_notify, in the clear
        tls_ends_give(&t.client, view_n(NULL, 0));
        tls_ends_step(&t, true, 0);
        tls_engine_took(t.server.e, tls_engine_out(t.server.e).n);
        tls_ends_give(&t.server, VIEW_LIT("\x15\x03\x03\x00\x02\x01\x00"));
        assert_why(t.server.e, TLS_FAILED_REFUSED, "right behind our certificate");
        tls_ends_clear(&t);
        tls_scene_meet(&s, &t); // our certificate has not even left
        tls_ends_give(&t.client, view_n(NULL, 0));
        tls_ends_step(&t, true, 0);
        tls_engine_cut(t.server.e, true, false);
        assert_why(t.server.e, TLS_FAILED_OTHER, "reset");
        tls_ends_clear(&t);
        tls_scene_meet(&s, &t); // it has gone on: no quarrel with the certificate
        tls_ends_give(&t.client, view_n(NULL, 0));
        tls_ends_step(&t, true, 0);
        tls_ends_step(&t, false, 0);
        tls_ends_step(&t, true, tls_engine_out(t.client.e).n - 1);
        tls_engine_cut(t.server.e, false, true);
        assert_why(t.server.e, i ? TLS_FAILED_REFUSED : TLS_FAILED_OTHER, "closed");
        tls_ends_clear(&t);
        tls_scene_clear(&s);
    }
}

// An alert of a peer that has seen nothing but plaintext: to a client behind its hello; to a server
// of TLS 1.2 behind its certificate.
static void test_alerts(void **state)
{
    (void)state;
    static const struct {
        int alert;
        enum tls_failure to_client, to_server;
    } cases[] = {
        {10, TLS_FAILED_OTHER, TLS_FAILED_OTHER},
        {40, TLS_FAILED_PROTOCOL, TLS_FAILED_PROTOCOL},
        {42, TLS_FAILED_OTHER, TLS_FAILED_REFUSED},
        {43, TLS_FAILED_OTHER, TLS_FAILED_REFUSED},
        {44, TLS_FAILED_OTHER, TLS_FAILED_REFUSED},
        {45, TLS_FAILED_OTHER, TLS_FAILED_REFUSED},
        {46, TLS_FAILED_OTHER, TLS_FAILED_REFUSED},
        {47, TLS_FAILED_OTHER, TLS_FAILED_OTHER},
        {48, TLS_FAILED_OTHER, TLS_FAILED_REFUSED},
        {49, TLS_FAILED_OTHER, TLS_FAILED_REFUSED},
        {51, TLS_FAILED_OTHER, TLS_FAILED_OTHER},
        {70, TLS_FAILED_PROTOCOL, TLS_FAILED_PROTOCOL},
        {71, TLS_FAILED_PROTOCOL, TLS_FAILED_PROTOCOL},
        {80, TLS_FAILED_OTHER, TLS_FAILED_OTHER},
        {112, TLS_FAILED_OTHER, TLS_FAILED_OTHER},
        {120, TLS_FAILED_PROTOCOL, TLS_FAILED_PROTOCOL},
    };
    struct tls_scene s;
    tls_scene_init(&s);
    tls_scene_versions(&s, 0x0303);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_ends t;
        char bytes[] = {21, 3, 3, 0, 2, 2, (char)cases[i].alert}, number[32];
        snprintf(number, sizeof number, "alert %d (", cases[i].alert);
        tls_scene_meet(&s, &t);
        tls_ends_give(&t.client, view_n(NULL, 0));
        tls_ends_step(&t, true, 0);
        tls_ends_give(&t.server, view_n(bytes, sizeof bytes));
        assert_why(t.server.e, cases[i].to_server, number);
        tls_ends_give(&t.client, view_n(bytes, sizeof bytes));
        assert_why(t.client.e, cases[i].to_client, number);
        tls_ends_clear(&t);
        // As a warning, and then the end.
        bytes[5] = 1;
        tls_scene_meet(&s, &t);
        tls_ends_give(&t.client, view_n(NULL, 0));
        tls_ends_step(&t, true, 0);
        tls_engine_took(t.server.e, tls_engine_out(t.server.e).n);
        tls_ends_give(&t.server, view_n(bytes, sizeof bytes));
        tls_engine_cut(t.server.e, false, true);
        assert_int_equal(tls_engine_state(t.server.e), TLS_FAILED);
        if (cases[i].to_server != TLS_FAILED_OTHER)
            assert_int_equal(tls_engine_failure(t.server.e), cases[i].to_server);
        tls_ends_clear(&t);
    }
    tls_scene_clear(&s);
}

static void test_versions_apart(void **state)
{
    (void)state;
    struct tls_scene s;
    struct tls_ends t;
    tls_scene_init(&s);
    s.accept.least = 0x0304;
    s.to.most = 0x0303;
    tls_scene_meet(&s, &t);
    tls_ends_run(&t);
    assert_why(t.server.e, TLS_FAILED_PROTOCOL, "unsupported protocol");
    assert_why(t.client.e, TLS_FAILED_PROTOCOL, "alert 70");
    struct tls_facts_of f;
    tls_engine_facts(t.client.e, &f);
    assert_string_equal(f.version, ""); // nobody has chosen one
    assert_string_equal(f.cipher, "");
    tls_ends_clear(&t);
    tls_scene_clear(&s);
}

static void test_old_versions(void **state)
{
    (void)state;
    for (int version = 0x0301; version <= 0x0302; version++) {
        for (int allowed = 0; allowed < 2; allowed++) {
            struct tls_scene s;
            struct tls_ends t;
            struct tls_facts_of f;
            tls_scene_init(&s);
            s.accept.least = allowed ? 0x0301 : 0;
            s.to.least = 0x0301;
            s.to.most = version;
            tls_scene_meet(&s, &t);
            tls_ends_run(&t);
            if (allowed) {
                assert_both(&t, TLS_OPEN, TLS_OPEN);
                tls_engine_facts(t.client.e, &f);
                assert_string_equal(f.version, version == 0x0301 ? "1.0" : "1.1");
                assert_int_equal(tls_engine_say(t.client.e, view_of("old words")), 0);
                tls_ends_run(&t);
                assert_int_equal(buf_len(&t.server.got), 9);
            } else {
                assert_why(t.server.e, TLS_FAILED_PROTOCOL, "unsupported protocol");
            }
            tls_ends_clear(&t);
            tls_scene_clear(&s);
        }
    }
}

static void test_conf(void **state)
{
    (void)state;
    struct tls_context *c = NULL;
    char why[WHY_MAX] = "";
    struct tls_connect_conf connect = {.verify = TLS_VERIFY_WARN};
    struct tls_accept_conf accept = {.least = 0x0300};
    assert_int_equal(tls_context_connect(&c, &connect, why), E_NOTFOUND);
    assert_non_null(strstr(why, "authorities"));
    connect = (struct tls_connect_conf){.least = 0x0305};
    assert_int_equal(tls_context_connect(&c, &connect, why), E_RANGE);
    assert_non_null(strstr(why, "0x0305"));
    assert_int_equal(tls_context_accept(&c, &accept, why), E_RANGE);
    assert_non_null(strstr(why, "0x0300"));
    assert_null(c);
    tls_context_free(NULL);
    tls_engine_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_servers),    cmocka_unit_test(test_chain),
        cmocka_unit_test(test_clients),        cmocka_unit_test(test_client_cut),
        cmocka_unit_test(test_cuts),           cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_versions_apart), cmocka_unit_test(test_old_versions),
        cmocka_unit_test(test_conf),
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    tls_make_clear();
    return bad;
}
