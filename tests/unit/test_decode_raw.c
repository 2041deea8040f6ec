// The raw decoder, and what the tap takes for raw: the dialogues of golden/raw, cut in every way,
// and with allocations failing. With file names: prints what is heard in each.
#include "tests/support/dialogue.h"

int main(int argc, char **argv)
{
    return dialogue_main(argc, argv, "golden/raw/*.txt", 13);
}
