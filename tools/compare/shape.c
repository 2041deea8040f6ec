// shape: one function a shape, each of one pass over the text and without memory of its own.
#include "tools/compare/shape.h"

#include "proto/base/clock.h"
#include "proto/base/err.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 128 // bytes of the longest date or address

const char *const shape_names[SHAPE_COUNT] = {
    "none", "uuid",  "ulid", "objectid", "traceparent", "jwt",      "http-date", "time",
    "date", "email", "ip",   "epoch-ms", "epoch",       "trace-id", "hex",       "number",
};
const char *const shape_sentences[SHAPE_COUNT] = {
    "",
    "a UUID (RFC 9562)",
    "a ULID: 26 letters and digits",
    "an object id: 24 hexadecimal digits",
    "a W3C traceparent",
    "a JSON web token",
    "a date as HTTP has it",
    "a time as ISO 8601 has it",
    "a date as ISO 8601 has it",
    "an address of e-mail",
    "an IP address, also with a port",
    "milliseconds since 1970",
    "seconds since 1970",
    "a W3C trace id: 32 hexadecimal digits",
    "hexadecimal digits, on both sides as many",
    "a number",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return view_lower(c) >= 'a' && view_lower(c) <= 'z';
}

// Length of the run of hexadecimal digits at the front.
static size_t hex_run(struct view v)
{
    size_t n = 0;
    while (n < v.n && view_digit(v.p[n]) >= 0)
        n++;
    return n;
}

static size_t digit_run(struct view v)
{
    size_t n = 0;
    while (n < v.n && is_digit(v.p[n]))
        n++;
    return n;
}

static bool all_zero(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] != '0')
            return false;
    return true;
}

// Groups of hexadecimal digits with '-' between them.
static bool hex_groups(struct view v, const unsigned char *sizes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (v.n == 0 || v.p[0] != '-'))
            return false;
        v = view_from(v, i > 0);
        if (v.n < sizes[i] || hex_run(view_head(v, sizes[i])) < sizes[i])
            return false;
        v = view_from(v, sizes[i]);
    }
    return v.n == 0;
}

static bool is_uuid(struct view v)
{
    static const unsigned char sizes[] = {8, 4, 4, 4, 12};
    if (view_istarts(v, VIEW_LIT("urn:uuid:")))
        v = view_from(v, 9);
    else if (v.n == 38 && v.p[0] == '{' && v.p[37] == '}')
        v = (struct view){v.p + 1, 36};
    return hex_groups(v, sizes, 5);
}

static bool is_ulid(struct view v)
{
    if (v.n != 26 || v.p[0] < '0' || v.p[0] > '7')
        return false;
    bool letter = false;
    for (size_t i = 0; i < v.n; i++) {
        char c = view_lower(v.p[i]);
        if ((!is_digit(c) && !is_letter(c)) || strchr("ilou", c))
            return false;
        letter = letter || !is_digit(c);
    }
    return letter;
}

static bool is_traceparent(struct view v)
{
    static const unsigned char sizes[] = {2, 32, 16, 2};
    return hex_groups(v, sizes, 4) && !view_istarts(v, VIEW_LIT("ff")) &&
           !all_zero((struct view){v.p + 3, 32}) && !all_zero((struct view){v.p + 36, 16});
}

static bool is_base64url(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_digit(v.p[i]) && !is_letter(v.p[i]) && v.p[i] != '-' && v.p[i] != '_')
            return false;
    return true;
}

// "{" and a blank or a quote is what a header begins with, and so base64 with these letters.
static bool is_jwt(struct view v)
{
    struct view part[3];
    for (int i = 0; i < 3; i++) {
        size_t n = view_find(v, '.');
        part[i] = view_head(v, n);
        if ((n == v.n) != (i == 2) || !is_base64url(part[i]))
            return false;
        v = view_from(v, n < v.n ? n + 1 : n);
    }
    return part[0].n >= 8 && part[1].n >= 2 &&
           (view_starts(part[0], VIEW_LIT("ey")) || view_starts(part[0], VIEW_LIT("ew")));
}

