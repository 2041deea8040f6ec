// options: values by name, each checked against its table when it is set.
//
//   table entry ── slot: values, source, where        default < file < annotations < environment
//                    ↑                                                       < command line
//   options_set() ───┘ a weaker source than the slot's is checked and then dropped
//
// 1. A slot holds only values that its table entry allows.
// 2. A call that fails leaves all slots as they were, but for options_command() and
//    options_environment(), which keep what they took before the mistake.
// What is printed of them is in options_show.c.
#include "proto/base/options_slot.h"

#include "proto/base/err.h"
#include "proto/base/units.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>

#define TEXT_MAX   4096 // bytes of an OPT_TEXT value where the table says 0
#define VALUES_MAX 256  // values of a repeatable option
#define SHOWN_MAX  60   // bytes of a wrong value that an error repeats

static int64_t upper(const struct option_def *def)
{
    return def->max ? def->max : INT64_MAX;
}

// ---- the table

// Its index, or o->count.
static size_t find(const struct options *o, struct view name)
{
    size_t i = 0;
    while (i < o->count && !view_eq(view_of(o->slots[i].def->name), name))
        i++;
    return i;
}

static struct options_slot *slot_of(struct options *o, struct view name)
{
    size_t i = find(o, name);
    return i < o->count ? &o->slots[i] : NULL;
}

static const struct options_slot *get(const struct options *o, const char *name)
{
    size_t i = find(o, view_of(name));
    assert(i < o->count);
    return &o->slots[i];
}

const struct option_def *options_def(const struct options *o, const char *name)
{
    for (const struct option_def *d = o->table; d->name; d++)
        if (strcmp(d->name, name) == 0)
            return d;
    return NULL;
}

// ---- checking a value

static bool flag_parse(struct view v, int64_t *out)
{
    static const char *const words[2][4] = {{"false", "no", "off", "0"},
                                            {"true", "yes", "on", "1"}};
    for (int truth = 0; truth < 2; truth++)
        for (size_t i = 0; i < 4; i++)
            if (view_ieq(v, view_of(words[truth][i]))) {
                *out = truth;
                return true;
            }
    return false;
}

static bool is_choice(struct view v, const char *choices)
{
    for (struct view rest = view_of(choices);;) {
        size_t n = view_find(rest, '|');
        if (v.n > 0 && view_eq(view_head(rest, n), v))
            return true;
        if (n == rest.n)
            return false;
        rest = view_from(rest, n + 1);
    }
}

static bool are_choices(struct view v, const char *choices)
{
    while (v.n > 0) {
        size_t n = view_find(v, ',');
        if (!is_choice(view_trim(view_head(v, n)), choices) || n + 1 == v.n)
            return false;
        v = view_from(v, n < v.n ? n + 1 : n);
    }
    return true;
}

// A control character would break the lines and the JSON that values end up in.
static bool is_text(struct view v, int64_t max)
{
    if (v.n > (uint64_t)max)
        return false;
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
            return false;
    return true;
}

static bool in_range(const struct option_def *def, uint64_t u, int64_t *out)
{
    if (u > (uint64_t)upper(def) || (def->min > 0 && u < (uint64_t)def->min))
        return false;
    *out = (int64_t)u;
    return true;
}

static bool check(const struct option_def *def, struct view v, int64_t *number)
{
    uint64_t u = 0;
    int64_t us = 0;
    *number = 0;
    switch (def->type) {
    case OPT_FLAG:
        return flag_parse(v, number);
    case OPT_NUMBER:
        return view_number(v, 10, UINT64_MAX, &u) == 0 && in_range(def, u, number);
    case OPT_SIZE:
        return units_size(v, &u) == 0 && in_range(def, u, number);
    case OPT_DURATION:
        return units_duration(v, &us) == 0 && in_range(def, (uint64_t)us, number);
    case OPT_CHOICE:
        return is_choice(v, def->choices);
    case OPT_WORDS:
        return v.n <= TEXT_MAX && are_choices(v, def->choices);
    case OPT_TEXT:
        return is_text(v, def->max ? def->max : TEXT_MAX);
    }
    return false;
}

