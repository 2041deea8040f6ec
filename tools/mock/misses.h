// misses: requests that no recording answered, put together by what kept them from one: the same
// method, host, route and cause are one miss that came several times.
#ifndef TAPEDECK_TOOLS_MOCK_MISSES_H
#define TAPEDECK_TOOLS_MOCK_MISSES_H

#include "tools/mock/near.h"
#include "tools/mock/summary.h"

#define MISSES_EXPLAINED 5000 // different requests that are looked for; more are only counted
#define MISSES_MAX       1000 // that are told apart

struct miss {
    uint64_t count;
    int64_t id; // of the first
    char *method, *host, *path, *query;
    char cause[24]; // near_causes[], or what the mock said; "" unknown
    char *what;     // "query.page is 2, recorded is 1 (1.42)"; NULL: not known
    char *document; // near_json(); NULL: not known
    char *rules;    // that would accept it; NULL: none
    uint64_t key;
};

struct misses {
    struct miss *all; // the most frequent first
    size_t n;
    uint64_t left_out; // misses that are in none of them
};

// capture: the mock's own; tapes: NULL, or the match that explains, and the conf that it was made
// with. Errors are told: CLI_OK, CLI_FAILED. misses_clear() in any case.
int misses_find(struct misses *m, const struct summary *s, const struct capture *capture,
                struct match *tapes, const struct match_conf *conf);
void misses_clear(struct misses *m);

// The rules that would accept all of them, each once, with what for, behind those of old, which
// were at work already; as text for rules_parse(). Returns how many misses no rule can accept;
// E_UNSUPPORTED: old has its rules otherwise than one a line below their kind; E_LIMIT, E_NOMEM.
int misses_rules(const struct misses *m, struct view old, struct buf *out) MUST_CHECK;

#endif
