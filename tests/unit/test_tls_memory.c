// Memory of engines: every allocation failing once, of ours and of OpenSSL's; what idle engines
// keep.
#include "tests/support/alloc.h"
#include "tests/support/tls_scene.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

// OpenSSL's allocations go where those of our own code go (support/alloc.h).
#define LARGE 16000 // bytes; nothing but OpenSSL's buffers of records has so many
static long large;  // those that are there

static void *counted(void *p)
{
    large += p && malloc_usable_size(p) >= LARGE;
    return p;
}

static void discount(void *p)
{
    large -= p && malloc_usable_size(p) >= LARGE;
}

static void *take(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n > 0 ? counted(malloc(n)) : NULL;
}

static void *retake(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n == 0) {
        discount(p);
        free(p);
        return NULL;
    }
    long before = large;
    discount(p);
    void *q = realloc(p, n);
    if (!q)
        large = before;
    return counted(q);
}

static void give(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    discount(p);
    free(p);
}

// OpenSSL does not always say that memory was what it missed.
static bool is_told(int r)
{
    return r == 0 || r == E_NOMEM || r == E_REFUSED;
}

static bool in_order(const struct tls_engine *e)
{
    if (tls_engine_state(e) != TLS_FAILED)
        return *tls_engine_why(e) == 0;
    return *tls_engine_why(e) != 0;
}

// A meeting that may go wrong anywhere, and then must end well.
static void story(struct tls_scene *s)
{
    struct tls_engine *client = NULL, *server = NULL;
    int r = tls_engine_connect(&client, s->client, &s->to);
    assert_true(is_told(r));
    if (r == 0)
        r = tls_engine_accept(&server, s->server, &s->from);
    assert_true(is_told(r));
    for (int turn = 0; r == 0 && turn < 12; turn++) {
        struct tls_engine *from = turn & 1 ? server : client, *to = turn & 1 ? client : server;
        struct tls_facts_of f;
        char content[1024];
        size_t n;
        if (turn == 0)
            tls_engine_put(from, view_n(NULL, 0));
        if (turn >= 6) {
            r = tls_engine_say(from, view_of("some words"));
            assert_true(r == 0 || r == E_NOMEM || tls_engine_state(from) != TLS_OPEN);
            r = 0;
        }
        if (turn >= 10)
            tls_engine_end(from);
        struct view out = tls_engine_out(from);
        tls_engine_put(to, out);
        int last;
        while ((last = tls_engine_get(to, content, sizeof content, &n)) == 0)
            ;
        assert_true(last == E_AGAIN || last == E_EOF || last == E_NOMEM || last == E_DAMAGED);
        tls_engine_took(from, out.n);
        tls_engine_facts(to, &f);
        assert_true(in_order(from) && in_order(to));
    }
    tls_engine_free(client);
    tls_engine_free(server);
}

static void meetings(int version, bool resumed)
{
    struct tls_scene s;
    char host[32] = "again";
    long i = 0, step = 3;
    tls_scene_init(&s);
    tls_scene_versions(&s, version);
    s.accept.clients = s.trust;
    s.to.pair = s.leaf;
    s.to.alpn = VIEW_LIT("\x02h2");
    s.to.host = host;
    s.from.alpn = "h2";
    tls_scene_open(&s);
#ifdef __SANITIZE_ADDRESS__
    step = 11;
#endif
    for (bool failed = true; failed; i += step) {
        if (resumed)
            story(&s); // leaves what the next one begins with
        else
            snprintf(host, sizeof host, "host-%ld", i);
        if (i & 1)
            alloc_fail_from(i);
        else
            alloc_fail_at(i);
        story(&s);
        failed = alloc_fail_end();
        ERR_clear_error();
    }
    print_message("%04x, %s: %ld allocations\n", (unsigned)version, resumed ? "resumed" : "full",
                  i);
    struct tls_ends t; // and nothing is spoilt
    tls_scene_meet(&s, &t);
    tls_ends_run(&t);
    assert_int_equal(tls_engine_state(t.client.e), TLS_OPEN);
    assert_int_equal(tls_engine_state(t.server.e), TLS_OPEN);
    tls_ends_clear(&t);
    tls_scene_clear(&s);
}

