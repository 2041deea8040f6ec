// judge: goals and baseline make a verdict of the sums: one word, one line, one exit code.
#include "tools/report/form.h"
#include "tools/report/report.h"

#include <stdio.h>

static void conclude(struct judged *j)
{
    const struct verdict *v = j->v;
    char line[FORM_LINE];
    const char *word;
    size_t n = 0;
    if (v->stopped[0] || v->all.counts.told == 0) {
        j->code = REPORT_NOT_RUN;
        word = v->stopped[0] ? "stopped" : "not run";
        n = (size_t)snprintf(j->why, sizeof j->why, "%s; ",
                             v->stopped[0] ? v->stopped : "there was no request to send");
    } else if (j->missed) {
        j->code = REPORT_MISSED;
        word = "failed";
        n = (size_t)snprintf(j->why, sizeof j->why, "%d of %zu goals missed; ", j->missed,
                             j->goals->n);
    } else if (j->fresh > 0) {
        j->code = REPORT_NEW;
        word = "failed";
        n = (size_t)snprintf(j->why, sizeof j->why, "%lld mismatches are not in the baseline; ",
                             (long long)j->fresh);
    } else {
        j->code = REPORT_PASSED;
        word = "passed";
    }
    snprintf(j->word, sizeof j->word, "%s", word);
    if (n < sizeof j->why)
        snprintf(j->why + n, sizeof j->why - n, "%s", form_summary(j, line));
}

int judge(struct judged *j, struct verdict *v, struct goals *goals, const struct baseline *baseline)
{
    *j = (struct judged){.v = v, .goals = goals, .baseline = baseline, .fresh = -1};
    if (baseline)
        j->fresh = baseline_apply(baseline, v, &j->gone);
    else if (goals->n == 0)
        goals_defaults(goals, v);
    j->missed = goals_judge(goals, v, j->fresh);
    if (j->missed < 0)
        return E_NOMEM;
    conclude(j);
    return 0;
}
