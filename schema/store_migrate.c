// store_migrate: a file's tables are made, or brought to the version that this program knows.
#include "schema/store_impl.h"

#include "proto/base/clock.h"
#include "proto/digest.h"
#include "schema/migrations.h"

#include <stdio.h>

int store_version(void)
{
    int n = 0;
    while (schema_migrations[n])
        n++;
    return n - MIGRATIONS_FIRST + VERSION_FIRST;
}

// The text that makes a table stands in the file as it stands in a migration, from its name on.
static bool is_ours(const char *name, const char *sql, bool *same)
{
    char made[80];
    snprintf(made, sizeof made, "CREATE TABLE %.40s (", name);
    *same = false;
    bool ours = false;
    for (int i = 0; schema_migrations[i]; i++) {
        ours = ours || strstr(schema_migrations[i], made);
        *same = *same || strstr(schema_migrations[i], sql);
    }
    return ours;
}

static int count_tables(void)
{
    int n = 0;
    for (int i = 0; schema_migrations[i]; i++)
        for (const char *at = schema_migrations[i]; (at = strstr(at, "CREATE TABLE ")); at++)
            n++;
    return n;
}

int store_check_tables(struct store *s)
{
    sqlite3_stmt *stmt;
    char other[48] = "";
    int n = 0;
    int rc = store_prepare(s, "SELECT name, sql FROM sqlite_schema WHERE type = 'table'", &stmt);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        const char *sql = (const char *)sqlite3_column_text(stmt, 1);
        bool same;
        rc = !name || (!sql && sqlite3_column_type(stmt, 1) != SQLITE_NULL) ? SQLITE_NOMEM
                                                                            : SQLITE_OK;
        if (rc != SQLITE_OK || !sql || !is_ours(name, sql, &same))
            continue;
        n += same;
        if (!same)
            snprintf(other, sizeof other, ": %.40s", name);
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE)
        return store_fail(s, rc, "opening");
    if (n == count_tables())
        return 0;
    return store_refuse(s, E_VERSION,
                        "its tables are not those that this program makes%s; move it away, and read"
                        " it with the program that made it",
                        other);
}

// The statement that makes the row of capture.
static void name_capture(char *sql, size_t size)
{
    unsigned char name[16];
    char hex[sizeof name * 2 + 1];
    digest_random(name, sizeof name);
    digest_hex(name, sizeof name, hex);
    snprintf(sql, size,
             "INSERT INTO capture SELECT id, name, number, previous, made_us, next_stream,"
             " row_sum(id, name, number, previous, made_us, next_stream) FROM"
             " (SELECT 1 AS id, x'%s' AS name, 1 AS number, '' AS previous, %lld AS made_us,"
             " 1 AS next_stream)",
             hex, (long long)clock_wall_us());
}

int store_migrate(struct store *s, bool fresh)
{
    char set_version[64], made[320];
    int64_t last = store_version(), all = last - VERSION_FIRST + MIGRATIONS_FIRST, done = all;
    if (s->version == last)
        return 0;
    if (fresh)
        done = 0;
    else if (s->version >= VERSION_FIRST && s->version < last)
        done = s->version - VERSION_FIRST + MIGRATIONS_FIRST;
    int rc = store_exec(s, "BEGIN IMMEDIATE");
    for (; done < all && rc == SQLITE_OK; done++)
        rc = store_exec(s, schema_migrations[done]);
    snprintf(set_version, sizeof set_version, "PRAGMA user_version = %lld", (long long)last);
    if (rc == SQLITE_OK)
        rc = store_exec(s, set_version);
    name_capture(made, sizeof made);
    if (rc == SQLITE_OK && fresh)
        rc = store_exec(s, made);
    if (rc == SQLITE_OK)
        rc = store_exec(s, "COMMIT");
    if (rc != SQLITE_OK) {
        int e = store_fail(s, rc, "making its tables");
        store_exec(s, "ROLLBACK");
        return e;
    }
    s->application = STORE_APPLICATION;
    s->version = last;
    return 0;
}
