// The speaker of conversations that no decoder names: exact bytes, what it refuses, and every
// dialogue of golden/raw and golden/starttls said again: it must be heard as it was told.
#include "tests/support/alloc.h"
#include "tests/support/retell.h"
#include "tools/speak/speak.h"

#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_pieces_are_lent(void **state)
{
    static const char text[] = "\x00\x01hello\xff";
    struct view all = view_n(text, sizeof text - 1);
    (void)state;
    alloc_fail_from(0);
    for (size_t cut = 0; cut <= all.n; cut++) {
        struct speaker s;
        struct speak_out out;
        enum speak_then then;
        char why[WHY_MAX];
        struct view pieces[] = {view_head(all, cut), view_from(all, cut)};
        struct speak_half half = {.s2c = cut & 1, .cut = cut & 2, .size = all.n, .stored = all.n};
        assert_int_equal(speak_begin(&s, &speaker_raw, &half, &out, why), 0);
        assert_int_equal(out.n, 0);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(speak_piece(&s, pieces[i], &out, why), 0);
            assert_int_equal(out.n, pieces[i].n > 0);
            if (out.n > 0)
                assert_ptr_equal(out.v[0].p, pieces[i].p);
            assert_int_equal(speak_size(&out), pieces[i].n);
        }
        assert_int_equal(speak_finish(&s, &out, &then, why), 0);
        assert_int_equal(out.n, 0);
        assert_int_equal(then, cut & 2 ? SPEAK_CUT : SPEAK_CLOSE);
    }
    assert_false(alloc_fail_end());
}

static void test_refusals(void **state)
{
    struct speaker s;
    struct speak_out out;
    enum speak_then then;
    char why[WHY_MAX];
    const struct speak_half headed = {.head = VIEW_LIT("x")}, left_out = {.size = 9, .stored = 4},
                            known = {.size = 3, .stored = 3},
                            unknown = {.size = SPEAK_SIZE_UNKNOWN};
    (void)state;
    assert_int_equal(speak_begin(&s, &speaker_raw, &headed, &out, why), E_SYNTAX);
    assert_string_equal(why, "raw: a conversation has neither head nor trailers");
    assert_int_equal(speak_begin(&s, &speaker_raw, &left_out, &out, why), E_NOTFOUND);
    assert_string_equal(why, "raw: 4 of 9 bytes of the content were kept");
    assert_int_equal(speak_begin(&s, &speaker_raw, &known, &out, why), 0);
    assert_int_equal(speak_piece(&s, VIEW_LIT("abcd"), &out, why), E_RANGE);
    assert_string_equal(why, "raw: more content than the 3 bytes there are to be");
    assert_int_equal(speak_piece(&s, VIEW_LIT("ab"), &out, why), 0);
    assert_int_equal(speak_finish(&s, &out, &then, why), E_NOTFOUND);
    assert_string_equal(why, "raw: 2 of 3 bytes of the content came");
    assert_int_equal(then, SPEAK_CUT);
    assert_int_equal(speak_begin(&s, &speaker_raw, &unknown, &out, why), 0);
    assert_int_equal(speak_piece(&s, VIEW_LIT("as many as come"), &out, why), 0);
    assert_int_equal(speak_finish(&s, &out, &then, why), 0);
    assert_int_equal(then, SPEAK_CLOSE);
}

// ---- decode(speak(x)) = x

static bool check(struct dialogue *d, const char *name)
{
    int e = retell_check(d, true, name);
    return e == 0 || (e == E_UNSUPPORTED && strstr(name, "/smtp.txt")); // goes on in TLS
}

static void test_dialogues_said_again(void **state)
{
    (void)state;
    assert_true(dialogue_each("golden/raw/*.txt", 10, check));
    assert_true(dialogue_each("golden/starttls/*.txt", 10, check));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_are_lent),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_dialogues_said_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
