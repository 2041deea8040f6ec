// fault_rules: a list of mappings. Which keys a rule may have follows from its kind, which may
// stand behind them: the keys are taken as they come, and judged when the mapping ends.
#include "tools/mock/fault_rules.h"

#include "proto/base/clock.h"
#include "proto/base/near.h"
#include "proto/base/units.h"
#include "proxy/emit/filter.h"
#include "tools/yamlr.h"

#include <stdio.h>
#include <stdlib.h>

#define WORD_MAX    100        // bytes of a reason
#define VALUE_MAX   8192       // of a header's value
#define CORRUPT_MAX 65536      // bytes
#define BYTES_MAX   (1u << 30) // of dribble and of a place

const char *const fault_names[FAULT_KINDS] = {"latency", "status",  "header", "truncate", "corrupt",
                                              "dribble", "refused", "reset",  "stall"};

const uint64_t fault_fields_flow = FILTER_BIT(FIELD_DIRECTION) | FILTER_BIT(FIELD_CLIENT) |
                                   FILTER_BIT(FIELD_TARGET) | FILTER_BIT(FIELD_REQUESTED) |
                                   FILTER_BIT(FIELD_FRONT);
const uint64_t fault_fields_request =
    FILTER_BIT(FIELD_DIRECTION) | FILTER_BIT(FIELD_CLIENT) | FILTER_BIT(FIELD_TARGET) |
    FILTER_BIT(FIELD_REQUESTED) | FILTER_BIT(FIELD_FRONT) | FILTER_BIT(FIELD_TIME) |
    FILTER_BIT(FIELD_PROTOCOL) | FILTER_BIT(FIELD_METHOD) | FILTER_BIT(FIELD_SCHEME) |
    FILTER_BIT(FIELD_HOST) | FILTER_BIT(FIELD_PATH) | FILTER_BIT(FIELD_QUERY) |
    FILTER_BIT(FIELD_VERSION) | FILTER_BIT(FIELD_REQ_SIZE) | FILTER_BIT(FIELD_N) |
    FILTER_BIT(FIELD_REQ_HEADER) | FILTER_BIT(FIELD_REQ_BODY);

enum key {
    KEY_FAULT,
    KEY_WHEN,
    KEY_PERCENT,
    KEY_TIMES,
    KEY_AFTER,
    KEY_DELAY,
    KEY_STATUS,
    KEY_REASON,
    KEY_BODY,
    KEY_TYPE,
    KEY_SET,
    KEY_REMOVE,
    KEY_AT,
    KEY_BYTES,
    KEY_EVERY,
    KEY_FOR,
    KEYS
};
#define BIT(k) (1u << (k))
#define COMMON (BIT(KEY_FAULT) | BIT(KEY_WHEN) | BIT(KEY_PERCENT) | BIT(KEY_TIMES) | BIT(KEY_AFTER))

static const char *const key_names[KEYS] = {
    "fault", "when", "percent", "times",  "after", "delay", "status", "reason",
    "body",  "type", "set",     "remove", "at",    "bytes", "every",  "for"};

// The keys that each kind needs, and those that it may have beside them and the common ones.
static const struct {
    unsigned needs, takes;
} kinds[FAULT_KINDS] = {
    [FAULT_LATENCY] = {BIT(KEY_DELAY), 0},
    [FAULT_STATUS] = {BIT(KEY_STATUS), BIT(KEY_REASON) | BIT(KEY_BODY) | BIT(KEY_TYPE)},
    [FAULT_HEADER] = {0, BIT(KEY_SET) | BIT(KEY_REMOVE)},
    [FAULT_TRUNCATE] = {BIT(KEY_AT), 0},
    [FAULT_CORRUPT] = {BIT(KEY_BYTES), 0},
    [FAULT_DRIBBLE] = {BIT(KEY_BYTES) | BIT(KEY_EVERY), 0},
    [FAULT_REFUSED] = {0, 0},
    [FAULT_RESET] = {0, BIT(KEY_AT)},
    [FAULT_STALL] = {0, BIT(KEY_AT) | BIT(KEY_FOR)},
};

