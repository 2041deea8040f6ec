// A YAML file of options, as somebody wrote it.
#include "proto/config.h"
#include "proto/settings.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[WHY_MAX] = "";
    struct options *o = options_new(settings_table, FOR_RUN);
    if (!o)
        return 0;
    int e = config_text(o, "f.yaml", view_n(data, size), why);
    // Every mistake names the file and a line.
    if (e && (strncmp(why, "f.yaml:", 7) != 0 || why[7] < '1' || why[7] > '9'))
        abort();
    options_free(o);
    return 0;
}
