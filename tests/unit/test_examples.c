// The examples that --help and the topics print run as they are printed.
#include "tests/support/ask.h"
#include "tests/support/program.h"
#include "tests/support/sample.h"
#include "tools/commands.h"
#include "tools/env/vars.h"
#include "tools/help/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct sample sample;

// A capture under the default name with a transaction 1.57, a folder of captures, a certificate
// authority, and stand-ins for the programs that are called, which may not be installed.
static int set_up(void **state)
{
    static const char *const pipes[] = {"jq", "less", "man", "curl", "go", "java", "dot"};
    static const char cat[] = "#!/bin/sh\nexec cat\n";
    struct program p;
    char script[4 * TMP_PATH], name[64], path[TMP_PATH];
    (void)state;
    for (const struct vars_row *row = vars_table; row->name; row++)
        unsetenv(row->name); // of the machine that tests
    sample_begin(&sample, "capture.db");
    sample_many(&sample, 60);
    sample_finish(&sample);
    snprintf(script, sizeof script,
             "cd %s && mkdir -p bin captures archive share .zfunc .config/fish/completions && "
             "cp capture.db captures/ && cp capture.db archive/capture-000001.db && "
             "mkdir -p java/bin java/lib/security && : > java/lib/security/cacerts && "
             "cp /bin/true java/bin/keytool && tapedeck ca init --tls-ca-dir own && "
             "cp own/tapedeck-ca.crt my-ca.pem && cp own/tapedeck-ca.key my-ca.key",
             sample.dir);
    program_shell(&p, script);
    assert_int_equal(p.code, 0);
    program_clear(&p);
    // As a sealed one is.
    ask_change(tmp_path(path, sample.dir, "archive/capture-000001.db"),
               "PRAGMA journal_mode = DELETE");
    for (size_t i = 0; i < sizeof pipes / sizeof *pipes; i++) {
        snprintf(name, sizeof name, "bin/%s", pipes[i]);
        tmp_write(tmp_path(path, sample.dir, name), cat, sizeof cat - 1);
        chmod(path, 0755);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sample_remove(&sample);
    return 0;
}

static void runs(const char *line, size_t n)
{
    struct program p;
    char script[4096], path[TMP_PATH];
    // What would run for ever is stopped, what would take ports is only checked.
    bool is_tail = strncmp(line, "tapedeck tail", 13) == 0;
    bool is_mock = strncmp(line, "tapedeck mock ", 14) == 0;
    // What it would run may not be here: its options are judged before that is found out.
    bool is_record = strncmp(line, "tapedeck record", 15) == 0;
    const char *command = is_record || is_mock ? memmem(line, n, " -- ", 4) : NULL;
    bool is_run = strncmp(line, "tapedeck run", 12) == 0 || (is_mock && !command);
    // Where there is nobody to replay to: its options are judged before that is found out.
    bool is_replay = strncmp(line, "tapedeck replay", 15) == 0;
    if (command)
        n = (size_t)(command - line);
    snprintf(script, sizeof script,
             "export HOME=%s TAPEDECK_CAPTURE= XDG_DATA_HOME=\n"
             "export JAVA_HOME=$HOME/java SSL_CERT_FILE=$HOME/my-ca.pem\nPATH=$HOME/bin:$PATH\ncd "
             "$HOME\nset -o pipefail\n"
             "%s%.*s%s\n",
             sample.dir, is_tail ? "timeout --preserve-status 1 " : "", (int)n, line,
             is_run      ? " --dump-options"
             : is_replay ? " --target http://127.0.0.1:9 2>replay.said || grep -q 'cannot be "
                           "reached' replay.said"
             : command   ? " -- ./no-such 2>no-such.said || test $? = 127"
                         : "");
    tmp_write(tmp_path(path, sample.dir, "script"), script, strlen(script));
    snprintf(script, sizeof script, "bash %s", path);
    program_shell(&p, script);
    if (p.code || p.err_n)
        fprintf(stderr, "%.*s\n%s", (int)n, line, p.err);
    assert_int_equal(p.code, 0);
    assert_int_equal(p.err_n, 0);
    program_clear(&p);
}

static void each_line(const char *lines)
{
    while (*lines) {
        size_t n = strcspn(lines, "\n");
        runs(lines, n);
        lines += n + (lines[n] == '\n');
    }
}

static void test_commands(void **state)
{
    (void)state;
    for (const struct command *const *c = command_table; *c; c++)
        each_line((*c)->example);
}

static void test_topics(void **state)
{
    (void)state;
    for (const struct topic *t = topics; t->name; t++)
        if (t->example)
            each_line(t->example);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_topics),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