// A rule as it is read.
struct draft {
    struct yamlr *y;
    struct fault_rule *rule;
    unsigned seen;
    struct yamlr_mark begin, at[KEYS];
    // The first field of when that is not known of a flow, of a request; FIELD_COUNT: none.
    struct {
        enum filter_field field;
        struct yamlr_mark at;
    } strange[2];
};

// ---- values

static int next(struct draft *d)
{
    enum yamlr_what what;
    return yamlr_next(d->y, &what);
}

static int wrong(struct draft *d, const char *key, const char *what)
{
    char text[YAMLR_SHOWN];
    return yamlr_fail(d->y, E_SYNTAX, "%s: '%s' is not %s", key, yamlr_shown(d->y, text), what);
}

static int take_number(struct draft *d, const char *key, uint64_t min, uint64_t max, uint64_t *out)
{
    char what[96];
    if (view_number(yamlr_value(d->y), 10, max, out) == 0 && *out >= min)
        return 0;
    snprintf(what, sizeof what, "a whole number from %llu to %llu", (unsigned long long)min,
             (unsigned long long)max);
    return wrong(d, key, what);
}

static int take_size(struct draft *d, const char *key, uint64_t max, uint64_t *out)
{
    char what[96], most[UNITS_TEXT];
    if (units_size(yamlr_value(d->y), out) == 0 && *out >= 1 && *out <= max)
        return 0;
    snprintf(what, sizeof what, "a size from 1 to %s", units_size_text(max, most));
    return wrong(d, key, what);
}

static int take_time(struct draft *d, const char *key, int64_t *out)
{
    if (units_duration(yamlr_value(d->y), out) == 0 && *out >= 0 && *out <= FAULTS_DELAY_MAX)
        return 0;
    return wrong(d, key, "a time of at most 1h, such as 200ms or 1.5s");
}

// "20", "0.5", "20%": a part of one; false: it is none.
static bool percent(struct view v, double *out)
{
    char text[32], *end;
    if (v.n > 0 && v.p[v.n - 1] == '%')
        v.n--;
    if (v.n == 0 || v.n >= sizeof text || v.p[0] < '0' || v.p[0] > '9')
        return false;
    for (size_t i = 0; i < v.n; i++)
        if ((v.p[i] < '0' || v.p[i] > '9') && v.p[i] != '.')
            return false;
    memcpy(text, v.p, v.n);
    text[v.n] = 0;
    *out = strtod(text, &end) / 100;
    return !*end && *out <= 1;
}

static int take_place(struct draft *d, struct fault_place *out)
{
    struct view v = yamlr_value(d->y);
    *out = (struct fault_place){.how = FAULT_BEFORE};
    if (view_eq(v, VIEW_LIT("before")))
        return 0;
    out->how = FAULT_PART;
    if (v.n > 0 && v.p[v.n - 1] == '%' && percent(v, &out->part))
        return 0;
    out->how = FAULT_AT;
    if (units_size(v, &out->bytes) == 0 && out->bytes <= BYTES_MAX)
        return 0;
    return wrong(d, "at", "a place: before, a number of bytes, or a part such as 50%");
}

// A text that may stand in a head.
static int take_word(struct draft *d, const char *key, size_t max, char **out)
{
    int e = yamlr_copy(d->y, key, max, out);
    for (const char *p = e ? "" : *out; *p; p++)
        if (http_is_control(*p))
            return wrong(d, key, "free of control characters");
    return e;
}

static int take_kind(struct draft *d)
{
    char text[YAMLR_SHOWN];
    for (int i = 0; i < FAULT_KINDS; i++)
        if (view_eq(yamlr_value(d->y), view_of(fault_names[i]))) {
            d->rule->kind = (enum fault_kind)i;
            return 0;
        }
    return yamlr_fail(d->y, E_SYNTAX,
                      "there is no fault '%s'; there are latency, status, header, truncate, "
                      "corrupt, dribble, refused, reset, stall",
                      yamlr_shown(d->y, text));
}

// ---- when

