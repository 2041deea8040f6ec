// rewriting: rules, a request, and what it becomes, in one call; for tests of rewriting.
#ifndef TAPEDECK_TESTS_REWRITING_H
#define TAPEDECK_TESTS_REWRITING_H

#include "tools/rewrite/rewrite.h"

struct rewriting {
    struct rewrite *rules;
    struct rewrite_session *session;
    struct rewrite_subject subject;
    struct buf head, content, whole;
    char why[WHY_MAX];
};

// Reads the rules and begins a run; ends the test where that fails. The subject is transaction 1 of
// run 0, GET api.test/.
void rewriting_begin(struct rewriting *r, const char *rules);
void rewriting_with(struct rewriting *r, const char *rules, const struct rewrite_setup *setup);
void rewriting_end(struct rewriting *r);

// A request in one text, head and content; the result in the same way, NUL-terminated, valid until
// the next call. "!…": an error. Lines end in LF on both sides, and stand for CRLF.
const char *rewriting_do(struct rewriting *r, const char *request);
// The same with rules for this call alone.
const char *rewriting_once(struct rewriting *r, const char *rules, const char *request);

// An answer of the recording and of the run, each in one text.
void rewriting_answer(struct rewriting *r, const char *recorded, const char *live);

#endif