// ---- times

// n digits as a number up to max; -1: they are none.
static int number_at(struct view v, size_t at, size_t n, int min, int max)
{
    int out = 0;
    if (at + n > v.n)
        return -1;
    for (size_t i = at; i < at + n; i++) {
        if (!is_digit(v.p[i]))
            return -1;
        out = 10 * out + (v.p[i] - '0');
    }
    return out >= min && out <= max ? out : -1;
}

static int64_t days_from(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool day_is(int y, int m, int d)
{
    static const unsigned char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return y >= 0 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] && (m != 2 || d < 29 || leap);
}

// "2026-01-31" at the front: microseconds, and what stands behind it.
static bool date_of(struct view v, int64_t *us, struct view *rest)
{
    int y = number_at(v, 0, 4, 0, 9999), m = number_at(v, 5, 2, 1, 12);
    int d = number_at(v, 8, 2, 1, 31);
    if (v.n < 10 || v.p[4] != '-' || v.p[7] != '-' || m < 0 || d < 0 || !day_is(y, m, d))
        return false;
    *us = days_from(y, m, d) * US_PER_DAY;
    *rest = view_from(v, 10);
    return true;
}

// "12:30", "12:30:59.25", also with a comma.
static bool clock_of(struct view v, int64_t *us, struct view *rest)
{
    int h = number_at(v, 0, 2, 0, 24), m = number_at(v, 3, 2, 0, 59), s = 0;
    if (h < 0 || m < 0 || v.p[2] != ':')
        return false;
    v = view_from(v, 5);
    if (v.n > 0 && v.p[0] == ':') {
        s = number_at(v, 1, 2, 0, 60);
        if (s < 0)
            return false;
        v = view_from(v, 3);
    }
    *us += ((h * 60LL + m) * 60 + s) * US_PER_S;
    if (v.n > 1 && (v.p[0] == '.' || v.p[0] == ',')) {
        size_t n = digit_run(view_from(v, 1));
        int64_t unit = US_PER_S / 10;
        for (size_t i = 1; i <= n; i++, unit /= 10)
            *us += (v.p[i] - '0') * unit;
        if (n == 0)
            return false;
        v = view_from(v, n + 1);
    }
    *rest = v;
    return true;
}

static bool time_of(struct view v, int64_t *us)
{
    if (!date_of(v, us, &v) || v.n == 0 || (view_lower(v.p[0]) != 't' && v.p[0] != ' ') ||
        !clock_of(view_from(v, 1), us, &v))
        return false;
    if (v.n > 0 && v.p[0] == ' ')
        v = view_from(v, 1);
    if (v.n == 0 || view_ieq(v, VIEW_LIT("z")) || view_ieq(v, VIEW_LIT("utc")))
        return true;
    int h = number_at(v, 1, 2, 0, 23), sign = v.p[0] == '-' ? -1 : 1, m = 0;
    if ((v.p[0] != '+' && v.p[0] != '-') || h < 0)
        return false;
    v = view_from(v, 3);
    if (v.n > 0) {
        v = view_from(v, v.p[0] == ':');
        m = number_at(v, 0, 2, 0, 59);
        if (m < 0 || v.n != 2)
            return false;
    }
    *us -= sign * (h * 60LL + m) * 60 * US_PER_S;
    return true;
}

static int month_of(const char *name)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (memcmp(months + 3 * i, name, 3) == 0)
            return i + 1;
    return 0;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994".
