#include "proxy/spool.h"

#include "proto/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Whether nothing but journals lies in dir: then it is ours alone.
static bool is_ours(const char *dir)
{
    bool ours = true;
    DIR *d = opendir(dir);
    for (const struct dirent *entry; d && ours && (entry = readdir(d));)
        ours = entry->d_name[0] == '.' || strncmp(entry->d_name, "journal-", 8) == 0;
    if (d)
        closedir(d);
    return d && ours;
}

int spool_prepare(const char *dir, uint32_t owner, char why[WHY_MAX])
{
    struct stat st;
    bool made = mkdir(dir, 0700) == 0;
    if (!made && errno != EEXIST) {
        snprintf(why, WHY_MAX, "spool-dir %s: %s", dir, strerror(errno));
        return err_from_errno(errno);
    }
    if (stat(dir, &st) || !S_ISDIR(st.st_mode)) {
        snprintf(why, WHY_MAX, "spool-dir %s: not a directory", dir);
        return E_IO;
    }
    if (owner == 0 || st.st_uid == owner)
        return 0;
    // A directory that others use as well keeps its owner; what is empty there stays behind then.
    if (!is_ours(dir)) {
        log_warn("spool-dir is used by others too, empty journals stay in it path=%s", dir);
        return 0;
    }
    if (chown(dir, owner, owner)) {
        snprintf(why, WHY_MAX, "spool-dir %s: cannot be given to user %u: %s", dir, owner,
                 strerror(errno));
        return err_from_errno(errno);
    }
    return 0;
}

const char *spool_path(const char *dir, unsigned n, char out[SPOOL_PATH])
{
    snprintf(out, SPOOL_PATH, "%s/journal-%u.ring", dir, n);
    return out;
}

size_t spool_left(const char *dir, unsigned from, unsigned out[SPOOL_LEFT_MAX])
{
    size_t count = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *entry; d && count < SPOOL_LEFT_MAX && (entry = readdir(d));) {
        unsigned n;
        char name[sizeof entry->d_name];
        if (sscanf(entry->d_name, "journal-%u.ring", &n) != 1 || n < from)
            continue;
        // Only the very name: not what was set aside as damaged.
        snprintf(name, sizeof name, "journal-%u.ring", n);
        if (strcmp(name, entry->d_name) == 0)
            out[count++] = n;
    }
    if (d)
        closedir(d);
    return count;
}
