// The proxy's settings as made from options: what is taken, and what is refused with which words.
#include "proto/config.h"
#include "proto/settings.h"
#include "proxy/settings.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct options *options_of(char **argv)
{
    static char *none[] = {NULL};
    char why[WHY_MAX] = "";
    int argc = 0, rest;
    while (argv[argc])
        argc++;
    struct options *o = options_new(settings_table, FOR_PROXY);
    if (config_load(o, argc, argv, none, &rest, why))
        fail_msg("%s", why);
    return o;
}

#define ARGS(...) ((char *[]){"tapedeck-proxy", __VA_ARGS__, NULL})

static void takes_the_defaults(void **state)
{
    struct proxy_settings s;
    char why[WHY_MAX] = "", text[ADDR_TEXT];
    (void)state;
    struct options *o = options_of(ARGS("--proxy-type", "dual"));
    assert_int_equal(settings_from(o, &s, why), 0);
    assert_int_equal(s.mode.count, 2);
    assert_string_equal(addr_text(&s.binds[0], text), "[::]:4143");
    assert_string_equal(addr_text(&s.binds[1], text), "127.0.0.1:4140");
    assert_string_equal(s.target.host, "localhost");
    assert_int_equal(s.target.port, 80);
    assert_string_equal(addr_text(&s.admin, text), "127.0.0.1:4145");
    assert_true(s.workers >= 1 && s.workers <= 4);
    assert_int_equal(s.head_max, 65536);
    assert_int_equal(s.max_body, 64 << 20);
    assert_false(s.block);
    assert_null(s.spool_dir);
    options_free(o);
}

static void takes_what_is_given(void **state)
{
    struct proxy_settings s;
    char why[WHY_MAX] = "", text[ADDR_TEXT];
    (void)state;
    struct options *o = options_of(
        ARGS("--proxy-type=reverse", "--proxy-protocol=tcp", "--proxy-host=Db.Example",
             "--proxy-port=5432", "--in-bind=::1", "--proxy-in-port=0", "--admin-listen=[::1]:0",
             "--max-body=0", "--on-full=block", "--workers=7", "--idle-timeout=0"));
    assert_int_equal(settings_from(o, &s, why), 0);
    assert_int_equal(s.mode.count, 1);
    assert_string_equal(addr_text(&s.binds[0], text), "[::1]:0");
    assert_string_equal(addr_text(&s.admin, text), "[::1]:0");
    assert_string_equal(s.target.host, "db.example");
    assert_true(s.max_body == UINT64_MAX);
    assert_true(s.block);
    assert_int_equal(s.workers, 7);
    assert_int_equal(s.limits.idle, 0);
    options_free(o);
}

static void admin_may_be_off_or_everywhere(void **state)
{
    struct proxy_settings s;
    char why[WHY_MAX] = "", text[ADDR_TEXT];
    (void)state;
    struct options *o = options_of(ARGS("--proxy-type=forward", "--admin-listen=off"));
    assert_int_equal(settings_from(o, &s, why), 0);
    assert_false(addr_is_set(&s.admin));
    options_free(o);
    o = options_of(ARGS("--proxy-type=forward", "--admin-listen=*:99"));
    assert_int_equal(settings_from(o, &s, why), 0);
    assert_string_equal(addr_text(&s.admin, text), "[::]:99");
    options_free(o);
}

