// refer: a capture, first the live one alone, and records that refer to content; included once by a
// program of tests.
#ifndef TAPEDECK_TESTS_REFER_H
#define TAPEDECK_TESTS_REFER_H

#include "proto/digest.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LARGE 700000 // more than SQLite is to hold at once

static char dir[TMP_PATH], path[TMP_PATH], first[TMP_PATH];
static char *large; // LARGE bytes that are like no others
static struct tape t;

static inline int setup(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "capture.db");
    tmp_path(first, dir, "capture-000001.db");
    large = malloc(LARGE);
    assert_non_null(large);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 31 + i / 251);
    tape_open(&t, path);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    tape_close(&t);
    free(large);
    tmp_remove(dir);
    return 0;
}

static inline void rotate(void)
{
    if (store_rotate(t.s, NULL, 0) != 0)
        fail_msg("%s", store_why(t.s));
}

// An answer that refers to content of which so many bytes are kept; 3 wire bytes frame it.
static inline struct store_txn refers(struct view content, int64_t stored, unsigned char *digest)
{
    digest_once(content, digest);
    return (struct store_txn){
        .protocol = "http",
        .method = "GET",
        .path = "/known",
        .status = 200,
        .req = {.end = 1, .head = VIEW_LIT("GET /known HTTP/1.1\r\n\r\n")},
        .res = {.end = 1,
                .head = VIEW_LIT("HTTP/1.1 200 OK\r\n\r\n"),
                .digest = view_n(digest, DIGEST_SIZE),
                .known = true,
                .body_wire = (int64_t)content.n + 3,
                .body_size = (int64_t)content.n,
                .body_stored = stored},
        .account = {.stored_s2c = 19 + stored + 3, .omitted_s2c = (int64_t)content.n - stored}};
}

static inline int64_t known(int64_t flow, struct view content, int64_t stored)
{
    unsigned char digest[DIGEST_SIZE];
    struct store_txn txn = refers(content, stored, digest);
    return tape_txn(&t, flow, &txn);
}

static inline int compare(void *arg, struct view piece)
{
    struct view *rest = arg;
    assert_true(piece.n <= rest->n);
    assert_memory_equal(piece.p, rest->p, piece.n);
    *rest = view_from(*rest, piece.n);
    return 0;
}

// The answer of that transaction has that content.
static inline void expect(const char *file, int64_t txn, struct view content)
{
    struct store *s;
    struct store_query *q;
    char why[WHY_MAX];
    assert_int_equal(store_open(&s, file, STORE_READ, why), 0);
    assert_int_equal(
        store_query(s, "SELECT res_body, res_stored, res_size FROM txn WHERE id = ?1", &q), 0);
    assert_int_equal(store_bind_int(q, 1, txn), 0);
    assert_int_equal(store_step(q), 1);
    assert_int_equal(store_int(q, 1), content.n);
    if (store_body(s, store_int(q, 0), compare, &content) != 0)
        fail_msg("%s", store_why(s));
    assert_int_equal(content.n, 0);
    store_query_free(q);
    store_close(s);
}

// What verify tells of a file.
struct told {
    struct verify_sums sums;
    int losses, others;
    char last[512];
};

static inline void found(void *arg, enum verify_finding what, const char *place,
                         const char *sentence)
{
    struct told *told = arg;
    if (what == VERIFY_NOTE || strstr(sentence, "never said its end"))
        return;
    if (what != VERIFY_LOSS)
        fprintf(stderr, "verify: %s: %s\n", place, sentence);
    told->losses += what == VERIFY_LOSS;
    told->others += what != VERIFY_LOSS;
    snprintf(told->last, sizeof told->last, "%s: %s", place, sentence);
}

static inline struct told verify(const char *file)
{
    struct told told = {0};
    struct store *s;
    char why[WHY_MAX];
    assert_int_equal(store_open(&s, file, STORE_READ, why), 0);
    assert_int_equal(store_verify(s, &told.sums, found, NULL, &told), 0);
    store_close(s);
    assert_int_equal(told.others, 0);
    return told;
}

#endif
