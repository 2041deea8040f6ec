// guard: pages between two guards, by mmap and mprotect.
#include "tests/support/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void guard_init(struct guard *g, size_t max)
{
    size_t page = page_size();
    g->front = false;
    g->size = (max + page) / page * page;
    g->map = mmap(NULL, g->size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->map == MAP_FAILED || mprotect(g->map + page, g->size, PROT_READ | PROT_WRITE)) {
        perror("guard");
        exit(1);
    }
}

void guard_init_front(struct guard *g, size_t max)
{
    guard_init(g, max);
    g->front = true;
}

void guard_free(struct guard *g)
{
    munmap(g->map, g->size + 2 * page_size());
}

struct view guard_fill(struct guard *g, struct view v)
{
    if (v.n > g->size) {
        fprintf(stderr, "guard: %zu bytes do not fit in %zu\n", v.n, g->size);
        exit(1);
    }
    char *start = g->map + page_size();
    char *at = g->front ? start : start + g->size - v.n;
    if (v.n > 0)
        memcpy(at, v.p, v.n);
    return view_n(at, v.n);
}
