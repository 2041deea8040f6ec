// retain: a sealed file is known by its name and by what is in it.
//
//   name has the form ─► regular file ─► looked into ─► same capture, number of the name ─► ours
//                                             │                     │ a lower one, and the file
//                                             ▼                     ▼ after it names it ─► ours
//                                   passed over, told once ◄────────┘
//
// 1. Where a name is taken, rotation uses the next free one: so a file's own number may be lower
//    than that of its name. The file after it in the capture then tells which name it was given.
// 2. What is passed over counts for no limit. A file that was not looked into yet counts neither:
//    that keeps more than was asked for until the next sweep, never less.
// 3. The live file may have a second name of the form. It is never opened here: that would cost the
//    store its locks (identity.h).
//
// The list has an entry for each such name in the folder, 999999 at most.
#include "recorder/retain.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/units.h"
#include "schema/capture_name.h"
#include "schema/folder.h"
#include "schema/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum look { LOOK_DUE, LOOK_FAILED, LOOK_MEMBER, LOOK_FOREIGN };

struct retain_file {
    int64_t size;
    struct timespec changed, status; // of its content, of its inode
    ino_t inode;
    int64_t row;           // its number as it has it itself
    int32_t number, after; // of its name, of the name of the file before
    unsigned char look;
    unsigned char stays; // times in a row that packing it failed
    bool told, ours, packed, gone;
    int64_t again_us; // not tried before
};

struct sweep {
    const struct retain_live *live;
    struct capture_name name; // of the live file
    struct view base;         // its stem without the folder
    int32_t live_after;       // number of the name of the file before
    struct stat live_file;
    int folder;
    struct retain_file *files;
    size_t n, cap;
};

bool retain_is_full(const struct retain_conf *c, int64_t size, int64_t made_us, int64_t now_us)
{
    return (c->rotate_size > 0 && size >= c->rotate_size) ||
           (c->rotate_age_us > 0 && made_us > 0 && now_us - made_us >= c->rotate_age_us);
}

bool retain_sweeps(const struct retain_conf *c)
{
    return c->keep_files > 0 || c->keep_size > 0 || c->keep_age_us > 0 || c->pack;
}

void retain_clear(struct retain *r)
{
    free(r->files);
    *r = (struct retain){0};
}

// The number in a file's name; 0: it is not of the form.
static int32_t number_of(const struct sweep *s, const char *name)
{
    struct capture_name n = capture_name_of(name);
    bool ours = n.number > 0 && view_eq(n.stem, s->base) && view_eq(n.ext, s->name.ext);
    return ours ? (int32_t)n.number : 0;
}

