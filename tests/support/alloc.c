// alloc: what the linker puts before the allocator (--wrap, see tests/CMakeLists.txt).
#include "tests/support/alloc.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

static struct {
    long count, at;
    bool armed, onwards, failed;
} plan;

static bool fails(void)
{
    long now = plan.count++;

    if (!plan.armed || now < plan.at || (now > plan.at && !plan.onwards))
        return false;
    plan.failed = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = fails() ? NULL : __real_malloc(n);

    return copy ? memcpy(copy, s, n) : NULL;
}

void alloc_fail_at(long i)
{
    plan.count = 0;
    plan.at = i;
    plan.armed = true;
    plan.onwards = plan.failed = false;
}

void alloc_fail_from(long i)
{
    alloc_fail_at(i);
    plan.onwards = true;
}

bool alloc_fail_end(void)
{
    bool failed = plan.failed;

    plan.count = 0;
    plan.armed = plan.failed = false;
    return failed;
}

long alloc_count(void)
{
    return plan.count;
}
