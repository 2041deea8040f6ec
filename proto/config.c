// config: files of options, and the order of all sources.
//
//   options ←── command line ←── environment ←── --annotations FILE ←── YAML file (--config)
//
// The strongest source is applied first: a weaker one never replaces it, and the paths of the files
// may come from any source that is stronger than the file itself. What annotations mean is in
// config_annotations.c.
//
// A YAML file is read event by event, never as a tree, so its depth and its aliases cannot hurt.
#include "proto/config.h"

#include "proto/base/whole_file.h"

#include <yaml.h>

#define NAME_BYTES 64  // of an option's name, NUL included
#define SEEN_MAX   256 // options in one file

// ---- files

// The end of a long path, so that the line behind it is not cut off.
const char *config_shown(const char *path)
{
    size_t n = strlen(path);
    return n > CONFIG_SHOWN ? path + n - CONFIG_SHOWN : path;
}

typedef int reader(struct options *o, const char *path, struct view text, char why[WHY_MAX]);

static int with_file(reader *read, struct options *o, const char *path, char why[WHY_MAX])
{
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    int e = whole_file_read(path, CONFIG_FILE_MAX, &text, why);
    if (!e)
        e = read(o, path, buf_view(&text), why);
    buf_clear(&text);
    return e;
}

int config_file(struct options *o, const char *path, char why[WHY_MAX])
{
    return with_file(config_text, o, path, why);
}

int config_annotations(struct options *o, const char *path, char why[WHY_MAX])
{
    return with_file(config_annotations_text, o, path, why);
}

// ---- YAML

struct yaml {
    yaml_parser_t parser;
    yaml_event_t event; // the present one
    bool has_event;
    struct options *o;
    const char *path;
    struct view text;
    char *why;
    const struct option_def *seen[SEEN_MAX];
    size_t seen_count;
};

static int fail(struct yaml *y, size_t line, int e, const char *what)
{
    snprintf(y->why, WHY_MAX, "%s:%zu: %s", y->path, line + 1, what);
    return e;
}

static int next(struct yaml *y)
{
    if (y->has_event)
        yaml_event_delete(&y->event);
    y->has_event = yaml_parser_parse(&y->parser, &y->event) != 0;
    if (y->has_event)
        return 0;
    if (y->parser.error == YAML_MEMORY_ERROR)
        return fail(y, y->parser.mark.line, E_NOMEM, err_text(E_NOMEM));
    char what[200];
    snprintf(what, sizeof what, "this is no YAML: %.160s",
             y->parser.problem ? y->parser.problem : "bad syntax");
    size_t line = y->parser.problem_mark.line;
    if (y->parser.error == YAML_READER_ERROR) // is told as an offset
        for (struct view rest = view_head(y->text, y->parser.problem_offset); rest.n > 0; line++) {
            size_t n = view_find(rest, '\n');
            if (n == rest.n)
                break;
            rest = view_from(rest, n + 1);
        }
    return fail(y, line, E_SYNTAX, what);
}

static size_t line_of(const struct yaml *y)
{
    return y->event.start_mark.line;
}

static struct view scalar(const struct yaml *y)
{
    return view_n(y->event.data.scalar.value, y->event.data.scalar.length);
}

// A plain null is the empty text, which unsets an option.
static struct view value_of(const struct yaml *y)
{
    struct view v = scalar(y);
    bool plain = y->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool null = plain && (view_eq(v, VIEW_LIT("~")) || view_eq(v, VIEW_LIT("null")));
    return null ? view_of("") : v;
}

static int set(struct yaml *y, const char *name)
{
    char where[CONFIG_SHOWN + 32];
    snprintf(where, sizeof where, "%s:%zu", y->path, line_of(y) + 1);
    int e = options_set(y->o, name, value_of(y), OPT_BY_FILE, where, y->why);
    // Of another program: the file may be shared by all.
    return e == E_NOTFOUND && options_def(y->o, name) ? 0 : e;
}

