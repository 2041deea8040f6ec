// Packed captures as a user has them: the built programs, and sqlite3 with our extension.
#include "tests/support/program.h"
#include "tests/support/sample.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct sample sample;
static char path[TMP_PATH];

// A folder of three files: two sealed ones, and the live one.
static int set_up(void **state)
{
    (void)state;
    sample_begin(&sample, "capture.db");
    sample_many(&sample, 500);
    sample_rotate(&sample);
    sample_many(&sample, 700);
    sample_rotate(&sample);
    sample_many(&sample, 5);
    sample_finish(&sample);
    tmp_path(path, sample.dir, "capture-000001.db");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sample_remove(&sample);
    return 0;
}

static struct program *shell(struct program *p, const char *script)
{
    char whole[4096];
    snprintf(whole, sizeof whole, "cd %s\n%s", sample.dir, script);
    program_shell(p, whole);
    return p;
}

// What the script says, in memory of the caller's; code: what it ends with.
static char *output(const char *script, int code)
{
    struct program p;
    shell(&p, script);
    if (p.code != code)
        fail_msg("%s: exit %d, %s", script, p.code, p.err);
    char *out = strdup(p.out);
    assert_non_null(out);
    program_clear(&p);
    return out;
}

static void runs(const char *script)
{
    free(output(script, 0));
}

static void fails(const char *script, const char *what)
{
    struct program p;
    shell(&p, script);
    if (p.code == 0)
        fail_msg("%s: exit 0, %s", script, p.out);
    assert_true(program_says(p.err, what));
    size_t lines = 0;
    for (const char *c = p.err; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 1);
    program_clear(&p);
}

// ---- the same answers

static const char *const questions[] = {
    "tapedeck ls capture-000001.db",
    "tapedeck ls capture-000001.db 'status >= 400 and path ~ \"9$\"' --json",
    "tapedeck show capture-000001.db 1.7",
    "tapedeck query capture-000001.db 'SELECT * FROM endpoints'",
    "tapedeck query capture-000001.db 'SELECT txn, side, hex(bytes) FROM content' --json",
    "tapedeck query capture-000001.db 'SELECT count(*), sum(sum % 1000) FROM txn'",
    "tapedeck stats capture-000001.db",
    "tapedeck verify capture-000001.db",
    "tapedeck export jsonl capture-000001.db",
    "tapedeck export har capture-000001.db",
    "tapedeck export csv capture-000001.db",
    "tapedeck export curl capture-000001.db 'n < 3'",
    "tapedeck ls . 'status = 500'",
    "tapedeck verify .",
    "tapedeck stats .",
};
#define QUESTIONS (sizeof questions / sizeof *questions)

static void test_same_answers(void **state)
{
    char *before[QUESTIONS];
    (void)state;
    runs("cp capture-000001.db was-1 && cp capture-000002.db was-2");
    for (size_t i = 0; i < QUESTIONS; i++)
        before[i] = output(questions[i], 0);
    char *said = output("tapedeck pack capture-000001.db capture-000002.db", 0);
    assert_true(program_says(said, "capture-000001.db: "));
    assert_true(program_says(said, "capture-000002.db: "));
    assert_true(program_says(said, ", was "));
    free(said);
    for (size_t i = 0; i < QUESTIONS; i++) {
        char *now = output(questions[i], 0);
        if (strcmp(before[i], now) != 0)
            fail_msg("%s: not as before", questions[i]);
        free(now);
        free(before[i]);
    }
    said = output("tapedeck pack capture-0*.db", 0);
    assert_true(program_says(said, "capture-000001.db: packed already"));
    free(said);
    runs("tapedeck unpack --quiet capture-0*.db && cmp capture-000001.db was-1 &&"
         " cmp capture-000002.db was-2 && rm was-1 was-2");
}

static void test_refused(void **state)
{
    (void)state;
    fails("tapedeck pack capture.db", "capture.db: a live file");
    fails("tapedeck pack nothing.db", "nothing.db: ");
    // Too large for it, as no file is that can be made small.
    fails("cp capture-000001.db large.db; truncate -s 1025G large.db && tapedeck pack large.db ||"
          " { rm -f large.db; exit 1; }",
          "large.db: it is too large");
    fails("tapedeck pack .", "not a file");
    fails("echo text > text.db; tapedeck pack text.db", "text.db: not a capture");
    fails("tapedeck unpack capture-000001.db", "capture-000001.db: not a packed capture");
    fails("tapedeck pack capture-000001.db --to text.db", "text.db: it is there already");
    struct program p;
    shell(&p, "rm text.db; tapedeck pack");
    assert_int_equal(p.code, 2);
    program_clear(&p);
    shell(&p, "tapedeck pack capture-000001.db capture-000002.db --to x");
    assert_int_equal(p.code, 2);
    assert_true(program_says(p.err, "--to takes one capture"));
    program_clear(&p);
    // One that fails does not keep the others from it.
    shell(&p, "cp capture-000001.db one.db; tapedeck pack nothing.db one.db");
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.out, "one.db: "));
    program_clear(&p);
    runs("rm one.db");
}

