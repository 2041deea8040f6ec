// table: every protocol that can be spoken. A new one is a file in this folder and a line here.
#include "tools/speak/speak.h"

static const struct speak_ops *const table[] = {
    &speaker_http1,
    &speaker_raw,
};

const struct speak_ops *speak_for(struct view protocol)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (view_eq(protocol, view_of(table[i]->protocol)))
            return table[i];
    return NULL;
}