// Where a field's name stands in the text, which has it.
static size_t find_field(struct view text, enum filter_field f)
{
    struct view name = view_of(filter_fields[f].name);
    for (size_t i = 0; i + name.n <= text.n; i++) {
        bool inside = i > 0 && (text.p[i - 1] == '.' || text.p[i - 1] == '_' ||
                                http_token_run(view_n(text.p + i - 1, 1)) > 0);
        if (!inside && view_ieq(view_n(text.p + i, name.n), name))
            return i;
    }
    return 0;
}

// The first test of a field that is not allowed; NULL: none.
static const struct filter_node *find_strange(const struct filter_node *n, uint64_t allowed)
{
    if (!n || !(filter_fields_of(n) & ~allowed))
        return NULL;
    if (n->op != OP_AND && n->op != OP_OR && n->op != OP_NOT)
        return n;
    const struct filter_node *left = find_strange(n->left, allowed);
    return left ? left : find_strange(n->right, allowed);
}

static void note_strange(struct draft *d, int request, uint64_t allowed)
{
    const struct filter_node *n = find_strange(filter_root(d->rule->filter), allowed);
    enum filter_field f = n ? n->field : FIELD_COUNT;
    d->strange[request].field = f;
    if (n)
        d->strange[request].at = yamlr_mark_in(d->y, find_field(yamlr_value(d->y), f));
}

static int take_when(struct draft *d)
{
    char why[WHY_MAX];
    size_t column = 0;
    struct fault_rule *r = d->rule;
    int e = yamlr_copy(d->y, "when", FILTER_TEXT_MAX, &r->when);
    if (e)
        return e;
    e = filter_parse(yamlr_value(d->y), clock_wall_us(), &r->filter, &column, why);
    if (e)
        return yamlr_fail_at(d->y, yamlr_mark_in(d->y, column), e, "when: %.300s", why);
    r->asked = filter_fields_of(filter_root(r->filter));
    note_strange(d, 0, fault_fields_flow);
    note_strange(d, 1, fault_fields_request);
    return 0;
}

static int judge_when(struct draft *d)
{
    int request = d->rule->kind != FAULT_REFUSED;
    enum filter_field f = d->strange[request].field;
    if (!d->rule->filter || f == FIELD_COUNT)
        return 0;
    if (request)
        return yamlr_fail_at(d->y, d->strange[1].at, E_RANGE,
                             "when: %s is not known before there is an answer; there are time, "
                             "protocol, direction, method, scheme, host, path, query, url, "
                             "version, req_size, req_type, client, target, requested, front, n, "
                             "req.header, req.body",
                             filter_fields[f].name);
    return yamlr_fail_at(d->y, d->strange[0].at, E_RANGE,
                         "when: %s is not known when a connection is opened; for refused there "
                         "are direction, client, target, requested, front",
                         filter_fields[f].name);
}

// ---- mappings and lists within a rule

// {from: …, to: …} or {mean: …, deviation: …}.
static int take_spread(struct draft *d)
{
    static const char *const names[] = {"from", "to", "mean", "deviation"};
    struct fault_rule *r = d->rule;
    int64_t *const into[] = {&r->from_us, &r->to_us, &r->mean_us, &r->deviation_us};
    unsigned seen = 0;
    char text[YAMLR_SHOWN];
    struct yamlr_mark begin = yamlr_mark(d->y);
    for (;;) {
        int e = next(d);
        if (e)
            return e;
        if (yamlr_what(d->y) == YAMLR_MAP_END)
            break;
        unsigned i = 0;
        while (i < 4 && !view_eq(yamlr_value(d->y), view_of(names[i])))
            i++;
        if (i == 4)
            return yamlr_fail(d->y, E_SYNTAX,
                              "delay: '%s' is neither from and to, nor mean and deviation",
                              yamlr_shown(d->y, text));
        if (seen & 1u << i)
            return yamlr_fail(d->y, E_EXISTS, "%s stands here for the second time", names[i]);
        seen |= 1u << i;
        e = next(d);
        e = e ? e : take_time(d, names[i], into[i]);
        if (e)
            return e;
    }
    if (seen != 3 && seen != 12)
        return yamlr_fail_at(d->y, begin, E_SYNTAX,
                             "delay takes {from: 10ms, to: 1s} or {mean: 100ms, deviation: 20ms}");
    if (seen == 3 && r->from_us > r->to_us)
        return yamlr_fail_at(d->y, begin, E_RANGE, "delay: from is later than to");
    if (seen == 12 && r->deviation_us == 0)
        r->from_us = r->to_us = r->mean_us;
    return 0;
}

