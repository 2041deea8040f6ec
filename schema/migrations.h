// migrations: the schema's SQL. The first two texts make a file of user_version 6; each further one
// brings user_version v to v + 1.
//
// Layouts 1 to 5 were those of programs before the first release. Nothing brings them up to date:
// such a file is refused, by its version or by its tables.
#ifndef TAPEDECK_SCHEMA_MIGRATIONS_H
#define TAPEDECK_SCHEMA_MIGRATIONS_H

#define MIGRATIONS_FIRST 2 // texts that make the oldest layout that is known
#define VERSION_FIRST    6 // of it

extern const char *const schema_migrations[]; // NULL at the end; made at build from NNNN_*.sql

#endif
