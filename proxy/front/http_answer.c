// http_answer: the http front's own answers.
#include "proxy/front/http_answer.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 400

static const char *reason_of(unsigned status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 408:
        return "Request Timeout";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    case 508:
        return "Loop Detected";
    default:
        return "Error";
    }
}

int http_answer(struct buf *to_client, unsigned status, bool head_only, const char *format, ...)
{
    char line[LINE_MAX_BYTES + 1], whole[2 * LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *p = line; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    int n = snprintf(whole, sizeof whole,
                     "HTTP/1.1 %u %s\r\n"
                     "Content-Type: text/plain\r\n"
                     "Content-Length: %zu\r\n"
                     "Connection: close\r\n"
                     "\r\n"
                     "%s%s",
                     status, reason_of(status), strlen(line) + 1, head_only ? "" : line,
                     head_only ? "" : "\n");
    return buf_add(to_client, whole, (size_t)n);
}
