// Two engines back to back: handshakes at every cut, ALPN and names, content both ways, ends,
// garbage, and the ceiling of what waits for the peer.
#include "proxy/tls/engine_impl.h"
#include "tests/support/tls_scene.h"

#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const int versions[] = {0x0303, 0x0304};

static void assert_open(const struct tls_ends *t)
{
    assert_string_equal(tls_engine_why(t->client.e), "");
    assert_string_equal(tls_engine_why(t->server.e), "");
    assert_int_equal(tls_engine_state(t->client.e), TLS_OPEN);
    assert_int_equal(tls_engine_state(t->server.e), TLS_OPEN);
}

static void assert_heard(struct tls_ends *t, const char *to_server, const char *to_client)
{
    tls_ends_run(t);
    assert_true(view_eq(buf_view(&t->server.got), view_of(to_server)));
    assert_true(view_eq(buf_view(&t->client.got), view_of(to_client)));
}

static void talk(struct tls_ends *t)
{
    assert_int_equal(tls_engine_say(t->client.e, view_of("question")), 0);
    assert_int_equal(tls_engine_say(t->server.e, view_of("answer")), 0);
    assert_heard(t, "question", "answer");
}

static void test_both_versions(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        struct tls_ends t;
        struct tls_facts_of f;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        tls_scene_meet(&s, &t);
        assert_int_equal(tls_engine_state(t.client.e), TLS_HANDSHAKE);
        assert_int_equal(tls_engine_out(t.client.e).n, 0);
        tls_ends_run(&t);
        assert_open(&t);
        tls_engine_facts(t.client.e, &f);
        assert_string_equal(f.version, i ? "1.3" : "1.2");
        assert_string_equal(f.cipher, i ? "TLS_AES_256_GCM_SHA384"
                                        : "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
        assert_string_equal(f.alpn, "");
        assert_string_equal(f.certificate->subject, "CN=a.example");
        assert_string_equal(f.certificate->issuer, "CN=Scene CA");
        assert_string_equal(f.certificate->names, "a.example,*.b.example,127.0.0.1");
        assert_string_equal(f.verify, "");
        assert_false(f.resumed);
        assert_false(f.wants_cert);
        assert_int_equal(
            (f.certificate->not_after_us - f.certificate->not_before_us) / 1000000 / 86400, 31);
        unsigned char digest[32];
        unsigned n = 0;
        X509_digest(s.leaf->cert, EVP_sha256(), digest, &n);
        assert_memory_equal(f.certificate->fingerprint, digest, 32);
        tls_engine_facts(t.server.e, &f);
        assert_string_equal(tls_scene_sni(t.server.e), "a.example");
        assert_null(f.certificate);
        talk(&t);
        tls_ends_clear(&t);
        tls_scene_clear(&s);
    }
}

static void test_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        struct tls_ends t;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        for (size_t piece = 1; piece < 40; piece += piece < 4 ? 1 : 7) {
            tls_scene_meet(&s, &t);
            t.piece = piece;
            tls_ends_run(&t);
            assert_open(&t);
            talk(&t);
            tls_ends_clear(&t);
        }
        // Cut once at each place of either side's first flight.
        for (int from_client = 0; from_client < 2; from_client++) {
            for (size_t cut = 1;; cut++) {
                tls_scene_meet(&s, &t);
                tls_ends_give(&t.client, view_n(NULL, 0));
                if (!from_client)
                    tls_ends_step(&t, true, 0);
                size_t all = tls_engine_out(from_client ? t.client.e : t.server.e).n;
                if (cut < all) {
                    tls_ends_step(&t, from_client, cut);
                    tls_ends_give(from_client ? &t.server : &t.client, view_n(NULL, 0));
                    tls_ends_run(&t);
                    assert_open(&t);
                }
                tls_ends_clear(&t);
                if (cut >= all)
                    break;
            }
        }
        tls_scene_clear(&s);
    }
}

static void meet_alpn(struct tls_scene *s, struct view offered, const char *chosen,
                      const char *expected)
{
    struct tls_ends t;
    struct tls_facts_of f;
    s->to.alpn = offered;
    s->from.alpn = chosen;
    tls_scene_meet(s, &t);
    tls_ends_run(&t);
    assert_open(&t);
    tls_engine_facts(t.client.e, &f);
    assert_string_equal(f.alpn, expected);
    tls_engine_facts(t.server.e, &f);
    assert_string_equal(f.alpn, expected);
    tls_ends_clear(&t);
}

