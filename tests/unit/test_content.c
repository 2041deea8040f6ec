// Content codings are undone at every split of their input, whatever is wrong with it.
#include "tools/content.h"

#include "tests/support/alloc.h"
#include "tests/support/guard.h"
#include "tests/support/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

struct got {
    char bytes[4096];
    size_t n, total;
};

static int take(void *arg, struct view piece)
{
    struct got *g = arg;
    for (size_t i = 0; i < piece.n && g->n < sizeof g->bytes; i++)
        g->bytes[g->n++] = piece.p[i];
    g->total += piece.n;
    return 0;
}

static const char text[] = "A text that is long enough to be cut into pieces, pieces, pieces, and "
                           "pieces of pieces; \xc3\xa4 and so on.";

// bits as for deflateInit2().
static struct view deflated(int bits, struct view in, char *out, size_t room)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)in.p;
    z.avail_in = (unsigned)in.n;
    z.next_out = (unsigned char *)out;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return view_n(out, z.total_out);
}

// Feeds in two pieces, cut there, then the end.
static int decode(const char *codings, struct view in, size_t cut, uint64_t limit, struct got *g)
{
    struct content *c;
    char why[WHY_MAX];
    *g = (struct got){.n = 0};
    int e = content_new(&c, view_of(codings), limit, take, g, why);
    if (e)
        return e;
    e = content_feed(c, view_head(in, cut));
    if (!e)
        e = content_feed(c, view_from(in, cut));
    if (!e)
        e = content_end(c);
    assert_true(!e || content_why(c)[0]);
    content_free(c);
    return e;
}

static void decodes_at_every_cut(const char *codings, struct view in, struct view want)
{
    struct got g;
    struct guard guard;
    guard_init(&guard, in.n);
    struct view guarded = guard_fill(&guard, in);
    for (size_t cut = 0; cut <= in.n; cut++) {
        assert_int_equal(decode(codings, guarded, cut, 1 << 20, &g), 0);
        assert_int_equal(g.n, want.n);
        assert_memory_equal(g.bytes, want.p, want.n);
    }
    // What is cut off is damaged; all that came is given first.
    for (size_t n = 1; n < in.n; n++) {
        assert_int_equal(decode(codings, view_head(guarded, n), 0, 1 << 20, &g), E_DAMAGED);
        assert_true(g.n <= want.n);
        assert_memory_equal(g.bytes, want.p, g.n);
    }
    guard_free(&guard);
}

static void test_gzip_deflate(void **state)
{
    char out[1024], two[2048];
    struct view want = VIEW_LIT(text);
    (void)state;
    struct view gz = deflated(15 + 16, want, out, sizeof out);
    decodes_at_every_cut("gzip", gz, want);
    decodes_at_every_cut(" identity , X-GZIP ,", gz, want);
    decodes_at_every_cut("deflate", deflated(15, want, out, sizeof out), want);
    decodes_at_every_cut("deflate", deflated(-15, want, out, sizeof out), want);
    // A second gzip member is more of the same content.
    gz = deflated(15 + 16, want, out, sizeof out);
    memcpy(two, gz.p, gz.n);
    memcpy(two + gz.n, gz.p, gz.n);
    struct got g;
    assert_int_equal(decode("gzip", view_n(two, 2 * gz.n), gz.n, 1 << 20, &g), 0);
    assert_int_equal(g.n, 2 * want.n);
    // Zeros behind the end are padding, as for gzip(1); anything else behind them is not.
    memset(two + gz.n, 0, 300);
    for (size_t cut = 0; cut <= gz.n + 300; cut++) {
        assert_int_equal(decode("gzip", view_n(two, gz.n + 300), cut, 1 << 20, &g), 0);
        assert_int_equal(g.n, want.n);
    }
    two[gz.n + 200] = 1;
    for (size_t cut = 0; cut <= gz.n + 300; cut++)
        assert_int_equal(decode("gzip", view_n(two, gz.n + 300), cut, 1 << 20, &g), E_DAMAGED);
    memset(two, 0, 4);
    assert_int_equal(decode("gzip", view_n(two, 4), 2, 1 << 20, &g), E_DAMAGED);
    // One coding over the other.
    struct view twice = deflated(15, gz, two, sizeof two);
    decodes_at_every_cut("gzip, deflate", twice, want);
}

static void test_zstd_brotli(void **state)
{
    char out[1024];
    struct view want = VIEW_LIT(text);
    (void)state;
    size_t n = ZSTD_compress(out, sizeof out, want.p, want.n, 3);
    decodes_at_every_cut("zstd", view_n(out, n), want);
    // As `brotli` writes a text that it cannot shorten.
    static const char before[] = {(char)0x8b, 0x1d, (char)0x80};
    memcpy(out, before, 3);
    memcpy(out + 3, sample_brotli, 60);
    out[63] = 3;
    decodes_at_every_cut("br", view_n(out, 64), view_n(sample_brotli, 60));
}

