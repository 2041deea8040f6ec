// twin: see twin.h.
//
//   buckets[hash of the first chunk] ─→ entry ─→ entry      recent: all of them, latest first
//
// 1. An entry lives as long as it is listed or a twin is SAME as it (refs).
// 2. used counts all entries, listed or not, and busy: the twins, spare ones too, and their notes.
//    It is never beyond max; the listed entry that was used longest ago gives way.
// 3. A content's chunks are noted from its first on, be it SAME or OTHER, as long as there is
//    memory for it and it has not too many: without them it is not remembered, and all else is as
//    it is.
#include "proxy/emit/twin.h"

#define XXH_STATIC_LINKING_ONLY
#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#define BUCKETS    1024 // a power of two
#define SPARES_MAX 64   // twins that are kept for the next contents, if that
#define SPARES     16   // is no more than such a share of max
#define SECRET     192  // bytes

struct chunk {
    XXH128_hash_t hash;
    struct digest_state after; // the SHA-256 of all up to its end
};

struct entry {
    struct entry *next;          // in its bucket
    struct entry *newer, *older; // in recent
    unsigned refs;
    bool listed;
    uint64_t size;
    unsigned char digest[DIGEST_SIZE];
    size_t count;
    struct chunk chunks[];
};

struct twins {
    size_t used, busy, max;
    uint64_t forgotten; // how often
    struct entry *buckets[BUCKETS];
    struct entry *newest, *oldest;
    struct twin *spare;
    unsigned spares;
    unsigned char secret[SECRET];
};

enum state { FIRST, SAME, OTHER };

struct twin {
    XXH3_state_t hash; // OTHER: of the chunk at hand
    struct twins *all;
    struct twin *next;  // spare
    uint64_t forgotten; // of all, when it began
    enum state state;
    bool digested;
    struct entry *like; // SAME, and OTHER that was: a reference
    uint64_t size, known;
    struct digest_state sha; // OTHER
    unsigned char digest[DIGEST_SIZE];
    size_t filled; // bytes of the chunk at hand that are hashed
    struct chunk *chunks;
    size_t count, room;
    bool unnoted; // the chunks are not all there
};

static size_t entry_size(size_t chunks)
{
    return sizeof(struct entry) + chunks * sizeof(struct chunk);
}

static struct entry **bucket_of(struct twins *all, const XXH128_hash_t *hash)
{
    return &all->buckets[hash->low64 & (BUCKETS - 1)];
}

static void release(struct twins *all, struct entry *e)
{
    if (!e || --e->refs > 0)
        return;
    all->used -= entry_size(e->count);
    free(e);
}

static void unlink_recent(struct twins *all, struct entry *e)
{
    *(e->newer ? &e->newer->older : &all->newest) = e->older;
    *(e->older ? &e->older->newer : &all->oldest) = e->newer;
}

static void link_newest(struct twins *all, struct entry *e)
{
    e->newer = NULL;
    e->older = all->newest;
    *(all->newest ? &all->newest->newer : &all->oldest) = e;
    all->newest = e;
}

static void drop(struct twins *all, struct entry *e)
{
    struct entry **at = bucket_of(all, &e->chunks[0].hash);

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    unlink_recent(all, e);
    e->listed = false;
    release(all, e);
}

// n bytes are counted, if need be in place of what is remembered.
static bool take(struct twins *all, size_t n)
{
    if (n > all->max)
        return false;
    while (all->used > all->max - n && all->oldest)
        drop(all, all->oldest);
    if (all->used > all->max - n)
        return false;
    all->used += n;
    return true;
}

// What passes leaves at least half to what is remembered.
static bool take_busy(struct twins *all, size_t n)
{
    if (n > all->max / 2 || all->busy > all->max / 2 - n || !take(all, n))
        return false;
    all->busy += n;
    return true;
}

static void give_busy(struct twins *all, size_t n)
{
    all->used -= n;
    all->busy -= n;
}

struct twins *twins_new(size_t max)
{
    struct twins *all = calloc(1, sizeof *all);

    if (!all)
        return NULL;
    all->max = max;
    digest_random(all->secret, sizeof all->secret);
    return all;
}

void twins_forget(struct twins *all)
{
    all->forgotten++;
    while (all->newest)
        drop(all, all->newest);
}

void twins_free(struct twins *all)
{
    if (!all)
        return;
    twins_forget(all);
    while (all->spare) {
        struct twin *t = all->spare;
        all->spare = t->next;
        free(t);
    }
    free(all);
}

size_t twins_used(const struct twins *all)
{
    return all->used;
}

struct twin *twin_new(struct twins *all)
{
    struct twin *t = all->spare;

    if (t) {
        all->spare = t->next;
        all->spares--;
    } else if (take_busy(all, sizeof *t)) {
        t = aligned_alloc(_Alignof(struct twin), sizeof *t);
        if (!t)
            give_busy(all, sizeof *t);
    }
    if (!t)
        return NULL;
    memset((char *)t + sizeof t->hash, 0, sizeof *t - sizeof t->hash);
    t->all = all;
    t->forgotten = all->forgotten;
    digest_begin(&t->sha);
    return t;
}

static void free_notes(struct twin *t)
{
    give_busy(t->all, t->room * sizeof *t->chunks);
    free(t->chunks);
    t->chunks = NULL;
    t->count = t->room = 0;
}