static void test_alpn(void **state)
{
    (void)state;
    struct view both = VIEW_LIT("\x02h2\x08http/1.1");
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        struct tls_engine *e;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        meet_alpn(&s, both, "h2", "h2");
        meet_alpn(&s, both, "http/1.1", "http/1.1");
        meet_alpn(&s, both, "", "");
        meet_alpn(&s, both, "dot", "");
        meet_alpn(&s, view_n(NULL, 0), "h2", "");
        s.to.alpn = VIEW_LIT("\x03h2");
        assert_int_equal(tls_engine_connect(&e, s.client, &s.to), E_SYNTAX);
        s.to.alpn = VIEW_LIT("\x00");
        assert_int_equal(tls_engine_connect(&e, s.client, &s.to), E_SYNTAX);
        tls_scene_clear(&s);
    }
}

static void test_no_such_version(void **state)
{
    (void)state;
    struct tls_scene s;
    struct tls_engine *e;
    tls_scene_init(&s);
    tls_scene_open(&s);
    s.to.most = 0x0305;
    assert_int_equal(tls_engine_connect(&e, s.client, &s.to), E_RANGE);
    s.to.most = 0x0303;
    s.to.least = 0x0200;
    assert_int_equal(tls_engine_connect(&e, s.client, &s.to), E_RANGE);
    tls_scene_clear(&s);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *sni;
        bool fine;
    } cases[] = {
        {"a.example", "a.example", true},
        {"A.Example.", "A.Example", true},
        {"x.b.example", "x.b.example", true},
        {"127.0.0.1", "", true},
        {"", "", true},
        {"x.y.b.example", "x.y.b.example", false},
        {"127.0.0.2", "", false},
        {"::1", "", false},
    };
    struct tls_scene s;
    tls_scene_init(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_ends t;
        s.to.name = s.to.sni = cases[i].name;
        tls_scene_meet(&s, &t);
        tls_ends_run(&t);
        assert_int_equal(tls_engine_state(t.client.e), cases[i].fine ? TLS_OPEN : TLS_FAILED);
        assert_int_equal(tls_engine_failure(t.client.e),
                         cases[i].fine ? TLS_FAILED_OTHER : TLS_FAILED_TRUST);
        assert_string_equal(tls_scene_sni(t.server.e), cases[i].sni);
        tls_ends_clear(&t);
    }
    char longest[TLS_NAME_MAX + 2];
    struct tls_engine *e;
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    s.to.name = s.to.sni = longest;
    assert_int_equal(tls_engine_connect(&e, s.client, &s.to), E_LIMIT);
    tls_scene_clear(&s);
}

static unsigned dice(unsigned *seed)
{
    return (*seed = *seed * 1103515245u + 12345u) >> 8;
}

#define LARGE (3u * 1024 * 1024)

static void test_large(void **state)
{
    (void)state;
    char *text = malloc(LARGE);
    unsigned seed = 7;
    assert_non_null(text);
    for (size_t i = 0; i < LARGE; i++)
        text[i] = (char)dice(&seed);
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        struct tls_ends t;
        size_t said[2] = {0, 0};
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        tls_scene_meet(&s, &t);
        tls_ends_run(&t);
        while (buf_len(&t.client.got) < LARGE || buf_len(&t.server.got) < LARGE) {
            bool from_client = dice(&seed) & 1;
            struct tls_engine *e = from_client ? t.client.e : t.server.e;
            size_t *at = &said[from_client], n = dice(&seed) % 70000;
            n = n < LARGE - *at ? n : LARGE - *at;
            int r = tls_engine_say(e, view_n(text + *at, n));
            assert_true(r == 0 || r == E_LIMIT);
            *at += r == 0 ? n : 0;
            tls_ends_step(&t, dice(&seed) & 1, 1 + dice(&seed) % 40000);
        }
        assert_memory_equal(t.client.got.p, text, LARGE);
        assert_memory_equal(t.server.got.p, text, LARGE);
        assert_open(&t);
        tls_ends_clear(&t);
        tls_scene_clear(&s);
    }
    free(text);
}

