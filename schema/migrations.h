// migrations: the schema's SQL, one text a version: schema_migrations[v] brings user_version v to v
// + 1.
#ifndef TAPEDECK_SCHEMA_MIGRATIONS_H
#define TAPEDECK_SCHEMA_MIGRATIONS_H

extern const char *const schema_migrations[]; // NULL at the end; made at build from NNNN_*.sql

#endif