static void test_meetings(void **state)
{
    (void)state;
    for (int version = 0x0303; version <= 0x0304; version++) {
        meetings(version, false);
        meetings(version, true);
    }
}

static void test_contexts(void **state)
{
    (void)state;
    struct tls_scene s;
    tls_scene_init(&s);
    s.accept.clients = s.trust;
    tls_scene_open(&s); // what OpenSSL makes once
    for (long i = 0, failed = 1; failed; i++) {
        struct tls_context *client = NULL, *server = NULL;
        char why[WHY_MAX] = "";
        alloc_fail_at(i);
        int r = tls_context_connect(&client, &s.connect, why);
        assert_true(r == 0 || *why);
        r = tls_context_accept(&server, &s.accept, why);
        assert_true(r == 0 || *why);
        failed = alloc_fail_end();
        tls_context_free(client);
        tls_context_free(server);
        ERR_clear_error();
    }
    tls_scene_clear(&s);
}

static void test_no_buffers(void **state)
{
    (void)state;
    for (int version = 0x0303; version <= 0x0304; version++) {
        struct tls_scene s;
        tls_scene_init(&s);
        tls_scene_versions(&s, version);
        for (int k = 0; k < 3; k++) { // the first is not resumed
            struct tls_ends t;
            tls_scene_meet(&s, &t);
            large = 0;
            tls_ends_run(&t);
            assert_int_equal(large, 0);
            assert_int_equal(tls_engine_say(t.client.e, view_of("some words")), 0);
            for (size_t n = tls_engine_out(t.client.e).n; n > 1; n--) {
                tls_ends_step(&t, true, 1);
                assert_int_equal(large, 1); // part of a record
            }
            tls_ends_run(&t);
            assert_int_equal(buf_len(&t.server.got), 10);
            assert_int_equal(large, 0);
            tls_engine_end(t.client.e);
            assert_int_equal(large, 0);
            tls_ends_run(&t);
            tls_ends_clear(&t);
        }
        tls_scene_clear(&s);
    }
}

#define IDLE 1000

static void test_idle(void **state)
{
    (void)state;
    for (int version = 0x0303; version <= 0x0304; version++) {
        for (int resumed = 0; resumed < 2; resumed++) {
            struct tls_scene s;
            struct tls_ends *all = calloc(IDLE, sizeof *all), t;
            assert_non_null(all);
            tls_scene_init(&s);
            tls_scene_versions(&s, version);
            if (!resumed)
                s.accept.ticket_key = NULL;
            tls_scene_meet(&s, &t);
            tls_ends_run(&t);
            tls_ends_clear(&t);
            size_t before = mallinfo2().uordblks;
            for (size_t i = 0; i < IDLE; i++) {
                tls_scene_meet(&s, &all[i]);
                tls_ends_run(&all[i]);
                assert_int_equal(tls_engine_say(all[i].client.e, view_of("hello")), 0);
                assert_int_equal(tls_engine_say(all[i].server.e, view_of("hello")), 0);
                tls_ends_run(&all[i]);
                buf_clear(&all[i].client.got);
                buf_clear(&all[i].server.got);
            }
            size_t each = (mallinfo2().uordblks - before) / IDLE;
            print_message("%s, %s: %zu bytes an idle pair of engines\n",
                          version == 0x0304 ? "1.3" : "1.2", resumed ? "resumed" : "full", each);
            assert_true(each < (size_t)40 * 1024);
            size_t clients = mallinfo2().uordblks;
            for (size_t i = 0; i < IDLE; i++) {
                tls_engine_free(all[i].client.e);
                all[i].client.e = NULL;
            }
            clients -= mallinfo2().uordblks;
            print_message("  of these the client %zu\n", clients / IDLE);
            for (size_t i = 0; i < IDLE; i++)
                tls_ends_clear(&all[i]);
            free(all);
            tls_scene_clear(&s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meetings),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_no_buffers),
        cmocka_unit_test(test_idle),
    };
    if (!CRYPTO_set_mem_functions(take, retake, give))
        return 1;
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    tls_make_clear();
    return bad;
}
