// log: lines to stderr.
//
//   2026-01-31T12:00:00.000000Z info tapedeck-proxy flow closed id=7 reason=done
//
// 1. A line is one write(2), at most LINE_BYTES bytes with its newline; longer ones end in "...".
// 2. A line that would block is dropped and counted.
// 3. What is not printable cannot reach a terminal: control characters, C1 ones in UTF-8 as well.
#include "proto/base/log.h"

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/view.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define TOPICS_MAX  256
#define MESSAGE_MAX 2048 // bytes of a message before escaping
#define LINE_BYTES  4096 // PIPE_BUF: one write to a pipe is not torn

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

static const char *program_name = "tapedeck";
static int current_level = LOG_INFO;
static pthread_mutex_t topics_lock = PTHREAD_MUTEX_INITIALIZER;
static char current_topics[TOPICS_MAX + 1];

void log_init(const char *program)
{
    program_name = program;
}

void log_set_level(enum log_level level)
{
    __atomic_store_n(&current_level, (int)level, __ATOMIC_RELAXED);
}

enum log_level log_get_level(void)
{
    return (enum log_level)__atomic_load_n(&current_level, __ATOMIC_RELAXED);
}

int log_level_parse(const char *text, enum log_level *out)
{
    for (int i = LOG_ERROR; i <= LOG_TRACE; i++)
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    return E_SYNTAX;
}

int log_set_topics(const char *topics)
{
    size_t n = topics ? strlen(topics) : 0;
    if (n > TOPICS_MAX)
        return E_LIMIT;
    pthread_mutex_lock(&topics_lock);
    if (n > 0)
        memcpy(current_topics, topics, n);
    current_topics[n] = 0;
    pthread_mutex_unlock(&topics_lock);
    return 0;
}

bool log_traces(const char *topic)
{
    if (log_get_level() < LOG_TRACE)
        return false;
    struct view wanted = view_of(topic);
    bool found = false;
    pthread_mutex_lock(&topics_lock);
    for (struct view rest = view_of(current_topics); rest.n > 0 && !found;) {
        size_t n = view_find(rest, ',');
        struct view one = view_trim(view_head(rest, n));
        found = view_eq(one, wanted) || view_eq(one, VIEW_LIT("all"));
        rest = view_from(rest, n < rest.n ? n + 1 : n);
    }
    pthread_mutex_unlock(&topics_lock);
    return found;
}

// Whether the byte at s[i] is, or belongs to, a control character.
static bool is_control(const unsigned char *s, size_t i)
{
    if (s[i] < 0x20 || s[i] == 0x7f)
        return true;
    if (s[i] == 0xc2)
        return s[i + 1] >= 0x80 && s[i + 1] < 0xa0;
    return i > 0 && s[i - 1] == 0xc2 && s[i] >= 0x80 && s[i] < 0xa0;
}

// Appends message, escaped, to the line of n bytes; leaves room for "...\n". The new length.
static size_t escape(char line[LINE_BYTES], size_t n, const char *message)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *)message;
    for (size_t i = 0; s[i]; i++) {
        if (n + 8 > LINE_BYTES) {
            memcpy(line + n, "...", 3);
            return n + 3;
        }
        if (is_control(s, i)) {
            line[n++] = '\\';
            line[n++] = 'x';
            line[n++] = hex[s[i] >> 4];
            line[n++] = hex[s[i] & 15];
        } else {
            line[n++] = (char)s[i];
        }
    }
    return n;
}

// A worker must not stand still because nobody reads its log: where a write would block, the line
// is dropped, and the next one that goes through says how many were.
static void write_or_drop(const char *line, size_t n)
{
    static unsigned long dropped;
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) == 0) {
        __atomic_fetch_add(&dropped, 1, __ATOMIC_RELAXED);
        return;
    }
    unsigned long missed = __atomic_exchange_n(&dropped, 0, __ATOMIC_RELAXED);
    if (missed > 0)
        dprintf(STDERR_FILENO, "%s: %lu log lines were dropped: nobody read them\n", program_name,
                missed);
    while (write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
        ;
}

static void write_line(enum log_level level, const char *topic, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void write_line(enum log_level level, const char *topic, const char *format, va_list args)
{
    int saved = errno;
    char line[LINE_BYTES], message[MESSAGE_MAX], when[CLOCK_TEXT];
    clock_format(clock_wall_us(), when);
    int head = snprintf(line, LINE_BYTES / 4, "%s %s %s %s%s", when, level_names[level],
                        program_name, topic, topic[0] ? ": " : "");
    size_t n = head < 0 ? 0 : head < LINE_BYTES / 4 ? (size_t)head : LINE_BYTES / 4 - 1;
    int length = vsnprintf(message, sizeof message, format, args);
    if (length < 0)
        message[0] = 0;
    else if ((size_t)length >= sizeof message)
        memcpy(message + sizeof message - 4, "...", 4);
    n = escape(line, n, message);
    line[n++] = '\n';
    write_or_drop(line, n);
    errno = saved;
}

void log_at(enum log_level level, const char *format, ...)
{
    if (level > log_get_level())
        return;
    va_list args;
    va_start(args, format);
    write_line(level, "", format, args);
    va_end(args);
}

void log_libevent(int severity, const char *message)
{
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR}; // by its own
    bool known = severity >= 0 && (size_t)severity < sizeof levels / sizeof *levels;
    log_at(known ? levels[severity] : LOG_ERROR, "libevent reason=\"%s\"", message);
}

void log_trace(const char *topic, const char *format, ...)
{
    if (!log_traces(topic))
        return;
    va_list args;
    va_start(args, format);
    write_line(LOG_TRACE, topic, format, args);
    va_end(args);
}
