// line: what is told while a run is under way.
#include "tools/fields.h"
#include "tools/report/sums.h"

#include <stdio.h>

const char *verdict_line(struct verdict *v, int64_t now_us, int permille, char out[VERDICT_LINE])
{
    const struct sums_counts *c = &v->all.counts;
    char text[5][FIELDS_COUNT], way[16] = "";
    int64_t span = now_us - v->shown_us;
    double rate = span > 0 ? (double)(c->sent - v->shown) * 1e6 / (double)span : 0;
    if (permille >= 0)
        snprintf(way, sizeof way, "%d.%d %%  ", permille / 10, permille % 10);
    snprintf(out, VERDICT_LINE, "%s%s sent  %s/s  %s errors  %s mismatches  late p99 %s", way,
             fields_count((int64_t)c->sent, text[0]), fields_count((int64_t)rate, text[1]),
             fields_count((int64_t)sums_errors(c), text[2]),
             fields_count((int64_t)sums_mismatches(c), text[3]),
             v->lateness.n ? fields_duration(histogram_at(&v->lateness, 0.99), text[4]) : "-");
    v->shown = c->sent;
    v->shown_us = now_us;
    return out;
}
