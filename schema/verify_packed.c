// verify_packed: of a packed file, what stands beside the database: each group, whatever is in it,
// the parts that are there twice, and the checksum of the file that was packed.
//
// A damaged group is told with its pages; what was lost with it is told by the phases behind this
// one, which read the file as any other.
#include "schema/packed_vfs.h"
#include "schema/verify.h"

#include <xxhash.h>

static void say_group(struct verify *v, const struct packed_header *h, uint64_t group)
{
    char place[64];
    uint64_t pages = h->group_size / h->page_size, from = group * pages + 1;
    uint64_t last = (h->plain_size + h->page_size - 1) / h->page_size;
    uint64_t to = from + pages - 1 < last ? from + pages - 1 : last;
    snprintf(place, sizeof place, "group %llu", (unsigned long long)group);
    verify_say(v, VERIFY_DAMAGE, place,
               "does not match its checksum: pages %llu to %llu of the packed file",
               (unsigned long long)from, (unsigned long long)to);
}

static int failed(struct verify *v, int e)
{
    return store_refuse(v->s, e, "checking what is packed: %s", err_text(e));
}

static int check_groups(struct verify *v, struct packed *p, XXH3_state_t *sum)
{
    const struct packed_header *h = packed_header(p);
    uint64_t groups = packed_groups_of(h), bad = 0;
    XXH3_64bits_reset(sum);
    for (uint64_t i = 0; i < groups; i++) {
        const unsigned char *bytes;
        size_t n;
        int e = packed_check(p, i, &bytes, &n);
        if (e == 0)
            XXH3_64bits_update(sum, bytes, n);
        else if (e != E_DAMAGED)
            return failed(v, e);
        else
            say_group(v, h, i);
        bad += e != 0;
        verify_progress(v, (int64_t)i, (int64_t)groups);
    }
    if (bad == 0 && XXH3_64bits_digest(sum) != h->plain_sum)
        verify_say(v, VERIFY_DAMAGE, "packed",
                   "what is packed does not match the checksum of the whole");
    return 0;
}

int verify_packed(struct verify *v)
{
    const char *fault;
    struct packed *p = packed_vfs_file(v->s->db);
    if (!p)
        return 0;
    const char *end = packed_end(p);
    if (end)
        verify_say(v, VERIFY_DAMAGE, "packed", "%s", end);
    // Of an end that is elsewhere nothing more is to be said.
    for (int i = 0; i < (end ? PACKED_BACK_GROUPS : PACKED_PARTS); i++) {
        int e = packed_check_part(p, (enum packed_part)i, &fault);
        if (e == E_DAMAGED)
            verify_say(v, VERIFY_DAMAGE, "packed", "%s", fault);
        else if (e != 0)
            return failed(v, e);
    }
    XXH3_state_t *sum = XXH3_createState();
    int e = sum ? check_groups(v, p, sum) : failed(v, E_NOMEM);
    XXH3_freeState(sum);
    return e;
}
