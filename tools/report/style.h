// style: the page's style sheet, light and dark, on a screen and on paper.
#ifndef TAPEDECK_TOOLS_REPORT_STYLE_H
#define TAPEDECK_TOOLS_REPORT_STYLE_H

extern const char report_style[];

#endif
