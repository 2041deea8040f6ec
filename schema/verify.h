// verify: what the files of store_verify() share.
#ifndef TAPEDECK_SCHEMA_VERIFY_H
#define TAPEDECK_SCHEMA_VERIFY_H

#include "schema/scan.h"
#include "schema/store_impl.h"

struct verify {
    struct store *s;
    struct verify_sums *sums;
    verify_found *found;
    void (*progress)(void *arg, int permille);
    void *arg;
    int64_t told[VERIFY_NOTE + 1]; // findings of each kind
    int64_t rows;                  // in all tables, about
    int from, to;                  // the part of the progress that the phase at hand takes
};

void verify_say(struct verify *v, enum verify_finding what, const char *place, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
// The same for one row: its table and row number are the place.
void verify_say_row(struct verify *v, enum verify_finding what, const char *table, int64_t id,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));
// What SQLite said in phase doing: 0 when it is damage, which is told, else the error.
int verify_error(struct verify *v, int rc, const char *doing);
// Damaged numbers may be of any size: a sum stays at the end of its range.
void verify_add(int64_t *sum, int64_t n);
// done of all within the phase.
void verify_progress(struct verify *v, int64_t done, int64_t all);
// For struct scan: tells the gap as damage. arg is the struct verify.
void verify_gap(void *arg, const char *table, int64_t from, int64_t to);

// The phases. 0, or an error that ends all.
int verify_packed(struct verify *v);
int verify_schema(struct verify *v);
int verify_structure(struct verify *v);
int verify_rows(struct verify *v);
int verify_sequences(struct verify *v);
int verify_references(struct verify *v);
int verify_parts(struct verify *v);
int verify_ledger(struct verify *v);

extern const char *const verify_tables[]; // all tables, NULL at the end

#endif
