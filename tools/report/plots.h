// plots: the pictures of the page, as SVG that needs nothing but the page's own style.
#ifndef TAPEDECK_TOOLS_REPORT_PLOTS_H
#define TAPEDECK_TOOLS_REPORT_PLOTS_H

#include "tools/report/form.h"

// Each writes a <figure>. Those of latency write why there is none where it was not measured.
void plot_latency(FILE *out, const struct judged *j);     // by time
void plot_percentiles(FILE *out, const struct judged *j); // the distribution, to its tail
void plot_lateness(FILE *out, const struct judged *j);    // a histogram
void plot_rate(FILE *out, const struct judged *j);        // planned, sent, answered, failed

#endif