static void test_not_coded(void **state)
{
    struct got g;
    char why[WHY_MAX];
    struct content *c;
    (void)state;
    assert_false(content_is_coded(VIEW_LIT("")));
    assert_false(content_is_coded(VIEW_LIT(" identity, ,Identity")));
    assert_true(content_is_coded(VIEW_LIT("identity, gzip")));
    assert_int_equal(decode("", VIEW_LIT("as it is"), 3, 100, &g), 0);
    assert_memory_equal(g.bytes, "as it is", 8);
    assert_int_equal(decode("gzip", VIEW_LIT(""), 0, 100, &g), 0); // HEAD: nothing is nothing
    assert_int_equal(content_new(&c, VIEW_LIT("gzip, compress"), 1, take, &g, why), E_UNSUPPORTED);
    assert_non_null(strstr(why, "compress"));
    assert_int_equal(content_new(&c, VIEW_LIT("odd\x1b[31m"), 1, take, &g, why), E_UNSUPPORTED);
    assert_string_equal(why, "unknown content coding 'odd' …");
    assert_int_equal(content_new(&c, VIEW_LIT("br,br,br,br,br"), 1, take, &g, why), E_UNSUPPORTED);
    assert_null(c);
}

static void test_damage(void **state)
{
    char out[1024];
    struct got g;
    struct view want = VIEW_LIT(text), gz = deflated(15 + 16, want, out, sizeof out);
    static const char *const codings[] = {"gzip", "deflate", "br", "zstd"};
    (void)state;
    for (int i = 0; i < 4; i++) // ASCII letters are no coding's beginning
        assert_int_equal(decode(codings[i], VIEW_LIT("~~~~ plain text ~~~~"), 1, 1 << 20, &g),
                         E_DAMAGED);
    memcpy(out + gz.n, "tail", 4);
    assert_int_equal(decode("gzip", view_n(out, gz.n + 4), 0, 1 << 20, &g), E_DAMAGED);
    assert_int_equal(g.n, want.n);
    for (size_t i = 10; i < gz.n; i++) { // its checksum finds every bit that matters
        out[i] ^= 4;
        int e = decode("gzip", view_n(out, gz.n), 5, 1 << 20, &g);
        assert_true(e == E_DAMAGED || (g.n == want.n && memcmp(g.bytes, want.p, g.n) == 0));
        out[i] ^= 4;
    }
}

static void test_bomb(void **state)
{
    const size_t size = 64 << 20;
    char *zeros = calloc(1, size), *out = malloc(1 << 20);
    struct got g;
    (void)state;
    assert_true(zeros && out);
    struct view bomb = deflated(15 + 16, view_n(zeros, size), out, 1 << 20);
    assert_int_equal(decode("gzip", bomb, 0, 1 << 20, &g), E_LIMIT);
    assert_true(g.total <= 1 << 20);
    assert_int_equal(decode("gzip", bomb, 0, size, &g), 0);
    assert_int_equal(g.total, size);
    size_t n = ZSTD_compress(out, 1 << 20, zeros, size, 19);
    assert_int_equal(decode("zstd", view_n(out, n), 0, 1 << 20, &g), E_LIMIT);
    free(zeros);
    free(out);
}

static int refuse(void *arg, struct view piece)
{
    (void)piece;
    return ++*(int *)arg > 1 ? 77 : 0;
}

static void test_taker_ends_it(void **state)
{
    const size_t size = 1 << 20;
    char *zeros = calloc(1, size), out[8192], why[WHY_MAX];
    struct content *c;
    int calls = 0;
    (void)state;
    struct view gz = deflated(15 + 16, view_n(zeros, size), out, sizeof out);
    assert_int_equal(content_new(&c, VIEW_LIT("gzip"), size, refuse, &calls, why), 0);
    assert_int_equal(content_feed(c, gz), 77);
    assert_int_equal(content_feed(c, gz), 77);
    assert_int_equal(calls, 2);
    content_free(c);
    free(zeros);
}

static void test_out_of_memory(void **state)
{
    char out[1024], why[WHY_MAX];
    struct view gz = deflated(15 + 16, VIEW_LIT(text), out, sizeof out);
    struct got g = {.n = 0};
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        struct content *c;
        alloc_fail_at(i);
        int e = content_new(&c, VIEW_LIT("gzip"), 1 << 20, take, &g, why);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        if (!e)
            assert_int_equal(content_feed(c, gz), 0);
        content_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip_deflate),  cmocka_unit_test(test_zstd_brotli),
        cmocka_unit_test(test_not_coded),     cmocka_unit_test(test_damage),
        cmocka_unit_test(test_bomb),          cmocka_unit_test(test_taker_ends_it),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
