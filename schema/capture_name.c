// capture_name: see capture_name.h. The one place that knows the form.
#include "schema/capture_name.h"

#include <stdio.h>
#include <string.h>

#define DIGITS 6

struct capture_name capture_name_live(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t stem = dot && dot != name ? (size_t)(dot - path) : strlen(path);
    return (struct capture_name){.stem = view_n(path, stem), .ext = view_of(path + stem)};
}

struct capture_name capture_name_of(const char *path)
{
    struct capture_name n = capture_name_live(path);
    uint64_t number;
    if (n.stem.n < DIGITS + 2)
        return n;
    size_t dash = n.stem.n - DIGITS - 1;
    if (n.stem.p[dash] != '-' || n.stem.p[dash - 1] == '/' ||
        view_number(view_from(n.stem, dash + 1), 10, CAPTURE_NUMBER_MAX, &number) != 0 ||
        number == 0)
        return n;
    n.stem = view_head(n.stem, dash);
    n.number = (int64_t)number;
    return n;
}

bool capture_name_same(const struct capture_name *a, const struct capture_name *b)
{
    return view_eq(a->stem, b->stem) && view_eq(a->ext, b->ext);
}

bool capture_name_sealed(char *out, size_t size, const struct capture_name *live, int64_t number)
{
    int n = snprintf(out, size, "%.*s-%0*lld%.*s", (int)live->stem.n, live->stem.p, DIGITS,
                     (long long)number, (int)live->ext.n, live->ext.p);
    return n > 0 && (size_t)n < size;
}