static int check_name(struct yaml *y, char name[NAME_BYTES])
{
    struct view v = scalar(y);
    char what[160];
    size_t n = v.n < NAME_BYTES - 1 ? v.n : NAME_BYTES - 1;
    for (size_t i = 0; i < n; i++)
        name[i] = (unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f ? '?' : v.p[i];
    name[n] = 0;
    const struct option_def *def = v.n == n ? options_def(y->o, name) : NULL;
    if (!def) {
        char where[CONFIG_SHOWN + 32];
        snprintf(where, sizeof where, "%s:%zu", y->path, line_of(y) + 1);
        return options_set(y->o, name, view_of(""), OPT_BY_FILE, where, y->why);
    }
    if (strcmp(name, "config") == 0)
        return fail(y, line_of(y), E_RANGE, "config cannot stand in a file");
    for (size_t i = 0; i < y->seen_count; i++)
        if (y->seen[i] == def) {
            snprintf(what, sizeof what, "%s stands here for the second time", name);
            return fail(y, line_of(y), E_EXISTS, what);
        }
    if (y->seen_count == SEEN_MAX)
        return fail(y, line_of(y), E_LIMIT, "too many options");
    y->seen[y->seen_count++] = def;
    return 0;
}

// One name with its value or its list of values; the present event is the name.
static int pair(struct yaml *y)
{
    char name[NAME_BYTES], what[160];
    if (y->event.type != YAML_SCALAR_EVENT)
        return fail(y, line_of(y), E_SYNTAX, "an option's name is expected here");
    int e = check_name(y, name);
    if (!e)
        e = next(y);
    if (e)
        return e;
    if (y->event.type == YAML_SCALAR_EVENT)
        return set(y, name);
    bool repeats = options_def(y->o, name)->flags & OPT_REPEATS;
    if (y->event.type != YAML_SEQUENCE_START_EVENT || !repeats) {
        snprintf(what, sizeof what, "%s takes one plain value%s", name,
                 repeats ? " or a list of them" : "");
        return fail(y, line_of(y), E_SYNTAX, what);
    }
    for (;;) {
        e = next(y);
        if (e || y->event.type == YAML_SEQUENCE_END_EVENT)
            return e;
        if (y->event.type != YAML_SCALAR_EVENT) {
            snprintf(what, sizeof what, "%s takes a list of plain values", name);
            return fail(y, line_of(y), E_SYNTAX, what);
        }
        e = set(y, name);
        if (e)
            return e;
    }
}

static bool is_empty_document(const struct yaml *y)
{
    return y->event.type == YAML_SCALAR_EVENT && value_of(y).n == 0;
}

static int document(struct yaml *y)
{
    int e = next(y); // the stream's start
    if (!e)
        e = next(y);
    if (e || y->event.type == YAML_STREAM_END_EVENT)
        return e;
    e = next(y); // behind the document's start
    if (e)
        return e;
    if (y->event.type == YAML_MAPPING_START_EVENT) {
        for (;;) {
            e = next(y);
            if (e || y->event.type == YAML_MAPPING_END_EVENT)
                break;
            e = pair(y);
            if (e)
                break;
        }
    } else if (!is_empty_document(y)) {
        e = fail(y, line_of(y), E_SYNTAX, "a mapping of option names to values is expected");
    }
    if (!e)
        e = next(y); // the document's end
    if (!e)
        e = next(y);
    if (!e && y->event.type != YAML_STREAM_END_EVENT)
        e = fail(y, line_of(y), E_SYNTAX, "a second document begins here; one is expected");
    return e;
}

int config_text(struct options *o, const char *path, struct view text, char why[WHY_MAX])
{
    struct yaml y = {.o = o, .path = config_shown(path), .text = text, .why = why};
    if (!yaml_parser_initialize(&y.parser))
        return fail(&y, 0, E_NOMEM, err_text(E_NOMEM));
    yaml_parser_set_input_string(&y.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    int e = document(&y);
    if (y.has_event)
        yaml_event_delete(&y.event);
    yaml_parser_delete(&y.parser);
    return e;
}

// ---- all sources

int config_load(struct options *o, int argc, char **argv, char **envp, int *rest, char why[WHY_MAX])
{
    int e = options_command(o, argc, argv, rest, why);
    // Whoever asks for help gets it, whatever the files say.
    if (e || options_flag(o, "help") || options_flag(o, "version"))
        return e;
    e = options_environment(o, envp, why);
    if (!e && options_text(o, "config"))
        e = config_file(o, options_text(o, "config"), why);
    if (!e && options_text(o, "annotations"))
        e = config_annotations(o, options_text(o, "annotations"), why);
    return e;
}
