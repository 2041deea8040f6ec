// extract: what a message carries, or issues, that may go from one to the other.
#ifndef TAPEDECK_TOOLS_CORRELATE_EXTRACT_H
#define TAPEDECK_TOOLS_CORRELATE_EXTRACT_H

#include "tools/correlate/significance.h"
#include "tools/rewrite/rules.h"

struct extracted {
    struct view kind; // two are the same only within a kind: of a number the thing that it is the
                      // id of; of a rule its number; else empty
    struct view text;
    const struct part *part, *within; // where; within: of a URL, or NULL
    bool strong;
    bool bearer; // of an answer: a token that clients are wont to send as credentials
};
// 0 to go on, else E_….
typedef int extract_take(void *arg, const struct extracted *x);

struct extract {
    const struct rewrite *rules; // those with a section correlate; NULL: by significance
    struct rules_subject about;  // of the request, also for its answer
    bool s2c;
    extract_take *take;
    void *arg;
    struct parts parts, inner;
    const struct part *outer;
    struct buf text; // scratch
};

void extract_init(struct extract *x, const struct rewrite *rules, extract_take *take, void *arg);
void extract_clear(struct extract *x);
int extract_each(struct extract *x, bool s2c, const struct rules_subject *about, struct view head,
                 struct view content) MUST_CHECK;

#endif
