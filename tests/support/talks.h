// talks: whole HTTP exchanges written into a capture as texts; for tests of what goes from one to
// another.
//
//   int64_t id = talks_say(&tape, flow, "POST /login\n\nuser=bob", "200\nSet-Cookie: s=1\n\n{…}");
//
// Lines end in LF and stand for CRLF. A request's content that begins with { or [ is JSON, another
// a form; of an answer one that begins with '<' is HTML.
#ifndef TAPEDECK_TESTS_TALKS_H
#define TAPEDECK_TESTS_TALKS_H

#include "tests/support/tape.h"
#include "tools/compare/compare.h"

int64_t talks_say(struct tape *t, int64_t flow, const char *request, const char *answer);

// The same texts as bytes: the head is the caller's to free, content points into text.
struct view talks_head(const char *text, bool answer, char **head);
struct view talks_content(const char *text);

#endif
