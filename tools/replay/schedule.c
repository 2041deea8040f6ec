#include "tools/replay/schedule.h"

#include "proto/base/clock.h"
#include "proto/base/units.h"

#include <stdio.h>
#include <stdlib.h>

// A decimal number above 0, all of v.
static int number(struct view v, double most, double *out)
{
    char text[32];
    size_t dots = 0;
    if (v.n == 0 || v.n >= sizeof text)
        return E_SYNTAX;
    for (size_t i = 0; i < v.n; i++) {
        dots += v.p[i] == '.';
        if ((v.p[i] < '0' || v.p[i] > '9') && (v.p[i] != '.' || dots > 1 || v.n == 1))
            return E_SYNTAX;
    }
    memcpy(text, v.p, v.n);
    text[v.n] = '\0';
    *out = strtod(text, NULL);
    return *out > 0 && *out <= most ? 0 : E_RANGE;
}

int schedule_speed(struct schedule *s, struct view text, char why[WHY_MAX])
{
    *s = (struct schedule){.kind = SCHEDULE_RECORDED, .speed = 1};
    if (view_eq(text, VIEW_LIT("max"))) {
        s->kind = SCHEDULE_AT_ONCE;
        return 0;
    }
    struct view v = text;
    if (v.n > 1 && (v.p[v.n - 1] == 'x' || v.p[v.n - 1] == 'X'))
        v.n--;
    int e = number(v, 1e6, &s->speed);
    if (e || s->speed < 1e-6) {
        snprintf(why, WHY_MAX,
                 "'%.*s' is no speed: a factor of 0.000001 to 1000000, as 1 or 0.5, or max",
                 (int)(text.n < 40 ? text.n : 40), text.p);
        return e ? e : E_RANGE;
    }
    return 0;
}

// "100", "100/s", "5/m", "7/h".
static int rate_of(struct view v, double *rate)
{
    double per = 1;
    size_t slash = view_find(v, '/');
    if (slash < v.n) {
        struct view unit = view_from(v, slash + 1);
        per = view_eq(unit, VIEW_LIT("s"))   ? 1
              : view_eq(unit, VIEW_LIT("m")) ? 60
              : view_eq(unit, VIEW_LIT("h")) ? 3600
                                             : 0;
        if (per == 0)
            return E_SYNTAX;
    }
    int e = number(view_head(v, slash), SCHEDULE_RATE_MAX, rate);
    *rate /= per;
    return e;
}

int schedule_rate(struct schedule *s, struct view text, char why[WHY_MAX])
{
    *s = (struct schedule){.kind = SCHEDULE_RATE, .speed = 1, .n = 1};
    s->stages[0].us = SCHEDULE_END;
    int e = rate_of(text, &s->stages[0].rate);
    if (e)
        snprintf(why, WHY_MAX,
                 "'%.*s' is no rate: a number of requests up to 10000000, as 100, 100/s, 5/m or "
                 "7/h",
                 (int)(text.n < 40 ? text.n : 40), text.p);
    return e;
}

int schedule_stages(struct schedule *s, struct view text, char why[WHY_MAX])
{
    struct view rest = text;
    *s = (struct schedule){.kind = SCHEDULE_RATE, .speed = 1};
    for (;;) {
        size_t n = view_find(rest, ',');
        struct view one = view_trim(view_head(rest, n));
        size_t at = view_find(one, '@');
        if (s->n == SCHEDULE_STAGES) {
            snprintf(why, WHY_MAX, "more than %d stages", SCHEDULE_STAGES);
            return E_LIMIT;
        }
        int e = at == one.n ? E_SYNTAX : units_duration(view_head(one, at), &s->stages[s->n].us);
        e = e ? e : s->stages[s->n].us <= 0 ? E_RANGE : 0;
        e = e ? e : rate_of(view_from(one, at + 1), &s->stages[s->n].rate);
        if (e) {
            snprintf(why, WHY_MAX,
                     "'%.*s' is no stage: DURATION@RATE, as 10s@100; several are separated by "
                     "commas",
                     (int)(one.n < 40 ? one.n : 40), one.n ? one.p : "");
            return e;
        }
        s->n++;
        if (n == rest.n)
            return 0;
        rest = view_from(rest, n + 1);
    }
}

// Requests of a stage: the first at its beginning.
static uint64_t in_stage(const struct schedule *s, size_t i)
{
    double n = (double)s->stages[i].us / US_PER_S * s->stages[i].rate;
    return n < 1 ? 1 : (uint64_t)n;
}

int64_t schedule_at(const struct schedule *s, uint64_t k)
{
    int64_t from = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->stages[i].us == SCHEDULE_END || k < in_stage(s, i))
            return from + (int64_t)((double)k * US_PER_S / s->stages[i].rate);
        k -= in_stage(s, i);
        from += s->stages[i].us;
    }
    return SCHEDULE_END;
}

int64_t schedule_span(const struct schedule *s, int64_t recorded_us)
{
    if (s->kind == SCHEDULE_AT_ONCE)
        return 0;
    return s->speed == 1 ? recorded_us : (int64_t)((double)recorded_us / s->speed);
}

int64_t schedule_length(const struct schedule *s)
{
    int64_t sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->stages[i].us == SCHEDULE_END)
            return SCHEDULE_END;
        sum += s->stages[i].us;
    }
    return s->n ? sum : SCHEDULE_END;
}

uint64_t schedule_count(const struct schedule *s)
{
    uint64_t sum = 0;
    if (schedule_length(s) == SCHEDULE_END)
        return UINT64_MAX;
    for (size_t i = 0; i < s->n; i++)
        sum += in_stage(s, i);
    return sum;
}
