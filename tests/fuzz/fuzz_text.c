// Short texts: sizes, durations, times, addresses, host names, numbers. What is understood can be
// written, and what was written means the same.
#include "proto/base/addr.h"
#include "proto/base/clock.h"
#include "proto/base/units.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void quantities(struct view v)
{
    uint64_t bytes, bytes_again;
    int64_t us, us_again;
    char text[UNITS_TEXT];
    if (units_size(v, &bytes) == 0)
        check(units_size(view_of(units_size_text(bytes, text)), &bytes_again) == 0 &&
              bytes == bytes_again);
    if (units_duration(v, &us) == 0)
        check(units_duration(view_of(units_duration_text(us, text)), &us_again) == 0 &&
              us == us_again && us >= 0);
}

static void times(struct view v)
{
    int64_t us, again;
    char text[CLOCK_TEXT];
    if (clock_parse(v.p, v.n, &us))
        return;
    check(clock_parse(clock_format(us, text), CLOCK_TEXT - 1, &again) == 0);
    // An offset may lead out of the years 0 to 9999, where writing stops.
    check(us == again || text[0] == '0' || text[0] == '9');
}

static void hosts(struct view v)
{
    struct addr a, b;
    struct hostport hp, back;
    char text[ADDR_TEXT], host[HOSTPORT_TEXT];
    if (addr_parse(&a, v, 80) == 0)
        check(addr_parse(&b, view_of(addr_host_text(&a, text)), 80) == 0 && addr_eq(&a, &b) &&
              *addr_text(&a, text));
    if (hostport_parse(&hp, v, 443) == 0)
        check(hostport_parse(&back, view_of(hostport_text(&hp, host)), 0) == 0 &&
              strcmp(hp.host, back.host) == 0 && hp.port == back.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view v = view_n(data, size);
    uint64_t n;
    quantities(v);
    times(v);
    hosts(v);
    if (view_number(v, 16, UINT32_MAX, &n) == 0)
        check(n <= UINT32_MAX);
    check(view_trim(v).n <= v.n && view_find(v, ':') <= v.n);
    return 0;
}