static void test_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct tls_scene s;
        struct tls_ends t;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i & 1]);
        tls_scene_meet(&s, &t);
        t.piece = i & 2 ? 1 : 0;
        tls_ends_run(&t);
        assert_int_equal(t.client.last, E_AGAIN);
        assert_int_equal(tls_engine_say(t.client.e, view_of("last words")), 0);
        tls_engine_end(t.client.e);
        assert_int_equal(tls_engine_say(t.client.e, view_of("more")), E_DAMAGED);
        assert_heard(&t, "last words", "");
        assert_int_equal(t.server.last, E_EOF);
        assert_int_equal(tls_engine_state(t.server.e), TLS_ENDED);
        assert_int_equal(tls_engine_state(t.client.e), TLS_OPEN);
        // The other half goes on.
        assert_int_equal(tls_engine_say(t.server.e, view_of("after ")), 0);
        assert_heard(&t, "last words", "after ");
        assert_int_equal(tls_engine_say(t.server.e, view_of("that")), 0);
        tls_engine_end(t.server.e);
        tls_engine_end(t.server.e);
        assert_heard(&t, "last words", "after that");
        assert_int_equal(t.client.last, E_EOF);
        assert_int_equal(tls_engine_state(t.client.e), TLS_ENDED);
        // What stands behind close_notify is nobody's.
        tls_ends_give(&t.client, view_of("garbage"));
        assert_int_equal(t.client.last, E_EOF);
        assert_string_equal(tls_engine_why(t.client.e), "");
        tls_ends_clear(&t);
        tls_scene_clear(&s);
    }
}

static void test_small_gets(void **state)
{
    (void)state;
    struct tls_scene s;
    struct tls_ends t;
    char c, text[] = "one by one";
    size_t n, at = 0;
    tls_scene_init(&s);
    tls_scene_meet(&s, &t);
    tls_ends_run(&t);
    assert_int_equal(tls_engine_say(t.client.e, view_of("one ")), 0);
    assert_int_equal(tls_engine_say(t.client.e, view_of("by one")), 0);
    tls_engine_end(t.client.e);
    tls_engine_put(t.server.e, tls_engine_out(t.client.e));
    while ((t.server.last = tls_engine_get(t.server.e, &c, 1, &n)) == 0) {
        assert_int_equal(n, 1);
        assert_int_equal(c, text[at++]);
    }
    assert_int_equal(at, 10);
    assert_int_equal(t.server.last, E_EOF);
    tls_ends_clear(&t);
    tls_scene_clear(&s);
}

static void test_truncation(void **state)
{
    (void)state;
    struct tls_scene s;
    struct tls_ends t;
    tls_scene_init(&s);
    tls_scene_meet(&s, &t);
    tls_ends_run(&t);
    assert_int_equal(tls_engine_say(t.client.e, view_of("cut off")), 0);
    size_t all = tls_engine_out(t.client.e).n;
    tls_ends_step(&t, true, all - 1);
    tls_engine_cut(t.server.e, false, true);
    assert_int_equal(tls_engine_state(t.server.e), TLS_OPEN);
    assert_int_equal(t.server.last, E_AGAIN);
    assert_int_equal(buf_len(&t.server.got), 0);
    tls_ends_step(&t, true, 0);
    assert_int_equal(buf_len(&t.server.got), 7);
    tls_ends_clear(&t);
    tls_scene_clear(&s);
}

static void test_garbage_first(void **state)
{
    (void)state;
    static const struct view texts[] = {
        VIEW_LIT("GET / HTTP/1.1\r\n\r\n"),    VIEW_LIT("HTTP/1.1 400 Bad Request\r\n"),
        VIEW_LIT("SSH-2.0-OpenSSH_9.2p1\r\n"), VIEW_LIT("\x16\x03\x01\xff\xff\x01"),
        VIEW_LIT("\x17\x03\x03\x00\x01z"),     VIEW_LIT("\0\0\0\0\0\0\0\0\0\0\0\0"),
    };
    struct tls_scene s;
    struct tls_ends t;
    tls_scene_init(&s);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (int server = 0; server < 2; server++) {
            tls_scene_meet(&s, &t);
            struct tls_end *end = server ? &t.server : &t.client;
            tls_ends_give(end, view_n(NULL, 0));
            tls_engine_took(end->e, tls_engine_out(end->e).n);
            tls_ends_give(end, texts[i]);
            assert_int_equal(tls_engine_state(end->e), TLS_FAILED);
            assert_int_equal(tls_engine_failure(end->e), TLS_FAILED_OTHER);
            assert_int_equal(end->last, E_DAMAGED);
            assert_true(*tls_engine_why(end->e));
            assert_int_equal(tls_engine_say(end->e, view_of("x")), E_DAMAGED);
            tls_engine_end(end->e);
            tls_ends_give(end, view_of("more"));
            assert_int_equal(end->last, E_DAMAGED);
            tls_ends_clear(&t);
        }
    }
    tls_scene_clear(&s);
}

