// Any order of what the sink may be told: nothing breaks and the ledger adds up.
#include "tests/support/babble.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16)
        return 0;
    babble(view_n(data, size));
    return 0;
}
