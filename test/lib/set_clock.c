/*
 * Stands before the C library's own: a wall clock that is as many seconds ahead
 * as the eight bytes of the file OFFSET say, at once and in every process.  The
 * monotonic clock is left alone, as the kernel does when somebody sets the time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *offset;

__attribute__((constructor)) static void
find_offset(void)
{
	int fd = open(OFFSET, O_RDONLY | O_CLOEXEC);

	offset = mmap(NULL, sizeof(*offset), PROT_READ, MAP_SHARED, fd, 0);
	if (offset == MAP_FAILED)
		abort();
	close(fd);
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int) syscall(SYS_clock_gettime, clock, now);

	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += *offset;
	return result;
}

int
gettimeofday(struct timeval *now, void *zone)
{
	struct timespec t;
	int				result = clock_gettime(CLOCK_REALTIME, &t);

	(void) zone;
	now->tv_sec = t.tv_sec;
	now->tv_usec = t.tv_nsec / 1000;
	return result;
}

time_t
time(time_t *result)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (result)
		*result = t.tv_sec;
	return t.tv_sec;
}