static void test_garbage_later(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_scene s;
        tls_scene_init(&s);
        tls_scene_versions(&s, versions[i]);
        for (size_t at = 0; at < 30; at++) {
            struct tls_ends t;
            char bytes[256];
            tls_scene_meet(&s, &t);
            tls_ends_run(&t);
            assert_int_equal(tls_engine_say(t.client.e, view_of("some words")), 0);
            struct view out = tls_engine_out(t.client.e);
            assert_true(out.n < sizeof bytes);
            memcpy(bytes, out.p, out.n);
            bytes[at < out.n ? at : out.n - 1] ^= 0x40;
            tls_ends_give(&t.server, view_n(bytes, out.n));
            if (tls_engine_state(t.server.e) == TLS_OPEN) { // a longer record: it waits
                assert_true(at == 3 || at == 4);
                tls_engine_took(t.client.e, out.n);
            } else {
                assert_int_equal(tls_engine_state(t.server.e), TLS_FAILED);
                assert_int_equal(t.server.last, E_DAMAGED);
                assert_int_equal(tls_engine_failure(t.server.e), TLS_FAILED_OTHER);
                tls_engine_took(t.client.e, out.n);
                tls_ends_step(&t, false, 0); // the alert
                assert_int_equal(tls_engine_state(t.client.e), TLS_FAILED);
            }
            assert_int_equal(buf_len(&t.server.got), 0);
            tls_ends_clear(&t);
        }
        tls_scene_clear(&s);
    }
}

static void test_out_limit(void **state)
{
    (void)state;
    struct tls_scene s;
    struct tls_ends t;
    static char text[TLS_SAY_MAX];
    size_t said = 0;
    int r = 0;
    tls_scene_init(&s);
    tls_scene_meet(&s, &t);
    tls_ends_run(&t);
    assert_int_equal(tls_engine_say(t.client.e, view_n(NULL, 0)), 0);
    assert_int_equal(tls_engine_out(t.client.e).n, 0);
    assert_int_equal(tls_engine_say(t.client.e, view_n(text, sizeof text)), 0);
    said = sizeof text;
    while ((r = tls_engine_say(t.client.e, view_n(text, 5000))) == 0)
        said += 5000;
    assert_int_equal(r, E_LIMIT);
    assert_true(tls_engine_out(t.client.e).n <= TLS_OUT_MAX);
    assert_true(tls_engine_out(t.client.e).n > TLS_OUT_MAX - 32 * 1024);
    // What TLS answers by itself still fits in, and the connection lives on.
    assert_int_equal(tls_engine_state(t.client.e), TLS_OPEN);
    tls_ends_run(&t);
    assert_int_equal(buf_len(&t.server.got), said);
    assert_int_equal(tls_engine_say(t.client.e, view_n(text, sizeof text)), 0);
    tls_ends_run(&t);
    assert_open(&t);
    tls_ends_clear(&t);
    tls_scene_clear(&s);
}

static void test_empty_put(void **state)
{
    (void)state;
    struct tls_scene s;
    struct tls_ends t;
    tls_scene_init(&s);
    tls_scene_meet(&s, &t);
    for (int i = 0; i < 3; i++) {
        tls_ends_give(&t.server, view_n(NULL, 0));
        tls_ends_give(&t.client, view_n(NULL, 0));
    }
    tls_ends_run(&t);
    assert_open(&t);
    tls_ends_give(&t.server, view_n(NULL, 0));
    assert_int_equal(t.server.last, E_AGAIN);
    talk(&t);
    tls_ends_clear(&t);
    tls_scene_clear(&s);
}

