// packed: see packed.h.
//
//   read ─► slot of the cache that has the group ─► copy
//            │ none: the one that was used longest ago
//            ▼
//        bytes of the group ─► checksum ─► zstd, into the slot
//
// 1. What the file says of sizes is checked before anything is allocated by it: the index is not
//    larger than the file, a group not larger than PACKED_GROUP_MAX.
// 2. A slot is empty while it is filled: a group that fails leaves nothing behind.
// 3. What is there twice is taken from its second place when the first one is damaged.
#include "schema/packed.h"

#include "schema/sqlite_head.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>
#include <zstd_errors.h>

#define SLOTS_MIN 2
#define SLOTS_MAX 64 // all are walked through; groups of ours fill the cache with as many
#define NO_GROUP  UINT64_MAX

struct slot {
    uint64_t group, used;
    unsigned char *bytes;
};

struct group {
    uint64_t at; // in the packed file; one entry more tells where the last one ends
    uint64_t sum;
};

struct packed {
    struct packed_header header;
    struct packed_source from;
    uint64_t groups;
    struct group *index;
    ZSTD_DCtx *zstd;
    ZSTD_DDict *dictionary;
    unsigned char *raw; // a group as it is in the file
    unsigned char *out; // of packed_check()
    struct slot *slots;
    size_t slot_count, last; // last: slot that was read last
    uint64_t clock;
};

// ---- numbers

static void put(unsigned char *out, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = (unsigned char)(v >> (8 * (n - 1 - i)));
}

static uint64_t get(const unsigned char *in, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | in[i];
    return v;
}

