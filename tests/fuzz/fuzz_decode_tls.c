// fuzz_decode_tls: the tls decoder behind the tap.
#include "tests/support/dialogue_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dialogue_fuzz(view_n(data, size), &decoder_tls);
    return 0;
}