static int take_delay(struct draft *d)
{
    if (yamlr_what(d->y) == YAMLR_MAP)
        return take_spread(d);
    int e = take_time(d, "delay", &d->rule->from_us);
    d->rule->to_us = d->rule->from_us;
    return e;
}

// A header's name, at hand; value NULL so far.
static int new_header(struct draft *d, const char *key, struct fault_header **out)
{
    // Of these the content's end follows, which truncate, reset and stall change.
    static const char *const ours[] = {"content-length", "transfer-encoding", "connection"};
    struct fault_rule *r = d->rule;
    struct view v = yamlr_value(d->y);
    char text[YAMLR_SHOWN], *name = NULL;
    if (v.n == 0 || http_token_run(v) != v.n)
        return wrong(d, key, "a header's name");
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (view_ieq(v, view_of(ours[i])))
            return yamlr_fail(d->y, E_RANGE, "%s: '%s' follows from the content that is sent", key,
                              yamlr_shown(d->y, text));
    for (size_t i = 0; i < r->header_count; i++)
        if (view_ieq(v, view_of(r->headers[i].name)))
            return yamlr_fail(d->y, E_EXISTS, "%s: '%s' stands in this rule for the second time",
                              key, yamlr_shown(d->y, text));
    if (r->header_count == FAULTS_HEADERS_MAX)
        return yamlr_fail(d->y, E_LIMIT, "%s: more than %d headers", key, FAULTS_HEADERS_MAX);
    if (!r->headers && !(r->headers = calloc(FAULTS_HEADERS_MAX, sizeof *r->headers)))
        return yamlr_fail(d->y, E_NOMEM, "%s", err_text(E_NOMEM));
    int e = yamlr_copy(d->y, key, 256, &name);
    if (e)
        return e;
    *out = &r->headers[r->header_count++];
    (*out)->name = name;
    return 0;
}

static int take_set(struct draft *d)
{
    if (yamlr_what(d->y) != YAMLR_MAP)
        return yamlr_fail(d->y, E_SYNTAX, "set takes headers, such as {retry-after: 5}");
    for (;;) {
        struct fault_header *h = NULL;
        char *value = NULL;
        int e = next(d);
        if (e || yamlr_what(d->y) == YAMLR_MAP_END)
            return e;
        e = new_header(d, "set", &h);
        e = e ? e : next(d);
        e = e ? e : take_word(d, "set", VALUE_MAX, &value);
        if (h)
            h->value = value;
        else
            free(value);
        if (e)
            return e;
    }
}

static int take_remove(struct draft *d)
{
    struct fault_header *h;
    if (yamlr_what(d->y) == YAMLR_VALUE)
        return new_header(d, "remove", &h);
    if (yamlr_what(d->y) != YAMLR_LIST)
        return yamlr_fail(d->y, E_SYNTAX, "remove takes names of headers, such as [etag]");
    for (;;) {
        int e = next(d);
        if (e || yamlr_what(d->y) == YAMLR_LIST_END)
            return e;
        e = new_header(d, "remove", &h);
        if (e)
            return e;
    }
}

static int take_body(struct draft *d)
{
    struct view v = yamlr_value(d->y);
    if (v.n > FAULTS_BODY_MAX)
        return yamlr_fail(d->y, E_LIMIT, "body: more than %u bytes", FAULTS_BODY_MAX);
    d->rule->body = malloc(v.n + 1);
    if (!d->rule->body)
        return yamlr_fail(d->y, E_NOMEM, "%s", err_text(E_NOMEM));
    memcpy(d->rule->body, v.n ? v.p : "", v.n);
    d->rule->body_n = v.n;
    return 0;
}

