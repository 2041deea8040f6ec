// fields: the columns of a transaction (filter_fields, proto/filter.h) as text, as JSON, as names.
#ifndef TAPEDECK_TOOLS_FIELDS_H
#define TAPEDECK_TOOLS_FIELDS_H

#include "schema/store.h"
#include "tools/jsonw.h"
#include "tools/term.h"

// "host, path" to fields, in their order. 0, or CLI_USAGE with an error told.
int fields_parse(const char *names, enum filter_field out[FIELD_COLUMNS], size_t *n);

// The members of an object, all columns: numbers as numbers; an empty text and NULL are null.
void fields_json(struct jsonw *w, const struct store_query *q);

// One column as JSON.
void fields_json_one(struct jsonw *w, const char *key, const struct store_query *q, int i);

// Ids as people type them: the stream and its number, "1.57"; or the number in the database.
#define FIELDS_ID 48
const char *fields_id(int64_t id, char out[FIELDS_ID]);
int fields_id_parse(struct view text, int64_t *id) MUST_CHECK;

// Three digits and a unit: "456us", "1.23ms", "12.3s"; "1.5k", "12M".
#define FIELDS_SHORT 24
const char *fields_duration(int64_t us, char out[FIELDS_SHORT]);
const char *fields_size(int64_t bytes, char out[FIELDS_SHORT]);

// A time for a person: on a terminal the local time, with its date when that is not today's;
// elsewhere RFC 3339 as it is.
#define FIELDS_TIME 40
const char *fields_time(const struct term *t, struct view rfc3339, char out[FIELDS_TIME]);

// 18112 as "18,112".
#define FIELDS_COUNT 32
const char *fields_count(int64_t n, char out[FIELDS_COUNT]);

#endif
