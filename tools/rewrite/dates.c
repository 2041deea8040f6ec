// dates: times moved by a span, each in the form that it has: as many digits, the same zone.
#include "tools/rewrite/session.h"

#include "proto/base/clock.h"
#include "tools/compare/shape.h"

#include <stdio.h>

#define LATEST (INT64_C(253402300799) * US_PER_S) // the end of the year 9999

static int64_t floor_to(int64_t us, int64_t unit)
{
    return us / unit - (us % unit < 0);
}

static bool broken_down(int64_t us, struct tm *tm)
{
    time_t t = (time_t)floor_to(us, US_PER_S);
    return us >= 0 && us <= LATEST && gmtime_r(&t, tm);
}

static int put_date(const struct tm *tm, struct buf *out)
{
    return buf_printf(out, "%04d-%02d-%02d", tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday);
}

// "2026-01-31T12:00:00.250+01:00": what stands behind the seconds' whole part is kept but for the
// digits of the fraction.
static int shift_iso(struct view v, int64_t at, int64_t us, struct buf *out)
{
    int64_t local = 0, read;
    struct tm tm;
    // The zone's distance: what the same digits would be in UTC, less what they are.
    size_t clock = 11;
    while (clock < v.n && strchr("0123456789:.,", v.p[clock]))
        clock++;
    char plain[64];
    if (clock >= sizeof plain)
        return E_NOTFOUND;
    memcpy(plain, v.p, clock);
    if (shape_time(view_n(plain, clock), &read))
        return E_NOTFOUND;
    local = at + us + (read - at);
    if (!broken_down(local, &tm))
        return E_NOTFOUND;
    int e = put_date(&tm, out);
    e = e ? e : buf_printf(out, "%c%02d:%02d", v.p[10], tm.tm_hour, tm.tm_min);
    size_t i = 16;
    if (!e && i < clock && v.p[i] == ':') {
        e = buf_printf(out, ":%02d", tm.tm_sec);
        i += 3;
    }
    if (!e && i < clock && (v.p[i] == '.' || v.p[i] == ',')) {
        char digits[16];
        size_t n = clock - i - 1;
        snprintf(digits, sizeof digits, "%06d",
                 (int)(local - floor_to(local, US_PER_S) * US_PER_S));
        e = buf_add(out, v.p + i, 1);
        for (size_t k = 0; k < n && !e; k++) // beyond microseconds the digits stay
            e = buf_add(out, k < 6 ? digits + k : v.p + i + 1 + k, 1);
    }
    return e ? e : buf_add(out, v.p + clock, v.n - clock);
}

static int shift_http(int64_t at, struct buf *out)
{
    char text[64];
    struct tm tm;
    if (!broken_down(at, &tm))
        return E_NOTFOUND;
    return buf_add(out, text, strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm));
}

static int shift_epoch(struct view v, int64_t at, bool ms, struct buf *out)
{
    size_t point = view_find(v, '.');
    int e = at < 0 ? E_NOTFOUND : buf_printf(out, "%lld", (long long)(at / (ms ? 1000 : US_PER_S)));
    if (e || point == v.n)
        return e;
    char digits[16];
    snprintf(digits, sizeof digits, "%06d", ms ? (int)(at % 1000) * 1000 : (int)(at % US_PER_S));
    e = buf_add(out, ".", 1);
    for (size_t k = 0; k + point + 1 < v.n && !e; k++)
        e = buf_add(out, k < 6 ? digits + k : v.p + point + 1 + k, 1);
    return e;
}

int dates_shift(struct view v, int64_t us, struct buf *out)
{
    int64_t at;
    struct tm tm;
    if (shape_time(v, &at))
        return E_NOTFOUND;
    if (shape_is(SHAPE_HTTP_DATE, v))
        return shift_http(at + us, out);
    if (shape_is(SHAPE_EPOCH_MS, v))
        return shift_epoch(v, at + us, true, out);
    if (shape_is(SHAPE_EPOCH, v))
        return shift_epoch(v, at + us, false, out);
    if (shape_is(SHAPE_TIME, v))
        return shift_iso(v, at, us, out);
    return broken_down(at + us, &tm) ? put_date(&tm, out) : E_NOTFOUND;
}

// ---- the rule

struct shifting {
    struct work *w;
    const struct rewrite_rule *rule;
    int64_t us;
    struct buf out;
    uint64_t hits;
};

static bool ends(struct view name, const char *with)
{
    size_t n = strlen(with);
    return name.n >= n && view_ieq(view_from(name, name.n - n), view_of(with));
}

// Whether a number under that name is likely to be a time.
static bool sounds_like_time(const struct part *p)
{
    static const char *const words[] = {"at",     "time",    "date",    "timestamp", "ts",
                                        "exp",    "iat",     "nbf",     "since",     "until",
                                        "from",   "to",      "start",   "end",       "expires",
                                        "expiry", "created", "updated", NULL};
    for (size_t i = p->depth; i > 0; i--) {
        if (p->steps[i - 1].index)
            continue; // of an array: the name of it
        for (size_t k = 0; words[k]; k++)
            if (ends(p->steps[i - 1].key, words[k]))
                return true;
        return false;
    }
    return false;
}

static bool is_meant(const struct shifting *d, const struct part *p)
{
    if (!d->rule->all_times)
        return place_is(&d->rule->place, p);
    if (p->kind != PART_QUERY && p->kind != PART_HEADER && p->kind != PART_VALUE)
        return false;
    bool number = shape_is(SHAPE_EPOCH, p->text) || shape_is(SHAPE_EPOCH_MS, p->text);
    return !number || sounds_like_time(p);
}

static int shift_part(void *arg, const struct part *p)
{
    struct shifting *d = arg;
    if (p->container || p->text.n > 64 || !is_meant(d, p))
        return PARTS_ON;
    buf_reset(&d->out);
    int e = dates_shift(p->text, d->us, &d->out);
    if (e == E_NOTFOUND)
        return PARTS_ON;
    e = e ? e : work_put(d->w, p, buf_view(&d->out));
    d->hits += !e;
    return e;
}

int dates_rule(struct work *w, size_t i)
{
    const struct rewrite_rule *rule = &w->s->rules->rules[i];
    const struct rewrite_setup *setup = &w->s->setup;
    struct shifting d = {.w = w, .rule = rule, .us = rule->shift_us};
    unsigned wants = rule->all_times                  ? PARTS_HEAD | PARTS_CONTENT
                     : place_in_content(&rule->place) ? PARTS_CONTENT
                                                      : PARTS_HEAD;
    if (rule->by_recording) // by whole seconds, so that fractions stay
        d.us = floor_to(setup->now_us - setup->recorded_us, US_PER_S) * US_PER_S;
    buf_init(&d.out, 256);
    int e = work_step(w, wants, shift_part, &d);
    buf_clear(&d.out);
    w->s->hits[i] += d.hits;
    w->s->sums.dates += d.hits;
    return e;
}
