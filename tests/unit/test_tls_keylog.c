// The key log: its file, its lines, and lines that do not fit on the disk.
#include "proxy/tls/keylog.h"

#include "tests/support/tls_scene.h"
#include "tests/support/tmp.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH];

static int setup(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "keys");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static struct tls_keylog *must_open(void)
{
    struct tls_keylog *k = NULL;
    char why[WHY_MAX] = "";
    int r = tls_keylog_open(&k, path, why);
    assert_string_equal(why, "");
    assert_int_equal(r, 0);
    return k;
}

static bool is_hex(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (view_digit(v.p[i]) < 0)
            return false;
    return v.n > 0;
}

// Every line is "LABEL RANDOM SECRET"; how many there are with that label.
static int count_lines(const char *label)
{
    size_t n;
    int found = 0;
    char *text = tmp_read(path, &n);
    for (struct view rest = view_n(text, n); rest.n > 0;) {
        struct view line = view_head(rest, view_find(rest, '\n'));
        assert_true(line.n < rest.n);
        rest = view_from(rest, line.n + 1);
        struct view word = view_head(line, view_find(line, ' '));
        line = view_from(line, word.n + 1);
        struct view random = view_head(line, view_find(line, ' '));
        assert_true(random.n == 64 && is_hex(random));
        struct view secret = view_from(line, 65);
        assert_true(is_hex(secret) && (secret.n == 64 || secret.n == 96));
        found += view_eq(word, view_of(label));
    }
    free(text);
    return found;
}

static void test_lines(void **state)
{
    (void)state;
    struct tls_keylog *k = must_open();
    struct stat st;
    for (int version = 0x0303; version <= 0x0304; version++) {
        struct tls_scene s;
        struct tls_ends t;
        tls_scene_init(&s);
        tls_scene_versions(&s, version);
        s.connect.keylog = s.accept.keylog = k;
        tls_scene_meet(&s, &t);
        tls_ends_run(&t);
        assert_int_equal(tls_engine_state(t.client.e), TLS_OPEN);
        tls_ends_clear(&t);
        tls_scene_clear(&s);
    }
    tls_keylog_close(k);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(count_lines("CLIENT_RANDOM"), 2); // of both ends
    assert_int_equal(count_lines("CLIENT_HANDSHAKE_TRAFFIC_SECRET"), 2);
    assert_int_equal(count_lines("SERVER_HANDSHAKE_TRAFFIC_SECRET"), 2);
    assert_int_equal(count_lines("CLIENT_TRAFFIC_SECRET_0"), 2);
    assert_int_equal(count_lines("SERVER_TRAFFIC_SECRET_0"), 2);
    tls_keylog_close(must_open()); // appends
    assert_int_equal(count_lines("CLIENT_RANDOM"), 2);
}

static void test_refused(void **state)
{
    (void)state;
    struct tls_keylog *k = NULL;
    char why[WHY_MAX] = "", other[TMP_PATH];
    tmp_write(path, "", 0);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(tls_keylog_open(&k, path, why), E_REFUSED);
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "mode 640"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(tls_keylog_open(&k, tmp_path(other, dir, "none/keys"), why), E_NOTFOUND);
    assert_non_null(strstr(why, other));
    assert_int_not_equal(tls_keylog_open(&k, dir, why), 0);
    tmp_path(other, dir, "pipe");
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_int_not_equal(tls_keylog_open(&k, other, why), 0); // and does not wait
    assert_null(k);
    tls_keylog_close(NULL);
}

#define WRITERS 4
#define LINES   500

static void *write_lines(void *arg)
{
    char line[200];
    snprintf(line, sizeof line, "WORDS %064d %096d", 0, 0);
    for (int i = 0; i < LINES; i++)
        tls_keylog_line(arg, line);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    struct tls_keylog *k = must_open();
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, k), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    tls_keylog_close(k);
    assert_int_equal(count_lines("WORDS"), WRITERS * LINES);
}

static void test_full(void **state)
{
    (void)state;
    struct rlimit was, small;
    struct tls_keylog *k = must_open();
    char *text;
    size_t n;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = was;
    small.rlim_cur = 30;
    tls_keylog_line(k, "FIRST aaaaaaaaaa");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    tls_keylog_line(k, "SECOND bbbbbbbbbbbbbbbb");
    tls_keylog_line(k, "THIRD cccccccccccc");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    tls_keylog_line(k, "FOURTH dddddddddddd");
    tls_keylog_line(k, "FIFTH eeee");
    tls_keylog_close(k);
    text = tmp_read(path, &n);
    assert_true(view_eq(view_n(text, n), view_of("FIRST aaaaaaaaaa\n"
                                                 "SECOND bbbbbb\n"
                                                 "FOURTH dddddddddddd\n"
                                                 "FIFTH eeee\n")));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    tls_make_clear();
    return bad;
}