// Whole path of a sealed file; its last component.
static const char *path_of(const struct sweep *s, const struct retain_file *f,
                           char path[PATH_MAX + CAPTURE_NAME_MORE])
{
    if (!capture_name_sealed(path, PATH_MAX + CAPTURE_NAME_MORE, &s->name, f->number))
        path[0] = '\0';
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// ---- the list

static int by_number(const void *a, const void *b)
{
    const struct retain_file *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int note(struct sweep *s, const char *name)
{
    struct stat st;
    int32_t number = number_of(s, name);
    if (number == 0 || fstatat(s->folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode))
        return 0;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        struct retain_file *more = realloc(s->files, cap * sizeof *more);
        if (!more)
            return E_NOMEM;
        s->files = more;
        s->cap = cap;
    }
    s->files[s->n++] = (struct retain_file){
        .number = number,
        .size = st.st_size,
        .changed = st.st_mtim,
        .status = st.st_ctim,
        .inode = st.st_ino,
        .look = st.st_ino == s->live_file.st_ino && st.st_dev == s->live_file.st_dev ? LOOK_FOREIGN
                                                                                     : LOOK_DUE};
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
    if (s->n > 0)
        qsort(s->files, s->n, sizeof *s->files, by_number);
    return e;
}

// What the last sweep knew of the same names, and of files that are as they were.
static void remember(struct sweep *s, const struct retain *r)
{
    for (size_t i = 0, k = 0; i < s->n; i++) {
        struct retain_file *f = &s->files[i];
        while (k < r->n && r->files[k].number < f->number)
            k++;
        const struct retain_file *was = k < r->n ? &r->files[k] : NULL;
        if (!was || was->number != f->number)
            continue;
        f->told = was->told;
        if (f->look == LOOK_DUE && (was->look == LOOK_MEMBER || was->look == LOOK_FOREIGN) &&
            was->inode == f->inode && was->size == f->size &&
            clock_same(&was->changed, &f->changed) && clock_same(&was->status, &f->status)) {
            f->look = was->look;
            f->row = was->row;
            f->after = was->after;
            f->packed = was->packed;
            f->stays = was->stays;
            f->again_us = was->again_us;
        }
    }
}

// ---- which of them are ours

static void pass_over(const struct sweep *s, struct retain_file *f, const char *why)
{
    char path[PATH_MAX + CAPTURE_NAME_MORE];
    if (!f->told)
        log_warn("a file has the name of a sealed one and is left alone file=\"%s\" why=\"%s\"",
                 path_of(s, f, path), why);
    f->told = true;
}

static int look_into(const struct sweep *s, struct retain_file *f)
{
    struct store_identity id;
    char path[PATH_MAX + CAPTURE_NAME_MORE], why[WHY_MAX];
    path_of(s, f, path);
    int e = store_identity_read(path, &id, why);
    if (e == E_NOMEM)
        return e;
    if (e) {
        f->look = e == E_UNSUPPORTED || e == E_DAMAGED ? LOOK_FOREIGN : LOOK_FAILED;
        pass_over(s, f, why);
    } else if (memcmp(id.name, s->live->id.name, sizeof id.name) != 0) {
        f->look = LOOK_FOREIGN;
        pass_over(s, f, "of another capture");
    } else {
        f->look = LOOK_MEMBER;
        f->row = id.number;
        f->after = number_of(s, id.previous);
        f->packed = id.packed;
        pack_clean(path);
    }
    return 0;
}

// Whether the file after number i of the list, as the capture counts them, goes on from one of that
// name.
static bool is_named_by_next(const struct sweep *s, size_t i)
{
    const struct retain_file *f = &s->files[i];
    if (s->live->id.number == f->row + 1)
        return s->live_after == f->number;
    for (size_t k = i + 1; k < s->n; k++)
        if (s->files[k].look == LOOK_MEMBER && s->files[k].row == f->row + 1 &&
            s->files[k].after == f->number)
            return true;
    return false;
}

static int find_ours(struct sweep *s)
{
    size_t looks = 0, due = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct retain_file *f = &s->files[i];
        if (f->look == LOOK_FOREIGN) // without a look, when it was not told yet
            pass_over(s, f, "it is the live file");
        if (f->look != LOOK_DUE)
            continue;
        int e = looks++ < RETAIN_LOOKS_MAX ? look_into(s, f) : 0;
        if (e)
            return e;
        due += f->look == LOOK_DUE;
    }
    for (size_t i = 0; i < s->n; i++) {
        struct retain_file *f = &s->files[i];
        if (f->look != LOOK_MEMBER)
            continue;
        f->ours = f->row == f->number || (f->row < f->number && is_named_by_next(s, i));
        if (!f->ours && due == 0)
            pass_over(s, f, "a copy of another file of this capture");
    }
    return 0;
}

// ---- deleting

static int64_t age_us(const struct retain_file *f, int64_t now_us)
{
    return now_us - (f->changed.tv_sec * 1000000LL + f->changed.tv_nsec / 1000);
}

// Why the oldest file has to go, or NULL.
static const char *reason(const struct retain_conf *c, const struct retain_file *oldest,
                          int64_t files, int64_t size, int64_t now_us)
{
    if (c->keep_files > 0 && files > c->keep_files)
        return "keep-files";
    if (c->keep_size > 0 && size > c->keep_size)
        return "keep-size";
    if (c->keep_age_us > 0 && age_us(oldest, now_us) >= c->keep_age_us)
        return "keep-age";
    return NULL;
}

