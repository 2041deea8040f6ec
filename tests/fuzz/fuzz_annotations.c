// A downward-API file of annotations, as the kubelet or somebody wrote it.
#include "proto/base/log.h"
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
    log_set_level(LOG_ERROR);
    int e = config_annotations_text(o, "notes", view_n(data, size), why);
    if (e && (strncmp(why, "notes:", 6) != 0 || why[6] < '1' || why[6] > '9'))
        abort();
    options_free(o);
    return 0;
}
