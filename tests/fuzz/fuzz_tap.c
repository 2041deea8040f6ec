// fuzz_tap: the tap with its guess, every decoder, ends, own words and little room.
#include "tests/support/dialogue_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dialogue_fuzz(view_n(data, size), NULL);
    return 0;
}
