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
char *__wrap_strndup(const char *s, size_t n);

static struct {
    long count, at;
    bool armed, onwards, failed;
} plan;

static _Thread_local int left;

static bool fails(void)
{
    if (left > 0)
        return false;
    long now = __atomic_fetch_add(&plan.count, 1, __ATOMIC_RELAXED);
    if (!__atomic_load_n(&plan.armed, __ATOMIC_ACQUIRE) || now < plan.at ||
        (now > plan.at && !plan.onwards))
        return false;
    __atomic_store_n(&plan.failed, true, __ATOMIC_RELAXED);
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

char *__wrap_strndup(const char *s, size_t max)
{
    size_t n = strnlen(s, max);
    char *copy = fails() ? NULL : __real_malloc(n + 1);

    if (copy) {
        memcpy(copy, s, n);
        copy[n] = 0;
    }
    return copy;
}

static void arm(long i, bool onwards)
{
    plan.at = i;
    plan.onwards = onwards;
    plan.failed = false;
    __atomic_store_n(&plan.count, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.armed, true, __ATOMIC_RELEASE);
}

void alloc_fail_at(long i)
{
    arm(i, false);
}

void alloc_fail_from(long i)
{
    arm(i, true);
}

bool alloc_fail_end(void)
{
    __atomic_store_n(&plan.armed, false, __ATOMIC_RELEASE);
    __atomic_store_n(&plan.count, 0, __ATOMIC_RELAXED);
    return __atomic_exchange_n(&plan.failed, false, __ATOMIC_RELAXED);
}

long alloc_count(void)
{
    return __atomic_load_n(&plan.count, __ATOMIC_RELAXED);
}

void alloc_leave(void)
{
    left++;
}

void alloc_enter(void)
{
    left--;
}
