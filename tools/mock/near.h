// near: why no recorded transaction answers a request: the nearest of them, what differs, and the
// rule that would accept it.
#ifndef TAPEDECK_TOOLS_MOCK_NEAR_H
#define TAPEDECK_TOOLS_MOCK_NEAR_H

#include "proto/base/buf.h"
#include "tools/compare/differences.h"
#include "tools/mock/match.h"

#define NEAR_MAX         3           // recorded requests that are told
#define NEAR_LOOKED      48          // rows read for a miss
#define NEAR_SCANNED     100000      // entries thought of
#define NEAR_DIFFERENCES 20          // told of each
#define NEAR_JSON_MAX    (32u << 10) // bytes of the document

// What keeps the nearest from answering; where it is more than one thing, the first of these.
enum near_cause {
    NEAR_NOTHING, // nothing at all is recorded
    NEAR_HOST,
    NEAR_METHOD,
    NEAR_PATH,
    NEAR_QUERY,
    NEAR_HEADER,
    NEAR_BODY,
    NEAR_USED_UP, // equal, but each was used and is not to be repeated
    NEAR_CAUSES
};
extern const char *const near_causes[NEAR_CAUSES]; // "nothing recorded", "host", …, "used up"

struct near_one {
    uint32_t entry;
    int64_t id;
    enum near_cause cause;
    char *method, *host, *path, *query; // of the recording; cut where they are long
    struct differences differences;     // left: recorded; right: asked for
    struct buf rules; // YAML for rules_parse() that makes it answer; empty where none can (used up)
};
struct near_miss {
    enum near_cause cause; // of the nearest
    size_t n;
    struct near_one one[NEAR_MAX]; // the nearest first
};

// Why match_take() answered 0, or would. 0 or E_NOMEM; to be cleared in any case. May read
// NEAR_LOOKED rows.
int near_find(struct match *m, const struct match_request *r, struct near_miss *out) MUST_CHECK;
void near_clear(struct near_miss *n);

// The cause that a difference at this place is.
enum near_cause near_cause_of(const char *where);

// The document of a miss, at most NEAR_JSON_MAX bytes (less is told where it would be more):
//   {"error":"no recorded answer","cause":"query","request":{"method":…,"host":…,"path":…,
//    "query":…},"nearest":[{"id":"1.42","cause":…,"method":…,"host":…,"path":…,"query":…,
//    "differences":[{"where":"query.page","kind":"value","recorded":"1","asked":"2"}],
//    "rules":"ignore:\n  - …"}]}
// appended to out. 0, E_LIMIT, E_NOMEM.
int near_json(const struct near_miss *n, const struct match_request *r, struct buf *out) MUST_CHECK;
// The same for a person: the first line says it all ("query: query.page is 2, recorded is 1
// (1.42)"); lines below it, each behind two blanks, tell the rest.
int near_text(const struct near_miss *n, struct buf *out) MUST_CHECK;

#endif