// The last file of a recorder that ended says the same when it is packed, and stays what the next
// recorder goes on with.
static void test_last_file(void **state)
{
    static const char *const asked[] = {
        "tapedeck ls $F --json",
        "tapedeck query $F 'SELECT * FROM endpoints'",
        "tapedeck query $F 'SELECT txn, side, hex(bytes) FROM content' --json",
        "tapedeck stats $F",
        "tapedeck verify $F",
        "tapedeck export jsonl $F",
        "tapedeck export har $F",
    };
    (void)state;
    fails("tapedeck pack capture.db", "give --to, to pack it into another file");
    runs("cp capture.db was.db && mkdir packed && "
         "tapedeck pack capture.db --to packed/last.db && cmp capture.db was.db");
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        char plain[256], packed[256];
        snprintf(plain, sizeof plain, "F=capture.db; %s", asked[i]);
        snprintf(packed, sizeof packed, "F=packed/last.db; %s", asked[i]);
        char *before = output(plain, 0), *now = output(packed, 0);
        assert_string_equal(before, now);
        free(before);
        free(now);
    }
    runs("test \"$(ls packed)\" = last.db && tapedeck unpack packed/last.db &&"
         " cmp packed/last.db was.db && rm -r packed was.db");
}

// A signal between two files ends it, and what was not done is no success.
static void test_interrupted(void **state)
{
    enum { FILES = 4000 }; // more lines than a pipe takes
    struct program p;
    const char **words = calloc(FILES + 3, sizeof *words);
    (void)state;
    assert_non_null(words);
    runs("tapedeck pack capture-000001.db");
    words[0] = "tapedeck";
    words[1] = "pack";
    for (int i = 0; i < FILES; i++)
        words[2 + i] = path;
    program_start(&p, words, NULL);
    assert_true(program_wait_for(&p, "packed already"));
    program_end(&p, SIGTERM);
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, "interrupted; "));
    program_clear(&p);
    free(words);
    runs("tapedeck unpack capture-000001.db");
}

// What a recorder says that is to write to a packed file.
static void test_written(void **state)
{
    (void)state;
    runs("tapedeck pack capture-000001.db --to packed.db");
    struct program p;
    shell(&p, "tapedeck-recorder --listen unix:$PWD/socket --capture packed.db");
    assert_int_equal(p.code, 2);
    assert_true(program_says(p.err, "a packed capture is only read; tapedeck unpack unpacks it"));
    program_clear(&p);
    runs("rm packed.db");
}

static void test_damaged(void **state)
{
    struct program p;
    (void)state;
    runs("tapedeck pack capture-000001.db --to packed.db && "
         "printf XXXX | dd of=packed.db bs=1 conv=notrunc seek=$(($(stat -c %s packed.db) / 2)) "
         "2>/dev/null");
    shell(&p, "tapedeck verify packed.db");
    assert_int_equal(p.code, 2);
    assert_true(program_says(p.out, "damage: group "));
    assert_true(program_says(p.out, "does not match its checksum: pages "));
    assert_true(program_says(p.out, "verdict"));
    program_clear(&p);
    shell(&p, "tapedeck ls packed.db | wc -l");
    assert_true(strtol(p.out, NULL, 10) > 200);
    program_clear(&p);
    fails("tapedeck unpack packed.db", "packed.db: damaged at page ");
    runs("rm packed.db");
}

// ---- sqlite3

static void test_sqlite3(void **state)
{
    static const char ask[] =
        "\"SELECT count(*), sum(duration), max(path) FROM http\" \"PRAGMA integrity_check\"";
    char script[1024],
        *bin =
            realpath(getenv("TAPEDECK_BIN") ? getenv("TAPEDECK_BIN") : "../build-test/bin", NULL);
    struct program p;
    (void)state;
    assert_non_null(bin);
    shell(&p, "sqlite3 -version");
    bool is_here = p.code == 0;
    program_clear(&p);
    snprintf(script, sizeof script, "%s/../lib/tapedeck-sqlite.so", bin);
    if (!is_here || access(script, R_OK) != 0) {
        free(bin);
        skip();
    }
    snprintf(script, sizeof script, "sqlite3 capture-000001.db %s", ask);
    char *before = output(script, 0);
    assert_true(program_says(before, "\nok\n"));
    runs("tapedeck pack capture-000001.db --to packed.db");
    snprintf(
        script, sizeof script,
        "sqlite3 :memory: '.load %s/../lib/tapedeck-sqlite' '.open file:packed.db?vfs=tapedeck' %s",
        bin, ask);
    char *now = output(script, 0);
    assert_string_equal(before, now);
    free(now);
    // Plain files are read by it as well; a packed one is not written to.
    snprintf(script, sizeof script,
             "sqlite3 :memory: '.load %s/../lib/tapedeck-sqlite' "
             "'.open file:capture-000001.db?vfs=tapedeck' %s",
             bin, ask);
    now = output(script, 0);
    assert_string_equal(before, now);
    free(now);
    snprintf(script, sizeof script,
             "sqlite3 :memory: '.load %s/../lib/tapedeck-sqlite' "
             "'.open file:packed.db?vfs=tapedeck' 'DELETE FROM txn'",
             bin);
    shell(&p, script);
    assert_int_not_equal(p.code, 0);
    assert_true(program_says(p.err, "readonly database"));
    program_clear(&p);
    runs("rm packed.db");
    free(before);
    free(bin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_answers), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_written),      cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_last_file),    cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_sqlite3),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
