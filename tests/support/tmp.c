// tmp: see tmp.h.
#include "tests/support/tmp.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what, const char *path)
{
    fprintf(stderr, "tmp: cannot %s %s\n", what, path);
    abort();
}

void tmp_make(char dir[TMP_PATH])
{
    const char *top = getenv("TMPDIR");

    snprintf(dir, TMP_PATH, "%.200s/tapedeck-XXXXXX", top && *top ? top : "/tmp");
    if (!mkdtemp(dir))
        die("make", dir);
}

void tmp_remove(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        char path[2 * TMP_PATH];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            tmp_remove(path);
        else
            unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

char *tmp_path(char out[TMP_PATH], const char *dir, const char *name)
{
    int n = snprintf(out, TMP_PATH, "%s/%s", dir, name);

    if (n < 0 || n >= TMP_PATH)
        die("name", name);
    return out;
}

const char *tmp_in(const char *dir, const char *name)
{
    static char paths[TMP_TURNS][TMP_PATH];
    static unsigned turn;
    return tmp_path(paths[turn++ % TMP_TURNS], dir, name);
}

void tmp_write(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        die("write", path);
}

void *tmp_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    struct stat st;

    if (!f || fstat(fileno(f), &st) != 0)
        die("open", path);
    char *bytes = malloc((size_t)st.st_size + 1);
    if (!bytes || fread(bytes, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        die("read", path);
    fclose(f);
    bytes[st.st_size] = '\0';
    if (n)
        *n = (size_t)st.st_size;
    return bytes;
}

bool tmp_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool tmp_holds(const char *path, const void *bytes, size_t n)
{
    size_t has;
    void *its = tmp_read(path, &has);
    bool same = has == n && memcmp(its, bytes, n) == 0;
    free(its);
    return same;
}

bool tmp_disk(const char *path, unsigned mib)
{
    static bool apart;
    char size[32];
    if (!apart && unshare(CLONE_NEWNS) != 0)
        return false;
    if (!apart)
        mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL);
    apart = true;
    snprintf(size, sizeof size, "size=%um", mib);
    return mount("none", path, "tmpfs", 0, size) == 0;
}

void tmp_disk_end(const char *path)
{
    umount2(path, MNT_DETACH);
}
