// Where conversations go over to TLS: the dialogues of golden/starttls, cut in every way, and with
// allocations failing. With file names: prints what is heard in each.
#include "tests/support/dialogue.h"

int main(int argc, char **argv)
{
    return dialogue_main(argc, argv, "golden/starttls/*.txt", 12);
}
