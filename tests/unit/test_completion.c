// What the completion scripts offer. bash runs its own; the others are read.
#include "tests/support/program.h"
#include "tools/commands.h"
#include "tools/help/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// What bash offers behind these words; the last one is the one at the cursor. A blank in front and
// behind each.
static void offers(struct program *p, const char *words)
{
    char script[1024];
    snprintf(script, sizeof script,
             "bash -c 'eval \"$(tapedeck completion bash)\"; COMP_WORDS=(%s); "
             "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _tapedeck 2>&1; printf \" %%s \" "
             "\"${COMPREPLY[@]}\"'",
             words);
    program_shell(p, script);
    assert_int_equal(p->code, 0);
    assert_string_equal(p->err, "");
}

static bool offered(const struct program *p, const char *word)
{
    char text[80];
    snprintf(text, sizeof text, " %s ", word);
    if (!strstr(p->out, text))
        fprintf(stderr, "not offered: %s\nbut: %s\n", word, p->out);
    return strstr(p->out, text) != NULL;
}

static void test_bash(void **state)
{
    struct program p;
    (void)state;
    offers(&p, "tapedeck \"\"");
    assert_true(offered(&p, "verify") && offered(&p, "export"));
    program_clear(&p);
    offers(&p, "tapedeck ls --fo");
    assert_true(offered(&p, "--follow"));
    program_clear(&p);
    offers(&p, "tapedeck export h");
    assert_true(offered(&p, "har"));
    program_clear(&p);
    offers(&p, "tapedeck ca \"\"");
    assert_true(offered(&p, "init") && offered(&p, "install-hints"));
    program_clear(&p);
    offers(&p, "tapedeck ca install-hints d");
    assert_true(offered(&p, "debian") && offered(&p, "docker"));
    program_clear(&p);
    offers(&p, "tapedeck ca export --form \"\"");
    assert_true(offered(&p, "jks-cacerts"));
    program_clear(&p);
    offers(&p, "tapedeck export har --ord");
    assert_true(offered(&p, "--order"));
    program_clear(&p);
    offers(&p, "tapedeck ls --order \"\"");
    assert_true(offered(&p, "slowest"));
    program_clear(&p);
}

// help and man take the name of any command, and help the topics as well.
static void test_bash_commands(void **state)
{
    struct program p;
    (void)state;
    offers(&p, "tapedeck help \"\"");
    for (const struct command *const *c = command_table; *c; c++)
        if (!strchr((*c)->name, ' '))
            assert_true(offered(&p, (*c)->name));
    for (const struct topic *t = topics; t->name; t++)
        assert_true(offered(&p, t->name));
    program_clear(&p);
    offers(&p, "tapedeck man que");
    assert_string_equal(p.out, " query ");
    program_clear(&p);
}

// A ':' within a word of zsh's _arguments begins the next part: each must have a '\' before it.
static void test_zsh(void **state)
{
    struct program p;
    (void)state;
    TAPEDECK(&p, "completion", "zsh");
    for (char *line = p.out, *next; (next = strchr(line, '\n')); line = next + 1) {
        int colons = 0;
        *next = 0;
        char *end = strstr(line, "]:");
        if (strncmp(line, "        '", 9) != 0 || !strstr(line, "--") || !end)
            continue;
        for (char *c = end + 1; *c; c++)
            colons += *c == ':' && c[-1] != '\\';
        if (colons != 2)
            fprintf(stderr, "%s\n", line);
        assert_int_equal(colons, 2); // :what it is:how it is completed
    }
    program_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bash),
        cmocka_unit_test(test_bash_commands),
        cmocka_unit_test(test_zsh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
