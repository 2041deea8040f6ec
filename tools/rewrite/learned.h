// learned: what a run's answers gave, until the run is over: values of edges, named values,
// cookies.
#ifndef TAPEDECK_TOOLS_REWRITE_LEARNED_H
#define TAPEDECK_TOOLS_REWRITE_LEARNED_H

#include "proto/base/err.h"
#include "proto/base/view.h"

enum learned_kind {
    LEARNED_VALUE,  // a: index of the value
    LEARNED_NAME,   // a: index of the name; b: the client, or 0 for the whole run
    LEARNED_COOKIE, // a: the client; b: hash of the name and of what it was
    LEARNED_ROW     // a: the client; b: 0: its row of CSV files
};

struct learned_key {
    enum learned_kind kind;
    uint64_t run, a, b;
};

struct learned {
    struct learned *next;                // of the same bucket
    struct learned *of_run, **of_run_at; // of the same run; where this one hangs in it
    struct learned_key key;
    bool missing;                 // there will be none
    bool gone;                    // a cookie that the answer took away
    uint64_t number;              // of a row
    struct view value;            // the run's
    struct view was;              // of a cookie: the recorded one; empty: any
    struct view name, host, path; // of a cookie
};

struct learned_table;
struct learned_table *learned_new(size_t max); // NULL: no memory
void learned_free(struct learned_table *t);    // t may be NULL

// The newest one of that key, and the one before; NULL: none.
const struct learned *learned_get(const struct learned_table *t, const struct learned_key *key);
const struct learned *learned_before(const struct learned *l);

// Copies what like says: in place of the one of its key with the same name, host, path and was. 0;
// E_LIMIT: max are kept; E_NOMEM.
int learned_put(struct learned_table *t, const struct learned *like) MUST_CHECK;
void learned_forget(struct learned_table *t, uint64_t run);

#endif
