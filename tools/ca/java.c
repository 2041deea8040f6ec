// java: keytool does the work, on a copy in a folder of ours:
//
//   cacerts ─copy─▶ /tmp/tapedeck-…/store ◀─keytool -importcert─ /tmp/tapedeck-…/ca.pem
//                          └─▶ read into memory; the folder goes away
//
// keytool is run by its path, without a shell. It gets the password by the environment, where other
// users cannot see it.
#include "tools/ca/java.h"

#include "proto/base/whole_file.h"
#include "proto/digest.h"
#include "tools/ca/roots.h"
#include "tools/run/place.h"
#include "tools/which.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSWORD_NAME "TAPEDECK_STOREPASS"
#define SAID_MAX      4096  // bytes of keytool's words that are looked at
#define KEYTOOL_MS    30000 // a second, as a rule
#define POLL_MS       10

struct work {
    char folder[PATH_MAX];
    char keytool[PATH_MAX], cacerts[PATH_MAX];
    char store[PATH_MAX], pem[PATH_MAX], said[PATH_MAX];
};

static bool put(char out[PATH_MAX], const char *folder, const char *name)
{
    return snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
}

static bool find_cacerts(struct work *w, const char *home)
{
    static const char *const names[] = {"lib/security/cacerts", "jre/lib/security/cacerts"};
    for (size_t i = 0; i < 2; i++)
        if (put(w->cacerts, home, names[i]) && access(w->cacerts, R_OK) == 0)
            return true;
    return false;
}

static int find(struct work *w, char why[WHY_MAX])
{
    const char *given = getenv("JAVA_HOME");
    char home[PATH_MAX];
    if (given && *given) {
        snprintf(home, sizeof home, "%s", given);
        if (!put(w->keytool, home, "bin/keytool") || access(w->keytool, X_OK) != 0) {
            snprintf(why, WHY_MAX, "JAVA_HOME is %.200s, where there is no bin/keytool", home);
            return E_NOTFOUND;
        }
    } else {
        if (!which_find("keytool", home) || !realpath(home, w->keytool)) {
            snprintf(why, WHY_MAX, "there is no keytool: neither JAVA_HOME nor PATH leads to Java");
            return E_NOTFOUND;
        }
        snprintf(home, sizeof home, "%s", w->keytool);
        for (int i = 0; i < 2; i++) { // without "/bin/keytool"
            char *slash = strrchr(home, '/');
            if (slash)
                *slash = 0;
        }
    }
    if (find_cacerts(w, home))
        return 0;
    snprintf(why, WHY_MAX, "%.200s: this Java has no lib/security/cacerts", home);
    return E_NOTFOUND;
}

static int make_folder(struct work *w, char why[WHY_MAX])
{
    int e = place_make(w->folder, sizeof w->folder, "tapedeck", why);
    if (e)
        return e;
    put(w->store, w->folder, "store");
    put(w->pem, w->folder, "ca.pem");
    put(w->said, w->folder, "said");
    return 0;
}

static void remove_folder(const struct work *w)
{
    if (!*w->folder)
        return;
    unlink(w->store);
    unlink(w->pem);
    unlink(w->said);
    rmdir(w->folder);
}

// In the child.
static void become(const struct work *w, char *const *words, const char *password)
{
    sigset_t none;
    int in = open("/dev/null", O_RDONLY), out = open(w->said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); // Ctrl-C ends it, whatever we have blocked
    signal(SIGPIPE, SIG_DFL);
    unsetenv("JAVA_TOOL_OPTIONS"); // it would be told in front of keytool's words
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
        setenv(PASSWORD_NAME, password, 1) != 0)
        _exit(126);
    execv(w->keytool, words);
    _exit(127);
}

// Its exit code; -1: a signal ended it, or its time was over.
static int end_of(pid_t pid)
{
    int status;
    for (int ms = 0; ms < KEYTOOL_MS; ms += POLL_MS) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        usleep(POLL_MS * 1000);
    }
    kill(pid, SIGKILL); // it may be where no signal comes: nobody waits for it
    return -1;
}

