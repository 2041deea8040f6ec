// Words of a shell: it gives back what went in.
#include "tests/support/program.h"
#include "tools/quote.h"
#include "tools/which.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NASTY "a 'b' \"c\" $HOME `id` \\ ! * #\nit's''"

static void test_words(void **state)
{
    char out[256], script[512];
    struct program p;
    (void)state;
    assert_string_equal(quote_word("day.db", out, sizeof out), "day.db");
    assert_string_equal(quote_word("", out, sizeof out), "''");
    assert_string_equal(quote_word("~", out, sizeof out), "'~'");
    assert_string_equal(quote_word("it's", out, sizeof out), "'it'\\''s'");
    snprintf(script, sizeof script, "printf %%s %s", quote_word(NASTY, out, sizeof out));
    program_shell(&p, script);
    assert_string_equal(p.out, NASTY);
    program_clear(&p);
    // Exactly enough room, and not.
    assert_string_equal(quote_word("a b", out, 6), "'a b'");
    const char *word = "a b";
    for (size_t size = 0; size < 6; size++)
        assert_ptr_equal(quote_word(word, out, size), word);
}

static void test_files(void **state)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    (void)state;
    quote_sh(f, "it's");
    quote_sh(f, "");
    quote_sh_inside(f, VIEW_LIT("''"));
    quote_fish(f, "it's \\");
    fclose(f);
    assert_string_equal(text, "'it'\\''s''''\\'''\\'''it\\'s \\\\'");
    free(text);
}

static void test_path(void **state)
{
    struct which w;
    char file[PATH_MAX];
    char *was = strdup(getenv("PATH"));
    (void)state;
    setenv("PATH", "/nowhere::/bin", 1);
    which_begin(&w);
    assert_true(which_next(&w, "sh", file));
    assert_string_equal(file, "/nowhere/sh");
    assert_true(which_next(&w, "sh", file));
    assert_string_equal(file, "./sh"); // the present folder
    assert_true(which_next(&w, "sh", file));
    assert_string_equal(file, "/bin/sh");
    assert_false(which_next(&w, "sh", file));
    assert_true(which_find("sh", file));
    assert_string_equal(file, "/bin/sh");
    assert_false(which_find("no-such-command", file));
    assert_true(which_find("/bin/sh", file));
    assert_false(which_find("/bin", file));
    unsetenv("PATH");
    assert_true(which_find("sh", file));
    setenv("PATH", was, 1);
    free(was);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