static void refuses_with_one_line(void **state)
{
    static const struct {
        const char *option, *words;
    } cases[] = {
        {"--proxy-type=transparent",
         "give --proxy-type reverse, forward or dual: legal pairs are reverse with"},
        {"--proxy-protocol=tcp", "proxy-type forward does not go with proxy-protocol tcp"},
        {"--out-bind=example.com", "out-bind: \"example.com\" is neither"},
        {"--proxy-host=a b", "proxy-host: \"a b\" is no host name"},
        {"--admin-listen=nonsense", "admin-listen: \"nonsense\" is not ADDR:PORT"},
        {"--admin-listen=host.example:1", "admin-listen: \"host.example:1\" is not ADDR:PORT"},
        {"--capture-filter=status >", "capture-filter: column "},
        {"--capture-filter=id = 1", "capture-filter: id and flow are known only"},
        {"--redact=bogus", "redact: \"bogus\": no such rule; rules are none, default, header:NAME"},
        {"--redact=default,json:", "redact: \"json:\": a name is missing; rules are "},
        {"--redact=json:a.b",
         "redact: \"json:a.b\": a path is $ and at least one step; rules are "},
        {"--redact=header:", "redact: \"header:\": a name is missing; rules are "},
        {"--label=nonsense", "label: \"nonsense\" is not NAME=VALUE"},
        {"--label==value", "label: \"=value\" is not NAME=VALUE"},
        {"--tls-ca-cert=x", "tls-ca-cert: it needs tls-ca-key"},
        {"--tls-ca-key=x", "tls-ca-key: it needs tls-ca-cert"},
        {"--tls-pass=a b", "tls-pass: \"a b\" is nothing to pass through"},
        {"--tls-mutual=host", "tls-mutual: \"host\" is not HOST=CERT,KEY"},
        {"--tls-mutual=host=cert", "tls-mutual: \"host=cert\" is not HOST=CERT,KEY"},
        {"--tls-mutual==cert,key", "tls-mutual: \"=cert,key\" is not HOST=CERT,KEY"},
        {"--tls-mutual=h=cert,key,", "tls-mutual: \"h=cert,key,\" is not HOST=CERT,KEY"},
        {"--tls-mutual=a*b=cert,key", "HOST is a host name, an address"},
        {"--tls-mutual-public=x", "tls-mutual-public: it needs tls-mutual-private"},
        {"--tls-mutual-private=x", "tls-mutual-private: it needs tls-mutual-public"},
        {"--tls-in-ca=", "tls-in-ca: it is empty"},
        {"--tls-in-secret=", "tls-in-secret: it is empty"},
        {"--tls-in-public=", "tls-in-public: it is empty"},
        {"--tls-mutual-secret=", "tls-mutual-secret: it is empty"},
        {"--tls-keylog=", "tls-keylog: it is empty"},
        {"--tls-in-public=x", "tls-in-public: it needs tls-in-private"},
        {"--tls-in-private=x", "tls-in-private: it needs tls-in-public"},
        {"--tls-in-ca=x", "tls-in-ca: inbound TLS does not end here"},
        {"--tls-in-client=ask", "tls-in-client: it needs tls-in-ca"},
        {"--tls-in-upstream=tls", "tls-in-upstream: inbound TLS does not end here"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct proxy_settings s;
        char why[WHY_MAX] = "", option[256];
        snprintf(option, sizeof option, "%s", cases[i].option);
        struct options *o = options_of(ARGS("--proxy-type=forward", option));
        assert_int_not_equal(settings_from(o, &s, why), 0);
        if (!strstr(why, cases[i].words) || strchr(why, '\n'))
            fail_msg("%s: %s", cases[i].option, why);
        options_free(o);
    }
}

static void takes_the_pairs_of_options(void **state)
{
    struct proxy_settings s;
    struct settings_pairs p;
    char why[WHY_MAX] = "";
    (void)state;
    struct options *o = options_of(
        ARGS("--proxy-type=dual", "--tls-in-secret=/secret", "--tls-mutual=*.a.example= c , k ",
             "--tls-mutual=fd00::1=c2,k2", "--tls-mutual-secret=/m", "--tls-mutual-public=/abs.crt",
             "--tls-least=1.0", "--upstream-verify=warn", "--tls-leaf-days=197"));
    if (settings_from(o, &s, why))
        fail_msg("%s", why);
    assert_true(s.tls.in && !s.tls.out && !s.tls.tls_behind && s.tls.client_required);
    assert_int_equal(s.tls.least, 0x0301);
    assert_int_equal(s.tls.verify, TLS_VERIFY_WARN);
    assert_int_equal(s.tls.leaf_days, 197);
    assert_string_equal(s.tls.pass, "");
    assert_int_equal(settings_pairs_in(o, &p), 0);
    assert_int_equal(p.n, 1);
    assert_null(p.files[0].pattern);
    assert_string_equal(p.files[0].cert, "/secret/tls.crt");
    assert_string_equal(p.files[0].key, "/secret/tls.key");
    settings_pairs_clear(&p);
    assert_int_equal(settings_pairs_mutual(o, &p), 0);
    assert_int_equal(p.n, 3);
    assert_string_equal(p.files[0].pattern, "*.a.example");
    assert_string_equal(p.files[0].cert, "c");
    assert_string_equal(p.files[0].key, "k");
    assert_string_equal(p.files[2].pattern, "*");
    assert_string_equal(p.files[2].cert, "/abs.crt");
    assert_string_equal(p.files[2].key, "/m/tls.key");
    assert_null(p.files[3].cert);
    settings_pairs_clear(&p);
    options_free(o);
    // Names in the folder; the inbound ones mean nothing to a forward proxy.
    o = options_of(ARGS("--proxy-type=forward", "--tls-out", "--tls-in-secret=d",
                        "--tls-in-public=a", "--tls-in-private=b", "--tls-in-public=/c",
                        "--tls-in-private=e"));
    assert_int_equal(settings_from(o, &s, why), 0);
    assert_true(s.tls.out && !s.tls.in);
    assert_int_equal(settings_pairs_in(o, &p), 0);
    assert_int_equal(p.n, 2);
    assert_string_equal(p.files[0].cert, "d/a");
    assert_string_equal(p.files[1].cert, "/c");
    assert_string_equal(p.files[1].key, "d/e");
    settings_pairs_clear(&p);
    options_free(o);
    o = options_of(ARGS("--proxy-type=reverse", "--tls-in-public=a", "--tls-in-private=b",
                        "--tls-in-private=c"));
    assert_int_equal(settings_from(o, &s, why), E_RANGE);
    assert_string_equal(why, "tls-in-public: 1 given, 2 of tls-in-private; each needs the other");
    options_free(o);
}

static void equal_key_files_make_equal_keys(void **state)
{
    struct proxy_settings a, b, c;
    char why[WHY_MAX] = "", dir[TMP_PATH], path[TMP_PATH], option[TMP_PATH + 32];
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "key");
    snprintf(option, sizeof option, "--redact-key-file=%s", path);
    tmp_write(path, "short", 5);
    struct options *o = options_of(ARGS("--proxy-type=forward", option));
    assert_int_equal(settings_from(o, &a, why), 0);
    assert_int_not_equal(settings_take_key(&a, why), 0);
    assert_non_null(strstr(why, "holds 5 bytes; at least 32"));
    tmp_write(path, "0123456789abcdef0123456789abcdef", 32);
    b = a;
    assert_int_equal(settings_take_key(&a, why), 0);
    assert_int_equal(settings_take_key(&b, why), 0);
    assert_memory_equal(a.redact_key, b.redact_key, sizeof a.redact_key);
    options_free(o);
    o = options_of(ARGS("--proxy-type=forward"));
    assert_int_equal(settings_from(o, &c, why), 0);
    assert_int_equal(settings_take_key(&c, why), 0);
    assert_memory_not_equal(a.redact_key, c.redact_key, sizeof a.redact_key);
    options_free(o);
    tmp_remove(dir);
}