uint64_t packed_sum(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

// ---- the header

void packed_header_put(const struct packed_header *h, unsigned char out[PACKED_HEADER])
{
    memset(out, 0, PACKED_HEADER);
    memcpy(out, PACKED_MAGIC, sizeof PACKED_MAGIC);
    put(out + 16, PACKED_VERSION, 4);
    put(out + 20, h->application, 4);
    put(out + 24, h->page_size, 4);
    put(out + 28, h->group_size, 4);
    put(out + 32, h->plain_size, 8);
    put(out + 40, h->packed_size, 8);
    put(out + 48, h->dictionary, 4);
    put(out + 52, h->twice, 4);
    put(out + 56, h->dictionary_sum, 8);
    put(out + 64, h->index_sum, 8);
    put(out + 72, h->plain_sum, 8);
    put(out + PACKED_HEADER_SUM, packed_sum(out, PACKED_HEADER_SUM), 8);
}

static const char *strange(const struct packed_header *h)
{
    if (h->page_size < 512 || h->page_size > 65536 || (h->page_size & (h->page_size - 1)))
        return "its header has an impossible page size";
    if (h->group_size == 0 || h->group_size > PACKED_GROUP_MAX || h->group_size % h->page_size)
        return "its header has an impossible group size";
    if (h->plain_size == 0 || h->plain_size > (uint64_t)PACKED_GROUPS_MAX * h->group_size)
        return "its header has an impossible size of the file that was packed";
    if (h->dictionary > PACKED_DICTIONARY_MAX)
        return "its header has an impossible size of the dictionary";
    if (h->twice > PACKED_TWICE_MAX || h->twice > packed_groups_of(h))
        return "its header has an impossible number of groups that are there again";
    return NULL;
}

int packed_header_get(const unsigned char in[PACKED_HEADER], struct packed_header *h,
                      const char **fault)
{
    *fault = NULL;
    if (memcmp(in, PACKED_MAGIC, sizeof PACKED_MAGIC) != 0)
        return E_UNSUPPORTED;
    if (get(in + PACKED_HEADER_SUM, 8) != packed_sum(in, PACKED_HEADER_SUM)) {
        *fault = "its header does not match its checksum";
        return E_DAMAGED;
    }
    if (get(in + 16, 4) != PACKED_VERSION)
        return E_VERSION;
    *h = (struct packed_header){.application = (uint32_t)get(in + 20, 4),
                                .page_size = (uint32_t)get(in + 24, 4),
                                .group_size = (uint32_t)get(in + 28, 4),
                                .dictionary = (uint32_t)get(in + 48, 4),
                                .twice = (uint32_t)get(in + 52, 4),
                                .plain_size = get(in + 32, 8),
                                .packed_size = get(in + 40, 8),
                                .dictionary_sum = get(in + 56, 8),
                                .index_sum = get(in + 64, 8),
                                .plain_sum = get(in + 72, 8)};
    *fault = strange(h);
    return *fault ? E_DAMAGED : 0;
}

uint64_t packed_groups_of(const struct packed_header *h)
{
    return (h->plain_size + h->group_size - 1) / h->group_size;
}

size_t packed_length(const struct packed_header *h, uint64_t group)
{
    uint64_t left = h->plain_size - group * h->group_size;
    return left < h->group_size ? (size_t)left : h->group_size;
}

void packed_entry_put(unsigned char out[PACKED_ENTRY], uint32_t size, uint64_t sum)
{
    put(out, size, 4);
    put(out + 4, sum, 8);
}

// ---- open

static int from_file(struct packed *p, void *out, size_t n, uint64_t at)
{
    if (at > p->from.size || n > p->from.size - at)
        return E_DAMAGED; // it was cut off
    return p->from.read(p->from.arg, out, n, at);
}

static int damaged(const char **fault, const char *how)
{
    *fault = how;
    return E_DAMAGED;
}

// Where the parts stand, the first time and again.
struct places {
    uint64_t dictionary, index;
};

static struct places places_of(const struct packed *p, bool again)
{
    const struct packed_header *h = &p->header;
    if (!again)
        return (struct places){PACKED_HEADER, PACKED_HEADER + (uint64_t)h->dictionary};
    uint64_t index = h->packed_size - PACKED_HEADER - p->groups * PACKED_ENTRY;
    return (struct places){index - h->dictionary, index};
}

// n bytes that have that checksum.
static int read_part(struct packed *p, void *out, size_t n, uint64_t at, uint64_t sum)
{
    int e = from_file(p, out, n, at);
    return e == 0 && packed_sum(out, n) != sum ? E_DAMAGED : e;
}

static int read_either(struct packed *p, void *out, size_t n, uint64_t at, uint64_t again,
                       uint64_t sum)
{
    int e = read_part(p, out, n, at, sum);
    return e == E_DAMAGED ? read_part(p, out, n, again, sum) : e;
}

static int read_dictionary(struct packed *p, const char **fault)
{
    size_t n = p->header.dictionary;
    if (n == 0)
        return 0;
    unsigned char *bytes = malloc(n);
    if (!bytes)
        return E_NOMEM;
    int e = read_either(p, bytes, n, places_of(p, false).dictionary, places_of(p, true).dictionary,
                        p->header.dictionary_sum);
    if (e == E_DAMAGED)
        *fault = "its dictionary does not match its checksum";
    if (e == 0) {
        p->dictionary = ZSTD_createDDict(bytes, n);
        e = p->dictionary ? 0 : E_NOMEM;
    }
    free(bytes);
    return e;
}

// Sizes become places; they have to end where the file does.
static int take_index(struct packed *p, const unsigned char *entries, const char **fault)
{
    uint64_t at = PACKED_HEADER + p->header.dictionary + p->groups * PACKED_ENTRY;
    uint64_t again = at;
    for (uint64_t i = 0; i < p->groups; i++) {
        uint64_t size = get(entries + i * PACKED_ENTRY, 4);
        if (size == 0 || size > p->header.group_size)
            return damaged(fault, "its index has an impossible size of a group");
        p->index[i] = (struct group){.at = at, .sum = get(entries + i * PACKED_ENTRY + 4, 8)};
        at += size;
        if (i < p->header.twice)
            again += size;
    }
    p->index[p->groups].at = at;
    return at + again == p->header.packed_size
               ? 0
               : damaged(fault, "the groups of its index do not fill the file");
}

static int read_index(struct packed *p, const char **fault)
{
    size_t n = (size_t)p->groups * PACKED_ENTRY;
    unsigned char *entries = malloc(n);
    p->index = malloc((size_t)(p->groups + 1) * sizeof *p->index);
    int e = entries && p->index ? read_either(p, entries, n, places_of(p, false).index,
                                              places_of(p, true).index, p->header.index_sum)
                                : E_NOMEM;
    if (e == E_DAMAGED)
        *fault = "its index does not match its checksum";
    if (e == 0)
        e = take_index(p, entries, fault);
    free(entries);
    return e;
}

static int make_cache(struct packed *p)
{
    size_t count = PACKED_CACHE_MAX / p->header.group_size;
    if (count > SLOTS_MAX)
        count = SLOTS_MAX;
    if (count > p->groups)
        count = (size_t)p->groups;
    p->slot_count = count < SLOTS_MIN ? SLOTS_MIN : count;
    p->slots = calloc(p->slot_count, sizeof *p->slots);
    p->raw = malloc(p->header.group_size);
    p->zstd = ZSTD_createDCtx();
    if (!p->slots || !p->raw || !p->zstd)
        return E_NOMEM;
    for (size_t i = 0; i < p->slot_count; i++)
        p->slots[i].group = NO_GROUP;
    return 0;
}

static int header_at(struct packed *p, uint64_t at, struct packed_header *h, const char **fault)
{
    unsigned char header[PACKED_HEADER];
    int e = from_file(p, header, sizeof header, at);
    return e == 0 ? packed_header_get(header, h, fault) : e;
}

// Both places; a database is none, whatever its last page ends with.
static int find_header(struct packed *p, const char **fault)
{
    unsigned char first[sizeof PACKED_MAGIC] = {0};
    const char *ignored;
    struct packed_header h;
    uint64_t there = p->from.size;
    int e = from_file(p, first, there < sizeof first ? (size_t)there : sizeof first, 0);
    if (e != 0)
        return e;
    if (sqlite_head_is(first))
        return E_UNSUPPORTED;
    if (there < PACKED_HEADER)
        return memcmp(first, PACKED_MAGIC, sizeof first) != 0
                   ? E_UNSUPPORTED
                   : damaged(fault, "it ends within its header");
    e = header_at(p, 0, &p->header, fault);
    if ((e != E_UNSUPPORTED && e != E_DAMAGED) ||
        header_at(p, there - PACKED_HEADER, &h, &ignored) != 0 || h.packed_size != there)
        return e;
    *fault = NULL;
    p->header = h;
    return 0;
}

static int read_header(struct packed *p, const char **fault)
{
    int e = find_header(p, fault);
    if (e != 0)
        return e;
    p->groups = packed_groups_of(&p->header);
    uint64_t twice = PACKED_HEADER + p->header.dictionary + p->groups * PACKED_ENTRY;
    if (twice > p->header.packed_size / 2)
        return damaged(fault, "its index does not fit into it");
    if (twice > p->from.size)
        return damaged(fault, "it is cut off within its index");
    return 0;
}

int packed_open(struct packed **out, const struct packed_source *from, const char **fault)
{
    struct packed *p = calloc(1, sizeof *p);
    *fault = NULL;
    if (!p)
        return E_NOMEM;
    p->from = *from;
    int e = read_header(p, fault);
    if (e == 0)
        e = read_dictionary(p, fault);
    if (e == 0)
        e = read_index(p, fault);
    if (e == 0)
        e = make_cache(p);
    if (e != 0) {
        packed_close(p);
        return e;
    }
    *out = p;
    return 0;
}

void packed_close(struct packed *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->slots && i < p->slot_count; i++)
        free(p->slots[i].bytes);
    free(p->slots);
    free(p->raw);
    free(p->out);
    free(p->index);
    ZSTD_freeDCtx(p->zstd);
    ZSTD_freeDDict(p->dictionary);
    free(p);
}

