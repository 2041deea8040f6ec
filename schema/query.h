// query: what a struct store_query is, for the files that make one.
#ifndef TAPEDECK_SCHEMA_QUERY_H
#define TAPEDECK_SCHEMA_QUERY_H

#include "schema/store_impl.h"

struct store_query {
    struct store *s;
    sqlite3_stmt *stmt;
    // Not NULL: called at the end of stmt, and when the file proves damaged under way, to go on in
    // another way. They may change stmt, and answer as store_step() does.
    int (*next)(struct store_query *q);
    int (*damaged)(struct store_query *q);
    struct salvage *salvage;
    int64_t skipped;
};

// A query of our own words.
int query_new(struct store *s, struct view sql, struct store_query **out) MUST_CHECK;

// Going on behind damage (store_salvage.c): see there.
struct salvage;
int salvage_new(struct store_query *q, const struct filter *f, enum store_order order,
                int64_t limit, int64_t after_id) MUST_CHECK;
void salvage_note(struct store_query *q); // a row was given out
void salvage_free(struct store_query *q); // before its stmt is finalized

// The SELECT of store_transactions() without its WHERE, FROM source AS h; and what stands behind
// the conditions.
int transactions_select(struct buf *sql, const char *source) MUST_CHECK;
const char *transactions_order(enum store_order order);

#endif
