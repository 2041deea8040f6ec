// The tls decoder: the dialogues of golden/tls, cut in every way,
// and with allocations failing. With file names: prints what is heard in each.
#include "tests/support/dialogue.h"

int main(int argc, char **argv)
{
    return dialogue_main(argc, argv, "golden/tls/*.txt", 12);
}