const struct packed_header *packed_header(const struct packed *p)
{
    return &p->header;
}

// ---- read

static int unpack_at(struct packed *p, uint64_t group, uint64_t at, unsigned char *out)
{
    const struct group *g = &p->index[group];
    size_t n = (size_t)(g[1].at - g->at), length = packed_length(&p->header, group);
    if (n > length)
        return E_DAMAGED;
    int e = read_part(p, p->raw, n, at, g->sum);
    if (e != 0)
        return e;
    if (n == length) {
        memcpy(out, p->raw, n);
        return 0;
    }
    size_t got = p->dictionary
                     ? ZSTD_decompress_usingDDict(p->zstd, out, length, p->raw, n, p->dictionary)
                     : ZSTD_decompressDCtx(p->zstd, out, length, p->raw, n);
    if (ZSTD_isError(got) && ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation)
        return E_NOMEM;
    return got == length ? 0 : E_DAMAGED;
}

// Where the copy of one of the first groups stands.
static uint64_t again_at(const struct packed *p, uint64_t group)
{
    return p->index[p->groups].at + (p->index[group].at - p->index[0].at);
}

static int unpack(struct packed *p, uint64_t group, unsigned char *out)
{
    int e = unpack_at(p, group, p->index[group].at, out);
    return e == E_DAMAGED && group < p->header.twice ? unpack_at(p, group, again_at(p, group), out)
                                                     : e;
}