const char *options_takes(const struct option_def *def, char out[OPTIONS_TAKES])
{
    char low[UNITS_TEXT], high[UNITS_TEXT];
    const char *what = "";
    switch (def->type) {
    case OPT_FLAG:
        snprintf(out, OPTIONS_TAKES, "true or false");
        return out;
    case OPT_CHOICE:
        snprintf(out, OPTIONS_TAKES, "one of %s", def->choices);
        return out;
    case OPT_WORDS:
        snprintf(out, OPTIONS_TAKES, "words of %s, comma-separated", def->choices);
        return out;
    case OPT_TEXT:
        snprintf(out, OPTIONS_TAKES, "at most %lld bytes without control characters",
                 (long long)(def->max ? def->max : TEXT_MAX));
        return out;
    case OPT_NUMBER:
        what = "a whole number";
        snprintf(low, sizeof low, "%lld", (long long)def->min);
        snprintf(high, sizeof high, "%lld", (long long)upper(def));
        break;
    case OPT_SIZE:
        what = "a size like 64MiB";
        units_size_text((uint64_t)def->min, low);
        units_size_text((uint64_t)upper(def), high);
        break;
    case OPT_DURATION:
        what = "a duration like 250ms or 10s";
        units_duration_text(def->min, low);
        units_duration_text(upper(def), high);
        break;
    }
    if (def->max == 0)
        snprintf(out, OPTIONS_TAKES, "%s, %s or more", what, low);
    else
        snprintf(out, OPTIONS_TAKES, "%s from %s to %s", what, low, high);
    return out;
}

// ---- telling what is wrong

static const char *source_text(enum option_source by, const char *where)
{
    static const char *const texts[] = {"default", "file", "annotations", "environment",
                                        "command line"};
    return where ? where : texts[by];
}

// The value as an error may repeat it: printable, and short.
static const char *shown(struct view v, char out[SHOWN_MAX + 4])
{
    size_t n = 0;
    for (; n < v.n && n < SHOWN_MAX; n++) {
        unsigned char c = (unsigned char)v.p[n];
        out[n] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    snprintf(out + n, 4, "%s", n < v.n ? "..." : "");
    return out;
}

static int wrong(const struct option_def *def, struct view value, const char *source,
                 char why[WHY_MAX])
{
    char takes[OPTIONS_TAKES], text[SHOWN_MAX + 4];
    snprintf(why, WHY_MAX, "%.200s: %s cannot be \"%s\": it takes %s", source, def->name,
             shown(value, text), options_takes(def, takes));
    return E_RANGE;
}

static int unknown(const struct options *o, struct view name, enum option_source by,
                   const char *where, char why[WHY_MAX])
{
    const char *near = NULL;
    char text[SHOWN_MAX + 4];
    int best = 3;
    for (size_t i = 0; i < o->count; i++) {
        int d = view_distance(name, view_of(o->slots[i].def->name));
        if (d < best) {
            best = d;
            near = o->slots[i].def->name;
        }
    }
    const char *dashes = by == OPT_BY_COMMAND && name.p[0] != '-' ? "--" : "";
    snprintf(why, WHY_MAX, "%.200s: unknown option %s%s%s%s%s%s", source_text(by, where), dashes,
             shown(name, text), near ? "; did you mean " : "", near ? dashes : "", near ? near : "",
             near ? "?" : "");
    return E_NOTFOUND;
}

// ---- making and setting

static void slot_clear(struct options_slot *slot)
{
    for (size_t i = 0; i < slot->count; i++)
        free(slot->values[i]);
    free(slot->values);
    free(slot->where);
    *slot = (struct options_slot){.def = slot->def};
}

// Replaces or, for one more value of the same source, adds. E_NOMEM, E_LIMIT.
static int slot_put(struct options_slot *slot, struct view value, int64_t number,
                    enum option_source by, const char *where)
{
    size_t keep = (slot->def->flags & OPT_REPEATS) && slot->by == by ? slot->count : 0;
    struct options_slot next = {.def = slot->def, .by = by, .number = number};
    if (keep == VALUES_MAX)
        return E_LIMIT;
    char *text = malloc(value.n + 1);
    next.values = malloc((keep + 1) * sizeof *next.values);
    next.where = where ? strdup(where) : NULL;
    if (!text || !next.values || (where && !next.where)) {
        free(text);
        free(next.values);
        free(next.where);
        return E_NOMEM;
    }
    if (value.n > 0)
        memcpy(text, value.p, value.n);
    text[value.n] = 0;
    if (keep > 0) {
        memcpy(next.values, slot->values, keep * sizeof *next.values);
        slot->count = 0; // the texts live on in next
    }
    next.values[keep] = text;
    next.count = keep + 1;
    slot_clear(slot);
    *slot = next;
    return 0;
}

struct options *options_new(const struct option_def *table, unsigned program)
{
    size_t count = 0;
    for (const struct option_def *d = table; d->name; d++)
        count += (d->programs & program) != 0;
    struct options *o = calloc(1, sizeof *o + count * sizeof o->slots[0]);
    if (!o)
        return NULL;
    o->table = table;
    o->program = program;
    for (const struct option_def *d = table; d->name; d++) {
        if (!(d->programs & program))
            continue;
        struct options_slot *slot = &o->slots[o->count++];
        int64_t number;
        slot->def = d;
        if (!d->initial)
            continue;
        bool fits = check(d, view_of(d->initial), &number);
        assert(fits);
        if (!fits || slot_put(slot, view_of(d->initial), number, OPT_BY_DEFAULT, NULL)) {
            options_free(o);
            return NULL;
        }
    }
    return o;
}

void options_free(struct options *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->count; i++)
        slot_clear(&o->slots[i]);
    free(o);
}

