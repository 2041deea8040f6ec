// reason: the usual words behind a status of HTTP.
#ifndef TAPEDECK_TOOLS_MOCK_REASON_H
#define TAPEDECK_TOOLS_MOCK_REASON_H

// Static; "Status" for one that nobody has named (RFC 9110, section 15; RFC 6585).
const char *reason_of(unsigned status);

#endif
