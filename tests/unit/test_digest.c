// SHA-256 and HMAC give the values of their standards, in one piece and in many.
#include "proto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(const unsigned char digest[DIGEST_SIZE], const char *hex)
{
    char text[DIGEST_HEX];
    assert_string_equal(digest_hex(digest, DIGEST_SIZE, text), hex);
}

// FIPS 180-4, the examples that NIST publishes with it.
static void sha_256_is_that_of_its_standard(void **state)
{
    (void)state;
    unsigned char out[DIGEST_SIZE];
    digest_once(VIEW_LIT("abc"), out);
    expect(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_once(view_of(NULL), out);
    expect(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest_once(VIEW_LIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), out);
    expect(out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

// RFC 4231, test cases 1, 2, 4, 6 and 7.
static void hmac_is_that_of_its_standard(void **state)
{
    (void)state;
    unsigned char out[DIGEST_SIZE], key[131], counting[25];
    memset(key, 0x0b, 20);
    digest_hmac(view_n(key, 20), VIEW_LIT("Hi There"), out);
    expect(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    digest_hmac(VIEW_LIT("Jefe"), VIEW_LIT("what do ya want for nothing?"), out);
    expect(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char cd[50];
    for (size_t i = 0; i < sizeof counting; i++)
        counting[i] = (unsigned char)(i + 1);
    memset(cd, 0xcd, sizeof cd);
    digest_hmac(view_n(counting, sizeof counting), view_n(cd, sizeof cd), out);
    expect(out, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    memset(key, 0xaa, sizeof key);
    digest_hmac(view_n(key, sizeof key),
                VIEW_LIT("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    expect(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    digest_hmac(view_n(key, sizeof key),
                VIEW_LIT("This is a test using a larger than block-size key and a larger than "
                         "block-size data. The key needs to be hashed before being used by the "
                         "HMAC algorithm."),
                out);
    expect(out, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

static void pieces_make_the_digest_of_the_whole(void **state)
{
    (void)state;
    char text[300];
    unsigned char whole[DIGEST_SIZE], parts[DIGEST_SIZE];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 37);
    struct view all = view_n(text, sizeof text);
    digest_once(all, whole);
    for (size_t split = 0; split <= all.n; split++) {
        struct digest_state d, copied;
        digest_begin(&d);
        digest_more(&d, view_head(all, split));
        digest_more(&d, view_of(NULL));
        copied = d;
        digest_more(&d, view_from(all, split));
        digest_end(&d, parts);
        assert_memory_equal(parts, whole, DIGEST_SIZE);
        digest_more(&copied, view_from(all, split));
        digest_end(&copied, parts);
        assert_memory_equal(parts, whole, DIGEST_SIZE);
    }
}

static void randomness_differs(void **state)
{
    (void)state;
    unsigned char a[16] = {0}, b[16] = {0}, large[5000] = {0};
    digest_random(a, sizeof a);
    digest_random(b, sizeof b);
    digest_random(large, sizeof large);
    digest_random(NULL, 0);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(large, large + 2500, 2500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha_256_is_that_of_its_standard),
        cmocka_unit_test(hmac_is_that_of_its_standard),
        cmocka_unit_test(pieces_make_the_digest_of_the_whole),
        cmocka_unit_test(randomness_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
