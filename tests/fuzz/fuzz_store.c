// fuzz_store: a capture with damage of any kind: it is read and verified to the end, whatever
// comes.
//
// The input is a list of changes to a sound capture of a few hundred pages: four bytes each, a
// place (24 bits) and what it is changed with. The first byte says what else happens: the file is
// cut, a page is lost, the order and the filter of the query.
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE 4096

static char dir[TMP_PATH], copy[TMP_PATH];
static unsigned char *sound, *bytes;
static size_t size;

static void clean_up(void)
{
    tmp_remove(dir);
    free(sound);
    free(bytes);
}

static void make_sound(void)
{
    static struct tape t;
    char path[TMP_PATH];
    tmp_make(dir);
    atexit(clean_up);
    tmp_path(copy, dir, "copy.db");
    tape_open(&t, tmp_path(path, dir, "capture.db"));
    tape_everything(&t);
    tape_close(&t);
    sound = tmp_read(path, &size);
    bytes = malloc(size);
    if (!bytes)
        abort();
}

static int take(void *arg, struct view piece)
{
    *(size_t *)arg += piece.n;
    return 0;
}

static void read_all(struct store *s, enum store_order order, const char *text)
{
    struct filter *f;
    struct store_query *q;
    size_t column, n = 0;
    char why[WHY_MAX];
    if (filter_parse(view_of(text), 0, &f, &column, why) != 0)
        abort();
    if (store_transactions(s, f, order, 0, 0, &q) == 0) {
        int e, bodies = 0;
        while ((e = store_step(q)) == 1) {
            if (bodies++ < 50) // an error of theirs is the damage
                n += store_body(s, store_int(q, STORE_RES_BODY), take, &n) == 0;
        }
        if (e == E_NOMEM)
            abort();
        store_query_free(q);
    }
    filter_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const filters[] = {
        "",
        "status >= 500",
        "host = \"api.test\"",
        "res.body contains \"x\"",
    };
    struct store *s;
    struct verify_sums sums;
    char why[WHY_MAX];
    if (!sound)
        make_sound();
    if (n == 0)
        return 0;
    size_t left = size;
    memcpy(bytes, sound, size);
    for (size_t i = 1; i + 4 <= n && i < 4096; i += 4) {
        size_t at = ((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) % size;
        if (data[0] & 0x10 && i == 1)
            memset(bytes + at / PAGE * PAGE, data[i + 3], PAGE);
        else if (data[0] & 0x20 && i == 1)
            left = at;
        else
            bytes[at] ^= data[i + 3];
    }
    unlink(copy);
    tmp_write(copy, bytes, left);
    if (store_open(&s, copy, STORE_READ, why) == 0) {
        if (store_verify(s, &sums, NULL, NULL, NULL) == E_NOMEM)
            abort();
        read_all(s, (enum store_order)(data[0] & 3), filters[data[0] >> 2 & 3]);
        store_close(s);
    }
    return 0;
}