static bool drop(const struct sweep *s, const struct retain_file *f, const char *why)
{
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    char path[PATH_MAX + CAPTURE_NAME_MORE], beside[NAME_MAX + 16], size[UNITS_TEXT];
    const char *name = path_of(s, f, path);
    pack_clean(path);
    if (unlinkat(s->folder, name, 0) != 0) {
        log_error("cannot delete a sealed file file=\"%s\" error=\"%s\"", name, strerror(errno));
        return false;
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (snprintf(beside, sizeof beside, "%s%s", name, ends[i]) < (int)sizeof beside)
            unlinkat(s->folder, beside, 0);
    log_info("sealed file deleted file=\"%s\" size=%s by=%s", name,
             units_size_text((uint64_t)f->size, size), why);
    return true;
}

static int drop_oldest(struct sweep *s, const struct retain_conf *c, int64_t now_us)
{
    int64_t files = 0, size = s->live->size;
    int deleted = 0;
    for (size_t i = 0; i < s->n; i++) {
        files += s->files[i].ours;
        size += s->files[i].ours ? s->files[i].size : 0;
    }
    for (size_t i = 0, tried = 0; i < s->n && tried < RETAIN_SWEEP_MAX; i++) {
        struct retain_file *f = &s->files[i];
        if (!f->ours)
            continue;
        const char *why = reason(c, f, files, size, now_us);
        if (!why || (s->live->before_stays && f->row == s->live->id.number - 1))
            break;
        tried++;
        files--;
        size -= f->size;
        f->gone = drop(s, f, why);
        deleted += f->gone;
    }
    return deleted;
}

int retain_sweep(struct retain *r, const struct retain_conf *c, const struct retain_live *live,
                 int64_t now_us)
{
    if (!retain_sweeps(c))
        return 0;
    struct sweep s = {.live = live, .name = capture_name_live(live->path)};
    const char *path = live->path, *slash = strrchr(path, '/');
    char *folder = folder_of(path);
    if (!folder)
        return E_NOMEM;
    s.base = view_from(s.name.stem, slash ? (size_t)(slash - path) + 1 : 0);
    s.live_after = number_of(&s, live->id.previous);
    s.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (s.folder < 0)
        return err_from_errno(errno);
    if (stat(path, &s.live_file) != 0)
        s.live_file = (struct stat){0};
    int result = list(&s);
    if (result == 0) {
        remember(&s, r);
        result = find_ours(&s);
        if (result == 0)
            result = drop_oldest(&s, c, now_us);
        // Also when memory ran out half-way: what was told is not told again.
        retain_clear(r);
        *r = (struct retain){.files = s.files, .n = s.n};
    } else {
        free(s.files);
    }
    close(s.folder);
    return result;
}

// ---- packing

// A clock that was set back does not make it wait for longer.
static bool may_be_packed(const struct retain_file *f, int64_t now_us)
{
    return f->ours && !f->gone && !f->packed &&
           (now_us >= f->again_us || f->again_us - now_us > RETAIN_AGAIN_MAX_US);
}

int retain_plain(const struct retain *r, const char *live, int64_t now_us, char **paths, int max)
{
    struct capture_name name = capture_name_live(live);
    int n = 0;
    for (size_t i = 0; i < r->n && n < max; i++) {
        char path[PATH_MAX + CAPTURE_NAME_MORE];
        if (!may_be_packed(&r->files[i], now_us) ||
            !capture_name_sealed(path, sizeof path, &name, r->files[i].number))
            continue;
        paths[n] = strdup(path);
        if (!paths[n]) {
            while (n > 0)
                free(paths[--n]);
            return E_NOMEM;
        }
        n++;
    }
    return n;
}

static struct retain_file *find(const struct retain *r, const char *path)
{
    const char *slash = strrchr(path, '/');
    const struct retain_file key = {.number =
                                        (int32_t)capture_name_of(slash ? slash + 1 : path).number};
    return r->n > 0 ? bsearch(&key, r->files, r->n, sizeof key, by_number) : NULL;
}

void retain_packed(struct retain *r, const char *path)
{
    struct retain_file *f = find(r, path);
    if (f)
        f->packed = true;
}

bool retain_stays(struct retain *r, const char *path, int64_t now_us)
{
    struct retain_file *f = find(r, path);
    if (!f)
        return true;
    int64_t wait = RETAIN_AGAIN_MIN_US;
    for (int i = 0; i < f->stays && wait < RETAIN_AGAIN_MAX_US; i++)
        wait *= 2;
    f->again_us = now_us + (wait < RETAIN_AGAIN_MAX_US ? wait : RETAIN_AGAIN_MAX_US);
    if (f->stays < UCHAR_MAX)
        f->stays++;
    return f->stays == 1;
}

bool retain_has(const struct retain *r, const char *path)
{
    const struct retain_file *f = find(r, path);
    return f && f->ours && !f->gone;
}
