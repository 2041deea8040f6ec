// tally: what is counted of the transactions of a selection, as a whole and by groups.
//
// A group costs one struct tally (about 10 KB); beyond GROUPS_MAX groups the rest is counted
// together.
#ifndef TAPEDECK_TOOLS_STATS_TALLY_H
#define TAPEDECK_TOOLS_STATS_TALLY_H

#include "proto/base/options.h"
#include "tools/progress.h"
#include "tools/stats/histogram.h"

#define GROUPS_MAX 2000
#define SLOTS      4096 // of the hash table, a power of two above GROUPS_MAX

struct tally {
    char *name;           // of a group
    int64_t count, other; // other: transactions that are not http
    int64_t classes[6];   // [0]: http, never answered
    int64_t first_us, last_us, req_bytes, res_bytes;
    struct histogram took; // of http
};
struct stats {
    struct tally all;
    struct histogram took_other; // conversations without a decoder
    struct progress progress;
    const char *by;
    struct tally *slots[SLOTS];
    struct tally *rest; // groups beyond GROUPS_MAX
    struct tally **groups;
    size_t n;
};

// 5xx, and requests that were never answered.
static inline int64_t tally_errors(const struct tally *t)
{
    return t->classes[0] + t->classes[5];
}

// What the options ask for, to standard output. CLI_OK, or CLI_FAILED with an error told.
int tally_print(struct stats *s, const struct options *o);

#endif
