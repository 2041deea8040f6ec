// ready_file: see ready_file.h.
#include "recorder/ready_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct ready_file {
    char *path;
};

static int put(const char *path, const char *text)
{
    // Root may write where others do too: no link, and no file of theirs, is written through.
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return E_IO;
    size_t n = strlen(text);
    bool whole = write(fd, text, n) == (ssize_t)n;
    return close(fd) == 0 && whole ? 0 : E_IO;
}

int ready_file_write(struct ready_file **out, const char *path, const char *listen,
                     const char *capture, char why[WHY_MAX])
{
    size_t n = strlen(path) + 5;
    int e = E_NOMEM;
    char *beside = malloc(n), *text = NULL;
    struct ready_file *r = calloc(1, sizeof *r);
    json_t *all =
        json_pack("{s:i, s:s, s:s}", "pid", (int)getpid(), "listen", listen, "capture", capture);
    if (r)
        r->path = strdup(path);
    if (all)
        text = json_dumps(all, JSON_COMPACT);
    snprintf(why, WHY_MAX, "ready-file: out of memory");
    if (r && r->path && beside && text) {
        snprintf(beside, n, "%s.tmp", path);
        e = put(beside, text);
        if (!e && rename(beside, path) != 0)
            e = E_IO;
        if (e) {
            snprintf(why, WHY_MAX, "ready-file: %.300s: %s", path, strerror(errno));
            unlink(beside);
        }
    }
    json_decref(all);
    free(text);
    free(beside);
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
