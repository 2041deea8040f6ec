// number: JSON numbers by their value, exactly, however large or long they are.
#ifndef TAPEDECK_TOOLS_COMPARE_NUMBER_H
#define TAPEDECK_TOOLS_COMPARE_NUMBER_H

#include "proto/base/view.h"

// Both are numbers as JSON has them (RFC 8259, section 6), which has one kind of them: 1, 1.0 and
// 10e-1 are the same value, 0 and -0 too; 1 and 1.0000000000000000001 are not.
bool number_same(struct view a, struct view b);

// Equal for equal values.
uint64_t number_hash(struct view v);

// Whether they are no further from each other than tolerance, counted in binary (long double).
bool number_near(struct view a, struct view b, long double tolerance);
// The same with a tolerance that is a part of the larger of the two.
bool number_near_part(struct view a, struct view b, long double part);

#endif