static int set(struct options_slot *slot, struct view value, enum option_source by,
               const char *where, char why[WHY_MAX])
{
    const struct option_def *def = slot->def;
    const char *source = source_text(by, where);
    int64_t number;
    if ((def->flags & OPT_CLI_ONLY) && by != OPT_BY_COMMAND) {
        snprintf(why, WHY_MAX, "%.200s: %s belongs on the command line", source, def->name);
        return E_RANGE;
    }
    if (!check(def, value, &number))
        return wrong(def, value, source, why);
    if (by < slot->by)
        return 0;
    int e = slot_put(slot, value, number, by, where);
    if (e)
        snprintf(why, WHY_MAX, "%.200s: %s: %s", source, def->name,
                 e == E_LIMIT ? "given more than 256 times" : err_text(e));
    return e;
}

int options_set(struct options *o, const char *name, struct view value, enum option_source by,
                const char *where, char why[WHY_MAX])
{
    struct options_slot *slot = slot_of(o, view_of(name));
    if (!slot)
        return unknown(o, view_of(name), by, where, why);
    return set(slot, value, by, where, why);
}

// ---- command line and environment

static int command_error(char why[WHY_MAX], const char *name, const char *what)
{
    snprintf(why, WHY_MAX, "command line: --%.60s %s", name, what);
    return E_SYNTAX;
}

// The option that begins at argv[*i]; moves *i to its last word.
static int command_one(struct options *o, int argc, char **argv, int *i, char why[WHY_MAX])
{
    struct view word = view_of(strcmp(argv[*i], "-h") == 0 ? "--help" : argv[*i]);
    if (!view_starts(word, VIEW_LIT("--")))
        return unknown(o, word, OPT_BY_COMMAND, NULL, why);
    word = view_from(word, 2);
    size_t n = view_find(word, '=');
    bool has_value = n < word.n;
    struct view name = view_head(word, n), value = view_from(word, has_value ? n + 1 : n);
    struct options_slot *slot = slot_of(o, name);

    if (!slot && view_starts(name, VIEW_LIT("no-"))) {
        slot = slot_of(o, view_from(name, 3));
        if (slot && slot->def->type == OPT_FLAG && !has_value)
            return set(slot, VIEW_LIT("false"), OPT_BY_COMMAND, NULL, why);
        slot = NULL;
    }
    if (!slot)
        return unknown(o, name, OPT_BY_COMMAND, NULL, why);
    if (has_value)
        return set(slot, value, OPT_BY_COMMAND, NULL, why);
    if (slot->def->type == OPT_FLAG)
        return set(slot, VIEW_LIT("true"), OPT_BY_COMMAND, NULL, why);
    if (*i + 1 >= argc)
        return command_error(why, slot->def->name, "needs a value");
    const char *next = argv[*i + 1];
    if (strncmp(next, "--", 2) == 0)
        return command_error(why, slot->def->name,
                             "needs a value; write one that begins with -- as --NAME=VALUE");
    ++*i;
    return set(slot, view_of(next), OPT_BY_COMMAND, NULL, why);
}

