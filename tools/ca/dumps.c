// dumps: see dumps.h. The limit alone does not keep the kernel from handing a dump to a program.
#include "tools/ca/dumps.h"

#include <sys/prctl.h>

void dumps_forbid(struct dumps *was)
{
    if (getrlimit(RLIMIT_CORE, &was->limit) != 0)
        was->limit = (struct rlimit){0, 0};
    was->dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, was->limit.rlim_max});
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void dumps_restore(const struct dumps *was)
{
    setrlimit(RLIMIT_CORE, &was->limit);
    if (was->dumpable == 1)
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
