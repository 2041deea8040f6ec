// What the files of a capture are called: the form is made and taken apart by the same rule.
#include "schema/capture_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void is(struct view v, const char *text)
{
    if (!view_eq(v, view_of(text)))
        fail_msg("'%.*s', not '%s'", (int)v.n, v.p, text);
}

static void names_come_apart(void **state)
{
    (void)state;
    static const struct {
        const char *path, *stem, *ext;
        long long number;
    } rows[] = {
        {"capture.db", "capture", ".db", 0},
        {"capture-000012.db", "capture", ".db", 12},
        {"/a.b/capture-999999.sqlite", "/a.b/capture", ".sqlite", 999999},
        {"tape", "tape", "", 0},
        {"dir.d/tape-000001", "dir.d/tape", "", 1},
        {".tape", ".tape", "", 0},
        {"x/.tape-000001", "x/.tape", "", 1},
        {".tape-000001.c", ".tape", ".c", 1},
        {"a.b-000003.c", "a.b", ".c", 3},
        {"tape-000001.", "tape", ".", 1},
        {"a-000001-000002.db", "a-000001", ".db", 2},
        {"capture--000001.db", "capture-", ".db", 1},
        // not of the form: stems of their own
        {"capture-00001.db", "capture-00001", ".db", 0},
        {"capture-0000001.db", "capture-0000001", ".db", 0},
        {"capture-20261101.db", "capture-20261101", ".db", 0},
        {"capture-000000.db", "capture-000000", ".db", 0},
        {"capture-00000a.db", "capture-00000a", ".db", 0},
        {"capture-+00001.db", "capture-+00001", ".db", 0},
        {"capture_000001.db", "capture_000001", ".db", 0},
        {"capture000001.db", "capture000001", ".db", 0},
        {"-000001.db", "-000001", ".db", 0},
        {"x/-000001", "x/-000001", "", 0},
        {"", "", "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct capture_name n = capture_name_of(rows[i].path);
        is(n.stem, rows[i].stem);
        is(n.ext, rows[i].ext);
        assert_int_equal(n.number, rows[i].number);
    }
    struct capture_name live = capture_name_live("day-202611.db"); // whatever it looks like
    is(live.stem, "day-202611");
    assert_int_equal(live.number, 0);
}

static void sealed_names_come_back(void **state)
{
    (void)state;
    static const char *const lives[] = {"capture.db", "/x.y/tape",  ".hidden",   "./a.b.c",
                                        "tape.",      "day-202611", "a b.sqlite"};
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        for (int number = 1; number <= CAPTURE_NUMBER_MAX; number = number * 10 + 7) {
            char name[64];
            struct capture_name live = capture_name_live(lives[i]);
            size_t room = strlen(lives[i]) + CAPTURE_NAME_MORE;
            assert_true(capture_name_sealed(name, room, &live, number));
            assert_int_equal(strlen(name) + 1, room);
            assert_false(capture_name_sealed(name, room - 1, &live, number));
            assert_true(capture_name_sealed(name, room, &live, number));
            struct capture_name n = capture_name_of(name);
            assert_int_equal(n.number, number);
            assert_true(capture_name_same(&n, &live));
        }
    }
}

static void other_captures_differ(void **state)
{
    (void)state;
    struct capture_name a = capture_name_of("capture-000001.db");
    static const char *const others[] = {"Capture.db", "capture.sqlite", "capture", "x/capture.db",
                                         "capture1.db"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct capture_name b = capture_name_of(others[i]);
        assert_false(capture_name_same(&a, &b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_apart),
        cmocka_unit_test(sealed_names_come_back),
        cmocka_unit_test(other_captures_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