// The sizes are what was asked for: no worker takes more than its share.
static void each_worker_has_its_share(void **state)
{
    struct proxy_settings s;
    char why[WHY_MAX] = "";
    (void)state;
    struct options *o =
        options_of(ARGS("--proxy-type=forward", "--workers=64", "--spool-size=1MiB"));
    assert_int_not_equal(settings_from(o, &s, why), 0);
    assert_string_equal(why, "spool-size: each of 64 workers needs 256 KiB of it: at least 16384 "
                             "KiB, or fewer workers");
    options_free(o);
    o = options_of(ARGS("--proxy-type=forward", "--workers=64", "--memory=1MiB"));
    assert_int_not_equal(settings_from(o, &s, why), 0);
    assert_string_equal(why, "memory: each of 64 workers needs 128 KiB of it: at least 8192 KiB, "
                             "or fewer workers");
    options_free(o);
    o = options_of(ARGS("--proxy-type=forward", "--spool-size=1MiB", "--memory=1MiB"));
    assert_int_equal(settings_from(o, &s, why), 0);
    assert_true(s.workers >= 1 && s.workers <= 4);
    options_free(o);
}

static void takes_no_more_labels_than_it_tells(void **state)
{
    char *argv[2 + SETTINGS_LABELS_MAX + 1 + 1] = {"tapedeck-proxy", "--proxy-type=forward"};
    struct proxy_settings s;
    char why[WHY_MAX] = "";
    (void)state;
    for (size_t i = 0; i < SETTINGS_LABELS_MAX; i++)
        argv[2 + i] = "--label=team=web";
    struct options *o = options_of(argv);
    assert_int_equal(settings_from(o, &s, why), 0);
    options_free(o);
    argv[2 + SETTINGS_LABELS_MAX] = "--label=one=more";
    o = options_of(argv);
    assert_int_not_equal(settings_from(o, &s, why), 0);
    assert_string_equal(why, "label: 65 are given; there may be at most 64");
    options_free(o);
}

// A head that is relayed is one that the capture can name.
static void heads_are_bounded_by_what_the_decoder_holds(void **state)
{
    static char *none[] = {NULL};
    struct proxy_settings s;
    char why[WHY_MAX] = "", option[64];
    int rest;
    (void)state;
    snprintf(option, sizeof option, "--head-max=%d", FLOW_HEAD_MAX);
    struct options *o = options_of(ARGS("--proxy-type=forward", option));
    assert_int_equal(settings_from(o, &s, why), 0);
    assert_int_equal(s.head_max, FLOW_HEAD_MAX);
    assert_true(s.head_max < TAP_HOLD_MAX);
    options_free(o);
    snprintf(option, sizeof option, "--head-max=%d", FLOW_HEAD_MAX + 1);
    o = options_new(settings_table, FOR_PROXY);
    assert_int_not_equal(config_load(o, 3, ARGS("--proxy-type=forward", option), none, &rest, why),
                         0);
    assert_non_null(strstr(why, "64KiB"));
    options_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_defaults),
        cmocka_unit_test(takes_what_is_given),
        cmocka_unit_test(admin_may_be_off_or_everywhere),
        cmocka_unit_test(refuses_with_one_line),
        cmocka_unit_test(heads_are_bounded_by_what_the_decoder_holds),
        cmocka_unit_test(each_worker_has_its_share),
        cmocka_unit_test(takes_no_more_labels_than_it_tells),
        cmocka_unit_test(takes_the_pairs_of_options),
        cmocka_unit_test(equal_key_files_make_equal_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
