// log: one line an event to stderr: time, level, program, subject, then key=value pairs.
// Payload and header values never belong here.
#ifndef TAPEDECK_BASE_LOG_H
#define TAPEDECK_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

// The program's name as it stands in each line; kept, not copied.
void log_init(const char *program);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

// "error", "warn", "info", "debug", "trace": 0 or E_SYNTAX.
int log_level_parse(const char *text, enum log_level *out);

// A message at LOG_TRACE is written only when its topic is among these, comma-separated ("all":
// every one). Copied. 0 or E_LIMIT (more than 256 bytes).
int log_set_topics(const char *topics);
bool log_traces(const char *topic);

// One line, written with one write(2), never waiting for a reader; safe from any thread; control
// characters come out as \xNN.
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_trace(const char *topic, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Takes what libevent says of itself: for event_set_log_callback().
void log_libevent(int severity, const char *message);

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

#endif
