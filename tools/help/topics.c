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
    {
        .name = "rules",
        .sentence = "what may differ between two messages, for diff and mock",
        .text =
            "Rules are a YAML file, kept beside the captures and written by hand, or by tapedeck "
            "diff --learn and then gone over.\n"
            " ignore:                           # whatever stands there\n"
            "   - header x-request-id\n"
            "   - {where: body.debug, path: '/orders/**', method: POST, host: '*.example'}\n"
            " shape:                            # another value of the same shape\n"
            "   body.items[*].id: uuid\n"
            "   body.created: {is: time, path: /orders}\n"
            " unordered:                        # an array whose items have any order\n"
            "   - body.tags\n"
            " tolerance:                        # numbers by a number or a part, times by a time\n"
            "   body.price: 0.01\n"
            "   body.share: 5%\n"
            "   body.at: 1s\n"
            " match:                            # both sides have this regular expression\n"
            "   body.number: '^[0-9]+$'\n"
            "   path[1]: {matches: '^[a-z]+$', path: '/users/*'}\n"
            "Where several rules are for a place, one that makes it equal is enough. host, method "
            "and path say of which transactions a rule is: * stands for any letters but /, ** for "
            "any. Shape, tolerance and match may be lists too: {where: body.id, is: uuid}, {where: "
            "body.at, within: 1s}, {where: body.number, matches: '^[0-9]+$'}.\n"
            "A place is status, version, method, host (with its port; for mock), path, or a "
            "segment of it: path[1] is that behind /users/; size, digest, message; query.KEY; "
            "header "
            "NAME, trailer NAME; body, and what stands below it: body.key.other, body.items[0], "
            "body[\"odd key\"], body.key#2 for the second of the same key. In XML "
            "body.list.item.@id is an attribute and body.list.item.#text the text. [*] is any "
            "index, * any letters of a key or a name, ** any keys and indexes: body.**.id. What is "
            "ignored is ignored with all that is below it.\n"
            "Shapes: uuid, ulid, objectid, traceparent, jwt, http-date, time, date, email, ip, "
            "epoch-ms, epoch, trace-id, hex, number. Expressions are POSIX's extended ones, found "
            "anywhere in a value of at most 64 KiB.\n"
            "JSON objects have no order, arrays have one; 1 is 1.0 and not \"1\"; numbers are "
            "compared exactly, however long. XML elements have an order, attributes have none. "
            "Fields are compared by name in any case and in their order within a name.\n"
            "Never compared are the fields age, connection, date, keep-alive, proxy-authenticate, "
            "proxy-authentication-info, proxy-authorization, proxy-connection, te, trailer, "
            "transfer-encoding, upgrade, via, and those that Connection names; content-length "
            "where there is content, and the words behind a status.",
        .example = "tapedeck diff capture.db captures/capture.db --learn rules.yaml\n"
                   "tapedeck diff capture.db captures/capture.db --rules rules.yaml",
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
