// capture: which files make a capture. What they are called is capture_name.h's; their content is
// the store's.
//
//   folder/ capture-000001.db, capture-000002.db, capture.db      one capture, in this order
//
// 1. The file without a number is the newest.
// 2. A folder may hold several captures. Their files come one capture after the other.
// 3. In a folder, what ends in ".db" is meant to be a capture, in whatever state. Of other names
//    those are captures whose header says so, and beside one all whose names make them its files:
//    a damaged one is not left out in silence.
// 4. A file that may be open is never looked into (identity.h): only a folder's are, before any is.
#include "tools/capture.h"

#include "schema/capture_name.h"
#include "schema/identity.h"
#include "schema/pack.h"
#include "tools/cli.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct entry {
    char *path;
    struct capture_name name; // of path
    bool meant;               // by itself, not for the files beside it
};
struct found {
    struct entry *entries;
    size_t n, room;
};

static bool ends_in(struct view v, struct view end)
{
    return v.n > end.n && view_eq(view_from(v, v.n - end.n), end);
}

static bool ends_in_db(struct view v)
{
    return ends_in(v, VIEW_LIT(".db"));
}

static int order_views(struct view a, struct view b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;
    return d ? d : a.n < b.n ? -1 : a.n > b.n;
}

static int order(const void *a, const void *b)
{
    const struct capture_name *x = &((const struct entry *)a)->name;
    const struct capture_name *y = &((const struct entry *)b)->name;
    int d = order_views(x->stem, y->stem);
    d = d ? d : order_views(x->ext, y->ext);
    if (d || x->number == y->number)
        return d;
    return y->number == 0 || (x->number != 0 && x->number < y->number) ? -1 : 1;
}

static bool same_capture(const struct entry *a, const struct entry *b)
{
    return capture_name_same(&a->name, &b->name);
}

// Of each capture all files, when any of them is meant by itself; else none.
static void drop_strangers(struct found *f)
{
    size_t kept = 0;
    for (size_t i = 0, end; i < f->n; i = end) {
        bool meant = false;
        for (end = i; end < f->n && same_capture(&f->entries[i], &f->entries[end]); end++)
            meant |= f->entries[end].meant;
        for (size_t k = i; k < end; k++)
            if (meant)
                f->entries[kept++] = f->entries[k];
            else
                free(f->entries[k].path);
    }
    f->n = kept;
}

// While it is rotated, the live file has the name of the sealed one as well: it is one file.
static void unite_names(struct found *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->n; i++) {
        struct entry *e = &f->entries[i], *before = kept > 0 ? &f->entries[kept - 1] : NULL;
        struct stat a, b;
        if (before && e->name.number == 0 && same_capture(before, e) &&
            stat(before->path, &a) == 0 && stat(e->path, &b) == 0 && a.st_ino == b.st_ino &&
            a.st_dev == b.st_dev) {
            free(before->path);
            kept--;
        }
        f->entries[kept++] = *e;
    }
    f->n = kept;
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

// "PATH-next" is a file that PATH will go on in (store_rotate.c), while PATH or its lock is there;
// "PATH-packing" one that will be PATH (pack.h).
static bool is_next(const char *path)
{
    char name[PATH_MAX + 8];
    size_t n = strlen(path);
    if (ends_in(view_of(path), VIEW_LIT(PACK_BESIDE)))
        return true;
    if (!ends_in(view_of(path), VIEW_LIT("-next")) || n > PATH_MAX)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)(n - 5), path);
    if (access(name, F_OK) == 0)
        return true;
    snprintf(name, sizeof name, "%.*s-lock", (int)(n - 5), path);
    return access(name, F_OK) == 0;
}

// Whether the file may be one that is asked for: of one capture, if only is not NULL.
static bool is_wanted(struct entry *e, const char *name, const struct capture_name *only)
{
    if (only) {
        struct capture_name n = capture_name_of(name);
        return e->meant = capture_name_same(&n, only);
    }
    e->meant = ends_in_db(view_of(name)) || (!is_next(e->path) && store_is_capture(e->path));
    return e->meant || e->name.number > 0;
}

static int take(struct found *f, const char *folder, const char *name,
                const struct capture_name *only)
{
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        struct entry *more =
            room > CAPTURE_FILES_MAX ? NULL : realloc(f->entries, room * sizeof *more);
        if (!more) {
            cli_error("%s: too many files", folder);
            return CLI_FAILED;
        }
        f->entries = more;
        f->room = room;
    }
    struct entry *e = &f->entries[f->n];
    const char *slash = folder[0] && folder[strlen(folder) - 1] == '/' ? "" : "/";
    if (asprintf(&e->path, "%s%s%s", folder, slash, name) < 0)
        return nomem();
    e->name = capture_name_of(e->path);
    if (is_wanted(e, name, only))
        f->n++;
    else
        free(e->path);
    return CLI_OK;
}

// The captures of a folder; the files of one only, if only is not NULL: a name without a folder.
static int folder(struct capture *c, const char *path, const struct capture_name *only)
{
    struct found f = {0};
    int code = CLI_OK;
    DIR *dir = opendir(path);
    if (!dir) {
        cli_error("%s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    for (struct dirent *d; code == CLI_OK && (d = readdir(dir)) != NULL;)
        if (d->d_name[0] != '.' || only)
            code = take(&f, path, d->d_name, only);
    closedir(dir);
    if (f.n > 0)
        qsort(f.entries, f.n, sizeof *f.entries, order);
    drop_strangers(&f);
    if (code == CLI_OK && f.n == 0) {
        cli_error("%s: no capture in this folder", path);
        code = CLI_FAILED;
    }
    if (code == CLI_OK) {
        unite_names(&f);
        c->paths = calloc(f.n, sizeof *c->paths);
        code = c->paths ? CLI_OK : nomem();
    }
    for (size_t i = 0; i < f.n; i++)
        if (code == CLI_OK)
            c->paths[c->n++] = f.entries[i].path;
        else
            free(f.entries[i].path);
    c->folder = code == CLI_OK;
    free(f.entries);
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
    // The folder's files are named as path is, so that their names compare.
    const char *slash = strrchr(path, '/');
    struct capture_name only = capture_name_of(slash ? slash + 1 : path);
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    *c = (struct capture){0};
    int code = dir ? folder(c, dir, &only) : nomem();
    free(dir);
    return code;
}

bool capture_follows(const struct capture *c, size_t i)
{
    if (i == 0)
        return false;
    struct capture_name a = capture_name_of(c->paths[i - 1]), b = capture_name_of(c->paths[i]);
    return capture_name_same(&a, &b);
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

struct store *capture_open_file(const struct capture *c, size_t i)
{
    struct store *s = capture_open(c->paths[i]);
    if (s)
        store_set_earlier(s, c->paths, i);
    return s;
}
