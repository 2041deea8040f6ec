#include "proxy/privs.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static int fail(char why[WHY_MAX], const char *what)
{
    int e = err_from_errno(errno);
    snprintf(why, WHY_MAX, "%s: %s", what, strerror(errno));
    return e;
}

static int no_user(char why[WHY_MAX], uint32_t uid)
{
    char what[64];
    snprintf(what, sizeof what, "cannot become user %u", uid);
    return fail(why, what);
}

// With change: the kernel forgets the signal that a supervisor asked for at its own death whenever
// a user or group changes.
static int keep_signal(int (*change)(uint32_t uid), uint32_t uid, char why[WHY_MAX])
{
    int with_parent = 0;
    (void)prctl(PR_GET_PDEATHSIG, &with_parent, 0, 0, 0);
    if (change(uid))
        return no_user(why, uid);
    return prctl(PR_SET_PDEATHSIG, with_parent, 0, 0, 0)
               ? fail(why, "cannot follow the supervisor's death")
               : 0;
}

// As the saved user it can be taken later without asking for leave.
static int save(uint32_t uid)
{
    return setgroups(0, NULL) || setgid(uid) || setresuid((uid_t)-1, (uid_t)-1, uid);
}

static int become(uint32_t uid)
{
    return setresuid(uid, uid, uid);
}

int privs_prepare(uint32_t uid, char why[WHY_MAX])
{
    if (geteuid() != 0 || uid == 0)
        return 0;
    int e = keep_signal(save, uid, why);
    if (e == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        e = fail(why, "cannot forbid new privileges");
    return e;
}

int privs_drop(uint32_t uid, char why[WHY_MAX])
{
    return geteuid() != 0 || uid == 0 ? 0 : keep_signal(become, uid, why);
}

int privs_no_dumps(char why[WHY_MAX])
{
    // The limit alone does not keep the kernel from handing a dump to a program.
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return fail(why, "cannot forbid core dumps");
    return 0;
}

uint64_t privs_raise_files(uint64_t wanted)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r))
        return 0;
    if (r.rlim_max < wanted) {
        struct rlimit more = {.rlim_cur = wanted, .rlim_max = wanted};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            return wanted;
    }
    rlim_t before = r.rlim_cur;
    r.rlim_cur = r.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &r) == 0 ? r.rlim_max : before;
}