// The slot that has the group, or the one to put it into.
static struct slot *find(struct packed *p, uint64_t group)
{
    struct slot *oldest = &p->slots[0];
    if (p->slots[p->last].group == group)
        return &p->slots[p->last];
    for (size_t i = 0; i < p->slot_count; i++) {
        if (p->slots[i].group == group)
            return &p->slots[i];
        if (p->slots[i].used < oldest->used)
            oldest = &p->slots[i];
    }
    return oldest;
}

static int have(struct packed *p, uint64_t group, const unsigned char **out)
{
    struct slot *s = find(p, group);
    if (s->group != group) {
        if (!s->bytes)
            s->bytes = malloc(p->header.group_size);
        if (!s->bytes)
            return E_NOMEM;
        s->group = NO_GROUP;
        int e = unpack(p, group, s->bytes);
        if (e != 0)
            return e;
        s->group = group;
    }
    s->used = ++p->clock;
    p->last = (size_t)(s - p->slots);
    *out = s->bytes;
    return 0;
}

int packed_read(struct packed *p, void *out, size_t n, uint64_t at)
{
    unsigned char *to = out;
    assert(at <= p->header.plain_size && n <= p->header.plain_size - at);
    while (n > 0) {
        const unsigned char *bytes;
        size_t from = (size_t)(at % p->header.group_size), some = p->header.group_size - from;
        if (some > n)
            some = n;
        int e = have(p, at / p->header.group_size, &bytes);
        if (e != 0)
            return e;
        memcpy(to, bytes + from, some);
        to += some;
        at += some;
        n -= some;
    }
    return 0;
}

int packed_check(struct packed *p, uint64_t group, const unsigned char **out, size_t *n)
{
    assert(group < p->groups);
    if (!p->out)
        p->out = malloc(p->header.group_size);
    if (!p->out)
        return E_NOMEM;
    *out = p->out;
    *n = packed_length(&p->header, group);
    return unpack_at(p, group, p->index[group].at, p->out);
}

static int check_part(struct packed *p, uint64_t at, uint64_t n, uint64_t sum)
{
    if (n == 0)
        return 0;
    unsigned char *bytes = malloc((size_t)n);
    int e = bytes ? read_part(p, bytes, (size_t)n, at, sum) : E_NOMEM;
    free(bytes);
    return e;
}

static int check_header(struct packed *p, uint64_t at)
{
    struct packed_header h;
    const char *fault;
    int e = header_at(p, at, &h, &fault);
    bool other =
        e == E_UNSUPPORTED || e == E_VERSION || (e == 0 && h.packed_size != p->header.packed_size);
    return other ? E_DAMAGED : e;
}

int packed_check_part(struct packed *p, enum packed_part part, const char **fault)
{
    static const char *const faults[PACKED_PARTS] = {
        [PACKED_FRONT_HEADER] = "its header is damaged; the copy at its end is used",
        [PACKED_FRONT_DICTIONARY] = "its dictionary is damaged; the copy near its end is used",
        [PACKED_FRONT_INDEX] = "its index is damaged; the copy near its end is used",
        [PACKED_BACK_GROUPS] = "the copy of its first groups is damaged",
        [PACKED_BACK_DICTIONARY] = "the copy of its dictionary is damaged",
        [PACKED_BACK_INDEX] = "the copy of its index is damaged",
        [PACKED_BACK_HEADER] = "the copy of its header is damaged",
    };
    const struct packed_header *h = &p->header;
    struct places at = places_of(p, part > PACKED_FRONT_INDEX);
    int e = 0;
    *fault = NULL;
    switch (part) {
    case PACKED_FRONT_HEADER:
        e = check_header(p, 0);
        break;
    case PACKED_FRONT_DICTIONARY:
    case PACKED_BACK_DICTIONARY:
        e = check_part(p, at.dictionary, h->dictionary, h->dictionary_sum);
        break;
    case PACKED_FRONT_INDEX:
    case PACKED_BACK_INDEX:
        e = check_part(p, at.index, p->groups * PACKED_ENTRY, h->index_sum);
        break;
    case PACKED_BACK_GROUPS:
        for (uint64_t i = 0; i < h->twice && e == 0; i++)
            e = check_part(p, again_at(p, i), p->index[i + 1].at - p->index[i].at, p->index[i].sum);
        break;
    default:
        e = check_header(p, h->packed_size - PACKED_HEADER);
    }
    if (e == E_DAMAGED)
        *fault = faults[part];
    return e;
}

const char *packed_end(const struct packed *p)
{
    if (p->header.packed_size == p->from.size)
        return NULL;
    return p->header.packed_size > p->from.size ? "it is cut off at its end"
                                                : "there is more behind its end";
}
