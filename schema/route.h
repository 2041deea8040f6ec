// route: a path with {id} in place of the segments that look like numbers or identifiers.
#ifndef TAPEDECK_SCHEMA_ROUTE_H
#define TAPEDECK_SCHEMA_ROUTE_H

#include "proto/base/buf.h"

// Into out, which is emptied first. Empty: the path has no such segment (or its route is beyond
// out's ceiling): it is its own route.
void route_of(struct view path, struct buf *out);

#endif
