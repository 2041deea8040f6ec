// ready_file: see ready_file.h.
#include "recorder/ready_file.h"

#include "proto/base/whole_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

struct ready_file {
    char *path;
};

int ready_file_write(struct ready_file **out, const char *path, const char *listen,
                     const char *capture, char why[WHY_MAX])
{
    int e = E_NOMEM;
    char *text = NULL;
    struct ready_file *r = calloc(1, sizeof *r);
    json_t *all =
        json_pack("{s:i, s:s, s:s}", "pid", (int)getpid(), "listen", listen, "capture", capture);
    if (r)
        r->path = strdup(path);
    if (all)
        text = json_dumps(all, JSON_COMPACT);
    snprintf(why, WHY_MAX, "ready-file: out of memory");
    if (r && r->path && text) {
        char fault[WHY_MAX];
        e = whole_file_write(path, view_of(text), fault);
        if (e)
            snprintf(why, WHY_MAX, "ready-file: %.400s", fault);
    }
    json_decref(all);
    free(text);
    *out = e ? NULL : r;
    if (e && r) {
        free(r->path);
        free(r);
    }
    return e;
}

void ready_file_remove(struct ready_file *r)
{
    if (!r)
        return;
    unlink(r->path);
    free(r->path);
    free(r);
}
