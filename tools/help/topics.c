// topics: see the header.
#include "tools/help/topics.h"

#include "proto/filter.h"
#include "tools/report/goals.h"

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
        .name = "rewriting",
        .sentence = "how replay changes requests: values, tokens, dates",
        .text =
            "Rules of rewriting are a YAML file, kept beside the capture, for replay --rewrite.\n"
            " set:                              # put in where it is missing, too\n"
            "   header x-tenant: test\n"
            "   query.page: '2'\n"
            "   body.user.name: {value: '${csv:users.csv:name}', method: POST, path: /users}\n"
            "   path[1]: {value: v2, host: '*.example', filter: 'status = 200'}\n"
            " remove:\n"
            "   - header x-debug\n"
            "   - {where: body.trace, path: '/orders/**'}\n"
            " replace:                          # each match of a regular expression\n"
            "   - {where: path, match: '^/v1/(.*)', with: '/v2/\\1'}\n"
            " capture:                          # a value of an answer of the run: ${live:job}\n"
            "   - {where: body.id, name: job, method: POST, path: /jobs}\n"
            "   - {where: body, match: 'nonce=([a-z0-9]+)', name: nonce}\n"
            " jwt:                              # HS256, HS384, HS512, RS256, ES256\n"
            "   - {where: header authorization, alg: HS256, key: '${env:JWT_KEY}', set: {exp: "
            "'${now+1h:s}'}}\n"
            " dates:                            # or just: all\n"
            "   - {where: query.since, by: 7d}\n"
            "   - all\n"
            " correlate:                        # instead of what is found; see correlate --write\n"
            "   - {from: {where: body.token, path: /login}, to: [header authorization]}\n"
            " seed: 7                           # of what is drawn\n"
            "Places are host, method, path, path[N] (a segment, from 0), query.KEY, header NAME, "
            "cookie NAME, body and what stands below it, as tapedeck help rules has it; of an "
            "answer also html NAME, the value of the element of that name or id, and of a URL in "
            "an answer PLACE > query.KEY, PLACE > path[N]. set, remove, replace, capture, jwt and "
            "dates may be limited by host, method, path (* and **) and by a filter on the "
            "recording.\n"
            "Within JSON the type of a value stays where the new one can have it; json: instead of "
            "value: says it exactly. All else stays byte for byte.\n"
            "Values may have placeholders: ${env:NAME}, ${file:PATH}, ${csv:FILE:COLUMN} (a row "
            "for each recorded client, round and round), ${uuid}, ${counter}, ${random:hex:16} or "
            "digits, letters, or a range such as ${random:1-100}, ${now}, ${now+1h:FORMAT} with "
            "iso, ms, s, http or letters such as %Y-%m-%d, and ${live:NAME}. Files are looked for "
            "beside the rules. $${ stands for ${.\n"
            "jwt moves exp, iat and nbf by the time since the recording unless set says what they "
            "are. dates does so with times wherever they stand, numbers only under a name such as "
            "created_at; or by a span.",
    },
    {
        .name = "rules",
        .sentence = "what may differ between two messages, for diff, replay and mock",
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
            " bytes:                            # of content that is compared as bytes; from 0\n"
            "   body: 4-7,16\n"
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
    {
        .name = "faults",
        .sentence = "what goes wrong on purpose in a mock's answers",
        .text =
            "Faults are a YAML file, a list of rules, for tapedeck mock --faults; POST /faults of "
            "--admin-listen takes the same.\n"
            " - {fault: latency, delay: 200ms, percent: 20}\n"
            " - {fault: latency, delay: {from: 10ms, to: 1s}, when: 'path ~ \"^/orders\"'}\n"
            " - {fault: latency, delay: {mean: 100ms, deviation: 20ms}}\n"
            " - {fault: status, status: 503, reason: Busy, body: '{}', type: application/json}\n"
            " - {fault: header, set: {retry-after: 5}, remove: [etag, last-modified]}\n"
            " - {fault: truncate, at: 50%}             # content ends there, and the connection\n"
            " - {fault: corrupt, bytes: 3}             # so many bytes of content are others\n"
            " - {fault: dribble, bytes: 16, every: 100ms}\n"
            " - {fault: refused, when: 'target ~ \"^db\"', times: 3}\n"
            " - {fault: reset, at: 100, after: 2}      # before, bytes of content, or a part\n"
            " - {fault: stall, at: 10%, for: 30s}      # without for: until the client goes\n"
            "Every rule may have when, a filter (tapedeck help filter) over what is known before "
            "there is an answer: time, protocol, direction, method, scheme, host, path, query, "
            "url, version, req_size, req_type, client, target, requested, front, n, "
            "req.header[\"name\"], req.body. refused is decided when a connection is opened: "
            "direction, client, target, requested, front.\n"
            "percent is how many of the requests that match are touched, after how many of them "
            "are let through first, times how often at most it is done. Of several rules of a kind "
            "the first that is to be done is; of header all are. Different kinds go together.\n"
            "Which requests are touched follows from --seed, the rule's place in the list and how "
            "often it has matched, and from nothing else. What was done stands in the outcome of "
            "the transaction, fault=latency,status, and is counted by GET /faults; a rule that "
            "never matched is told at the end.",
        .example = "tapedeck mock capture.db --faults faults.yaml --seed 7\n"
                   "curl --data-binary @faults.yaml http://127.0.0.1:4145/faults\n"
                   "curl -X DELETE http://127.0.0.1:4145/faults\n"
                   "tapedeck ls 'outcome contains \"fault=\"'",
    },
    {
        .name = "goals",
        .sentence = "what a replay must not come to, for --fail-if",
        .text =
            "A goal says when a run has failed: a measure, an operator (>, >=, <, <=, =, !=) and a "
            "limit.\n"
            " tapedeck replay capture.db --target http://localhost:8080 \\\n"
            "   --fail-if 'latency.p95 > 50ms' --fail-if 'mismatch.rate > 1%' \\\n"
            "   --fail-if 'latency.p99[GET /items/{id}] > 10ms' --fail-if 'status.5xx > 0'\n"
            "In brackets stands an endpoint, which is a method and a route as the report lists "
            "them, or a service; * in it is any run of letters, and where it names several they "
            "count together.\n"
            "STAT is p50, p95, p99.9 or any other percentile, min, mean or max. CODE is a status, "
            "or a class as 5xx. Limits are numbers; shares as 1% or 0.01; durations as 50ms; 100/s "
            "for a rate; sizes as 10MiB, for throughput 10MiB/s.\n"
            "A goal whose figure was not measured is missed, and says why: nothing of its kind was "
            "there, or the generator was the bottleneck. Latency is not measured when more than 1 "
            "% of the sends went 10 ms or more later than they could have, or when the generator "
            "was busy for 10 ms or more at once for more than 1 % of the time. What a send waits "
            "for its connection is the target's doing, and counts in latency.STAT, not in "
            "lateness-own.STAT.",
        .list = goals_list,
    },
    {
        .name = "report",
        .sentence = "the JSON report of a replay, its members",
        .text =
            "tapedeck replay writes it with --json or --report FILE.json, and reads it with "
            "--baseline. Times are whole microseconds, counts numbers, texts UTF-8; what was not "
            "measured is null. Members are added, never changed, within a version.\n"
            " report, version        \"tapedeck replay\", 1\n"
            " verdict, code, why     passed, failed, stopped or not run; the exit code; a line\n"
            " started, duration_us, stopped\n"
            " settings               [{name, value}]\n"
            " requests               planned, told, sent, answered, of told: equal, different,\n"
            "                        missing, uncompared, unsent; undone, unasked\n"
            " goals                  [{fail_if, met, value, unit, unmeasured}]\n"
            " baseline               null, or file, started, new, gone, p50, p95, p99\n"
            " errors                 total, closed, timeout, refused, garbage,\n"
            "                        causes: [{kind, reason, count, first: {id, file}}]\n"
            " status                 {\"200\": 12}\n"
            " sent_bytes, received_bytes, rate, throughput\n"
            " latency                unmeasured: null or why; planned, sent, first, recorded:\n"
            "                        {count, min, mean, p50, p90, p95, p99, p99.9, max}\n"
            " lateness               all, own: the same; within_1ms: their share\n"
            " services, endpoints    [{service, endpoint, the counts of requests, status, latency,"
            "\n"
            "                        baseline}]\n"
            " mismatches             [{service, endpoint, half, where, kind, answers, count, "
            "known,\n"
            "                        examples: [{id, file, old, new}]}]\n"
            " differences, left_out  all that were found; those of them that stand in no mismatch\n"
            " series                 width_us, buckets: [{planned, sent, answered, errors, "
            "different,\n"
            "                        latency_p50, latency_p99, latency_max, lateness_p99,\n"
            "                        lateness_max}]\n"
            "A mismatch is a place (as a rule names it, see tapedeck help rules) that differs in "
            "answers of an endpoint; --baseline knows one by service, endpoint, where and kind. "
            "The place message with the kind missing is an answer that did not come.",
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
