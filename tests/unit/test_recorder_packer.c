// Sealed files are packed in a process of its own, one after the other; it ends when it is told to,
// and when the recorder dies.
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "recorder/packer.h"
#include "schema/identity.h"
#include "schema/pack.h"
#include "tests/support/ask.h"
#include "tests/support/sample.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES 3

static struct sample s;
static char files[FILES][TMP_PATH];
static struct retain sealed;
static int64_t now = 2000000000 * US_PER_S;

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    sample_begin(&s, "capture.db");
    for (int i = 0; i < FILES; i++) {
        char name[32];
        sample_many(&s, 1000);
        sample_rotate(&s);
        snprintf(name, sizeof name, "capture-%06d.db", i + 1);
        tmp_path(files[i], s.dir, name);
    }
    sample_close(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    retain_clear(&sealed);
    sample_remove(&s);
    return 0;
}

static struct packer *new_packer(void)
{
    const char *bin = getenv("TAPEDECK_BIN");
    char program[1024];
    snprintf(program, sizeof program, "%s/tapedeck-recorder", bin ? bin : "../build/bin");
    struct packer *p = packer_new(program);
    assert_non_null(p);
    return p;
}

static void sweep(struct packer *p)
{
    const struct retain_conf conf = {.pack = true};
    struct retain_live live = {.path = s.path};
    char why[WHY_MAX];
    struct store *store;
    assert_int_equal(store_open(&store, s.path, STORE_READ, why), 0);
    assert_int_equal(store_identity(store, &live.id), 0);
    store_close(store);
    assert_int_equal(retain_sweep(&sealed, &conf, &live, now), 0);
    packer_swept(p, &sealed);
    packer_tend(p, &sealed, s.path, now);
}

