// which: see which.h.
#include "tools/which.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void which_begin(struct which *w)
{
    const char *path = getenv("PATH");
    *w = (struct which){view_of(path ? path : "/bin:/usr/bin"), true};
}

bool which_next(struct which *w, const char *name, char file[PATH_MAX])
{
    while (w->more) {
        size_t n = view_find(w->rest, ':');
        struct view folder = view_head(w->rest, n);
        w->more = n < w->rest.n;
        w->rest = view_from(w->rest, w->more ? n + 1 : n);
        if (snprintf(file, PATH_MAX, "%.*s%s%s", (int)folder.n, folder.p, folder.n ? "/" : "./",
                     name) < PATH_MAX)
            return true;
    }
    return false;
}

static bool is_command(const char *file)
{
    struct stat st;
    return stat(file, &st) == 0 && S_ISREG(st.st_mode) && access(file, X_OK) == 0;
}

bool which_find(const char *name, char file[PATH_MAX])
{
    struct which w;
    if (strchr(name, '/'))
        return snprintf(file, PATH_MAX, "%s", name) < PATH_MAX && is_command(file);
    which_begin(&w);
    while (which_next(&w, name, file))
        if (is_command(file))
            return true;
    return false;
}
