#include "tests/support/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 64

static void nap(void)
{
    usleep(5000);
}

static void die(const struct service *p, const char *what)
{
    char *words = service_words(p);
    fprintf(stderr, "service: %s\n%s\n", what, words);
    free(words);
    if (p->pid)
        kill(p->pid, SIGKILL);
    abort();
}

static void run(const struct service *p, const char *name, char *const *args)
{
    char path[4096], ready[TMP_PATH + 32];
    char *argv[ARGS_MAX + 3] = {path, ready};
    const char *bin = getenv("TAPEDECK_BIN");
    snprintf(path, sizeof path, "%s/%s", bin ? bin : "build/bin", name);
    snprintf(ready, sizeof ready, "--ready-file=%s", p->ready);
    for (int i = 0; args[i] && i < ARGS_MAX; i++)
        argv[i + 2] = args[i];
    int fd = open(p->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    execv(path, argv);
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    _exit(127);
}

static uint16_t port_of(const char *text, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    const char *at = strstr(text, quoted);
    if (!at)
        return 0;
    at += strlen(quoted);
    const char *end = strchr(at, '"');
    while (end > at && end[-1] != ':')
        end--;
    return (uint16_t)strtoul(end, NULL, 10);
}

bool service_start(struct service *p, const char *name, char *const *args)
{
    struct stat st;
    tmp_path(p->log, p->dir, "log");
    tmp_path(p->ready, p->dir, "ready");
    unlink(p->ready);
    p->pid = fork();
    if (p->pid == 0)
        run(p, name, args);
    for (int i = 0; i < 4000; i++, nap()) {
        if (stat(p->ready, &st) == 0) {
            size_t n;
            char *text = tmp_read(p->ready, &n);
            text = realloc(text, n + 1);
            text[n] = 0;
            p->in = port_of(text, "in");
            p->out = port_of(text, "out");
            p->admin = port_of(text, "admin");
            free(text);
            return true;
        }
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
            return false;
    }
    die(p, "neither ready nor ended");
    return false;
}

int service_wait(struct service *p)
{
    int status;
    for (int i = 0; i < 4000; i++, nap()) {
        if (waitpid(p->pid, &status, WNOHANG) != p->pid)
            continue;
        p->pid = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    die(p, "does not end");
    return -1;
}

void service_signal(const struct service *p, int number)
{
    kill(p->pid, number);
}

char *service_words(const struct service *p)
{
    size_t n;
    struct stat st;
    if (stat(p->log, &st))
        return strdup("");
    char *text = tmp_read(p->log, &n);
    text = realloc(text, n + 1);
    text[n] = 0;
    return text;
}

void service_says(const struct service *p, const char *words)
{
    for (int i = 0; i < 2000; i++, nap()) {
        char *text = service_words(p);
        bool said = strstr(text, words) != NULL;
        free(text);
        if (said)
            return;
    }
    fprintf(stderr, "not said: %s\n", words);
    die(p, "keeps silent");
}
