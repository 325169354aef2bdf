/*
 * clock.h - the two clocks: one for deadlines, one for what is stored.
 */
#ifndef RECEIVER_CLOCK_H
#define RECEIVER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds that never jump: for deadlines and latencies. */
static inline int64_t
clock_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* Microseconds since the Unix epoch: for received_at. */
static inline int64_t
clock_wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

#endif
