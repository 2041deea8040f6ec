// baseline: a document of json.c, of which the lists "mismatches" and "endpoints" and the object
// "latency" are read. Whatever else it holds is passed over, so that later members do no harm.
#include "tools/report/baseline.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct place {
    const char *service, *endpoint, *where, *kind; // of the document
};
struct timed {
    const char *service, *endpoint;
    struct baseline_times times;
};
struct baseline {
    char *name;
    json_t *root;
    struct place *places; // sorted
    size_t places_n;
    struct timed *timed; // sorted
    size_t timed_n;
    struct baseline_times all;
    bool left_out; // it had differences that are in no place
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static int64_t time_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    double us = json_is_number(v) ? json_number_value(v) : -1;
    return us >= 0 && us < 9e18 ? (int64_t)us : -1;
}

static struct baseline_times times_of(const json_t *latency)
{
    const json_t *o = json_object_get(latency, "planned");
    return (struct baseline_times){time_of(o, "p50"), time_of(o, "p95"), time_of(o, "p99")};
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int c = strcmp(x->service, y->service);
    c = c ? c : strcmp(x->endpoint, y->endpoint);
    c = c ? c : strcmp(x->where, y->where);
    return c ? c : strcmp(x->kind, y->kind);
}

static int by_endpoint(const void *a, const void *b)
{
    const struct timed *x = a, *y = b;
    int c = strcmp(x->service, y->service);
    return c ? c : strcmp(x->endpoint, y->endpoint);
}

// A member that has to be a list of objects.
static int list(const struct baseline *b, const char *key, const json_t **out, char why[WHY_MAX])
{
    const json_t *a = json_object_get(b->root, key);
    *out = a;
    bool fine = json_is_array(a);
    for (size_t i = 0; fine && i < json_array_size(a); i++)
        fine = json_is_object(json_array_get(a, i));
    if (fine)
        return 0;
    snprintf(why, WHY_MAX, "%s: '%s' is no list of objects, as a report of tapedeck replay has it",
             b->name, key);
    return E_SYNTAX;
}

static int read_places(struct baseline *b, char why[WHY_MAX])
{
    const json_t *a;
    int e = list(b, "mismatches", &a, why);
    if (e)
        return e;
    b->places = calloc(json_array_size(a) + 1, sizeof *b->places);
    if (!b->places)
        return err_no_memory(why, WHY_MAX);
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *o = json_array_get(a, i);
        b->places[b->places_n++] = (struct place){text_of(o, "service"), text_of(o, "endpoint"),
                                                  text_of(o, "where"), text_of(o, "kind")};
    }
    qsort(b->places, b->places_n, sizeof *b->places, by_place);
    return 0;
}

static int read_times(struct baseline *b, char why[WHY_MAX])
{
    const json_t *a;
    int e = list(b, "endpoints", &a, why);
    if (e)
        return e;
    b->timed = calloc(json_array_size(a) + 1, sizeof *b->timed);
    if (!b->timed)
        return err_no_memory(why, WHY_MAX);
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *o = json_array_get(a, i);
        b->timed[b->timed_n++] = (struct timed){text_of(o, "service"), text_of(o, "endpoint"),
                                                times_of(json_object_get(o, "latency"))};
    }
    qsort(b->timed, b->timed_n, sizeof *b->timed, by_endpoint);
    b->all = times_of(json_object_get(b->root, "latency"));
    b->left_out = json_number_value(json_object_get(b->root, "left_out")) > 0;
    return 0;
}

static int read_root(struct baseline *b, struct view text, char why[WHY_MAX])
{
    json_error_t error;
    b->root = json_loadb(text.n ? text.p : "", text.n, 0, &error);
    if (!b->root && json_error_code(&error) == json_error_out_of_memory)
        return err_no_memory(why, WHY_MAX);
    if (!b->root) {
        snprintf(why, WHY_MAX, "%s:%d:%d: it is no JSON: %s", b->name,
                 error.line > 0 ? error.line : 1, error.column > 0 ? error.column : 1, error.text);
        return E_SYNTAX;
    }
    if (strcmp(text_of(b->root, "report"), REPORT_WORD) != 0) {
        snprintf(why, WHY_MAX,
                 "%s: it is JSON, but no report of tapedeck replay: its member 'report' is not "
                 "\"" REPORT_WORD "\"",
                 b->name);
        return E_SYNTAX;
    }
    const json_t *version = json_object_get(b->root, "version");
    if (!json_is_integer(version) || json_integer_value(version) != REPORT_VERSION) {
        snprintf(why, WHY_MAX, "%s: its version is not %d, the only one that is read here", b->name,
                 REPORT_VERSION);
        return E_VERSION;
    }
    return 0;
}

int baseline_parse(struct baseline **out, const char *name, struct view text, char why[WHY_MAX])
{
    struct baseline *b = calloc(1, sizeof *b);
    *out = NULL;
    if (!b || !(b->name = strdup(name))) {
        free(b);
        return err_no_memory(why, WHY_MAX);
    }
    int e = 0;
    if (text.n > BASELINE_MAX) {
        snprintf(why, WHY_MAX, "%s: more than %u bytes", name, BASELINE_MAX);
        e = E_LIMIT;
    }
    e = e ? e : read_root(b, text, why);
    e = e ? e : read_places(b, why);
    e = e ? e : read_times(b, why);
    if (e)
        baseline_free(b);
    else
        *out = b;
    return e;
}

void baseline_free(struct baseline *b)
{
    if (!b)
        return;
    json_decref(b->root);
    free(b->places);
    free(b->timed);
    free(b->name);
    free(b);
}

const char *baseline_name(const struct baseline *b)
{
    return b->name;
}

const char *baseline_started(const struct baseline *b)
{
    return text_of(b->root, "started");
}

int64_t baseline_apply(const struct baseline *b, struct verdict *v, uint64_t *gone)
{
    int64_t fresh = v->left_out > 0 && !b->left_out;
    bool *seen = calloc(b->places_n + 1, sizeof *seen);
    *gone = 0;
    for (size_t i = 0; i < v->gathered_n; i++) {
        struct sums_gathered *g = v->gathered[i];
        struct place key = {g->endpoint->service, g->endpoint->name, g->where,
                            difference_kinds[g->kind]};
        const struct place *found =
            bsearch(&key, b->places, b->places_n, sizeof *b->places, by_place);
        g->known = found != NULL;
        fresh += !found;
        if (found && seen)
            seen[found - b->places] = true;
    }
    for (size_t i = 0; seen && i < b->places_n; i++)
        *gone += !seen[i];
    free(seen);
    return fresh;
}

bool baseline_times(const struct baseline *b, const char *service, const char *name,
                    struct baseline_times *out)
{
    if (!name) {
        *out = b->all;
        return out->p50 >= 0;
    }
    struct timed key = {service, name, {0}};
    const struct timed *found = bsearch(&key, b->timed, b->timed_n, sizeof *b->timed, by_endpoint);
    if (found)
        *out = found->times;
    return found && out->p50 >= 0;
}
