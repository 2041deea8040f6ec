// Any text as rules of rewriting: they are read, or refused with a line that names a place.
#include "tools/rewrite/rewrite.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rewrite *r;
    char why[WHY_MAX] = "";
    int e = rewrite_parse(&r, "r", view_n(data, size), why);
    if (e ? r != NULL || why[0] != 'r' || why[1] != ':' || strchr(why, '\n') != NULL : r == NULL)
        abort();
    rewrite_free(r);
    return 0;
}
