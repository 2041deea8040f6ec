// fields: values of columns as people and programs want them.
//
// What is written for a program is exact and can be read back; what is written for a person has
// three digits. An id is a stream and a number in it, "1.57", for both.
#include "tools/fields.h"

#include "proto/base/clock.h"
#include "tools/cli.h"

#include <inttypes.h>
#include <time.h>

static int find(struct view name)
{
    for (int i = 0; i < FIELD_COLUMNS; i++)
        if (view_eq(name, view_of(filter_fields[i].name)))
            return i;
    return -1;
}

int fields_parse(const char *names, enum filter_field out[FIELD_COLUMNS], size_t *n)
{
    *n = 0;
    for (struct view rest = view_of(names); rest.n > 0;) {
        size_t length = view_find(rest, ',');
        struct view name = view_trim(view_head(rest, length));
        int i = find(name);
        rest = view_from(rest, length < rest.n ? length + 1 : length);
        if (i < 0 || *n == FIELD_COLUMNS) {
            cli_error(i < 0 ? "--columns: there is no column '%.*s'; tapedeck help fields lists "
                              "them all"
                            : "--columns: too many columns at '%.*s'",
                      (int)(name.n < 60 ? name.n : 60), name.n ? name.p : "");
            return CLI_USAGE;
        }
        out[(*n)++] = (enum filter_field)i;
    }
    if (*n > 0)
        return 0;
    cli_error("--columns: names no column; tapedeck help fields lists them all");
    return CLI_USAGE;
}

void fields_json_one(struct jsonw *w, const char *key, const struct store_query *q, int i)
{
    struct view v;
    switch (store_column_type(q, i)) {
    case STORE_INT:
        jsonw_int(w, key, store_int(q, i));
        return;
    case STORE_REAL:
        jsonw_real(w, key, store_real(q, i));
        return;
    case STORE_TEXT:
    case STORE_BLOB:
        v = store_bytes(q, i);
        if (v.n > 0) {
            jsonw_field(w, key, v);
            return;
        }
        break;
    case STORE_NULL:
        break;
    }
    jsonw_null(w, key);
}

void fields_json(struct jsonw *w, const struct store_query *q)
{
    for (int i = 0; i < FIELD_COLUMNS; i++)
        fields_json_one(w, filter_fields[i].name, q, i);
}

const char *fields_id(int64_t id, char out[FIELDS_ID])
{
    uint64_t u = (uint64_t)id;
    snprintf(out, FIELDS_ID, "%" PRIu64 ".%" PRIu64, u >> STORE_SEQ_BITS,
             u & ((UINT64_C(1) << STORE_SEQ_BITS) - 1));
    return out;
}

int fields_id_parse(struct view text, int64_t *id)
{
    uint64_t stream, seq;
    size_t dot = view_find(text, '.');
    if (dot == text.n) {
        int e = view_number(text, 10, INT64_MAX, &seq);
        *id = (int64_t)seq;
        return e;
    }
    int e = view_number(view_head(text, dot), 10, INT64_MAX >> STORE_SEQ_BITS, &stream);
    if (!e)
        e = view_number(view_from(text, dot + 1), 10, (1ULL << STORE_SEQ_BITS) - 1, &seq);
    if (!e)
        *id = store_key((int64_t)stream, seq);
    return e;
}

// n / unit with three digits and the unit's name.
static void three(char out[FIELDS_SHORT], double n, const char *name)
{
    int decimals = n < 9.995 ? 2 : n < 99.95 ? 1 : 0;
    snprintf(out, FIELDS_SHORT, "%.*f%s", decimals, n, name);
}

const char *fields_duration(int64_t us, char out[FIELDS_SHORT])
{
    double n = (double)us;
    if (us < 1000)
        snprintf(out, FIELDS_SHORT, "%" PRId64 "%s", us, us ? "us" : "");
    else if (n < 999.5e3)
        three(out, n / 1e3, "ms");
    else if (n < 600e6)
        three(out, n / 1e6, "s");
    else if (n < 7200e6)
        three(out, n / 60e6, "m");
    else
        three(out, n / 3600e6, "h");
    return out;
}

const char *fields_size(int64_t bytes, char out[FIELDS_SHORT])
{
    static const char *const names[] = {"k", "M", "G", "T"};
    double n = (double)bytes;
    int i = -1;
    for (; n >= 999.5 && i < 3; i++)
        n /= 1024;
    if (i < 0)
        snprintf(out, FIELDS_SHORT, "%" PRId64, bytes);
    else
        snprintf(out, FIELDS_SHORT, n < 9.95 ? "%.1f%s" : "%.0f%s", n, names[i]);
    return out;
}

const char *fields_time(const struct term *t, struct view text, char out[FIELDS_TIME])
{
    int64_t us;
    snprintf(out, FIELDS_TIME, "%.*s", (int)text.n, text.p ? text.p : "");
    if (!t->tty || !text.p || clock_parse(text.p, text.n, &us))
        return out;
    time_t then = (time_t)(us / US_PER_S), now = time(NULL);
    struct tm a, b;
    localtime_r(&then, &a);
    localtime_r(&now, &b);
    bool today = a.tm_yday == b.tm_yday && a.tm_year == b.tm_year;
    size_t n = strftime(out, FIELDS_TIME, today ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &a);
    snprintf(out + n, FIELDS_TIME - n, ".%03d", (int)(us % US_PER_S / US_PER_MS));
    return out;
}

const char *fields_count(int64_t n, char out[FIELDS_COUNT])
{
    char digits[FIELDS_COUNT];
    int length = snprintf(digits, sizeof digits, "%" PRId64, n), at = 0;
    for (int i = 0; i < length && at < FIELDS_COUNT - 2; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}
