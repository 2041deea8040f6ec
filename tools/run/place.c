// place: see place.h.
#include "tools/run/place.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// Whether those who are neither its owner nor of its group may pass, here and at all above.
static bool is_open(const char *path)
{
    char at[PATH_MAX];
    struct stat st;
    if (!realpath(path, at))
        return false;
    for (size_t n = strlen(at); n > 0; n--) {
        if (at[n] && at[n] != '/')
            continue;
        at[n] = '\0';
        if (stat(at, &st) != 0 || !(st.st_mode & S_IXOTH))
            return false;
    }
    return true;
}

static bool is_usable(const char *top)
{
    return top && *top == '/' && access(top, W_OK | X_OK) == 0 && (geteuid() != 0 || is_open(top));
}

int place_make(char *out, size_t size, const char *stem, char why[WHY_MAX])
{
    const char *const tops[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};
    bool named = false;
    for (size_t i = 0; i < 3 && !named; i++)
        named = (i == 2 || is_usable(tops[i])) &&
                snprintf(out, size, "%s/%s-XXXXXX", tops[i], stem) < (int)size;
    if (named && mkdtemp(out))
        return 0;
    snprintf(why, WHY_MAX, "no folder %.300s: %s", out, strerror(named ? errno : ENAMETOOLONG));
    *out = '\0';
    return E_IO;
}
