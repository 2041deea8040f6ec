#include "proxy/privs.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int privs_drop(uint32_t uid, char why[WHY_MAX])
{
    if (geteuid() != 0 || uid == 0)
        return 0;
    int with_parent = 0; // the signal that a supervisor asked for at its own death
    (void)prctl(PR_GET_PDEATHSIG, &with_parent, 0, 0, 0);
    if (setgroups(0, NULL) || setgid(uid) || setuid(uid)) {
        snprintf(why, WHY_MAX, "cannot become user %u: %s", uid, strerror(errno));
        return err_from_errno(errno);
    }
    // The kernel forgets it with the change of user.
    if (prctl(PR_SET_PDEATHSIG, with_parent, 0, 0, 0)) {
        snprintf(why, WHY_MAX, "cannot follow the supervisor's death: %s", strerror(errno));
        return err_from_errno(errno);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        snprintf(why, WHY_MAX, "cannot forbid new privileges: %s", strerror(errno));
        return err_from_errno(errno);
    }
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