// A peer that wants answers of TLS itself and does not read them.
static void test_answers_limit(void **state)
{
    (void)state;
    struct tls_scene s;
    struct tls_ends t;
    static char text[5000];
    tls_scene_init(&s);
    tls_scene_meet(&s, &t);
    tls_ends_run(&t);
    for (int i = 0; i < 3; i++) { // it is answered, and content goes on
        assert_int_equal(SSL_key_update(t.client.e->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        talk(&t);
        buf_reset(&t.client.got);
        buf_reset(&t.server.got);
    }
    while (tls_engine_say(t.server.e, view_n(text, sizeof text)) == 0)
        ;
    for (int i = 0; i < 2000 && tls_engine_state(t.server.e) == TLS_OPEN; i++) {
        assert_int_equal(SSL_key_update(t.client.e->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(tls_engine_say(t.client.e, view_of("x")), 0);
        tls_ends_step(&t, true, 0);
    }
    assert_int_equal(tls_engine_state(t.server.e), TLS_FAILED);
    assert_int_equal(t.server.last, E_LIMIT);
    assert_string_equal(tls_engine_why(t.server.e), "the peer does not read what TLS answers");
    assert_true(tls_engine_out(t.server.e).n <= TLS_OUT_MAX);
    tls_ends_clear(&t);
    tls_scene_clear(&s);
}

static void test_no_renegotiation(void **state)
{
    (void)state;
    for (int from_client = 0; from_client < 2; from_client++) {
        struct tls_scene s;
        struct tls_ends t;
        tls_scene_init(&s);
        tls_scene_versions(&s, 0x0303);
        tls_scene_meet(&s, &t);
        tls_ends_run(&t);
        assert_null(SSL_get_current_compression(t.client.e->ssl));
        struct tls_engine *e = from_client ? t.client.e : t.server.e;
        SSL_clear_options(e->ssl, SSL_OP_NO_RENEGOTIATION);
        assert_int_equal(SSL_renegotiate(e->ssl), 1);
        SSL_do_handshake(e->ssl);
        tls_ends_step(&t, from_client, 0);
        // It has been declined; content goes on.
        assert_int_equal(tls_engine_state(from_client ? t.server.e : t.client.e), TLS_OPEN);
        assert_int_equal(tls_engine_say(from_client ? t.server.e : t.client.e, view_of("x")), 0);
        tls_ends_clear(&t);
        tls_scene_clear(&s);
    }
}

// What is said while half a ticket has come, and the end behind it, get there with the other half.
static void test_half_a_ticket(void **state)
{
    (void)state;
    struct tls_scene s;
    struct tls_ends t;
    tls_scene_init(&s);
    tls_scene_versions(&s, TLS1_3_VERSION);
    struct tls_pair *pair =
        tls_make_pair(&(struct tls_make){.cn = "client", .key = TLS_MAKE_RSA}, s.ca);
    s.accept.clients = s.trust; // its certificate is in the ticket
    s.accept.client_required = true;
    s.to.pair = pair;
    tls_scene_open(&s);
    assert_int_equal(SSL_CTX_set_max_send_fragment(s.server->ssl, 512), 1);
    tls_scene_meet(&s, &t);
    tls_ends_give(&t.client, view_n(NULL, 0));
    while (tls_engine_state(t.client.e) == TLS_HANDSHAKE)
        assert_true(tls_ends_step(&t, true, 0) | tls_ends_step(&t, false, 0));
    assert_true(tls_ends_step(&t, true, 0));
    assert_int_equal(tls_engine_state(t.server.e), TLS_OPEN);
    struct view tickets = tls_engine_out(t.server.e);
    size_t first = 5 + ((size_t)(unsigned char)tickets.p[3] << 8 | (unsigned char)tickets.p[4]);
    assert_in_range(first, 512, tickets.n - 1);
    assert_true(tls_ends_step(&t, false, first));
    assert_int_equal(tls_engine_say(t.client.e, view_of("ques")), 0);
    assert_int_equal(tls_engine_say(t.client.e, view_of("tion")), 0);
    assert_int_equal(tls_engine_waits(t.client.e), 8);
    tls_engine_end(t.client.e);
    assert_int_equal(tls_engine_out(t.client.e).n, 0);
    assert_int_equal(tls_engine_waits(t.client.e), 9);
    assert_int_equal(tls_engine_say(t.server.e, view_of("answer")), 0);
    assert_heard(&t, "question", "answer");
    assert_int_equal(tls_engine_waits(t.client.e), 0);
    assert_int_equal(tls_engine_state(t.server.e), TLS_ENDED);
    assert_int_equal(tls_engine_state(t.client.e), TLS_OPEN);
    tls_ends_clear(&t);
    tls_make_pair_free(pair);
    tls_scene_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_versions),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_garbage_first),
        cmocka_unit_test(test_garbage_later),
        cmocka_unit_test(test_out_limit),
        cmocka_unit_test(test_empty_put),
        cmocka_unit_test(test_answers_limit),
        cmocka_unit_test(test_small_gets),
        cmocka_unit_test(test_no_renegotiation),
        cmocka_unit_test(test_no_such_version),
        cmocka_unit_test(test_half_a_ticket),
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    tls_make_clear();
    return bad;
}
