// pack: see pack.h. The file that is made is pack_place.h's; here is what is in it.
//
//   pack     pages here and there ─► dictionary │ groups, one after the other ─► index │ header
//            then the packed file is opened, its parts are checked, and every group is compared
//            with what it was made of
//   unpack   groups, one after the other ─► file; its checksum must be that of the header
//
// 1. The writer's locks and what SQLite leaves beside a file tell a live one from a sealed one, and
//    so does the header: a live file is in WAL mode (store_rotate.c). The lock on the file, which a
//    writer takes too, is held to the end; but not on one that a recorder may begin to write to
//    meanwhile, which it is not to be kept from.
// 2. The index goes out in blocks: memory does not grow with the file.
// 3. What changed while it was read does not match when it is compared, or has another time. Of a
//    file in WAL mode without a WAL that is all that there is, whatever is put into a WAL
//    meanwhile.
#include "schema/pack.h"

#include "proto/base/clock.h"
#include "proto/base/view.h"
#include "schema/pack_place.h"
#include "schema/packed.h"
#include "schema/sqlite_head.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>
#include <zdict.h>
#include <zstd.h>

#define INDEX_BLOCK  1024
#define FLUSH_GROUPS 128 // after so many the disk begins to write: syncing at the end waits less
#define SAMPLE_MAX   4096

struct pack {
    struct pack_place place;
    pack_progress *progress;
    void *arg;
    struct packed_header header;
    uint64_t groups;
    ZSTD_CCtx *zstd;
    ZSTD_CDict *dictionary;
    unsigned char *plain, *packed; // a group; the second with room for what zstd may need
    size_t packed_room;
    unsigned char entries[INDEX_BLOCK * PACKED_ENTRY];
    XXH3_state_t *plain_sum, *index_sum;
    uint64_t first; // bytes of the groups that are to be there again
    bool stores;    // groups as they are
};

// from..to: permille.
static int tell(struct pack *p, uint64_t done, int from, int to)
{
    if (!p->progress)
        return 0;
    int at = from + (int)((double)done / (double)p->groups * (to - from));
    return p->progress(p->arg, at) == 0 ? 0 : pack_place_fail(&p->place, E_AGAIN, "interrupted");
}

static void clear(struct pack *p)
{
    pack_place_close(&p->place);
    ZSTD_freeCCtx(p->zstd);
    ZSTD_freeCDict(p->dictionary);
    free(p->plain);
    free(p->packed);
    XXH3_freeState(p->plain_sum);
    XXH3_freeState(p->index_sum);
    free(p);
}

// ---- may it be packed?

static bool is_beside(const char *path, const char *end)
{
    char name[4096];
    struct stat st;
    return snprintf(name, sizeof name, "%s%s", path, end) < (int)sizeof name &&
           lstat(name, &st) == 0 && st.st_size > 0;
}

static bool is_held(const char *path)
{
    char name[4096];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (snprintf(name, sizeof name, "%s-lock", path) >= (int)sizeof name)
        return false;
    int fd = open(name, O_RDWR | O_CLOEXEC);
    bool held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    return held;
}

