#include "tests/support/ask.h"

#include "schema/packed.h"
#include "schema/store.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const char *ask(const char *file, const char *sql)
{
    static char out[8192];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    size_t n = 0;
    assert_int_equal(sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    out[0] = '\0';
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt) && n < sizeof out; i++) {
            const char *v = (const char *)sqlite3_column_text(stmt, i);
            n += (size_t)snprintf(out + n, sizeof out - n, "%s%s",
                                  i   ? "|"
                                  : n ? " "
                                      : "",
                                  v ? v : "NULL");
        }
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return out;
}

void ask_change(const char *file, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL); // for speed
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

static void print_finding(void *arg, enum verify_finding what, const char *place,
                          const char *sentence)
{
    (void)arg;
    if (what != VERIFY_LOSS && what != VERIFY_NOTE && what != VERIFY_CUT)
        print_error("%s: %s\n", place, sentence);
}

void ask_sound(const char *file)
{
    struct store *s;
    struct verify_sums sums;
    char why[WHY_MAX];
    assert_int_equal(store_open(&s, file, STORE_READ, why), 0);
    assert_int_equal(store_verify(s, &sums, print_finding, NULL, NULL), 0);
    assert_int_equal(sums.damages, 0);
    assert_int_equal(sums.holes, 0);
    assert_int_equal(sums.unbalanced, 0);
    store_close(s);
}

bool ask_is_packed(const char *file)
{
    char first[sizeof PACKED_MAGIC];
    FILE *f = fopen(file, "re");
    bool is = f && fread(first, sizeof first, 1, f) == 1 &&
              memcmp(first, PACKED_MAGIC, sizeof first) == 0;
    if (f)
        fclose(f);
    return is;
}
