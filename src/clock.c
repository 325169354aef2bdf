/*-------------------------------------------------------------------------
 *
 * clock.c
 *		Time that only goes forward, and notice of the other kind going back.
 *
 * What a process waits for by itself is measured by the monotonic clock.  Rows
 * outlive the process and the machine, so that what they wait for is a time of
 * the wall clock; where that goes back, they would wait for all of the
 * difference.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "utils/timestamp.h"

#include "clock.h"

#define STEP INT64CONST(1000000) /* us; less is a clock that is being slowed down */

int64
truust_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64CONST(1000000) + now.tv_nsec / 1000;
}

int64
truust_monotonic_ms(void)
{
	return truust_monotonic_us() / 1000;
}

uint64
truust_clock_steps(void)
{
	static uint64 steps = 1;
	static int64  apart = PG_INT64_MIN; /* wall clock less monotonic clock, when last seen */
	int64		  now = GetCurrentTimestamp() - truust_monotonic_us();

	if (now < apart - STEP)
		steps++;
	apart = now;
	return steps;
}
