// outcome: see outcome.h.
#include "tools/mock/outcome.h"

#include "proto/base/whole_file.h"
#include "tools/mock/faults.h"

#include <inttypes.h>

#define OUTCOME_MAX (1u << 20)

int outcome_write(const char *path, struct mock *m, struct faults *f, char why[WHY_MAX])
{
    struct mock_tally t;
    struct buf text;
    if (!path)
        return 0;
    mock_tally(m, &t);
    buf_init(&text, OUTCOME_MAX);
    int e = buf_printf(&text,
                       "{\"recorded\":%" PRIu64 ",\"unused\":%" PRIu64 ",\"hits\":%" PRIu64
                       ",\"misses\":%" PRIu64 ",\"passthrough\":%" PRIu64 ",\"faulted\":%" PRIu64
                       ",\n\"faults\":",
                       t.recorded, t.unused, t.hits, t.misses, t.passed, t.faults);
    e = e ? e : faults_json(f, &text);
    e = e ? e : buf_printf(&text, "}\n");
    if (e)
        snprintf(why, WHY_MAX, "%s: %s", path, err_text(e));
    else
        e = whole_file_write(path, buf_view(&text), why);
    buf_clear(&text);
    return e;
}
