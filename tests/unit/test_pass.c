// Who passes without interception: rules and their errors, what is learned and for how long, its
// ceiling, and memory that runs out.
#include "proxy/tls/pass.h"

#include "tests/support/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW (1000 * US_PER_S)

static char why[WHY_MAX];

static struct tls_pass *pass_of(const char *rules)
{
    struct tls_pass *p;
    if (tls_pass_new(&p, rules, why)) {
        print_error("%s: %s\n", rules, why);
        fail();
    }
    return p;
}

// What a look says: the cause, or -1.
static int looks(struct tls_pass *p, const char *host, unsigned port, int64_t now_us)
{
    enum pass_cause cause;
    return tls_pass_look(p, host, port, now_us, &cause) ? (int)cause : -1;
}

static void test_rules(void **state)
{
    static const struct {
        const char *rules, *host;
        unsigned port;
        bool passes;
    } cases[] = {
        {"", "a.example", 443, false},
        {"  ", "a.example", 443, false},
        {"a.example", "a.example", 443, true},
        {"a.example", "A.Example", 443, true},
        {"A.EXAMPLE", "a.example", 1, true},
        {"a.example", "a.example.", 443, true},
        {"a.example.", "a.example", 443, true},
        {"a.example", "b.a.example", 443, false},
        {"a.example", "example", 443, false},
        {"a.example:443", "a.example", 443, true},
        {"a.example:443", "a.example", 444, false},
        {"*.x", "a.x", 443, true},
        {"*.x", "a.b.x", 443, true},
        {"*.X", "A.b.x", 443, true},
        {"*.x", "x", 443, false},
        {"*.x", ".x", 443, false},
        {"*.x", "ax", 443, false},
        {"*.x", "a.y", 443, false},
        {"*.x.y:8443", "a.x.y", 8443, true},
        {"*.x.y:8443", "a.x.y", 443, false},
        {":5432", "anything", 5432, true},
        {":5432", "", 5432, true},
        {":5432", "anything", 5433, false},
        {"*", "anything", 1, true},
        {"*:65535", "anything", 65535, true},
        {"10.0.0.1", "10.0.0.1", 443, true},
        {"10.0.0.1:443", "10.0.0.10", 443, false},
        {"::1", "::1", 443, true},
        {"[::1]", "::1", 443, true},
        {"[0:0::1]:443", "::1", 443, true},
        {"::1", "0:0:0:0:0:0:0:1", 443, true},
        {"FE80::A", "fe80::a", 443, true},
        {"[::1]:443", "::1", 444, false},
        {" a , b:1 ,\t:9 ", "a", 5, true},
        {" a , b:1 ,\t:9 ", "b", 1, true},
        {" a , b:1 ,\t:9 ", "b", 2, false},
        {" a , b:1 ,\t:9 ", "c", 9, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_pass *p = pass_of(cases[i].rules);
        int said = looks(p, cases[i].host, cases[i].port, NOW);
        if (said != (cases[i].passes ? (int)PASS_RULE : -1)) {
            print_error("%s: %s:%u is %d\n", cases[i].rules, cases[i].host, cases[i].port, said);
            fail();
        }
        tls_pass_free(p);
    }
    tls_pass_free(NULL);
}

static void test_bad_rules(void **state)
{
    static const struct {
        const char *rules, *shown, *allowed;
    } cases[] = {
        {",", "\"\"", "HOST:PORT"},
        {"a,,b", "\"\"", "HOST:PORT"},
        {"a,", "\"\"", "HOST:PORT"},
        {"a.example,b c,d", "\"b c\"", "HOST:PORT"},
        {"a..b", "\"a..b\"", "HOST is a host name"},
        {"*a.example", "\"*a.example\"", "\"*.\""},
        {"a.*.example", "\"a.*.example\"", "\"*.\""},
        {"*.", "\"*.\"", "\"*.\""},
        {"*.*.x", "\"*.*.x\"", "\"*.\""},
        {"*.::1", "\"*.::1\"", "\"*.\""},
        {"*.[::1]", "\"*.[::1]\"", "\"*.\""},
        {"https://a.example", "\"https://a.example\"", "HOST is"},
        {"10.0.0.0/8", "\"10.0.0.0/8\"", "HOST is"},
        {"[::1", "\"[::1\"", "HOST is"},
        {"[a]:1", "\"[a]:1\"", "HOST is"},
        {"[::1]443", "\"[::1]443\"", "HOST is"},
        {"a:", "\"a:\"", "1 to 65535"},
        {":", "\":\"", "1 to 65535"},
        {"a:0", "\"a:0\"", "1 to 65535"},
        {"a:65536", "\"a:65536\"", "1 to 65535"},
        {"a:https", "\"a:https\"", "1 to 65535"},
        {"a:-1", "\"a:-1\"", "1 to 65535"},
        {"[::1]:", "\"[::1]:\"", "1 to 65535"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_pass *p;
        int r = tls_pass_new(&p, cases[i].rules, why);
        if (r != E_SYNTAX || p || !strstr(why, cases[i].shown) || !strstr(why, cases[i].allowed)) {
            print_error("%s: %d %s\n", cases[i].rules, r, r ? why : "");
            fail();
        }
    }
}

static void test_many_rules(void **state)
{
    char *rules = malloc(PASS_RULES_MAX * 8 + 16);
    struct tls_pass *p;
    size_t at = 0;
    (void)state;
    for (int i = 0; i < PASS_RULES_MAX; i++)
        at += (size_t)snprintf(rules + at, 8, "%sh%d", i ? "," : "", i);
    p = pass_of(rules);
    assert_int_equal(looks(p, "h0", 443, NOW), PASS_RULE);
    assert_int_equal(looks(p, "h255", 443, NOW), PASS_RULE);
    assert_int_equal(looks(p, "h256", 443, NOW), -1);
    tls_pass_free(p);
    snprintf(rules + at, 8, ",more");
    assert_int_equal(tls_pass_new(&p, rules, why), E_LIMIT);
    assert_non_null(strstr(why, "256"));
    free(rules);
    // A rule that is longer than an error text.
    char long_rule[1024];
    memset(long_rule, 'a', sizeof long_rule);
    long_rule[sizeof long_rule - 1] = '\0';
    assert_int_equal(tls_pass_new(&p, long_rule, why), E_SYNTAX);
}

static void test_learned(void **state)
{
    struct tls_pass *p = pass_of("ruled.example");
    (void)state;
    assert_true(tls_pass_learn(p, "Pinned.Example.", 443, PASS_REFUSED, NOW));
    assert_false(tls_pass_learn(p, "pinned.example", 443, PASS_UNTRUSTED, NOW + 1)); // it holds
    assert_int_equal(looks(p, "pinned.example", 443, NOW), PASS_REFUSED);
    assert_int_equal(looks(p, "PINNED.example", 443, NOW + PASS_FIRST_US - 1), PASS_REFUSED);
    assert_int_equal(looks(p, "pinned.example", 443, NOW + PASS_FIRST_US), -1);
    // The port and the name are its own.
    assert_int_equal(looks(p, "pinned.example", 444, NOW), -1);
    assert_int_equal(looks(p, "a.pinned.example", 443, NOW), -1);
    // A rule is named before what was learned.
    tls_pass_learn(p, "ruled.example", 443, PASS_UNTRUSTED, NOW);
    assert_int_equal(looks(p, "ruled.example", 443, NOW), PASS_RULE);
    tls_pass_free(p);
}

// Until when it passes, after a failure at that time.
static int64_t learn(struct tls_pass *p, int64_t now_us)
{
    struct pass_entry e = {0};
    size_t i = 0;
    tls_pass_learn(p, "h", 443, PASS_WANTS_CERT, now_us);
    assert_true(tls_pass_next(p, now_us, &i, &e));
    assert_int_equal(looks(p, "h", 443, e.until_us - 1), PASS_WANTS_CERT);
    assert_int_equal(looks(p, "h", 443, e.until_us), -1);
    return e.until_us;
}

static void test_growing(void **state)
{
    struct tls_pass *p = pass_of("");
    int64_t span = PASS_FIRST_US, now = NOW, until;
    struct pass_entry e;
    (void)state;
    for (unsigned times = 1; times < 20; times++) {
        size_t i = 0;
        until = learn(p, now);
        assert_true(until - now == span);
        assert_true(tls_pass_next(p, now, &i, &e));
        assert_int_equal(e.times, times);
        // Others that fail at the same time change nothing.
        assert_true(learn(p, now) == until);
        assert_true(learn(p, until - 1) == until);
        now = until + PASS_LAST_US - 1; // at the last moment of its trial
        span = 2 * span < PASS_LAST_US ? 2 * span : PASS_LAST_US;
    }
    assert_true(span == PASS_LAST_US);
    // A day without failure: it starts over.
    until = learn(p, now);
    assert_true(until - now == PASS_LAST_US);
    now = until + PASS_LAST_US;
    assert_true(learn(p, now) - now == PASS_FIRST_US);
    size_t i = 0;
    assert_true(tls_pass_next(p, now, &i, &e));
    assert_int_equal(e.times, 1);
    tls_pass_free(p);
}

static void test_listed(void **state)
{
    struct tls_pass *p = pass_of("");
    struct pass_entry e;
    size_t i = 0, n = 0;
    (void)state;
    assert_false(tls_pass_next(p, NOW, &i, &e));
    tls_pass_learn(p, "a", 1, PASS_REFUSED, NOW - PASS_FIRST_US); // over
    tls_pass_learn(p, "b", 2, PASS_PROTOCOL, NOW - 1);
    tls_pass_learn(p, "b", 3, PASS_UNTRUSTED, NOW);
    for (i = 0; tls_pass_next(p, NOW, &i, &e); n++) {
        assert_string_equal(e.host, "b");
        assert_int_equal(e.port, 2 + n);
        assert_int_equal(e.cause, n ? PASS_UNTRUSTED : PASS_PROTOCOL);
        assert_true(e.until_us == NOW + PASS_FIRST_US - (n ? 0 : 1));
        assert_int_equal(e.times, 1);
    }
    assert_int_equal(n, 2);
    tls_pass_free(p);
}

// Where clients take our certificate: per host and port, and forgotten only for another.
static void test_taken(void **state)
{
    (void)state;
    struct tls_pass *p = pass_of("");
    assert_false(tls_pass_was_taken(p, "a.example", 443));
    assert_false(tls_pass_was_taken(p, "", 0));
    tls_pass_took(p, "A.example.", 443);
    assert_true(tls_pass_was_taken(p, "a.example", 443));
    assert_false(tls_pass_was_taken(p, "a.example", 444));
    assert_false(tls_pass_was_taken(p, "b.example", 443));
    assert_false(tls_pass_doubt(p, "b.example", 443));
    assert_true(tls_pass_doubt(p, "a.example", 443)); // until it is taken once more
    assert_false(tls_pass_was_taken(p, "a.example", 443));
    tls_pass_took(p, "a.example", 443);
    assert_true(tls_pass_was_taken(p, "a.example", 443));
    char host[32];
    for (int i = 0; i < 100 * PASS_TAKEN_MAX; i++) {
        snprintf(host, sizeof host, "h%d.example", i);
        tls_pass_took(p, host, 443);
        assert_true(tls_pass_was_taken(p, host, 443));
    }
    assert_false(tls_pass_was_taken(p, "a.example", 443));
    assert_int_equal(looks(p, "a.example", 443, NOW), -1);
    tls_pass_free(p);
}

static void test_bounded(void **state)
{
    struct tls_pass *p = pass_of("");
    struct pass_entry e;
    char host[32];
    size_t n = 0;
    (void)state;
    // The first to end is in the middle.
    for (int h = 0; h < PASS_LEARNED_MAX; h++) {
        snprintf(host, sizeof host, "h%d", h);
        tls_pass_learn(p, host, 443, PASS_REFUSED, h == 500 ? NOW : NOW + 10 + h);
    }
    assert_int_equal(looks(p, "h500", 443, NOW), PASS_REFUSED);
    tls_pass_learn(p, "more", 443, PASS_REFUSED, NOW + 5);
    assert_int_equal(looks(p, "more", 443, NOW + 5), PASS_REFUSED);
    assert_int_equal(looks(p, "h500", 443, NOW + 5), -1);
    assert_int_equal(looks(p, "h0", 443, NOW + 5), PASS_REFUSED);
    tls_pass_learn(p, "yet more", 443, PASS_REFUSED, NOW + 3000);
    assert_int_equal(looks(p, "more", 443, NOW + 6), -1);
    for (size_t i = 0; tls_pass_next(p, NOW + 3000, &i, &e);)
        n++;
    assert_int_equal(n, PASS_LEARNED_MAX);
    tls_pass_free(p);
}

static void test_other_rules(void **state)
{
    struct tls_pass *p = pass_of("old.example,:7");
    (void)state;
    tls_pass_learn(p, "learned.example", 443, PASS_REFUSED, NOW);
    assert_int_equal(tls_pass_rules(p, "old.example,a b", why), E_SYNTAX);
    assert_non_null(strstr(why, "\"a b\" is nothing to pass through"));
    assert_int_equal(looks(p, "any", 7, NOW), PASS_RULE);
    assert_int_equal(tls_pass_rules(p, "*.new.example", why), 0);
    assert_int_equal(looks(p, "old.example", 443, NOW), -1);
    assert_int_equal(looks(p, "any", 7, NOW), -1);
    assert_int_equal(looks(p, "a.new.example", 443, NOW), PASS_RULE);
    assert_int_equal(looks(p, "learned.example", 443, NOW), PASS_REFUSED);
    assert_int_equal(tls_pass_rules(p, "", why), 0);
    assert_int_equal(looks(p, "a.new.example", 443, NOW), -1);
    tls_pass_free(p);
}

static void test_cause_texts(void **state)
{
    (void)state;
    for (int a = PASS_RULE; a <= PASS_PROTOCOL; a++) {
        const char *text = tls_pass_cause_text((enum pass_cause)a);
        assert_true(strlen(text) > 0);
        for (int b = PASS_RULE; b < a; b++)
            assert_string_not_equal(text, tls_pass_cause_text((enum pass_cause)b));
    }
}

static void test_long_hosts(void **state)
{
    char host[600];
    struct tls_pass *p = pass_of(":7,*.a");
    (void)state;
    memset(host, 'A', sizeof host);
    host[sizeof host - 1] = '\0';
    assert_int_equal(looks(p, host, 7, NOW), PASS_RULE);
    assert_int_equal(looks(p, host, 8, NOW), -1);
    tls_pass_learn(p, host, 8, PASS_REFUSED, NOW);
    assert_int_equal(looks(p, host, 8, NOW), PASS_REFUSED);
    tls_pass_free(p);
}

static void test_without_memory(void **state)
{
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        struct tls_pass *p;
        alloc_fail_at(i);
        int r = tls_pass_new(&p, "a,*.b,:9", why);
        if (r == 0) {
            tls_pass_learn(p, "x", 1, PASS_REFUSED, NOW);
            tls_pass_learn(p, "y", 1, PASS_REFUSED, NOW);
        }
        failed = alloc_fail_end();
        if (r) {
            assert_int_equal(r, E_NOMEM);
            assert_null(p);
            continue;
        }
        // At most one of them was not learned, and is the next time.
        int known = (looks(p, "x", 1, NOW) >= 0) + (looks(p, "y", 1, NOW) >= 0);
        assert_int_equal(known, failed ? 1 : 2);
        tls_pass_learn(p, "x", 1, PASS_REFUSED, NOW);
        tls_pass_learn(p, "y", 1, PASS_REFUSED, NOW);
        assert_true(looks(p, "x", 1, NOW) >= 0 && looks(p, "y", 1, NOW) >= 0);
        tls_pass_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),       cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_many_rules),  cmocka_unit_test(test_learned),
        cmocka_unit_test(test_growing),     cmocka_unit_test(test_listed),
        cmocka_unit_test(test_taken),       cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_other_rules), cmocka_unit_test(test_cause_texts),
        cmocka_unit_test(test_long_hosts),  cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
