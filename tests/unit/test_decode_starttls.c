// Where conversations go over to TLS: the dialogues of golden/starttls, cut in every way, and with
// allocations failing. With file names: prints what is heard in each.
#include "tests/support/dialogue.h"

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FOLDER "golden/starttls/*.txt"

static void test_dialogues_in_every_cut(void **state)
{
    (void)state;
    assert_true(dialogue_each(FOLDER, 12, dialogue_holds));
}

static void test_dialogues_without_memory(void **state)
{
    (void)state;
    assert_true(dialogue_each(FOLDER, 12, dialogue_survives));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialogues_in_every_cut),
        cmocka_unit_test(test_dialogues_without_memory),
    };
    if (argc > 1)
        return dialogue_print(argc - 1, argv + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
