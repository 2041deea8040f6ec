// selection: the first word is a capture when it is there, or looks like one; all others are the
// filter, so that one of several words needs no quotes:
//
//   ls capture.db status = 500 and host ~ ^api
//
// The filter is judged before the capture is looked for: a slip in it costs no time.
#include "tools/selection.h"

#include "proto/base/clock.h"
#include "tools/cli.h"

#include <stdlib.h>

static int out_of_memory(void)
{
    cli_error("out of memory");
    return CLI_FAILED;
}

// The words of a filter, joined by blanks.
static char *join(int argc, char **argv)
{
    size_t n = 1;
    for (int i = 0; i < argc; i++)
        n += strlen(argv[i]) + 1;
    char *text = calloc(1, n), *at = text;
    for (int i = 0; text && i < argc; i++) {
        size_t length = strlen(argv[i]);
        if (i > 0)
            *at++ = ' ';
        memcpy(at, argv[i], length);
        at += length;
    }
    return text;
}

int selection_parse(struct selection *s, int argc, char **argv)
{
    char why[WHY_MAX];
    const char *path = NULL;
    size_t column = 0;
    *s = (struct selection){0};
    if (argc > 0 && capture_names(argv[0])) {
        path = argv[0];
        argc--;
        argv++;
        if (argc > 0 && capture_is_name(argv[0])) {
            cli_error("one capture only, or a folder of several: not '%s' as well", argv[0]);
            return CLI_USAGE;
        }
    }
    s->text = join(argc, argv);
    if (!s->text)
        return out_of_memory();
    int e = filter_parse(view_of(s->text), clock_wall_us(), &s->filter, &column, why);
    if (e == E_NOMEM)
        return out_of_memory();
    if (e) {
        fflush(stdout);
        filter_print_error(stderr, view_of(s->text), column, why);
        if (!path && !strpbrk(argv[0], " =<>~()"))
            fprintf(stderr, "(and there is no file named '%s')\n", argv[0]);
        return CLI_USAGE;
    }
    return capture_find(&s->capture, path);
}

void selection_clear(struct selection *s)
{
    filter_free(s->filter);
    free(s->text);
    capture_clear(&s->capture);
    *s = (struct selection){0};
}