static bool http_date_of(struct view v, int64_t *us)
{
    char text[TEXT_MAX], month[4] = "", zone[4] = "";
    int d = 0, y = 0, h = 0, m = 0, s = 0, end = 0;
    if (v.n >= sizeof text || v.n < 20)
        return false;
    memcpy(text, v.p, v.n);
    text[v.n] = 0;
    size_t day = 0;
    while (is_letter(text[day]))
        day++;
    if (day < 3 || strlen(text) != v.n)
        return false;
    const char *rest = text + day;
    if (sscanf(rest, ", %2d %3[A-Za-z] %4d %2d:%2d:%2d %3[A-Z]%n", &d, month, &y, &h, &m, &s, zone,
               &end) == 7 ||
        sscanf(rest, ", %2d-%3[A-Za-z]-%4d %2d:%2d:%2d %3[A-Z]%n", &d, month, &y, &h, &m, &s, zone,
               &end) == 7) {
        if (strcmp(zone, "GMT") != 0 && strcmp(zone, "UTC") != 0)
            return false;
    } else if (sscanf(rest, " %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", month, &d, &h, &m, &s, &y, &end) !=
               6) {
        return false;
    }
    if (y < 0)
        return false;
    y += y < 70 ? 2000 : y < 100 ? 1900 : 0;
    int number = strlen(month) == 3 ? month_of(month) : 0;
    if (rest[end] || !number || !day_is(y, number, d) || h < 0 || h > 23 || m < 0 || m > 59 ||
        s < 0 || s > 60)
        return false;
    *us = days_from(y, number, d) * US_PER_DAY + ((h * 60LL + m) * 60 + s) * US_PER_S;
    return true;
}

// Of the years 2001 to 2100; digits: of the whole number, which goes with its unit.
static bool epoch_of(struct view v, size_t digits, int64_t unit, int64_t *us)
{
    size_t n = digit_run(v);
    int64_t whole = 0, part = unit / 10;
    if (n != digits || v.p[0] == '0')
        return false;
    for (size_t i = 0; i < n; i++)
        whole = 10 * whole + (v.p[i] - '0');
    *us = whole * unit;
    if (*us > INT64_C(4102444800) * US_PER_S)
        return false;
    v = view_from(v, n);
    if (v.n == 0)
        return true;
    n = digit_run(view_from(v, 1));
    for (size_t i = 1; i <= n && v.p[0] == '.'; i++, part /= 10)
        *us += (v.p[i] - '0') * part;
    return v.p[0] == '.' && n > 0 && n + 1 == v.n;
}

int shape_time(struct view v, int64_t *us)
{
    struct view rest;
    if (time_of(v, us) || http_date_of(v, us) || epoch_of(v, 13, US_PER_MS, us) ||
        epoch_of(v, 10, US_PER_S, us) || (date_of(v, us, &rest) && rest.n == 0))
        return 0;
    return E_SYNTAX;
}

// ---- the others

static bool is_email(struct view v)
{
    size_t at = view_find(v, '@'), dot = 0;
    if (at == 0 || at + 3 > v.n || v.n > 254)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i];
        bool both = is_digit(c) || is_letter(c) || c == '-' || c == '.';
        if (c == 0)
            return false;
        if (i < at ? !both && !strchr("_+%!#$&'*/=?^`{|}~", c) : i > at && !both)
            return false;
        if (i > at && c == '.')
            dot = i;
    }
    return dot > at + 1 && dot + 2 < v.n && v.p[at - 1] != '.' && v.p[at + 1] != '-';
}

static bool is_port(struct view v)
{
    uint64_t port;
    return view_number(v, 10, 65535, &port) == 0;
}

static bool is_ip(struct view v)
{
    char text[TEXT_MAX];
    unsigned char bytes[16];
    bool bracket = v.n > 0 && v.p[0] == '[';
    size_t n = bracket ? view_find(v, ']') : view_find(v, ':');
    if (v.n >= sizeof text || v.n < 2 || (bracket && n == v.n))
        return false;
    struct view address = bracket ? (struct view){v.p + 1, n - 1} : view_head(v, n);
    struct view rest = view_from(v, bracket ? n + 1 : n);
    memcpy(text, address.p, address.n);
    text[address.n] = 0;
    if (memchr(text, 0, address.n) == NULL &&
        inet_pton(bracket ? AF_INET6 : AF_INET, text, bytes) == 1 &&
        (rest.n == 0 || (rest.p[0] == ':' && is_port(view_from(rest, 1)))))
        return true;
    memcpy(text, v.p, v.n);
    text[v.n] = 0;
    return memchr(text, 0, v.n) == NULL && inet_pton(AF_INET6, text, bytes) == 1;
}

