// form: a verdict that was judged, as a document. One file a form, listed in table.c.
#ifndef TAPEDECK_TOOLS_REPORT_FORM_H
#define TAPEDECK_TOOLS_REPORT_FORM_H

#include "tools/report/baseline.h"
#include "tools/report/goals.h"
#include "tools/term.h"

struct judged {
    struct verdict *v; // after verdict_end()
    const struct goals *goals;
    const struct baseline *baseline; // NULL: none was given
    int64_t fresh;                   // places that are not in it; -1: there is none
    uint64_t gone;
    int missed;                // goals
    int code;                  // REPORT_…
    char word[16];             // "passed", "failed", "new", "not run"
    char why[SUMS_REASON * 2]; // in a line
};

// Judges a run that is over; without goals and baseline by the goals that hold then, which it adds.
// 0 or E_NOMEM. All must outlive j.
int judge(struct judged *j, struct verdict *v, struct goals *goals,
          const struct baseline *baseline) MUST_CHECK;

struct form {
    const char *ending; // ".json"
    const char *name;
    // Writes the whole document to t->out. 0 or E_NOMEM; what the disk does not take shows there.
    int (*write)(const struct judged *j, const struct term *t);
};

extern const struct form form_text, form_json, form_junit, form_html;
extern const struct form *const form_table[]; // NULL at the end

// The percentiles that tables and documents show of a histogram.
#define FORM_POINTS 5
extern const double form_points[FORM_POINTS];
extern const char *const form_point_names[FORM_POINTS]; // "p50" … "p99.9"

// "18,112 requests: 18,000 equal, 100 differ, 12 missing", into out, which is returned.
#define FORM_LINE 400
const char *form_summary(const struct judged *j, char out[FORM_LINE]);

// A goal's figure, or why there is none.
const char *form_found(const struct goal *g, char out[SUMS_REASON]);

#endif
