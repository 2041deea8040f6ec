// alloc: lets an allocation of the code under test fail. Every program under tests/ is linked so
// that malloc, calloc, realloc, strdup and strndup of our own code pass through here, of all
// threads together; what shared libraries allocate by themselves does not.
//
//   for (long i = 0, failed = 1; failed; i++) {
//       alloc_fail_at(i);
//       … the whole story …
//       failed = alloc_fail_end();
//   }
#ifndef TAPEDECK_TESTS_ALLOC_H
#define TAPEDECK_TESTS_ALLOC_H

#include <stdbool.h>

void alloc_fail_at(long i);   // the i-th allocation from now on (0: the next) fails, once
void alloc_fail_from(long i); // that one and all behind it
bool alloc_fail_end(void);    // all succeed again; whether any was made to fail
long alloc_count(void);       // allocations since the last of the calls above

// Between these two nothing fails and nothing is counted: a test's own memory. They may nest.
void alloc_leave(void);
void alloc_enter(void);

#endif
