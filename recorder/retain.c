// retain: sealed files are known by their names alone: STEM-N.EXT with at least six digits. What
// has another name is not ours and is never touched; nor is what is no regular file.
//
// All of them are counted, but only the oldest are held by name: the list takes twice as many as
// one sweep deletes, and its newer half is thrown away whenever it is full. So memory does not
// grow with the folder, no sweep deletes for long, and what is left over falls to the next one.
#include "recorder/retain.h"

#include "proto/base/log.h"
#include "proto/base/units.h"
#include "proto/base/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELD_MAX   (2 * RETAIN_SWEEP_MAX)
#define DIGITS_MIN 6
#define DIGITS_MAX 12

struct sealed {
    uint64_t number;
    int64_t size, changed_us;
    char *name;
};

struct sweep {
    int folder;
    struct view stem, end; // of the names
    struct sealed *files;  // the oldest of all, and some more
    size_t n, cap;
    int64_t all, size; // how many there are, and their bytes
};

bool retain_is_full(const struct retain_conf *c, int64_t size, int64_t made_us, int64_t now_us)
{
    return (c->rotate_size > 0 && size >= c->rotate_size) ||
           (c->rotate_age_us > 0 && made_us > 0 && now_us - made_us >= c->rotate_age_us);
}

// The number in STEM-N.EXT: 0 when the name is not of that form.
static uint64_t number_of(const struct sweep *s, struct view name)
{
    uint64_t number;
    if (name.n < s->stem.n + 1 + DIGITS_MIN + s->end.n || !view_starts(name, s->stem) ||
        name.p[s->stem.n] != '-')
        return 0;
    struct view rest = view_from(name, s->stem.n + 1);
    struct view digits = view_head(rest, rest.n - s->end.n);
    if (!view_eq(view_from(rest, digits.n), s->end) || digits.n > DIGITS_MAX ||
        view_number(digits, 10, UINT64_MAX, &number) != 0)
        return 0;
    return number;
}

static int by_number(const void *a, const void *b)
{
    const struct sealed *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void forget(struct sweep *s, size_t from)
{
    for (size_t i = from; i < s->n; i++)
        free(s->files[i].name);
    if (from < s->n)
        s->n = from;
}

static void keep_oldest(struct sweep *s)
{
    if (s->n > 0)
        qsort(s->files, s->n, sizeof *s->files, by_number);
    forget(s, RETAIN_SWEEP_MAX);
}

static int make_room(struct sweep *s)
{
    if (s->n < s->cap)
        return 0;
    if (s->cap == HELD_MAX) {
        keep_oldest(s);
        return 0;
    }
    size_t cap = s->cap ? s->cap * 2 : 16;
    struct sealed *more = realloc(s->files, cap * sizeof *more);
    if (!more)
        return E_NOMEM;
    s->files = more;
    s->cap = cap;
    return 0;
}

static int note(struct sweep *s, const char *name)
{
    struct stat st;
    uint64_t number = number_of(s, view_of(name));
    if (number == 0 || fstatat(s->folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode))
        return 0;
    s->all++;
    s->size += st.st_size;
    int e = make_room(s);
    if (e)
        return e;
    char *copy = strdup(name);
    if (!copy)
        return E_NOMEM;
    s->files[s->n++] =
        (struct sealed){.number = number,
                        .size = st.st_size,
                        .changed_us = st.st_mtim.tv_sec * 1000000LL + st.st_mtim.tv_nsec / 1000,
                        .name = copy};
    return 0;
}

static int list(struct sweep *s)
{
    int fd = dup(s->folder), e = 0;
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return E_IO;
    }
    rewinddir(folder);
    for (struct dirent *d; !e && (d = readdir(folder));)
        e = note(s, d->d_name);
    closedir(folder);
    keep_oldest(s);
    return e;
}

// Why the oldest file has to go, or NULL.
static const char *reason(const struct retain_conf *c, const struct sealed *oldest, int64_t files,
                          int64_t size, int64_t now_us)
{
    if (c->keep_files > 0 && files > c->keep_files)
        return "keep-files";
    if (c->keep_size > 0 && size > c->keep_size)
        return "keep-size";
    if (c->keep_age_us > 0 && now_us - oldest->changed_us >= c->keep_age_us)
        return "keep-age";
    return NULL;
}

static bool drop(struct sweep *s, const struct sealed *f, const char *why)
{
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    char name[NAME_MAX + 16], size[UNITS_TEXT];
    if (unlinkat(s->folder, f->name, 0) != 0) {
        log_error("cannot delete a sealed file file=\"%s\" error=\"%s\"", f->name, strerror(errno));
        return false;
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(name, sizeof name, "%s%s", f->name, ends[i]);
        unlinkat(s->folder, name, 0);
    }
    log_info("sealed file deleted file=\"%s\" size=%s by=%s", f->name,
             units_size_text((uint64_t)f->size, size), why);
    return true;
}

static int sweep_folder(struct sweep *s, const struct retain_conf *c, int64_t live_size,
                        int64_t now_us)
{
    int deleted = 0, e = list(s);
    if (e)
        return e;
    int64_t size = live_size + s->size;
    for (size_t i = 0; i < s->n; i++) {
        const char *why = reason(c, &s->files[i], s->all - (int64_t)i, size, now_us);
        if (!why)
            break;
        size -= s->files[i].size;
        deleted += drop(s, &s->files[i], why);
    }
    return deleted;
}

int retain_sweep(const struct retain_conf *c, const char *path, int64_t live_size, int64_t now_us)
{
    if (c->keep_files == 0 && c->keep_size == 0 && c->keep_age_us == 0)
        return 0;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t stem = dot && dot != name ? (size_t)(dot - name) : strlen(name);
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder)
        return E_NOMEM;
    struct sweep s = {.stem = view_n(name, stem), .end = view_of(name + stem)};
    s.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (s.folder < 0)
        return err_from_errno(errno);
    int result = sweep_folder(&s, c, live_size, now_us);
    forget(&s, 0);
    free(s.files);
    close(s.folder);
    return result;
}
