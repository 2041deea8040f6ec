// ring: records whose payload follows from their number, put into a journal and found in it again.
#ifndef TAPEDECK_TESTS_RING_H
#define TAPEDECK_TESTS_RING_H

#include "proxy/emit/journal.h"

// Puts a record of n payload bytes: false when there is no room.
bool ring_put(struct journal *j, size_t n, size_t from_reserve);
bool ring_filled(struct view payload, uint64_t seq);

// Asserts that the unsent frames are those numbered first .. next - 1; they stay unsent. The count.
uint64_t ring_check_unsent(struct journal *j, uint64_t first, uint64_t next);
// The same of all frames, which become unsent, and of the journal's facts.
void ring_check(struct journal *j, uint64_t first, uint64_t next);

#endif
