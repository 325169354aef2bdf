/*
 * log.h - one line on stderr for each thing an operator should know.
 *
 * Lines carry a time, a level and a sentence.  Nothing that came from a
 * sender's request body and no token is ever handed to these functions.
 */
#ifndef RECEIVER_LOG_H
#define RECEIVER_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum LogLevel
{
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR
} LogLevel;

/* State of a message that would otherwise repeat; zero-initialise it. */
typedef struct LogThrottle
{
	_Atomic int64_t next_us; /* monotonic time before which it is quiet */
} LogThrottle;

/*
 * Write one line.  Line feeds and other control characters inside the message
 * become spaces, so that one event is always one line.
 */
extern void log_line(LogLevel level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True at most once in `seconds` for each throttle; safe from any thread. */
extern bool log_due(LogThrottle *throttle, int seconds);

#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