// ---- a rule

static int take_percent(struct draft *d)
{
    double part;
    if (!percent(yamlr_value(d->y), &part))
        return wrong(d, "percent", "a number from 0 to 100, such as 20 or 0.5");
    d->rule->parts = (uint32_t)(part * FAULT_PARTS_ALL + 0.5);
    return 0;
}

static int take_value(struct draft *d, enum key k)
{
    struct fault_rule *r = d->rule;
    const char *name = key_names[k];
    uint64_t number;
    int e = 0;
    if (yamlr_what(d->y) != YAMLR_VALUE && k != KEY_DELAY && k != KEY_SET && k != KEY_REMOVE)
        return yamlr_fail(d->y, E_SYNTAX, "%s takes one plain value", name);
    switch (k) {
    case KEY_FAULT:
        return take_kind(d);
    case KEY_WHEN:
        return take_when(d);
    case KEY_PERCENT:
        return take_percent(d);
    case KEY_TIMES:
        return take_number(d, name, 1, 1000000000, &r->times);
    case KEY_AFTER:
        return take_number(d, name, 0, 1000000000, &r->after);
    case KEY_DELAY:
        return take_delay(d);
    case KEY_STATUS:
        e = take_number(d, name, 200, 599, &number);
        r->status = e ? 0 : (unsigned)number;
        return e;
    case KEY_REASON:
        return take_word(d, name, WORD_MAX, &r->reason);
    case KEY_BODY:
        return take_body(d);
    case KEY_TYPE:
        return take_word(d, name, VALUE_MAX, &r->type);
    case KEY_SET:
        return take_set(d);
    case KEY_REMOVE:
        return take_remove(d);
    case KEY_AT:
        return take_place(d, &r->place);
    case KEY_BYTES:
        return take_size(d, name, BYTES_MAX, &r->bytes);
    case KEY_EVERY:
        return take_time(d, name, &r->every_us);
    default:
        return take_time(d, name, &r->stall_us);
    }
}

// The names of the keys of a kind, ", "-joined.
static const char *list_keys(unsigned keys, char *out, size_t size)
{
    size_t n = 0;
    *out = 0;
    for (int k = 0; k < KEYS; k++)
        if (keys & BIT(k) && n < size)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", key_names[k]);
    return out;
}

static int judge(struct draft *d)
{
    struct fault_rule *r = d->rule;
    char keys[160];
    if (!(d->seen & BIT(KEY_FAULT)))
        return yamlr_fail_at(d->y, d->begin, E_SYNTAX, "this rule lacks fault: which one?");
    const char *name = fault_names[r->kind];
    unsigned needs = kinds[r->kind].needs, takes = needs | kinds[r->kind].takes | COMMON;
    for (int k = 0; k < KEYS; k++)
        if (d->seen & BIT(k) & ~takes)
            return yamlr_fail_at(d->y, d->at[k], E_SYNTAX, "'%s' is nothing of %s; it has %s",
                                 key_names[k], name, list_keys(takes, keys, sizeof keys));
    if (needs & ~d->seen)
        return yamlr_fail_at(d->y, d->begin, E_SYNTAX, "%s lacks %s", name,
                             list_keys(needs & ~d->seen, keys, sizeof keys));
    if (r->kind == FAULT_HEADER && !r->header_count)
        return yamlr_fail_at(d->y, d->begin, E_SYNTAX, "header lacks set or remove");
    if (r->kind == FAULT_STATUS && r->type && !r->body)
        return yamlr_fail_at(d->y, d->at[KEY_TYPE], E_SYNTAX, "type is that of body: give both");
    if (r->kind == FAULT_TRUNCATE && r->place.how == FAULT_BEFORE)
        return yamlr_fail_at(d->y, d->at[KEY_AT], E_SYNTAX,
                             "at: truncate leaves the head as it is; reset takes before");
    if (r->kind == FAULT_CORRUPT && r->bytes > CORRUPT_MAX)
        return yamlr_fail_at(d->y, d->at[KEY_BYTES], E_RANGE, "bytes: corrupt takes at most %d",
                             CORRUPT_MAX);
    if (r->kind == FAULT_DRIBBLE && r->every_us == 0)
        return yamlr_fail_at(d->y, d->at[KEY_EVERY], E_RANGE, "every: 0 is no interval");
    return judge_when(d);
}

