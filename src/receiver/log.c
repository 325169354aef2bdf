/*
 * log.c - see log.h.
 *
 * A line is built in a buffer and written by a single write(2), so that lines
 * of different threads never mix, and a full pipe costs at most one line.
 */
#include "log.h"
#include "clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024

static const char *const level_names[] = {"info", "warning", "error"};

static int
put_prefix(char *line, size_t size, LogLevel level)
{
	struct timespec now;
	struct tm		parts;
	size_t			used;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	used = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &parts);
	used += snprintf(line + used, size - used,
					 ".%03ldZ truust-receiver %s: ", now.tv_nsec / 1000000, level_names[level]);
	return (int) used;
}

void
log_line(LogLevel level, const char *format, ...)
{
	char	line[LOG_LINE_MAX + 2];
	va_list args;
	int		used = put_prefix(line, LOG_LINE_MAX, level);
	int		more;

	va_start(args, format);
	more = vsnprintf(line + used, LOG_LINE_MAX - used, format, args);
	va_end(args);
	if (more > 0)
		used += more < LOG_LINE_MAX - used ? more : LOG_LINE_MAX - used - 1;
	while (used > 0 && (line[used - 1] == '\n' || line[used - 1] == ' '))
		used--;
	for (int i = 0; i < used; i++)
	{
		if ((unsigned char) line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	}
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere left to complain to */
}

bool
log_due(LogThrottle *throttle, int seconds)
{
	int64_t now = clock_monotonic_us();
	int64_t next = atomic_load(&throttle->next_us);

	return now >= next && atomic_compare_exchange_strong(&throttle->next_us, &next,
														 now + seconds * INT64_C(1000000));
}
