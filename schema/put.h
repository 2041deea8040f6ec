// put: the two ends of every put; shared by store_write.c and store_txn.c.
#ifndef TAPEDECK_SCHEMA_PUT_H
#define TAPEDECK_SCHEMA_PUT_H

#include "schema/store_impl.h"

int put_begin(struct store *s, struct row *r, enum statement which) MUST_CHECK;
int put_end(struct store *s, struct row *r, const char *doing) MUST_CHECK;
// The loss of content that a record refers to.
int put_gone(struct store *s, int64_t key, const struct store_loss *what,
             struct view digest) MUST_CHECK;

#endif
