// fuzz_decode_http1: the http1 decoder behind the tap: two directions by turns, whole and in
// pieces.
#include "tests/support/dialogue_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dialogue_fuzz(view_n(data, size), &decoder_http1);
    return 0;
}
