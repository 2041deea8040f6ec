// match: which transaction of one capture is which of another.
//
// First those that say so: a transaction of a replay or a mock names the recorded one that it was
// played from. That is one of the left capture's, or, where that is a replay as well, the one that
// both were played from: whichever fits better, since a number may be there by chance; where both
// fit the latter. Neither, where fewer than half of what would be pairs have the same method and
// the same last segment of the route.
//
// Then whole flows: two with the same requests in the same order are each other's, in the order in
// which they began, and so are their transactions. Of all others the n-th with a method, host, path
// and query is the n-th with these; and of those that are left then, whose paths or queries may
// hold ids of their run, the n-th with a method, host, route and names in the query.
#ifndef TAPEDECK_TOOLS_DIFF_MATCH_H
#define TAPEDECK_TOOLS_DIFF_MATCH_H

#include "tools/capture.h"

#define MATCH_ROWS_MAX 5000000 // transactions of a capture
#define MATCH_NONE     SIZE_MAX

struct match_row {
    int64_t id, flow, n, start_us;
    int64_t original; // that it was played from; 0: none
    uint64_t key;     // of protocol, method, host, path and query
    uint64_t route;   // of protocol, method, host, route and the query's names
    size_t other;     // index on the other side, or MATCH_NONE
    uint32_t like;    // of protocol, method and the route's last segment
    uint32_t file;    // of the capture
};

// The transactions of a capture that the filter takes, in the order in which they began; without
// those that a replay had to send once more.
struct match_side {
    struct match_row *rows;
    size_t n;
};

// What cannot be read is told with cli_damage(), other errors too: CLI_OK or CLI_FAILED. To be
// cleared in any case.
int match_load(struct match_side *side, const struct capture *c, const struct filter *f) MUST_CHECK;
void match_clear(struct match_side *side);

// Sets other of all rows. Errors are told: CLI_OK or CLI_FAILED (no memory).
int match_sides(struct match_side *left, struct match_side *right) MUST_CHECK;

#endif
