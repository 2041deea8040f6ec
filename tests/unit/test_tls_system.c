// TLS where the system's openssl.cnf takes away versions and suites: ours are there all the same.
#include "tests/support/tls_scene.h"
#include "tests/support/tmp.h"

#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char conf[] = "openssl_conf = init\n"
                           "[init]\nssl_conf = ssl\n"
                           "[ssl]\nsystem_default = tls\n"
                           "[tls]\nProtocol = -TLSv1.2\nMinProtocol = TLSv1.3\n"
                           "CipherString = AES256-SHA\n";

static void test_versions(void **state)
{
    (void)state;
    for (int version = 0x0303; version <= 0x0304; version++) {
        struct tls_scene s;
        struct tls_ends t;
        tls_scene_init(&s);
        tls_scene_versions(&s, version);
        tls_scene_meet(&s, &t);
        tls_ends_run(&t);
        assert_string_equal(tls_engine_why(t.client.e), "");
        assert_int_equal(tls_engine_state(t.client.e), TLS_OPEN);
        assert_int_equal(tls_engine_state(t.server.e), TLS_OPEN);
        tls_ends_clear(&t);
        tls_scene_clear(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_versions)};
    char dir[TMP_PATH], path[TMP_PATH];
    tmp_make(dir);
    tmp_write(tmp_path(path, dir, "openssl.cnf"), conf, sizeof conf - 1);
    setenv("OPENSSL_CONF", path, 1); // before OpenSSL looks
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    tls_make_clear();
    tmp_remove(dir);
    return bad;
}
