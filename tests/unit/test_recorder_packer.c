// What is given to the packer is packed, one after the other; it ends at once when it is told to.
#include "proto/base/log.h"
#include "recorder/packer.h"
#include "schema/pack.h"
#include "tests/support/ask.h"
#include "tests/support/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES 3

static struct sample s;
static char files[FILES][TMP_PATH];

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    sample_begin(&s, "capture.db");
    for (int i = 0; i < FILES; i++) {
        char name[32];
        sample_many(&s, 1000);
        sample_rotate(&s);
        snprintf(name, sizeof name, "capture-%06d.db", i + 1);
        tmp_path(files[i], s.dir, name);
    }
    sample_close(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sample_remove(&s);
    return 0;
}

static bool becomes_packed(const char *path)
{
    const struct timespec pause = {0, 5 * 1000 * 1000};
    for (int i = 0; i < 6000; i++) {
        if (ask_is_packed(path))
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static void give(struct packer *p, const char *a, const char *b, const char *c)
{
    const char *all[] = {a, b, c};
    char *paths[3];
    int n = 0;
    for (int i = 0; i < 3; i++)
        if (all[i])
            assert_non_null(paths[n++] = strdup(all[i]));
    packer_give(p, paths, n);
}

static void test_all_in_turn(void **state)
{
    char beside[TMP_PATH + 16], why[WHY_MAX];
    (void)state;
    struct packer *p = packer_new();
    assert_non_null(p);
    // What is not there, and what is no capture, keeps none from it.
    give(p, "/nonexistent/capture-000001.db", s.dir, files[0]);
    assert_true(becomes_packed(files[0]));
    give(p, files[0], files[1], files[2]);
    assert_true(becomes_packed(files[1]) && becomes_packed(files[2]));
    packer_free(p);
    for (int i = 0; i < FILES; i++) {
        snprintf(beside, sizeof beside, "%s" PACK_BESIDE, files[i]);
        assert_int_not_equal(access(beside, F_OK), 0);
        assert_int_equal(pack_unpack(files[i], NULL, NULL, NULL, why), 0);
    }
}

// Whenever it ends, each file is whole, and nothing is left.
static void test_ended(void **state)
{
    char beside[TMP_PATH + 16], why[WHY_MAX];
    (void)state;
    packer_free(NULL);
    for (int i = 0; i < 40; i++) {
        const struct timespec pause = {0, i * 700 * 1000};
        struct packer *p = packer_new();
        assert_non_null(p);
        give(p, files[0], files[1], files[2]);
        nanosleep(&pause, NULL);
        if (i % 3 == 0)
            give(p, files[1], NULL, NULL); // what is packed just now may go on or not
        if (i % 3 == 1)
            give(p, NULL, NULL, NULL);
        packer_free(p);
        for (int k = 0; k < FILES; k++) {
            snprintf(beside, sizeof beside, "%s" PACK_BESIDE, files[k]);
            assert_int_not_equal(access(beside, F_OK), 0);
            if (ask_is_packed(files[k]))
                assert_int_equal(pack_unpack(files[k], NULL, NULL, NULL, why), 0);
        }
    }
}

// A file that could not be packed is tried again when something about it changed.
static void test_tried_again(void **state)
{
    char why[WHY_MAX], other[TMP_PATH];
    (void)state;
    struct packer *p = packer_new();
    assert_int_equal(link(files[0], tmp_path(other, s.dir, "other")), 0);
    give(p, files[0], files[1], NULL);
    assert_true(becomes_packed(files[1]));
    assert_false(ask_is_packed(files[0]));
    assert_int_equal(unlink(other), 0);
    give(p, files[0], NULL, NULL);
    assert_true(becomes_packed(files[0]));
    packer_free(p);
    assert_int_equal(pack_unpack(files[0], NULL, NULL, NULL, why), 0);
    assert_int_equal(pack_unpack(files[1], NULL, NULL, NULL, why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_in_turn),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_tried_again),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
