// topics: see the header.
#include "tools/help/topics.h"

#include "proto/filter.h"

const struct topic topics[] = {
    {
        .name = "filter",
        .sentence = "the language that says which transactions are meant",
        .text =
            "A filter is made of tests, joined by and, or, not and parentheses. A test is a field, "
            "an operator and a value; a field alone means that it is there and neither empty nor "
            "0.\n"
            " FIELD = VALUE        equal; == is the same, != the opposite\n"
            " FIELD < VALUE        also <=, >, >=\n"
            " FIELD ~ REGEX        an extended regular expression, found anywhere; !~ the "
            "opposite\n"
            " FIELD contains TEXT  the text, found anywhere\n"
            " FIELD in (A, B, C)   one of these\n"
            " since WHEN           began then or later; until WHEN: before\n"
            "Values are numbers; sizes such as 10k, 1.5MiB; durations such as 100ms, 2s, 5m; times "
            "as RFC 3339 or as a duration before now; words, or texts in double or single quotes, "
            "with \\\" for a quote.\n"
            "req.header[\"name\"] and res.header[\"name\"] are header fields; req.body and "
            "res.body "
            "the contents as they were on the wire; a REGEX is looked for in the first 64 MiB of "
            "one.",
        .example =
            "tapedeck ls 'status >= 500 and host ~ \"^api\" and duration > 100ms'\n"
            "tapedeck ls 'since 10m and not path ~ \"/healthz\"'\n"
            "tapedeck ls 'req.header[\"x-tenant\"] = acme or res.body contains \"timeout\"'\n"
            "tapedeck ls 'method in (PUT, POST) and req_size > 1MiB'",
        .fields = 1,
    },
    {
        .name = "fields",
        .sentence = "the fields of a transaction: columns, JSON keys, filter words",
        .text =
            "These names are the same everywhere: in filters, in --columns, as keys of --json, as "
            "columns of the view http. In JSON and SQL durations are microseconds, sizes bytes, "
            "and what is absent is null.",
        .example = "tapedeck ls --columns time,method,url,status,duration\n"
                   "tapedeck ls --json | jq 'select(.res_size > 1000) | .path'\n"
                   "tapedeck query 'SELECT url, duration FROM http'",
        .fields = 1,
    },
    {.name = NULL},
};

const char *topics_field_type(int field)
{
    static const char *const types[] = {
        [FILTER_TEXT] = "text",         [FILTER_NUMBER] = "number", [FILTER_SIZE] = "size",
        [FILTER_DURATION] = "duration", [FILTER_TIME] = "time",     [FILTER_BYTES] = "bytes",
    };
    return filter_fields[field].choices ? "word" : types[filter_fields[field].type];
}
