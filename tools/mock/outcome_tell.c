// outcome_tell: see outcome.h.
#include "tools/cli.h"
#include "tools/fields.h"
#include "tools/mock/outcome.h"

#include <jansson.h>
#include <stdio.h>

static uint64_t number(const json_t *all, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(all, key));
}

// "12 requests"
static const char *many(uint64_t n, const char *what, char out[64])
{
    char text[FIELDS_COUNT];
    snprintf(out, 64, "%s %s%s", fields_count((int64_t)n, text), what, n == 1 ? "" : "s");
    return out;
}

static void tell_sums(const struct mock_tally *t)
{
    char text[4][64], used[FIELDS_COUNT], missed[FIELDS_COUNT];
    char passed[96] = "", faulted[96] = "";
    if (t->passed)
        snprintf(passed, sizeof passed, ", %s passed through", many(t->passed, "request", text[2]));
    if (t->faults)
        snprintf(faulted, sizeof faulted, "; %s had a fault", many(t->faults, "answer", text[3]));
    cli_error("%s answered by %s of %s, %s missed%s%s", many(t->hits, "request", text[0]),
              fields_count((int64_t)(t->recorded - t->unused), used),
              many(t->recorded, "recording", text[1]), fields_count((int64_t)t->misses, missed),
              passed, faulted);
}

static void tell_unmatched(const json_t *rules)
{
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *r = json_array_get(rules, i);
        if (number(r, "matched"))
            continue;
        const char *name = json_string_value(json_object_get(r, "fault"));
        cli_error("warning: the fault of line %llu, %s, never matched",
                  (unsigned long long)number(r, "line"), name ? name : "?");
    }
}

bool outcome_tell(const char *path, bool quiet, struct mock_tally *out)
{
    json_t *all = json_load_file(path, 0, NULL);
    *out = (struct mock_tally){0};
    if (!json_is_object(all)) {
        json_decref(all);
        return false;
    }
    *out = (struct mock_tally){
        .recorded = number(all, "recorded"),
        .unused = number(all, "unused"),
        .hits = number(all, "hits"),
        .misses = number(all, "misses"),
        .passed = number(all, "passthrough"),
        .faults = number(all, "faulted"),
    };
    if (!quiet || out->misses)
        tell_sums(out);
    tell_unmatched(json_object_get(json_object_get(all, "faults"), "rules"));
    json_decref(all);
    return true;
}
