// Where the recorder listens: sockets of the dead are replaced, those of the living are not; only
// this machine can reach it.
#include "recorder/endpoint.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], address[TMP_PATH + 8];

static int set_up(void **state)
{
    (void)state;
    char path[TMP_PATH];
    tmp_make(dir);
    snprintf(address, sizeof address, "unix:%s", tmp_path(path, dir, "r.sock"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static void sockets_of_the_dead_are_replaced(void **state)
{
    (void)state;
    struct endpoint a, b;
    struct stat st;
    char why[WHY_MAX] = "";
    assert_int_equal(endpoint_open(&a, address, 0, why), 0);
    assert_int_equal(endpoint_open(&b, address, 0, why), E_BUSY);
    assert_non_null(strstr(why, "another recorder listens there"));
    // It dies without a word: the file stays.
    close(a.fd);
    a.fd = -1;
    assert_int_equal(stat(address + 5, &st), 0);
    assert_int_equal(endpoint_open(&b, address, 0, why), 0);
    // The dead one's path is the living one's by now, and stays.
    endpoint_close(&a);
    assert_int_equal(stat(address + 5, &st), 0);
    endpoint_close(&b);
    assert_int_not_equal(stat(address + 5, &st), 0);
    // What is no socket is not ours to remove.
    tmp_write(address + 5, "precious", 8);
    assert_int_equal(endpoint_open(&a, address, 0, why), E_EXISTS);
    assert_int_equal(stat(address + 5, &st), 0);
    assert_int_equal(st.st_size, 8);
}

static void a_socket_can_be_handed_to_a_user(void **state)
{
    (void)state;
    struct endpoint l;
    struct stat st;
    char why[WHY_MAX] = "";
    assert_int_equal(endpoint_open(&l, address, 2102, why), 0);
    assert_int_equal(stat(address + 5, &st), 0);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 2102 : geteuid());
    assert_int_equal(st.st_mode & 0777, 0600);
    endpoint_close(&l);
}

static void addresses_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *address, *words;
        int e;
    } wrong[] = {
        {"0.0.0.0:4000", "only a loopback address", E_REFUSED},
        {"192.0.2.1:4000", "without encryption", E_REFUSED},
        {"[::]:4000", "only a loopback address", E_REFUSED},
        {"[2001:db8::1]:4000", "only a loopback address", E_REFUSED},
        {"example.com:4000", "only a loopback address", E_REFUSED},
        {"4000", "neither unix:PATH nor HOST:PORT", E_SYNTAX},
        {"127.0.0.1", "neither unix:PATH nor HOST:PORT", E_SYNTAX},
        {"127.0.0.1:99999", "neither unix:PATH nor HOST:PORT", E_SYNTAX},
        {"", "neither unix:PATH nor HOST:PORT", E_SYNTAX},
        {"unix:", "the path must have", E_SYNTAX},
        {"unix:/nonexistent/folder/r.sock", "cannot listen there: No such file", E_NOTFOUND},
        {"unix:"
         "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
         "89012345678901234567890",
         "1 to 107 bytes", E_SYNTAX},
    };
    static const char *const fine[] = {"127.0.0.1:0", "localhost:0", "127.9.9.9:0"};
    struct endpoint l;
    char why[WHY_MAX];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        why[0] = 0;
        int e = endpoint_open(&l, wrong[i].address, 0, why);
        if (e != wrong[i].e || !strstr(why, wrong[i].words))
            fail_msg("%s: %d %s", wrong[i].address, e, why);
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        if (endpoint_open(&l, fine[i], 0, why) != 0)
            fail_msg("%s: %s", fine[i], why);
        assert_null(strstr(l.text, ":0"));
        endpoint_close(&l);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(sockets_of_the_dead_are_replaced),
        TEST(a_socket_can_be_handed_to_a_user),
        TEST(addresses_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
