// journal: cursors over the ring. The file beneath, and what is found in it, is journal_file.c.
//
// What is held must fit although a frame never wraps. Let S be JOURNAL_HELD_MAX, R what is held, P
// the pad that lies between tail and head (0: none). At any time, if anything is held:
//   the ring's end lies ahead, within the free space:   free >= R + S
//   it lies behind, or nowhere within:                  free >= R  and  free + P >= R + S
// A frame written from what is held is at most S, so a pad that it needs is smaller than S; after
// that pad the free space is one piece. When tail passes the pad, the pad's bytes are free again,
// which restores the first line. Only journal_hold() and frames that are not held need to check.
#include "proxy/emit/journal.h"

#include "proxy/emit/journal_file.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define KEEP_BYTES (1u << 20) // of memory that journal_rest() leaves

struct journal {
    struct journal_file file;
    unsigned char *ring;
    uint64_t size, head, tail, sent;
    uint64_t first_seq, next_seq, reserved;
    uint64_t pad_at, pad_n;                           // as in struct journal_file
    uint64_t room_at, room_n, room_reserve, room_pad; // asked for, not committed; room_n 0: none
    uint64_t touched, high; // bytes of the ring used since memory was last given back, and lately
    bool said_bye;
};

int journal_open(struct journal **out, const char *path, uint64_t size, int64_t now_us,
                 char why[WHY_MAX])
{
    struct journal *j = calloc(1, sizeof *j);
    if (!j) {
        snprintf(why, WHY_MAX, "journal: %s", err_text(E_NOMEM));
        return E_NOMEM;
    }
    int e = journal_file_open(&j->file, path, size < JOURNAL_MIN ? JOURNAL_MIN : size, now_us, why);
    if (e < 0) {
        free(j);
        return e;
    }
    const struct journal_header *h = j->file.header;
    j->ring = j->file.ring;
    j->size = h->size;
    j->head = h->head;
    j->tail = j->sent = h->tail;
    j->first_seq = j->file.first_seq;
    j->next_seq = j->file.next_seq;
    j->pad_at = j->file.pad_at;
    j->pad_n = j->file.pad_n;
    j->touched = j->high = j->head == j->tail ? 0 : j->size;
    *out = j;
    return 0;
}

int journal_give(struct journal *j, uint32_t uid)
{
    // By the descriptor: who may write the directory may put a link where the file was.
    return j->file.fd < 0 || fchown(j->file.fd, uid, uid) == 0 ? 0 : E_IO;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    journal_file_close(&j->file, j->said_bye && j->head == j->tail);
    free(j);
}

void journal_said_bye(struct journal *j)
{
    j->said_bye = true;
}

void journal_facts(const struct journal *j, struct journal_facts *out)
{
    memcpy(out->stream, j->file.header->stream, sizeof out->stream);
    out->started_us = j->file.header->started_us;
    out->first_seq = j->first_seq;
    out->next_seq = j->next_seq;
    out->size = j->size;
    out->used = j->head - j->tail;
    out->reserved = j->reserved;
    out->recovered = j->file.recovered;
}

// Whether `held` bytes are safe once the frames end at head, with a pad of pad bytes among them.
static bool safe(const struct journal *j, uint64_t head, uint64_t pad, uint64_t held)
{
    uint64_t free_bytes = j->size - (head - j->tail);
    uint64_t lap = head % j->size, to_end = lap ? j->size - lap : j->size;

    if (to_end < free_bytes)
        return free_bytes >= held + JOURNAL_HELD_MAX;
    return free_bytes >= held && free_bytes + pad >= held + JOURNAL_HELD_MAX;
}

uint64_t journal_free(const struct journal *j)
{
    uint64_t taken = j->head - j->tail + j->reserved + JOURNAL_HELD_MAX;
    return taken < j->size ? j->size - taken : 0;
}

void *journal_room(struct journal *j, size_t n, size_t from_reserve)
{
    assert(from_reserve <= j->reserved);
    j->room_n = 0;
    if (n > WIRE_PAYLOAD_MAX)
        return NULL;
    uint64_t at = j->head % j->size, rest = j->size - at, frame = WIRE_HEADER + n;
    uint64_t pad = frame > rest ? rest : 0;
    uint64_t used = j->head - j->tail;

    if (used + pad + frame > j->size ||
        !safe(j, j->head + pad + frame, pad ? pad : j->pad_n, j->reserved - from_reserve)) {
        assert(frame > from_reserve || frame > JOURNAL_HELD_MAX);
        return NULL;
    }
    j->room_pad = pad;
    j->room_at = j->head + pad;
    j->room_n = frame;
    j->room_reserve = from_reserve;
    return j->ring + j->room_at % j->size + WIRE_HEADER;
}