static int read_rule(struct draft *d)
{
    char text[YAMLR_SHOWN];
    d->begin = yamlr_mark(d->y);
    if (yamlr_what(d->y) != YAMLR_MAP)
        return yamlr_fail(d->y, E_SYNTAX,
                          "a rule is expected here, such as {fault: latency, delay: 200ms}");
    for (;;) {
        int e = next(d), k = 0;
        if (e)
            return e;
        if (yamlr_what(d->y) == YAMLR_MAP_END)
            return judge(d);
        while (k < KEYS && !view_eq(yamlr_value(d->y), view_of(key_names[k])))
            k++;
        if (k == KEYS)
            return yamlr_fail(d->y, E_SYNTAX,
                              "'%s' is nothing of a rule; there are fault, when, percent, times, "
                              "after, and what the fault needs: delay, status, reason, body, type, "
                              "set, remove, at, bytes, every, for",
                              yamlr_shown(d->y, text));
        if (d->seen & BIT(k))
            return yamlr_fail(d->y, E_EXISTS, "%s stands here for the second time", key_names[k]);
        d->seen |= BIT(k);
        e = next(d);
        d->at[k] = yamlr_mark(d->y);
        e = e ? e : take_value(d, (enum key)k);
        if (e)
            return e;
    }
}

static int new_rule(struct fault_rules *r, struct yamlr *y)
{
    if (r->n == FAULTS_MAX)
        return yamlr_fail(y, E_LIMIT, "more than %d rules", FAULTS_MAX);
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 8;
        struct fault_rule *more = realloc(r->items, cap * sizeof *more);
        if (!more)
            return yamlr_fail(y, E_NOMEM, "%s", err_text(E_NOMEM));
        r->items = more;
        r->cap = cap;
    }
    r->items[r->n++] = (struct fault_rule){.line = yamlr_mark(y).line,
                                           .parts = FAULT_PARTS_ALL,
                                           .times = UINT64_MAX,
                                           .stall_us = INT64_MAX};
    return 0;
}

static int read_all(struct fault_rules *r, struct yamlr *y)
{
    enum yamlr_what what;
    int e = yamlr_next(y, &what);
    if (e || what == YAMLR_DONE)
        return e;
    if (what != YAMLR_LIST && !yamlr_is_null(y))
        return yamlr_fail(y, E_SYNTAX,
                          "faults are a list of rules, such as - {fault: latency, delay: 200ms}");
    while (what == YAMLR_LIST && !(e = yamlr_next(y, &what)) && what != YAMLR_LIST_END) {
        e = new_rule(r, y);
        if (!e) {
            struct draft d = {.y = y, .rule = &r->items[r->n - 1]};
            e = read_rule(&d);
        }
        if (e)
            return e;
        what = YAMLR_LIST;
    }
    return e ? e : yamlr_next(y, &what);
}

int fault_rules_read(struct fault_rules *out, const char *name, struct view text, char why[WHY_MAX])
{
    *out = (struct fault_rules){0};
    struct yamlr *y = yamlr_new(name, text, FAULTS_TEXT_MAX, why);
    if (!y)
        return text.n > FAULTS_TEXT_MAX ? E_LIMIT : E_NOMEM;
    int e = read_all(out, y);
    yamlr_free(y);
    if (e)
        fault_rules_clear(out);
    return e;
}

static void headers_clear(struct fault_rule *r)
{
    for (size_t i = 0; i < r->header_count; i++) {
        free(r->headers[i].name);
        free(r->headers[i].value);
    }
    free(r->headers);
}

void fault_rules_clear(struct fault_rules *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct fault_rule *one = &r->items[i];
        filter_free(one->filter);
        free(one->when);
        free(one->reason);
        free(one->type);
        free(one->body);
        headers_clear(one);
    }
    free(r->items);
    *r = (struct fault_rules){0};
}