static void pause_ms(int ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static bool becomes_packed(struct packer *p, const char *path)
{
    for (int i = 0; i < 12000; i++) {
        packer_tend(p, &sealed, s.path, now);
        if (ask_is_packed(path))
            return true;
        pause_ms(5);
    }
    return false;
}

static void unpack_all(void)
{
    char beside[TMP_PATH + 16], why[WHY_MAX];
    for (int i = 0; i < FILES; i++) {
        snprintf(beside, sizeof beside, "%s" PACK_BESIDE, files[i]);
        assert_int_not_equal(access(beside, F_OK), 0);
        if (ask_is_packed(files[i]))
            assert_int_equal(pack_unpack(files[i], NULL, NULL, NULL, why), 0);
    }
}

// ---- processes

static char state_of(pid_t pid, pid_t *parent)
{
    char name[64], text[512] = "", state = 0;
    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(name, "re");
    int up = 0;
    if (f && fgets(text, sizeof text, f) && strrchr(text, ')'))
        sscanf(strrchr(text, ')'), ") %c %d", &state, &up);
    if (f)
        fclose(f);
    *parent = up;
    return state;
}

// A process that was begun by that one; 0: none.
static pid_t child_of(pid_t parent)
{
    pid_t found = 0, up;
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    for (struct dirent *d; (d = readdir(proc)) && !found;) {
        pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
        if (pid > 0 && state_of(pid, &up) != 0 && up == parent)
            found = pid;
    }
    closedir(proc);
    return found;
}

static bool is_gone(pid_t pid)
{
    pid_t up;
    for (int i = 0; i < 4000; i++) {
        char state = state_of(pid, &up);
        if (state == 0 || state == 'Z')
            return true;
        pause_ms(5);
    }
    return false;
}

// It has the lowest priority from its beginning on.
static bool is_at_work(pid_t pid)
{
    pid_t up;
    for (int i = 0; i < 20000 && state_of(pid, &up) != 'Z'; i++) {
        if (getpriority(PRIO_PROCESS, (id_t)pid) == 19)
            return true;
        pause_ms(1);
    }
    return false;
}

// ---- tests

static void test_all_in_turn(void **state)
{
    char other[TMP_PATH];
    (void)state;
    struct packer *p = new_packer();
    // One that cannot be packed keeps no other from it, and is tried again when it was changed.
    assert_int_equal(link(files[0], tmp_path(other, s.dir, "other")), 0);
    sweep(p);
    assert_true(becomes_packed(p, files[1]) && becomes_packed(p, files[2]));
    assert_false(ask_is_packed(files[0]));
    assert_int_equal(unlink(other), 0);
    sweep(p);
    assert_true(becomes_packed(p, files[0]));
    packer_free(p);
    assert_int_equal(child_of(getpid()), 0);
    unpack_all();
    // What is not there any more as its turn comes.
    assert_int_equal(rename(files[0], tmp_path(other, s.dir, "other")), 0);
    p = new_packer();
    sweep(p);
    assert_int_equal(rename(other, files[0]), 0);
    assert_true(becomes_packed(p, files[1]) && becomes_packed(p, files[2]));
    packer_free(p);
    unpack_all();
}

// Whenever it ends, each file is whole, and nothing is left.
static void test_ended(void **state)
{
    (void)state;
    packer_free(NULL);
    for (int i = 0; i < 40; i++) {
        struct packer *p = new_packer();
        sweep(p);
        pause_ms(i * 2);
        packer_tend(p, &sealed, s.path, now);
        if (i % 3 == 0)
            sweep(p);
        if (i % 3 == 1)
            packer_stop(p);
        packer_tend(p, &sealed, s.path, now);
        packer_free(p);
        assert_int_equal(child_of(getpid()), 0);
        unpack_all();
    }
}

// A process that is killed, or was stopped: its file waits, the others do not.
static void test_killed(void **state)
{
    (void)state;
    struct packer *p = new_packer();
    sweep(p);
    pid_t child = child_of(getpid());
    assert_int_not_equal(child, 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_true(is_gone(child));
    for (int i = 0; i < FILES; i++)
        assert_true(ask_is_packed(files[i]) || i > 0 || becomes_packed(p, files[1]));
    assert_true(becomes_packed(p, files[1]) && becomes_packed(p, files[2]));
    now += RETAIN_AGAIN_MIN_US;
    sweep(p);
    assert_true(becomes_packed(p, files[0]));
    // The file that it is at goes.
    packer_free(p);
    unpack_all();
    p = new_packer();
    retain_clear(&sealed);
    sweep(p);
    child = child_of(getpid());
    assert_int_equal(kill(child, SIGSTOP), 0);
    char other[TMP_PATH];
    if (!ask_is_packed(files[0])) {
        assert_int_equal(rename(files[0], tmp_path(other, s.dir, "other")), 0);
        sweep(p);
        assert_true(is_gone(child));
        assert_int_equal(rename(other, files[0]), 0);
    }
    packer_free(p);
    unpack_all();
}

static void test_no_program(void **state)
{
    (void)state;
    struct packer *p = packer_new("/nonexistent/tapedeck-recorder");
    assert_non_null(p);
    sweep(p);
    packer_tend(p, &sealed, s.path, now);
    assert_int_equal(child_of(getpid()), 0);
    packer_free(p);
    // One that says nothing: all files wait.
    p = packer_new("/bin/true");
    sweep(p);
    for (int i = 0; i < 100; i++) {
        packer_tend(p, &sealed, s.path, now);
        pause_ms(5);
    }
    packer_free(p);
    retain_clear(&sealed);
    unpack_all();
}

// It has nothing open but its files and what it is given, stands behind everybody, and dies with
// the recorder, even where it stands still.
static void test_dies_with_recorder(void **state)
{
    (void)state;
    int ready[2];
    retain_clear(&sealed);
    assert_int_equal(pipe(ready), 0); // inherited, unless it is closed
    pid_t recorder = fork();
    assert_true(recorder >= 0);
    if (recorder == 0) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        sweep(new_packer());
        pid_t child = child_of(getpid());
        if (is_at_work(child))
            kill(child, SIGSTOP);
        (void)!write(ready[1], &child, sizeof child);
        for (;;)
            pause();
    }
    pid_t child = 0, up;
    assert_int_equal(read(ready[0], &child, sizeof child), sizeof child);
    assert_true(child > 0);
    for (int i = 0; i < 2000 && state_of(child, &up) != 'T'; i++)
        pause_ms(5);
    assert_int_equal(up, recorder);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)child), 19);
    for (int fd = 3; fd < 64; fd++) {
        char name[64], file[TMP_PATH] = "";
        snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)child, fd);
        if (readlink(name, file, sizeof file - 1) > 0)
            assert_memory_equal(file, s.dir, strlen(s.dir));
    }
    char name[64], line[256];
    snprintf(name, sizeof name, "/proc/%d/status", (int)child);
    FILE *f = fopen(name, "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "SigBlk:", 7) == 0)
            assert_int_equal(strtoull(line + 7, NULL, 16), 0);
    fclose(f);
    assert_int_equal(kill(recorder, SIGKILL), 0);
    assert_int_equal(waitpid(recorder, NULL, 0), recorder);
    assert_true(is_gone(child));
    close(ready[0]);
    close(ready[1]);
    // What it left is taken over.
    struct packer *p = new_packer();
    sweep(p);
    for (int i = 0; i < FILES; i++)
        assert_true(becomes_packed(p, files[i]));
    packer_free(p);
    unpack_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_in_turn),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_no_program),
        cmocka_unit_test(test_dies_with_recorder),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