static bool is_hex(struct view v)
{
    static const unsigned char digests[] = {32, 40, 56, 64, 96, 128};
    bool letter = false, digest = false;
    for (size_t i = 0; i < v.n; i++) {
        if (view_digit(v.p[i]) < 0)
            return false;
        letter = letter || !is_digit(v.p[i]);
    }
    for (size_t i = 0; i < sizeof digests; i++)
        digest = digest || v.n == digests[i];
    return v.n >= 8 && (letter || digest);
}

static bool is_trace_id(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_digit(v.p[i]) && (v.p[i] < 'a' || v.p[i] > 'f'))
            return false;
    return v.n == 32 && !all_zero(v);
}

static bool is_number(struct view v)
{
    if (v.n > 0 && v.p[0] == '-')
        v = view_from(v, 1);
    size_t n = digit_run(v);
    if (n == 0 || (n > 1 && v.p[0] == '0'))
        return false;
    v = view_from(v, n);
    if (v.n > 0 && v.p[0] == '.') {
        n = digit_run(view_from(v, 1));
        if (n == 0)
            return false;
        v = view_from(v, n + 1);
    }
    if (v.n > 0 && view_lower(v.p[0]) == 'e') {
        v = view_from(v, 1);
        v = view_from(v, v.n > 0 && (v.p[0] == '+' || v.p[0] == '-'));
        n = digit_run(v);
        return n > 0 && n == v.n;
    }
    return v.n == 0;
}

bool shape_is(enum shape shape, struct view v)
{
    int64_t us;
    struct view rest;
    switch (shape) {
    case SHAPE_UUID:
        return is_uuid(v);
    case SHAPE_ULID:
        return is_ulid(v);
    case SHAPE_OBJECTID:
        return v.n == 24 && hex_run(v) == 24;
    case SHAPE_TRACEPARENT:
        return is_traceparent(v);
    case SHAPE_JWT:
        return is_jwt(v);
    case SHAPE_HTTP_DATE:
        return http_date_of(v, &us);
    case SHAPE_TIME:
        return time_of(v, &us);
    case SHAPE_DATE:
        return date_of(v, &us, &rest) && rest.n == 0;
    case SHAPE_EMAIL:
        return is_email(v);
    case SHAPE_IP:
        return is_ip(v);
    case SHAPE_EPOCH_MS:
        return epoch_of(v, 13, US_PER_MS, &us);
    case SHAPE_EPOCH:
        return epoch_of(v, 10, US_PER_S, &us);
    case SHAPE_TRACE_ID:
        return is_trace_id(v);
    case SHAPE_HEX:
        return is_hex(v);
    case SHAPE_NUMBER:
        return is_number(v);
    case SHAPE_NONE:
    case SHAPE_COUNT:
        break;
    }
    return false;
}

bool shape_both(enum shape shape, struct view a, struct view b)
{
    return shape_is(shape, a) && shape_is(shape, b) && (shape != SHAPE_HEX || a.n == b.n);
}

enum shape shape_of(struct view a, struct view b)
{
    for (int i = SHAPE_NONE + 1; i < SHAPE_COUNT; i++)
        if (shape_both((enum shape)i, a, b))
            return (enum shape)i;
    return SHAPE_NONE;
}

enum shape shape_find(struct view name)
{
    for (int i = SHAPE_NONE + 1; i < SHAPE_COUNT; i++)
        if (view_ieq(name, view_of(shape_names[i])))
            return (enum shape)i;
    return SHAPE_NONE;
}
