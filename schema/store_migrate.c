// store_migrate: a file's tables are made, or brought to the version that this program knows.
#include "schema/store_impl.h"

#include "proto/base/clock.h"
#include "proto/digest.h"
#include "schema/migrations.h"

#include <stdio.h>

int store_versions(void)
{
    int n = 0;
    while (schema_migrations[n])
        n++;
    return n;
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

int store_migrate(struct store *s, int64_t version)
{
    char set_version[64], made[320];
    int last = store_versions();
    if (version == last)
        return 0;
    int rc = store_exec(s, "BEGIN IMMEDIATE");
    for (int64_t v = version; v < last && rc == SQLITE_OK; v++)
        rc = store_exec(s, schema_migrations[v]);
    snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", last);
    if (rc == SQLITE_OK)
        rc = store_exec(s, set_version);
    name_capture(made, sizeof made);
    if (rc == SQLITE_OK && version == 0)
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
