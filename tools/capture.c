// capture: names of files only; their content is the store's.
//
//   folder/ capture-000001.db, capture-000002.db, capture.db      one capture, in this order
//
// 1. Rotation gives the older files a number of six digits or more behind the stem; the file
//    without a number is the newest. Names that only look so are stems of their own.
// 2. A folder may hold several captures. Their files come one capture after the other.
#include "tools/capture.h"

#include "tools/cli.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

// "capture-000012.db" is number 12 of "capture"; the file without a number is the newest.
struct entry {
    char *path;
    size_t stem; // bytes of path
    uint64_t number;
};

static bool ends_in_db(struct view v)
{
    return v.n > 3 && memcmp(v.p + v.n - 3, ".db", 3) == 0;
}

static void split(struct entry *e)
{
    struct view v = view_of(e->path);
    v.n -= 3;
    e->stem = v.n;
    e->number = UINT64_MAX;
    size_t digits = 0;
    while (digits < v.n && v.p[v.n - 1 - digits] >= '0' && v.p[v.n - 1 - digits] <= '9')
        digits++;
    if (digits < 6 || digits + 1 >= v.n || v.p[v.n - 1 - digits] != '-')
        return;
    if (view_number(view_from(v, v.n - digits), 10, UINT64_MAX - 1, &e->number) == 0)
        e->stem = v.n - digits - 1;
}

static int order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    size_t n = x->stem < y->stem ? x->stem : y->stem;
    int d = memcmp(x->path, y->path, n);
    if (d == 0 && x->stem != y->stem)
        d = x->stem < y->stem ? -1 : 1;
    if (d == 0 && x->number != y->number)
        d = x->number < y->number ? -1 : 1;
    return d;
}

// While it is rotated, the live file has the name of the sealed one as well: it is one file.
static size_t unite_names(struct entry *found, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct entry *before = kept > 0 ? &found[kept - 1] : NULL;
        struct stat a, b;
        if (before && found[i].number == UINT64_MAX && found[i].stem == before->stem &&
            memcmp(found[i].path, before->path, before->stem) == 0 && stat(before->path, &a) == 0 &&
            stat(found[i].path, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
            free(before->path);
            kept--;
        }
        found[kept++] = found[i];
    }
    return kept;
}

void capture_clear(struct capture *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->paths[i]);
    free(c->paths);
    *c = (struct capture){0};
}

static int nomem(void)
{
    cli_error("out of memory");
    return CLI_FAILED;
}

static int single(struct capture *c, const char *path)
{
    c->paths = calloc(1, sizeof *c->paths);
    if (!c->paths || !(c->paths[0] = strdup(path)))
        return nomem();
    c->n = 1;
    return CLI_OK;
}

// All files of a folder whose names end in ".db"; of one stem only, if only is not NULL.
static int folder(struct capture *c, const char *path, const struct entry *only)
{
    struct entry *found = NULL;
    size_t n = 0, room = 0;
    int code = CLI_FAILED;
    DIR *dir = opendir(path);
    if (!dir) {
        cli_error("%s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (!ends_in_db(view_of(d->d_name)) || d->d_name[0] == '.')
            continue;
        if (n == room) {
            room = room ? 2 * room : 64;
            struct entry *more =
                room > CAPTURE_FILES_MAX ? NULL : realloc(found, room * sizeof *found);
            if (!more) {
                cli_error("%s: too many files", path);
                goto out;
            }
            found = more;
        }
        struct entry *e = &found[n];
        const char *slash = path[0] && path[strlen(path) - 1] == '/' ? "" : "/";
        if (asprintf(&e->path, "%s%s%s", path, slash, d->d_name) < 0) {
            nomem();
            goto out;
        }
        split(e);
        if (only && !view_eq(view_n(e->path, e->stem), view_n(only->path, only->stem)))
            free(e->path);
        else
            n++;
    }
    if (n == 0) {
        cli_error("%s: no capture (*.db) in this folder", path);
        goto out;
    }
    qsort(found, n, sizeof *found, order);
    n = unite_names(found, n);
    c->paths = calloc(n, sizeof *c->paths);
    if (!c->paths) {
        nomem();
        goto out;
    }
    for (; c->n < n; c->n++)
        c->paths[c->n] = found[c->n].path;
    c->folder = true;
    n = 0; // handed over
    code = CLI_OK;
out:
    for (size_t i = 0; i < n; i++)
        free(found[i].path);
    free(found);
    closedir(dir);
    return code;
}

int capture_find(struct capture *c, const char *path)
{
    struct stat st;
    const char *from = "";
    *c = (struct capture){0};
    if (!path || !*path) {
        path = getenv("TAPEDECK_CAPTURE");
        from = " (of $TAPEDECK_CAPTURE)";
    }
    if (!path || !*path) {
        path = "capture.db";
        from = " (the default; name a capture, or set $TAPEDECK_CAPTURE)";
    }
    if (stat(path, &st) != 0) {
        cli_error("%s: %s%s", path, strerror(errno), from);
        return CLI_FAILED;
    }
    return S_ISDIR(st.st_mode) ? folder(c, path, NULL) : single(c, path);
}

int capture_siblings(struct capture *c, const char *path)
{
    *c = (struct capture){0};
    if (!ends_in_db(view_of(path)))
        return single(c, path);
    // The folder's files are named as path is, so that their stems compare.
    const char *slash = strrchr(path, '/');
    struct entry only = {0};
    char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int n = slash ? asprintf(&only.path, "%s", path) : asprintf(&only.path, "./%s", path);
    int code = CLI_FAILED;
    if (!dir || n < 0) {
        only.path = n < 0 ? NULL : only.path;
        nomem();
    } else {
        split(&only);
        code = folder(c, dir, &only);
    }
    free(only.path);
    free(dir);
    return code;
}

bool capture_follows(const struct capture *c, size_t i)
{
    if (i == 0 || !ends_in_db(view_of(c->paths[i])) || !ends_in_db(view_of(c->paths[i - 1])))
        return false;
    struct entry a = {.path = c->paths[i - 1]}, b = {.path = c->paths[i]};
    split(&a);
    split(&b);
    return view_eq(view_n(a.path, a.stem), view_n(b.path, b.stem));
}

bool capture_has(const struct capture *c, const char *path)
{
    static const char *const behind[] = {"", "-wal", "-shm", "-journal"};
    struct stat st, own;
    char name[PATH_MAX];
    if (stat(path, &st) != 0)
        return false;
    for (size_t i = 0; i < c->n; i++)
        for (size_t j = 0; j < sizeof behind / sizeof *behind; j++)
            if (snprintf(name, sizeof name, "%s%s", c->paths[i], behind[j]) < PATH_MAX &&
                stat(name, &own) == 0 && own.st_dev == st.st_dev && own.st_ino == st.st_ino)
                return true;
    return false;
}

bool capture_is_name(const char *operand)
{
    return ends_in_db(view_of(operand)) && !strpbrk(operand, " =<>~");
}

bool capture_names(const char *operand)
{
    struct stat st;
    return stat(operand, &st) == 0 || capture_is_name(operand);
}

struct store *capture_open(const char *path)
{
    char why[WHY_MAX];
    struct store *s = NULL;
    int e = store_open(&s, path, STORE_READ, why);
    if (e) {
        cli_damage("%s", why);
        return NULL;
    }
    return s;
}
