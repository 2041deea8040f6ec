// out: the temporary file stands in the folder of the file that is meant, behind all links, so that
// the rename is one step.
//
// One file at a time is remembered for the signal handler, which only unlinks it and dies of the
// same signal.
#include "tools/out.h"

#include "schema/sqlite_head.h"
#include "tools/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT_BUFFER (64u << 10)

static char *volatile at_risk;

static void die(int signal_number)
{
    if (at_risk)
        unlink(at_risk);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void guard(char *temp)
{
    static const int deadly[] = {SIGINT, SIGTERM, SIGHUP};
    at_risk = temp;
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        struct sigaction now;
        if (sigaction(deadly[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) // nohup
            signal(deadly[i], temp ? die : SIG_DFL);
    }
}

static int failed(struct out *o, const char *path)
{
    cli_error("%s: %s", path, strerror(errno));
    if (o->temp)
        unlink(o->temp);
    guard(NULL);
    free(o->path);
    free(o->temp);
    *o = (struct out){0};
    return CLI_FAILED;
}

static int open_temp(struct out *o, const char *path)
{
    struct stat st;
    o->path = realpath(path, NULL); // through a link to the file that it means
    if (!o->path && lstat(path, &st) == 0)
        return failed(o, path); // a link that leads nowhere
    if (!o->path)
        o->path = strdup(path);
    if (!o->path || asprintf(&o->temp, "%s.XXXXXX", o->path) < 0) {
        o->temp = NULL;
        errno = ENOMEM;
        return failed(o, path);
    }
    int fd = mkstemp(o->temp); // 0600
    if (fd < 0) {
        int e = errno;
        free(o->temp);
        o->temp = NULL;
        errno = e;
        return failed(o, path);
    }
    guard(o->temp);
    o->f = fdopen(fd, "w");
    if (!o->f) {
        close(fd);
        return failed(o, path);
    }
    return CLI_OK;
}

// No command writes databases: where --out names one, it was meant to be read.
static bool is_database(const char *path)
{
    char head[sizeof SQLITE_HEAD_MAGIC];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is =
        fd >= 0 && read(fd, head, sizeof head) == (ssize_t)sizeof head && sqlite_head_is(head);
    if (fd >= 0)
        close(fd);
    return is;
}

int out_open(struct out *o, const char *path)
{
    struct stat st;
    int code = CLI_OK;
    *o = (struct out){0};
    if (!path || strcmp(path, "-") == 0) {
        o->f = stdout;
        return CLI_OK;
    }
    bool there = stat(path, &st) == 0;
    if (there && S_ISREG(st.st_mode) && is_database(path)) {
        cli_error("%s: it is a database; --out does not replace one", path);
        return CLI_USAGE;
    }
    if (there && !S_ISREG(st.st_mode)) {
        o->f = fopen(path, "w");
        if (!o->f)
            code = failed(o, path);
    } else {
        code = open_temp(o, path);
    }
    if (code == CLI_OK) {
        o->opened = true;
        setvbuf(o->f, NULL, _IOFBF, OUT_BUFFER);
    }
    return code;
}

// Whether writing failed because nobody reads any more.
static bool nobody_reads(FILE *f)
{
    struct pollfd p = {.fd = fileno(f), .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP));
}

int out_close(struct out *o, bool keep)
{
    if (!o->f)
        return CLI_OK;
    int code = CLI_OK;
    bool bad = fflush(o->f) != 0 || ferror(o->f);
    if (bad && !nobody_reads(o->f)) {
        cli_error("%s: cannot write: %s", o->path ? o->path : "output",
                  errno ? strerror(errno) : "an earlier write failed");
        code = CLI_FAILED;
    }
    if (bad)
        clearerr(o->f);
    if (o->opened && fclose(o->f) != 0 && !bad) {
        cli_error("%s: cannot write: %s", o->path ? o->path : "output", strerror(errno));
        code = CLI_FAILED;
    }
    if (o->temp) {
        if (code != CLI_OK || !keep)
            unlink(o->temp);
        else if (rename(o->temp, o->path) != 0) {
            cli_error("%s: %s", o->path, strerror(errno));
            unlink(o->temp);
            code = CLI_FAILED;
        }
        guard(NULL);
    }
    free(o->path);
    free(o->temp);
    *o = (struct out){0};
    return code;
}
