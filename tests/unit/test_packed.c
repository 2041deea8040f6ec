// A packed file is read byte for byte; damage anywhere costs the group that it meets and is found.
#include "schema/pack.h"
#include "schema/packed.h"
#include "tests/support/alloc.h"
#include "tests/support/guard.h"
#include "tests/support/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned char *plain, *packed;
static size_t plain_n, packed_n;

// A sealed capture of more than a few groups, the last one not full, and its packed form.
static int set_up(void **state)
{
    struct sample s;
    char path[TMP_PATH], to[TMP_PATH], why[WHY_MAX];
    (void)state;
    sample_sealed(&s, 3000, 0);
    tmp_path(path, s.dir, "capture-000001.db");
    assert_int_equal(pack_file(path, tmp_path(to, s.dir, "packed"), NULL, NULL, why), 0);
    plain = tmp_read(path, &plain_n);
    packed = tmp_read(to, &packed_n);
    sample_remove(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(plain);
    free(packed);
    return 0;
}

// ---- helpers

static int read_memory(void *arg, void *out, size_t n, uint64_t at)
{
    const struct view *v = arg;
    assert_true(at <= v->n && n <= v->n - at);
    memcpy(out, v->p + at, n);
    return 0;
}

static int open_view(struct packed **p, struct view *v, const char **fault)
{
    struct packed_source from = {.read = read_memory, .arg = v, .size = v->n};
    *p = NULL;
    return packed_open(p, &from, fault);
}

static struct view whole(void)
{
    return view_n((const char *)packed, packed_n);
}

static struct packed_header header_of(const unsigned char *bytes)
{
    struct packed_header h;
    const char *fault;
    assert_int_equal(packed_header_get(bytes, &h, &fault), 0);
    return h;
}

// The header of both places.
static void put_header(const struct packed_header *h)
{
    packed_header_put(h, packed);
    packed_header_put(h, packed + packed_n - PACKED_HEADER);
}

// Which groups can be read as they should be; what can be read otherwise fails the test.
static uint64_t readable(struct packed *p)
{
    static unsigned char bytes[PACK_GROUP];
    uint64_t good = 0, groups = packed_groups_of(packed_header(p));
    for (uint64_t i = 0; i < groups; i++) {
        size_t from = (size_t)i * PACK_GROUP;
        size_t n = plain_n - from < PACK_GROUP ? plain_n - from : PACK_GROUP;
        int e = packed_read(p, bytes, n, from);
        assert_true(e == 0 || e == E_DAMAGED);
        if (e == 0)
            assert_memory_equal(bytes, plain + from, n);
        good += e == 0;
    }
    return good;
}

// Groups and parts that do not match their checksums.
static unsigned damages(struct packed *p)
{
    unsigned n = packed_end(p) != NULL;
    const unsigned char *bytes;
    const char *fault;
    size_t size;
    for (uint64_t i = 0; i < packed_groups_of(packed_header(p)); i++)
        n += packed_check(p, i, &bytes, &size) != 0;
    for (int i = 0; i < PACKED_PARTS; i++) {
        int e = packed_check_part(p, (enum packed_part)i, &fault);
        assert_true(e == 0 || (e == E_DAMAGED && fault));
        n += e != 0;
    }
    return n;
}

// ---- tests

static void test_round_trip(void **state)
{
    struct view v = whole();
    struct packed *p;
    const char *fault;
    static unsigned char bytes[3 * PACK_GROUP];
    (void)state;
    assert_int_equal(open_view(&p, &v, &fault), 0);
    const struct packed_header *h = packed_header(p);
    assert_int_equal(h->plain_size, plain_n);
    assert_int_equal(h->packed_size, packed_n);
    assert_int_equal(h->page_size, plain[16] << 8 | plain[17]);
    assert_true(h->dictionary > 0 && packed_groups_of(h) > 8);
    assert_true(packed_n < plain_n / 4);
    assert_int_equal(h->plain_sum, packed_sum(plain, plain_n));
    assert_int_equal(readable(p), packed_groups_of(h));
    assert_int_equal(damages(p), 0);
    // From anywhere to anywhere, back and forth.
    for (size_t i = 0; i < 2000; i++) {
        size_t at = i * 7919 % plain_n, n = i * 104729 % sizeof bytes;
        if (n > plain_n - at)
            n = plain_n - at;
        assert_int_equal(packed_read(p, bytes, n, at), 0);
        assert_memory_equal(bytes, plain + at, n);
    }
    packed_close(p);
}

static void test_header_damaged(void **state)
{
    (void)state;
    struct view v = whole();
    struct packed *p;
    const char *fault;
    for (size_t i = 0; i < PACKED_HEADER; i++) {
        size_t again = packed_n - PACKED_HEADER + i;
        packed[i] ^= 0x20;
        assert_int_equal(open_view(&p, &v, &fault), 0);
        assert_int_equal(damages(p), 1);
        assert_int_equal(packed_check_part(p, PACKED_FRONT_HEADER, &fault), E_DAMAGED);
        packed_close(p);
        packed[again] ^= 0x20;
        assert_int_equal(open_view(&p, &v, &fault), i < 16 ? E_UNSUPPORTED : E_DAMAGED);
        assert_true(i < 16 || fault);
        packed[i] ^= 0x20;
        assert_int_equal(open_view(&p, &v, &fault), 0);
        assert_int_equal(damages(p), 1);
        packed_close(p);
        packed[again] ^= 0x20;
    }
}

// A database is none, even if a packed file is the last that stands in it.
static void test_database_is_none(void **state)
{
    unsigned char was[16];
    struct view v = whole();
    struct packed *p;
    const char *fault;
    (void)state;
    memcpy(was, packed, sizeof was);
    memcpy(packed, "SQLite format 3", sizeof was);
    assert_int_equal(open_view(&p, &v, &fault), E_UNSUPPORTED);
    assert_null(fault);
    memcpy(packed, was, sizeof was);
}

// What a header that matches its checksum may not say.
static void test_header_strange(void **state)
{
    const struct packed_header was = header_of(packed);
    struct packed_header h;
    struct view v = whole();
    struct packed *p;
    const char *fault;
    (void)state;
    for (int i = 0; i < 17; i++) {
        h = was;
        switch (i) {
        case 0:
            h.page_size = 0;
            break;
        case 1:
            h.page_size = 4097;
            break;
        case 2:
            h.page_size = 1 << 17;
            break;
        case 3:
            h.group_size = 0;
            break;
        case 4:
            h.group_size = PACKED_GROUP_MAX * 2;
            break;
        case 5:
            h.group_size += 1;
            break;
        case 6:
            h.plain_size = 0;
            break;
        case 7:
            h.plain_size = UINT64_MAX;
            break;
        case 8:
            h.dictionary = PACKED_DICTIONARY_MAX + 1;
            break;
        case 9:
            h.plain_size += PACK_GROUP; // one group more
            break;
        case 10:
            h.group_size /= 2; // twice as many
            break;
        case 11:
            h.dictionary -= 1;
            break;
        case 12:
            h.index_sum ^= 1;
            break;
        case 13:
            h.twice = PACKED_TWICE_MAX + 1;
            break;
        case 14:
            h.twice = (uint32_t)packed_groups_of(&h) + 1;
            break;
        case 15:
            h.twice -= 1;
            break;
        default:
            h.plain_size = 1ULL << 36; // an index larger than the file
        }
        put_header(&h);
        assert_int_equal(open_view(&p, &v, &fault), E_DAMAGED);
        assert_non_null(fault);
    }
    put_header(&was);
    // Of another version nothing is known.
    packed[19] = 2;
    uint64_t sum = packed_sum(packed, PACKED_HEADER_SUM);
    for (int i = 0; i < 8; i++)
        packed[PACKED_HEADER_SUM + i] = (unsigned char)(sum >> (56 - 8 * i));
    assert_int_equal(open_view(&p, &v, &fault), E_VERSION);
    put_header(&was);
}

static void test_truncated(void **state)
{
    const struct packed_header h = header_of(packed);
    size_t index = PACKED_HEADER + h.dictionary;
    size_t groups = index + (size_t)packed_groups_of(&h) * PACKED_ENTRY;
    size_t classes[] = {0,
                        1,
                        15,
                        16,
                        17,
                        127,
                        128,
                        129,
                        index - 1,
                        index,
                        index + 1,
                        groups - 1,
                        groups,
                        groups + 1,
                        packed_n / 2,
                        0,
                        packed_n - 129,
                        packed_n - 128,
                        packed_n - 1};
    struct guard g;
    uint64_t before = 0;
    (void)state;
    guard_init(&g, packed_n);
    for (size_t i = 0; i < sizeof classes / sizeof *classes + 50; i++) {
        size_t n = i < 50 ? i * packed_n / 50 : classes[i - 50];
        struct view v = guard_fill(&g, view_head(whole(), n));
        struct packed *p;
        const char *fault;
        int e = open_view(&p, &v, &fault);
        if (n < 15) // not even its name
            assert_int_equal(e, E_UNSUPPORTED);
        else if (n < groups)
            assert_true(e == E_DAMAGED && fault);
        else
            assert_int_equal(e, 0);
        if (e)
            continue;
        uint64_t good = readable(p);
        assert_true(i >= 50 || good >= before);
        before = i < 50 ? good : before;
        assert_true(n < packed_n - (packed_n - groups) / 8 || good == packed_groups_of(&h));
        assert_string_equal(packed_end(p), "it is cut off at its end");
        packed_close(p);
    }
    guard_free(&g);
}

static void test_longer(void **state)
{
    struct packed *p;
    const char *fault;
    unsigned char *more = calloc(1, packed_n + 100);
    struct view v = view_n((const char *)more, packed_n + 100);
    (void)state;
    memcpy(more, packed, packed_n);
    assert_int_equal(open_view(&p, &v, &fault), 0);
    assert_string_equal(packed_end(p), "there is more behind its end");
    assert_int_equal(readable(p), packed_groups_of(packed_header(p)));
    packed_close(p);
    free(more);
}

// One byte anywhere: one place is told, and at most that group is lost.
static void test_one_byte(void **state)
{
    struct view v = whole();
    unsigned char byte;
    (void)state;
    for (size_t i = 0; i < packed_n; i += 499) {
        struct packed *p;
        const char *fault;
        packed[i] ^= 1;
        assert_int_equal(open_view(&p, &v, &fault), 0);
        assert_int_equal(damages(p), 1);
        uint64_t lost = packed_groups_of(packed_header(p)) - readable(p);
        assert_true(lost <= 1);
        assert_true(lost == 0 || packed_read(p, &byte, 1, PACK_TWICE * PACK_GROUP - 1) == 0);
        packed_close(p);
        packed[i] ^= 1;
    }
}

// A dictionary that is whole and another's: what comes of it is refused or betrayed by the sum of
// all.
static void test_wrong_dictionary(void **state)
{
    const struct packed_header was = header_of(packed);
    unsigned char *dictionary = malloc(was.dictionary);
    size_t again =
        packed_n - PACKED_HEADER - (size_t)packed_groups_of(&was) * PACKED_ENTRY - was.dictionary;
    (void)state;
    memcpy(dictionary, packed + PACKED_HEADER, was.dictionary);
    for (int i = 0; i < 2; i++) {
        struct packed_header h = was;
        struct view v = whole();
        struct packed *p;
        const char *fault;
        unsigned char *all = malloc(plain_n), *d = packed + PACKED_HEADER;
        if (i == 0)
            d[4] ^= 0xff; // its number, which each group names
        else
            memset(d + h.dictionary / 2, 'x', h.dictionary / 2);
        memcpy(packed + again, d, h.dictionary);
        h.dictionary_sum = packed_sum(d, h.dictionary);
        put_header(&h);
        assert_int_equal(open_view(&p, &v, &fault), 0);
        int e = packed_read(p, all, plain_n, 0);
        assert_true(e == E_DAMAGED ||
                    (i == 1 && e == 0 && packed_sum(all, plain_n) != h.plain_sum));
        packed_close(p);
        free(all);
        memcpy(d, dictionary, h.dictionary);
        memcpy(packed + again, dictionary, h.dictionary);
        put_header(&was);
    }
    free(dictionary);
}

static void test_nomem(void **state)
{
    struct view v = whole();
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        struct packed *p;
        const char *fault;
        unsigned char bytes[100];
        alloc_fail_at(i);
        int e = open_view(&p, &v, &fault);
        if (e == 0)
            e = packed_read(p, bytes, sizeof bytes, plain_n / 2);
        for (int k = 0; k < PACKED_PARTS && e == 0; k++)
            e = packed_check_part(p, (enum packed_part)k, &fault);
        packed_close(p);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        assert_true(!failed || !fault);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_header_damaged),
        cmocka_unit_test(test_database_is_none),
        cmocka_unit_test(test_header_strange),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_longer),
        cmocka_unit_test(test_one_byte),
        cmocka_unit_test(test_wrong_dictionary),
        cmocka_unit_test(test_nomem),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
