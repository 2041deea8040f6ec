// new_capture: see new_capture.h.
#include "tools/run/new_capture.h"

#include "tools/capture.h"
#include "tools/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define NAMES_MAX 100 // of captures that begin within one second

// Takes a name by making the file. 0 or errno.
static int reserve(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? errno : close(fd) == 0 ? 0 : errno;
}

// Whether the new file stands for itself: it would go on behind a capture-000001.db, say.
static bool is_alone(const char *name)
{
    struct capture c;
    bool alone = capture_siblings(&c, name) == CLI_OK && c.n == 1;
    if (c.n > 1)
        cli_error("%s: by its name it would be a part of a capture that is there already", name);
    capture_clear(&c);
    return alone;
}

int new_capture_make(char out[PATH_MAX], const char *given, const char *stem)
{
    struct tm tm;
    time_t now = time(NULL);
    char moment[32], name[PATH_MAX];
    int bad = EEXIST;
    *out = 0;
    // With its Z it has no six digits at the end: a number there would make it a part of another.
    if (!gmtime_r(&now, &tm) || !strftime(moment, sizeof moment, "-%Y%m%d-%H%M%SZ", &tm))
        *moment = 0;
    snprintf(name, sizeof name, "%s", given ? given : "");
    if (given)
        bad = reserve(name);
    for (int i = 1; !given && bad == EEXIST && i < NAMES_MAX; i++) {
        if (i == 1)
            snprintf(name, sizeof name, "%s%s.db", stem, moment);
        else
            snprintf(name, sizeof name, "%s%s-%d.db", stem, moment, i);
        bad = reserve(name);
    }
    if (bad) {
        cli_error("%s: %s", name,
                  bad == EEXIST ? "it is there already, and a recording overwrites nothing"
                                : strerror(bad));
        return CLI_FAILED;
    }
    snprintf(out, PATH_MAX, "%s", name);
    return is_alone(name) ? CLI_OK : CLI_FAILED;
}

void new_capture_forget(const char *name)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[PATH_MAX + 8];
    for (size_t i = 0; *name && i < sizeof ends / sizeof *ends; i++) {
        snprintf(path, sizeof path, "%s%s", name, ends[i]);
        unlink(path);
    }
}