void twin_free(struct twin *t)
{
    if (!t)
        return;
    struct twins *all = t->all;
    release(all, t->like);
    free_notes(t);
    if (all->spares == SPARES_MAX || (all->spares + 1) * sizeof *t > all->max / SPARES) {
        give_busy(all, sizeof *t);
        free(t);
        return;
    }
    t->next = all->spare;
    all->spare = t;
    all->spares++;
}

// ---- chunks

// Room for one chunk more.
static bool room_to_note(struct twin *t)
{
    if (t->count < t->room)
        return true;
    size_t n = t->room ? t->room : 1;
    if (t->room + n > TWIN_CHUNKS_MAX || t->forgotten != t->all->forgotten ||
        !take_busy(t->all, n * sizeof *t->chunks))
        return false;
    struct chunk *more = realloc(t->chunks, (t->room + n) * sizeof *more);
    if (!more) {
        give_busy(t->all, n * sizeof *more);
        return false;
    }
    t->chunks = more;
    t->room += n;
    return true;
}

static void note(struct twin *t, XXH128_hash_t hash)
{
    if (t->unnoted)
        return;
    if (!room_to_note(t)) {
        t->unnoted = true;
        free_notes(t);
        return;
    }
    t->chunks[t->count++] = (struct chunk){.hash = hash, .after = t->sha};
}

static void begin_hash(struct twin *t)
{
    XXH3_128bits_reset_withSecret(&t->hash, t->all->secret, SECRET);
    t->filled = 0;
}

void twin_add(struct twin *t, struct view in)
{
    assert(t->state == OTHER);
    t->size += in.n;
    while (in.n > 0) {
        struct view now = view_head(in, TWIN_CHUNK - t->filled);
        digest_more(&t->sha, now);
        if (!t->unnoted)
            XXH3_128bits_update(&t->hash, now.p, now.n);
        t->filled += now.n;
        in = view_from(in, now.n);
        if (t->filled == TWIN_CHUNK) {
            note(t, XXH3_128bits_digest(&t->hash));
            begin_hash(t);
        }
    }
}

static bool same_hash(const XXH128_hash_t *a, const XXH128_hash_t *b)
{
    return a->low64 == b->low64 && a->high64 == b->high64;
}

// The content that begins with a chunk of that hash, the latest.
static struct entry *find(struct twins *all, const XXH128_hash_t *hash)
{
    struct entry *e = *bucket_of(all, hash);

    while (e && !same_hash(&e->chunks[0].hash, hash))
        e = e->next;
    return e;
}

static bool is_known(struct twin *t, const XXH128_hash_t *hash, size_t n, bool last)
{
    size_t i = (size_t)(t->size / TWIN_CHUNK);

    if (t->state == FIRST) {
        t->like = find(t->all, hash);
        if (!t->like)
            return false;
        t->like->refs++;
    }
    const struct entry *e = t->like;
    return i < e->count && same_hash(&e->chunks[i].hash, hash) &&
           (last ? t->size + n == e->size : t->size + n < e->size);
}

// From here on it is another one.
static void part_ways(struct twin *t)
{
    t->known = t->size;
    t->state = OTHER;
    for (size_t i = 0; i < t->known / TWIN_CHUNK; i++) {
        t->sha = t->like->chunks[i].after;
        note(t, t->like->chunks[i].hash);
    }
    begin_hash(t);
}

void twin_leave(struct twin *t, struct view held)
{
    if (t->state == OTHER)
        return;
    part_ways(t);
    twin_add(t, held);
}

bool twin_chunk(struct twin *t, struct view chunk, bool last)
{
    assert(t->state != OTHER && (last || chunk.n == TWIN_CHUNK));
    XXH128_hash_t hash = XXH3_128bits_withSecret(chunk.p, chunk.n, t->all->secret, SECRET);
    if (is_known(t, &hash, chunk.n, last)) {
        t->state = SAME;
        t->size += chunk.n;
        if (last)
            t->known = t->size;
        return true;
    }
    part_ways(t);
    twin_add(t, chunk);
    return false;
}

uint64_t twin_known(const struct twin *t, unsigned char digest[DIGEST_SIZE])
{
    if (t->known > 0)
        memcpy(digest, t->like->digest, DIGEST_SIZE);
    return t->known;
}

void twin_digest(struct twin *t, unsigned char digest[DIGEST_SIZE])
{
    if (t->state == OTHER && !t->digested) {
        if (t->filled > 0)
            note(t, XXH3_128bits_digest(&t->hash));
        digest_end(&t->sha, t->digest);
        t->digested = true;
    }
    memcpy(digest, t->state == OTHER ? t->digest : t->like->digest, DIGEST_SIZE);
}

// ---- what is remembered

void twin_remember(struct twin *t)
{
    struct twins *all = t->all;

    if (t->state == SAME) { // it is in use
        if (t->like->listed) {
            unlink_recent(all, t->like);
            link_newest(all, t->like);
        }
        return;
    }
    size_t need = entry_size(t->count);
    if (!t->digested || t->unnoted || t->count == 0 ||
        t->forgotten != all->forgotten || // its first pieces may be where the forgotten are
        !take(all, need))
        return;
    struct entry *e = malloc(need);
    if (!e) {
        all->used -= need;
        return;
    }
    *e = (struct entry){.refs = 1, .listed = true, .size = t->size, .count = t->count};
    memcpy(e->digest, t->digest, DIGEST_SIZE);
    memcpy(e->chunks, t->chunks, t->count * sizeof *t->chunks);
    struct entry **at = bucket_of(all, &e->chunks[0].hash);
    e->next = *at;
    *at = e;
    link_newest(all, e);
}
