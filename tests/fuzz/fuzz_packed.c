// fuzz_packed: a packed file of any bytes is opened, read and checked to its end.
//
// First byte, bit 0: the checksums and sizes are made to match first, so that what lies behind them
// is reached: the index, the dictionary, the groups. The rest is the file.
#include "schema/packed.h"

#include <stdlib.h>
#include <string.h>

#define READ_MAX (PACKED_GROUP_MAX * 2)

struct file {
    unsigned char *bytes;
    size_t n;
};

static int read_file(void *arg, void *out, size_t n, uint64_t at)
{
    const struct file *f = arg;
    if (at > f->n || n > f->n - at)
        abort();
    memcpy(out, f->bytes + at, n);
    return 0;
}

static uint64_t get(const unsigned char *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

// The header as the bytes have it, wherever that is possible.
static struct packed_header header_of(const struct file *f)
{
    const unsigned char *b = f->bytes;
    return (struct packed_header){.application = (uint32_t)get(b + 20, 4),
                                  .page_size = (uint32_t)get(b + 24, 4),
                                  .group_size = (uint32_t)get(b + 28, 4),
                                  .plain_size = get(b + 32, 8),
                                  .packed_size = f->n,
                                  .dictionary = (uint32_t)get(b + 48, 4),
                                  .twice = (uint32_t)get(b + 52, 4),
                                  .plain_sum = get(b + 72, 8)};
}

static void match(struct file *f)
{
    if (f->n < 2 * PACKED_HEADER)
        return;
    struct packed_header h = header_of(f);
    uint64_t room = f->n - PACKED_HEADER, groups = h.group_size ? packed_groups_of(&h) : 0;
    if (h.dictionary <= room && groups <= (room - h.dictionary) / PACKED_ENTRY) {
        unsigned char *entries = f->bytes + PACKED_HEADER + h.dictionary;
        size_t index = (size_t)groups * PACKED_ENTRY;
        uint64_t at = PACKED_HEADER + h.dictionary + index;
        for (uint64_t i = 0; i < groups; i++) {
            unsigned char *entry = entries + i * PACKED_ENTRY;
            uint32_t n = (uint32_t)get(entry, 4);
            if (n <= f->n - at) {
                packed_entry_put(entry, n, packed_sum(f->bytes + at, n));
                at += n;
            }
        }
        h.dictionary_sum = packed_sum(f->bytes + PACKED_HEADER, h.dictionary);
        h.index_sum = packed_sum(entries, index);
    }
    packed_header_put(&h, f->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char out[READ_MAX];
    struct packed *p;
    const char *fault;
    if (size == 0)
        return 0;
    struct file f = {malloc(size), size - 1};
    if (!f.bytes)
        return 0;
    memcpy(f.bytes, data + 1, f.n);
    if (data[0] & 1)
        match(&f);
    struct packed_source from = {.read = read_file, .arg = &f, .size = f.n};
    int e = packed_open(&p, &from, &fault);
    if ((e == E_DAMAGED) != (fault != NULL))
        abort();
    if (e == 0) {
        const struct packed_header *h = packed_header(p);
        for (uint64_t at = 0; at < h->plain_size; at += sizeof out / 2 + 777) {
            uint64_t left = h->plain_size - at;
            e = packed_read(p, out, left < sizeof out ? (size_t)left : sizeof out, at);
            if (e != 0 && e != E_DAMAGED)
                abort();
        }
        for (uint64_t i = 0; i < packed_groups_of(h); i++) {
            const unsigned char *bytes;
            size_t n;
            if (packed_check(p, i, &bytes, &n) == 0)
                memcpy(out, bytes, n);
        }
        for (int i = 0; i < PACKED_PARTS; i++)
            if (packed_check_part(p, (enum packed_part)i, &fault) != 0 && !fault)
                abort();
        packed_end(p);
        packed_close(p);
    }
    free(f.bytes);
    return 0;
}