uint64_t journal_commit(struct journal *j, enum wire_type type, size_t n)
{
    assert(j->room_n && WIRE_HEADER + n <= j->room_n);
    uint64_t seq = j->next_seq, at = j->room_at % j->size;

    if (j->room_pad) {
        // Kind 0 to the ring's end; a rest too short for a header needs no mark.
        if (j->room_pad >= WIRE_HEADER)
            memset(j->ring + j->head % j->size, 0, WIRE_HEADER);
        j->pad_at = j->head;
        j->pad_n = j->room_pad;
        // As when what stands before a pad is sent behind it: sent never rests at one, so that
        // journal_ack() can compare.
        if (j->sent == j->head)
            j->sent += j->room_pad;
    }
    wire_put_header(j->ring + at, WIRE_RECORD, type, (uint32_t)n, seq);
    j->head = j->room_at + WIRE_HEADER + n;
    j->next_seq++;
    j->reserved -= j->room_reserve;
    j->room_n = 0;
    if (at + WIRE_HEADER + n > j->high || j->room_pad)
        j->high = j->room_pad ? j->size : at + WIRE_HEADER + n;
    if (j->high > j->touched)
        j->touched = j->high;
    __atomic_store_n(&j->file.header->head, j->head, __ATOMIC_RELEASE);
    __atomic_store_n(&j->file.header->next_seq, j->next_seq, __ATOMIC_RELEASE);
    return seq;
}

bool journal_hold(struct journal *j, size_t n)
{
    if (!safe(j, j->head, j->pad_n, j->reserved + n))
        return false;
    j->reserved += n;
    return true;
}

void journal_unhold(struct journal *j, size_t n)
{
    assert(n <= j->reserved);
    j->reserved -= n;
}

int journal_unsent(const struct journal *j, struct iovec out[2])
{
    int n = 0;
    uint64_t from = j->sent, next_lap = (from / j->size + 1) * j->size;
    uint64_t end = j->head < next_lap ? j->head : next_lap;

    if (j->pad_n && from <= j->pad_at)
        end = j->pad_at;
    if (from < end)
        out[n++] = (struct iovec){j->ring + from % j->size, end - from};
    if (next_lap < j->head)
        out[n++] = (struct iovec){j->ring, j->head - next_lap};
    return n;
}

void journal_sent(struct journal *j, size_t n)
{
    bool before_pad = j->pad_n && j->sent <= j->pad_at;

    j->sent += n;
    if (before_pad && j->sent >= j->pad_at)
        j->sent += j->pad_n;
    assert(j->sent <= j->head);
}

// The offset behind the frame at `at`, and behind a pad that follows it.
static uint64_t after_frame(const struct journal *j, uint64_t at)
{
    const unsigned char *p = j->ring + at % j->size;
    uint32_t n = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

    at += WIRE_HEADER + n;
    return j->pad_n && at == j->pad_at ? at + j->pad_n : at;
}

// With nothing in it the ring begins at its beginning again.
static void rewind_ring(struct journal *j)
{
    struct journal_header *h = j->file.header;

    j->head = j->tail = j->sent = 0;
    __atomic_store_n(&h->head, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&h->tail, 0, __ATOMIC_RELEASE);
}

void journal_rest(struct journal *j)
{
    uint64_t keep = (j->high > KEEP_BYTES ? j->high : KEEP_BYTES) + JOURNAL_PAGE - 1;

    keep -= keep % JOURNAL_PAGE;
    if (j->head != j->tail)
        return;
    if (j->touched > keep) {
        // Of a file this unmaps pages only; what they hold is not needed any more either way.
        madvise(j->ring + keep, j->touched - keep, MADV_DONTNEED);
        j->touched = keep;
    }
    j->high = 0;
}

bool journal_ack(struct journal *j, uint64_t seq)
{
    if (seq < j->first_seq || j->head == j->tail)
        return true;
    if (seq >= j->next_seq - 1) {
        j->tail = j->head;
        j->first_seq = j->next_seq;
    } else {
        while (j->first_seq <= seq) {
            j->tail = after_frame(j, j->tail);
            j->first_seq++;
        }
    }
    if (j->tail > j->pad_at)
        j->pad_n = 0;
    bool was_sent = j->tail <= j->sent;
    if (!was_sent)
        j->sent = j->tail;
    __atomic_store_n(&j->file.header->tail, j->tail, __ATOMIC_RELEASE);
    if (j->tail == j->head)
        rewind_ring(j);
    return was_sent;
}

void journal_resend(struct journal *j, uint64_t seq)
{
    j->sent = j->tail;
    if (seq >= j->next_seq - 1) {
        j->sent = j->head;
        return;
    }
    for (uint64_t s = j->first_seq; s <= seq; s++)
        j->sent = after_frame(j, j->sent);
}
