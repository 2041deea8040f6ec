// A command line and an environment: the input's lines. One that begins with TAPEDECK_ is of the
// environment, every other one is a word of the command line. Whatever is accepted must come out of
// JSON and dump, and be accepted again.
#include "proto/base/err.h"
#include "proto/settings.h"

#include <stdlib.h>

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_values(const struct options *o)
{
    struct buf json;
    char why[WHY_MAX], names[WHY_MAX];
    FILE *nowhere = fopen("/dev/null", "w");
    buf_init(&json, 1 << 22);
    if (options_json(o, &json) || (nowhere && options_dump(o, nowhere)))
        abort();
    if (nowhere)
        fclose(nowhere);
    buf_clear(&json);

    struct options *again = options_new(settings_table, FOR_RUN);
    for (const struct option_def *d = settings_table; again && d->name; d++)
        for (size_t i = 0; (d->programs & FOR_RUN) && i < options_count(o, d->name); i++) {
            const char *value = options_nth(o, d->name, i);
            if (options_set(again, d->name, view_of(value ? value : ""), OPT_BY_COMMAND, NULL, why))
                abort();
        }
    if (again && options_frozen_changes(o, again, names))
        abort();
    options_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[WORDS_MAX + 2] = {"tapedeck"}, *envp[WORDS_MAX + 1] = {NULL}, why[WHY_MAX];
    int argc = 1, envc = 0, rest;
    char *text = malloc(size + 1);
    struct options *o = options_new(settings_table, FOR_RUN);
    if (!text || !o)
        goto out;
    memcpy(text, data, size);
    text[size] = 0;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "TAPEDECK_", 9) == 0 && envc < WORDS_MAX)
            envp[envc++] = line;
        else if (argc <= WORDS_MAX)
            argv[argc++] = line;
    }
    if (options_environment(o, envp, why) == 0 && options_command(o, argc, argv, &rest, why) == 0) {
        if (rest < 1 || rest > argc)
            abort();
        check_values(o);
    }
out:
    options_free(o);
    free(text);
    return 0;
}
