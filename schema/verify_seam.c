// verify_seam: between two files of a capture nothing is missing.
//
// A rotation carries over the streams, with their numbers, and the open flows. So the later file
// must know every stream of the earlier one that goes on, begin it at the next number, and hold
// exactly the flows that were open.
#include "schema/identity.h"
#include "schema/verify.h"

#include <stdio.h>

// Every stream of the earlier file that goes on.
static int check_streams(struct verify *v, struct store *later)
{
    sqlite3_stmt *before, *after = NULL;
    int rc = store_prepare(v->s, "SELECT id, last_seq, ended_us FROM stream", &before);
    if (rc != SQLITE_OK)
        return store_fail(v->s, rc, "reading streams");
    int e = 0,
        rc_after = store_prepare(later, "SELECT first_seq FROM stream WHERE id = ?1", &after);
    if (rc_after != SQLITE_OK)
        e = store_fail(later, rc_after, "reading streams");
    while (e == 0 && (rc = sqlite3_step(before)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(before, 0), due = sqlite3_column_int64(before, 1);
        verify_add(&due, 1);
        sqlite3_bind_int64(after, 1, id);
        rc_after = sqlite3_step(after);
        if (rc_after == SQLITE_DONE && sqlite3_column_type(before, 2) == SQLITE_NULL)
            verify_say_row(v, VERIFY_HOLE, "stream", id, "it goes on, but not in %s",
                           store_path(later));
        else if (rc_after == SQLITE_ROW && sqlite3_column_int64(after, 0) != due)
            verify_say_row(v, VERIFY_HOLE, "stream", id, "%s begins with its number %lld, not %lld",
                           store_path(later), (long long)sqlite3_column_int64(after, 0),
                           (long long)due);
        else if (rc_after != SQLITE_ROW && rc_after != SQLITE_DONE)
            e = store_fail(later, rc_after, "reading streams");
        sqlite3_reset(after);
    }
    if (e == 0 && rc != SQLITE_DONE)
        e = store_fail(v->s, rc, "reading streams");
    sqlite3_finalize(before);
    sqlite3_finalize(after);
    return e;
}

static int next_flow(struct store *s, sqlite3_stmt *stmt, int64_t *flow)
{
    int rc = sqlite3_step(stmt);
    *flow = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : INT64_MAX;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_fail(s, rc, "reading flows");
}

// Both lists come in the order of their ids. *both: how many are in both.
static int compare_flows(struct verify *v, struct store *later, sqlite3_stmt *open,
                         sqlite3_stmt *carried, int64_t *both)
{
    int64_t a, b;
    int e = next_flow(v->s, open, &a);
    if (e == 0)
        e = next_flow(later, carried, &b);
    while (e == 0 && (a != INT64_MAX || b != INT64_MAX)) {
        if (a < b)
            verify_say_row(v, VERIFY_LEDGER, "flow", a, "it is open, but not carried into %s",
                           store_path(later));
        else if (b < a)
            verify_say_row(v, VERIFY_LEDGER, "flow", b,
                           "%s goes on with it, but it is not open here", store_path(later));
        bool move_a = a <= b, move_b = b <= a;
        *both += a == b;
        if (move_a)
            e = next_flow(v->s, open, &a);
        if (e == 0 && move_b)
            e = next_flow(later, carried, &b);
    }
    return e;
}

static int check_flows(struct verify *v, struct store *later, int64_t *both)
{
    sqlite3_stmt *open, *carried = NULL;
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT f.id FROM flow f WHERE %s ORDER BY f.id", store_open_flow);
    int rc = store_prepare(v->s, sql, &open);
    if (rc != SQLITE_OK)
        return store_fail(v->s, rc, "reading flows");
    rc = store_prepare(later, "SELECT id FROM flow WHERE carried ORDER BY id", &carried);
    int e = rc == SQLITE_OK ? compare_flows(v, later, open, carried, both)
                            : store_fail(later, rc, "reading flows");
    sqlite3_finalize(open);
    sqlite3_finalize(carried);
    return e;
}

static int check_seam(struct verify *v, struct store *earlier, struct store *later, int64_t *flows)
{
    struct store_identity a, b;
    int e = store_identity(earlier, &a);
    if (e == 0)
        e = store_identity(later, &b);
    if (e != 0)
        return e;
    if (memcmp(a.name, b.name, sizeof a.name) != 0) {
        verify_say(v, VERIFY_NOTE, "", "it is of another capture than %s", store_path(earlier));
        return 0;
    }
    int64_t number = a.number;
    verify_add(&number, 1);
    if (b.number != number || number == a.number) {
        struct verify silent = {.s = earlier, .sums = v->sums};
        verify_say(v, VERIFY_HOLE, "", "it is file %lld of its capture, and %s file %lld",
                   (long long)b.number, store_path(earlier), (long long)a.number);
        return check_flows(&silent, later, flows);
    }
    e = check_streams(v, later);
    return e == 0 ? check_flows(v, later, flows) : e;
}

int store_verify_seam(struct store *earlier, struct store *later, int64_t *flows,
                      verify_found *found, void *arg)
{
    struct verify_sums sums = {0};
    struct verify v = {.s = earlier, .sums = &sums, .found = found, .arg = arg};
    earlier->why[0] = later->why[0] = '\0';
    *flows = 0;
    int e = check_seam(&v, earlier, later, flows);
    if (e != 0 && !earlier->why[0])
        memcpy(earlier->why, later->why, sizeof earlier->why);
    return e;
}
