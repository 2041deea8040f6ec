// prefer: what a client asks of the mock itself, in a field of its request:
//
//   Tapedeck-Prefer: status=503      the recorded answer with that status, to a request like this
//                                    one; where none was recorded, one that is made: without
//                                    content
//   Tapedeck-Prefer: original=1.42   that recording, whatever is asked for
//
// It is no part of what is compared. What is neither is passed over.
#ifndef TAPEDECK_TOOLS_MOCK_PREFER_H
#define TAPEDECK_TOOLS_MOCK_PREFER_H

#include "tools/mock/tape_in.h"

#define PREFER_LOOKS_MAX 256 // rows read in search of a status

// Whether it was heeded: a says what answers then.
bool prefer_take(struct end *e, struct ask *a, const struct match_request *r);

#endif