static int check_still(struct pack_place *place)
{
    static const char *const ends[] = {"-wal", "-journal"};
    if ((flock(place->in, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) || is_held(place->from))
        return pack_place_fail(place, E_BUSY, "a recorder writes to it%s",
                               pack_place_is_same(place) ? "; only a sealed file is packed" : "");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (is_beside(place->from, ends[i]))
            return pack_place_fail(place, E_BUSY, "%s%s stands beside it, which belongs to it",
                                   place->from, ends[i]);
    return 0;
}

static int check_write(struct pack_place *place, unsigned char how)
{
    if (how == 1)
        return 0;
    if (how != 2)
        return pack_place_fail(place, E_DAMAGED, "its header has an impossible way of writing");
    if (pack_place_is_same(place))
        return pack_place_fail(
            place, E_BUSY,
            "a live file, which a recorder may go on with; give --to, to pack it "
            "into another file");
    flock(place->in, LOCK_UN);
    return 0;
}

// What the file's own header says becomes ours.
static int look_at_plain(struct pack *p)
{
    unsigned char head[SQLITE_HEAD] = {0};
    struct pack_place *place = &p->place;
    struct packed_header *h = &p->header;
    uint64_t size = (uint64_t)place->was.st_size;
    int e =
        pack_place_read(place, place->in, head, size < sizeof head ? (size_t)size : sizeof head, 0);
    if (e != 0)
        return e;
    if (memcmp(head, PACKED_MAGIC, sizeof PACKED_MAGIC) == 0)
        return pack_place_fail(place, E_EXISTS, "packed already");
    if (size < sizeof head || !sqlite_head_is(head) ||
        sqlite_head_application(head) != STORE_APPLICATION)
        return pack_place_fail(place, E_UNSUPPORTED, "not a capture");
    e = check_write(place, head[SQLITE_HEAD_WRITE]);
    if (e != 0)
        return e;
    h->application = STORE_APPLICATION;
    h->page_size = (uint32_t)head[SQLITE_HEAD_PAGE_SIZE] << 8 | head[SQLITE_HEAD_PAGE_SIZE + 1];
    if (h->page_size == 1)
        h->page_size = 65536;
    if (h->page_size < 512 || h->page_size & (h->page_size - 1))
        return pack_place_fail(place, E_DAMAGED, "its header has an impossible page size");
    h->plain_size = size;
    h->group_size = PACK_GROUP;
    while (packed_groups_of(h) > PACKED_GROUPS_MAX && h->group_size < PACKED_GROUP_MAX)
        h->group_size *= 2;
    p->groups = packed_groups_of(h);
    h->twice = p->groups < PACK_TWICE ? (uint32_t)p->groups : PACK_TWICE;
    return p->groups <= PACKED_GROUPS_MAX ? 0 : pack_place_fail(place, E_RANGE, "it is too large");
}

// ---- packing

// Pages from all over the file. Without a dictionary it is packed as well, only less.
static int train(struct pack *p, const unsigned char *samples, const size_t *sizes, unsigned n)
{
    struct packed_header *h = &p->header;
    size_t room = PACK_DICTIONARY;
    if (h->plain_size / 128 < room)
        room = (size_t)(h->plain_size / 128);
    unsigned char *bytes = malloc(room ? room : 1);
    if (!bytes)
        return pack_place_nomem(&p->place);
    size_t got = ZDICT_trainFromBuffer(bytes, room, samples, sizes, n);
    int e = 0;
    if (!ZDICT_isError(got) && got > 0) {
        h->dictionary = (uint32_t)got;
        h->dictionary_sum = packed_sum(bytes, got);
        p->dictionary = ZSTD_createCDict(bytes, got, PACK_LEVEL);
        e = p->dictionary ? pack_place_write(&p->place, bytes, got, PACKED_HEADER)
                          : pack_place_nomem(&p->place);
    }
    free(bytes);
    return e;
}

static int make_dictionary(struct pack *p)
{
    uint64_t pages = p->header.plain_size / SAMPLE_MAX, most = PACK_SAMPLES / SAMPLE_MAX;
    unsigned n = (unsigned)(pages < most ? pages : most);
    unsigned char *samples = malloc((size_t)n * SAMPLE_MAX + 1);
    size_t *sizes = malloc((n + 1) * sizeof *sizes);
    int e = samples && sizes ? 0 : pack_place_nomem(&p->place);
    for (unsigned i = 0; i < n && e == 0; i++) {
        sizes[i] = SAMPLE_MAX;
        e = pack_place_read(&p->place, p->place.in, samples + (size_t)i * SAMPLE_MAX, SAMPLE_MAX,
                            pages * i / n * SAMPLE_MAX);
    }
    if (e == 0)
        e = train(p, samples, sizes, n);
    free(samples);
    free(sizes);
    return e;
}

static int prepare(struct pack *p)
{
    p->packed_room = ZSTD_compressBound(p->header.group_size);
    p->plain = malloc(p->header.group_size);
    p->packed = malloc(p->packed_room);
    p->zstd = ZSTD_createCCtx();
    p->plain_sum = XXH3_createState();
    p->index_sum = XXH3_createState();
    if (!p->plain || !p->packed || !p->zstd || !p->plain_sum || !p->index_sum)
        return pack_place_nomem(&p->place);
    XXH3_64bits_reset(p->plain_sum);
    XXH3_64bits_reset(p->index_sum);
    return 0;
}

// The bytes of a group as they are to stand in the file.
static int press(struct pack *p, size_t length, const unsigned char **out, size_t *n)
{
    if (p->stores) {
        *out = p->plain;
        *n = length;
        return 0;
    }
    size_t got = p->dictionary ? ZSTD_compress_usingCDict(p->zstd, p->packed, p->packed_room,
                                                          p->plain, length, p->dictionary)
                               : ZSTD_compressCCtx(p->zstd, p->packed, p->packed_room, p->plain,
                                                   length, PACK_LEVEL);
    if (ZSTD_isError(got))
        return pack_place_nomem(&p->place); // there is room for any content
    *out = got < length ? p->packed : p->plain;
    *n = got < length ? got : length;
    return 0;
}

static int put_index(struct pack *p, uint64_t upto)
{
    uint64_t from = upto == 0 ? 0 : (upto - 1) / INDEX_BLOCK * INDEX_BLOCK;
    size_t n = (size_t)(upto - from) * PACKED_ENTRY;
    XXH3_64bits_update(p->index_sum, p->entries, n);
    return pack_place_write(&p->place, p->entries, n,
                            PACKED_HEADER + p->header.dictionary + from * PACKED_ENTRY);
}

static int put_groups(struct pack *p)
{
    uint64_t at = PACKED_HEADER + p->header.dictionary + p->groups * PACKED_ENTRY;
    int e = 0;
    for (uint64_t i = 0; i < p->groups && e == 0; i++) {
        size_t length = packed_length(&p->header, i), n = 0;
        const unsigned char *bytes = NULL;
        e = tell(p, i, 0, 800);
        if (e == 0)
            e = pack_place_read(&p->place, p->place.in, p->plain, length, i * p->header.group_size);
        if (e == 0)
            e = press(p, length, &bytes, &n);
        if (e == 0)
            e = pack_place_write(&p->place, bytes, n, at);
        if (e != 0)
            return e;
        XXH3_64bits_update(p->plain_sum, p->plain, length);
        packed_entry_put(p->entries + i % INDEX_BLOCK * PACKED_ENTRY, (uint32_t)n,
                         packed_sum(bytes, n));
        at += n;
        p->first += i < p->header.twice ? n : 0;
        if ((i + 1) % INDEX_BLOCK == 0 || i + 1 == p->groups)
            e = put_index(p, i + 1);
        if ((i + 1) % FLUSH_GROUPS == 0)
            sync_file_range(p->place.out, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    p->header.packed_size = at;
    p->header.plain_sum = XXH3_64bits_digest(p->plain_sum);
    p->header.index_sum = XXH3_64bits_digest(p->index_sum);
    return e;
}

// n bytes of the new file to its end.
static int repeat(struct pack *p, uint64_t from, uint64_t n)
{
    int e = 0;
    while (n > 0 && e == 0) {
        size_t some = n < p->packed_room ? (size_t)n : p->packed_room;
        e = pack_place_read(&p->place, p->place.out, p->packed, some, from);
        if (e == 0)
            e = pack_place_write(&p->place, p->packed, some, p->header.packed_size);
        p->header.packed_size += some;
        from += some;
        n -= some;
    }
    return e;
}

static int put_rest(struct pack *p)
{
    unsigned char header[PACKED_HEADER];
    uint64_t index = p->groups * PACKED_ENTRY, front = PACKED_HEADER + p->header.dictionary;
    int e = repeat(p, front + index, p->first);
    if (e == 0)
        e = repeat(p, PACKED_HEADER, p->header.dictionary);
    if (e == 0)
        e = repeat(p, front, index);
    p->header.packed_size += sizeof header;
    packed_header_put(&p->header, header);
    if (e == 0)
        e = pack_place_write(&p->place, header, sizeof header,
                             p->header.packed_size - sizeof header);
    return e == 0 ? pack_place_write(&p->place, header, sizeof header, 0) : e;
}

// ---- reading a packed one

struct source {
    struct pack_place *place;
    int fd;
};

static int source_read(void *arg, void *out, size_t n, uint64_t at)
{
    const struct source *s = arg;
    return pack_place_read(s->place, s->fd, out, n, at);
}

static int open_packed(struct packed **out, struct source *s)
{
    struct stat st;
    const char *fault = NULL;
    if (fstat(s->fd, &st) != 0)
        return pack_place_fail(s->place, E_IO, "cannot read it: %s", strerror(errno));
    struct packed_source from = {.read = source_read, .arg = s, .size = (uint64_t)st.st_size};
    int e = packed_open(out, &from, &fault);
    if (fault)
        return pack_place_fail(s->place, e, "a packed capture, but %s", fault);
    if (e == E_UNSUPPORTED)
        return pack_place_fail(s->place, e, "not a packed capture");
    if (e == E_VERSION)
        return pack_place_fail(s->place, e, "packed by a newer program");
    return e == E_NOMEM ? pack_place_fail(s->place, e, "out of memory") : e;
}

static int compare_group(struct pack *p, const unsigned char *bytes, size_t n, uint64_t group)
{
    int e = pack_place_read(&p->place, p->place.in, p->plain, n, group * p->header.group_size);
    return e == 0 && memcmp(bytes, p->plain, n) != 0
               ? pack_place_fail(&p->place, E_DAMAGED, "it changed while it was packed")
               : e;
}

static int compare(struct pack *p)
{
    const char *fault;
    struct source source = {&p->place, p->place.out};
    struct packed *packed;
    struct stat now;
    int e = open_packed(&packed, &source);
    if (e != 0)
        return e;
    for (int i = 0; i < PACKED_PARTS && e == 0; i++)
        e = packed_check_part(packed, (enum packed_part)i, &fault);
    if (e == 0 && packed_end(packed))
        e = E_DAMAGED;
    for (uint64_t i = 0; i < p->groups && e == 0; i++) {
        const unsigned char *bytes;
        size_t n;
        e = tell(p, i, 800, 1000);
        if (e == 0)
            e = packed_check(packed, i, &bytes, &n);
        if (e == 0)
            e = compare_group(p, bytes, n, i);
    }
    packed_close(packed);
    if (e == E_NOMEM)
        pack_place_nomem(&p->place);
    if (e == E_DAMAGED && p->place.why[0] == '\0')
        pack_place_fail(&p->place, e, "what was written cannot be read again");
    if (e == 0 && (fstat(p->place.in, &now) != 0 || now.st_size != p->place.was.st_size ||
                   !clock_same(&now.st_mtim, &p->place.was.st_mtim)))
        e = pack_place_fail(&p->place, E_DAMAGED, "it changed while it was packed");
    return e;
}

// ---- the whole

static struct pack *begin(const char *from, const char *to, pack_progress *progress, void *arg,
                          char why[WHY_MAX], int *e)
{
    struct pack *p = calloc(1, sizeof *p);
    if (!p) {
        snprintf(why, WHY_MAX, "out of memory");
        *e = E_NOMEM;
        return NULL;
    }
    p->progress = progress;
    p->arg = arg;
    *e = pack_place_open(&p->place, from, to, why);
    if (*e == 0)
        *e = check_still(&p->place);
    return p;
}

static int put_all(struct pack *p)
{
    int e = put_groups(p);
    return e == 0 ? put_rest(p) : e;
}

// Once more, and each group once.
static int store_all(struct pack *p)
{
    p->stores = true;
    p->header.dictionary = p->header.twice = 0;
    p->header.dictionary_sum = 0;
    p->first = 0;
    XXH3_64bits_reset(p->plain_sum);
    XXH3_64bits_reset(p->index_sum);
    int e = put_all(p);
    return e == 0 ? pack_place_cut(&p->place, p->header.packed_size) : e;
}

static int make(const char *from, const char *to, bool always, pack_progress *progress, void *arg,
                char why[WHY_MAX])
{
    int e;
    struct pack *p = begin(from, to, progress, arg, why, &e);
    if (!p)
        return e;
    if (e == 0)
        e = look_at_plain(p);
    if (e == 0)
        e = prepare(p);
    if (e == 0)
        e = make_dictionary(p);
    if (e == 0)
        e = put_all(p);
    if (e == 0 && p->header.packed_size >= p->header.plain_size)
        e = always ? store_all(p)
                   : pack_place_fail(&p->place, E_LIMIT, "packing would not make it smaller");
    if (e == 0)
        e = pack_place_sync(&p->place);
    if (e == 0)
        e = compare(p);
    if (e == 0)
        e = pack_place_take(&p->place);
    clear(p);
    return e;
}

int pack_file(const char *from, const char *to, pack_progress *progress, void *arg,
              char why[WHY_MAX])
{
    return make(from, to, false, progress, arg, why);
}

int pack_sealed(const char *path, pack_progress *progress, void *arg, char why[WHY_MAX])
{
    return make(path, NULL, true, progress, arg, why);
}

static int put_plain(struct pack *p, struct packed *packed)
{
    int e = 0;
    p->header = *packed_header(packed);
    p->groups = packed_groups_of(&p->header);
    p->plain = malloc(p->header.group_size);
    p->plain_sum = XXH3_createState();
    if (!p->plain || !p->plain_sum)
        return pack_place_nomem(&p->place);
    XXH3_64bits_reset(p->plain_sum);
    for (uint64_t i = 0; i < p->groups && e == 0; i++) {
        size_t n = packed_length(&p->header, i);
        e = tell(p, i, 0, 1000);
        if (e == 0)
            e = packed_read(packed, p->plain, n, i * p->header.group_size);
        if (e == E_DAMAGED)
            pack_place_fail(
                &p->place, e, "damaged at page %llu; the tools read what can be read of it",
                (unsigned long long)(i * p->header.group_size / p->header.page_size) + 1);
        if (e == E_NOMEM)
            pack_place_nomem(&p->place);
        if (e == 0)
            e = pack_place_write(&p->place, p->plain, n, i * p->header.group_size);
        XXH3_64bits_update(p->plain_sum, p->plain, n);
    }
    if (e == 0 && XXH3_64bits_digest(p->plain_sum) != p->header.plain_sum)
        e = pack_place_fail(&p->place, E_DAMAGED, "it does not match the checksum of the whole");
    return e;
}

int pack_unpack(const char *from, const char *to, pack_progress *progress, void *arg,
                char why[WHY_MAX])
{
    int e;
    struct packed *packed = NULL;
    struct pack *p = begin(from, to, progress, arg, why, &e);
    if (!p)
        return e;
    struct source source = {&p->place, p->place.in};
    if (e == 0)
        e = open_packed(&packed, &source);
    if (e == 0)
        e = put_plain(p, packed);
    if (e == 0)
        e = pack_place_sync(&p->place);
    if (e == 0)
        e = pack_place_take(&p->place);
    packed_close(packed);
    clear(p);
    return e;
}