// As end_of().
static int keytool(const struct work *w, char *const *words, const char *password)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become(w, words, password);
    return pid > 0 ? end_of(pid) : -1;
}

// The line with the error among keytool's words, else the first.
static int complain(const struct work *w, char why[WHY_MAX])
{
    static const char mark[] = "keytool error: ";
    struct buf said;
    buf_init(&said, SAID_MAX + 1);
    if (roots_read(w->said, SAID_MAX, &said, why) != 0 || buf_len(&said) == 0) {
        snprintf(why, WHY_MAX, "%.300s: it could not be run", w->keytool);
        buf_clear(&said);
        return E_REFUSED;
    }
    struct view line = buf_view(&said);
    const char *at = memmem(line.p, line.n, mark, sizeof mark - 1);
    if (at)
        line = view_from(line, (size_t)(at - line.p) + sizeof mark - 1);
    line.n = view_find(line, '\n');
    snprintf(why, WHY_MAX, "%.200s: %.*s", w->keytool, (int)(line.n < 280 ? line.n : 280), line.p);
    buf_clear(&said);
    return E_REFUSED;
}

static int import(struct work *w, const char *alias, const char *password, char why[WHY_MAX])
{
    char words[][16] = {"-importcert", "-noprompt", "-alias", "-file", "-keystore", "-list"};
    char pass[] = "-storepass:env", name[] = PASSWORD_NAME, as[128];
    snprintf(as, sizeof as, "%s", alias);
    char *add[] = {w->keytool, words[0], words[1], words[2], as,   words[3],
                   w->pem,     words[4], w->store, pass,     name, NULL};
    int code = keytool(w, add, password);
    if (code == 0)
        return 0;
    if (code < 0) {
        snprintf(why, WHY_MAX, "%.300s: a signal ended it, or it took more than %d s", w->keytool,
                 KEYTOOL_MS / 1000);
        return E_REFUSED;
    }
    int e = complain(w, why);
    // Somebody has let this Java trust it already.
    char *list[] = {w->keytool, words[5], words[2], as, words[4], w->store, pass, name, NULL};
    return keytool(w, list, password) == 0 ? 0 : e;
}

int java_store(struct view ca, const char *alias, const char *password, struct buf *out,
               char why[WHY_MAX])
{
    struct work *w = calloc(1, sizeof *w);
    struct buf old;
    buf_init(&old, JAVA_STORE_MAX + 65536);
    if (!w) {
        snprintf(why, WHY_MAX, "%s", err_text(E_NOMEM));
        return E_NOMEM;
    }
    int e = find(w, why);
    e = e ? e : roots_read(w->cacerts, JAVA_STORE_MAX, &old, why);
    e = e ? e : make_folder(w, why);
    e = e ? e : whole_file_write(w->store, buf_view(&old), why);
    e = e ? e : whole_file_write(w->pem, ca, why);
    e = e ? e : import(w, alias, password, why);
    e = e ? e : roots_read(w->store, JAVA_STORE_MAX, out, why);
    remove_folder(w);
    buf_clear(&old);
    free(w);
    return e;
}

int java_identity(struct view ca, char out[JAVA_IDENTITY])
{
    struct work *w = calloc(1, sizeof *w);
    struct stat st;
    struct digest_state d;
    char why[WHY_MAX];
    if (!w)
        return E_NOMEM;
    int e = find(w, why);
    if (e == 0 && stat(w->cacerts, &st) != 0)
        e = E_NOTFOUND;
    if (e == 0) {
        int64_t facts[] = {(int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec,
                           (int64_t)st.st_mtim.tv_nsec, (int64_t)st.st_ino};
        unsigned char digest[DIGEST_SIZE];
        digest_begin(&d);
        digest_more(&d, view_n(w->cacerts, strlen(w->cacerts) + 1));
        digest_more(&d, view_n(facts, sizeof facts));
        digest_more(&d, ca);
        digest_end(&d, digest);
        digest_hex(digest, sizeof digest, out);
    }
    free(w);
    return e;
}