int options_command(struct options *o, int argc, char **argv, int *rest, char why[WHY_MAX])
{
    char **operands = malloc(((size_t)argc + 1) * sizeof *operands);
    int count = 0, taken = 1, e = 0;
    if (!operands) {
        snprintf(why, WHY_MAX, "command line: %s", err_text(E_NOMEM));
        return E_NOMEM;
    }
    for (int i = 1; i < argc; i++) {
        int first = i;
        if (strcmp(argv[i], "--") == 0) {
            argv[taken++] = argv[i++];
            while (i < argc)
                operands[count++] = argv[i++];
            break;
        }
        if (argv[i][0] != '-' || argv[i][1] == 0) {
            operands[count++] = argv[i];
            continue;
        }
        e = command_one(o, argc, argv, &i, why);
        if (e)
            goto out;
        while (first <= i)
            argv[taken++] = argv[first++];
    }
    for (int i = 0; i < count; i++)
        argv[taken + i] = operands[i];
    *rest = taken;
out:
    free(operands);
    return e;
}

int options_environment(struct options *o, char **envp, char why[WHY_MAX])
{
    static const char prefix[] = "TAPEDECK_";
    for (; envp && *envp; envp++) {
        struct view entry = view_of(*envp);
        size_t n = view_find(entry, '=');
        char name[64], where[80];
        if (!view_starts(entry, view_of(prefix)) || n == entry.n || n >= sizeof name)
            continue;
        size_t length = 0;
        for (size_t i = sizeof prefix - 1; i < n; i++) {
            char c = entry.p[i];
            // Exactly the upper-case spelling: TAPEDECK_proxy-port is somebody else's.
            name[length++] = c == '_'                    ? '-'
                             : c >= 'A' && c <= 'Z'      ? (char)(c | 0x20)
                             : isdigit((unsigned char)c) ? c
                                                         : '?';
        }
        struct options_slot *slot = slot_of(o, view_n(name, length));
        if (!slot || (slot->def->flags & OPT_CLI_ONLY))
            continue;
        snprintf(where, sizeof where, "environment %.*s", (int)n, entry.p);
        // One that repeats has one value here: the lines of the text.
        struct view rest = view_from(entry, n + 1);
        if (slot->by == OPT_BY_ENVIRONMENT)
            continue; // the same name twice: the first counts, as for getenv
        do {
            size_t end = slot->def->flags & OPT_REPEATS ? view_find(rest, '\n') : rest.n;
            int e = set(slot, view_head(rest, end), OPT_BY_ENVIRONMENT, where, why);
            if (e)
                return e;
            rest = view_from(rest, end < rest.n ? end + 1 : end);
        } while (rest.n > 0);
    }
    return 0;
}

// ---- values

bool options_has(const struct options *o, const char *name)
{
    return find(o, view_of(name)) < o->count;
}

bool options_flag(const struct options *o, const char *name)
{
    return get(o, name)->number != 0;
}

int64_t options_number(const struct options *o, const char *name)
{
    return get(o, name)->number;
}

const char *options_text(const struct options *o, const char *name)
{
    return options_nth(o, name, 0);
}

size_t options_count(const struct options *o, const char *name)
{
    return get(o, name)->count;
}

const char *options_nth(const struct options *o, const char *name, size_t i)
{
    const struct options_slot *slot = get(o, name);
    if (i >= slot->count)
        return NULL;
    // The way to take back what a weaker source says: an empty text.
    bool unset =
        slot->values[i][0] == 0 && !slot->def->initial && !(slot->def->flags & OPT_REPEATS);
    return unset ? NULL : slot->values[i];
}

enum option_source options_source(const struct options *o, const char *name)
{
    return get(o, name)->by;
}

bool options_is_set(const struct options *o, const char *name)
{
    return get(o, name)->by != OPT_BY_DEFAULT;
}
