/*
 * metrics.h - counters since start, and their Prometheus text.
 *
 * Counters are relaxed atomics: any thread may add, and a reader sees a
 * slightly uneven but never a torn picture.
 */
#ifndef RECEIVER_METRICS_H
#define RECEIVER_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Answers that are counted apart; anything else is "other". */
#define METRICS_STATUSES(row)                                                                      \
	row(200) row(400) row(401) row(404) row(405) row(413) row(422) row(431) row(500) row(503)

typedef struct Metrics
{
	_Atomic uint64_t accepted; /* bodies answered 200 */
	_Atomic uint64_t accepted_bytes;
	_Atomic uint64_t committed; /* rows committed, also out of the spool */
	_Atomic uint64_t spooled;	/* bodies that went to the spool */
	_Atomic uint64_t refused;	/* rows that the database refused */
	_Atomic uint64_t set_aside; /* of those, the ones out of the spool */
	_Atomic uint64_t auth_failures;
	_Atomic uint64_t timeouts;			/* connections cut for being slow */
	_Atomic uint64_t database_failures; /* commits that failed or timed out */
	_Atomic uint64_t database_connects;
	_Atomic uint64_t spool_failures; /* writes to the spool that failed */
	_Atomic uint64_t spool_damaged;	 /* damaged stretches found in the spool */
} Metrics;

extern Metrics metrics;

#define metrics_add(counter, n)                                                                    \
	atomic_fetch_add_explicit(&metrics.counter, (n), memory_order_relaxed)

/* Where things stand at this moment; filled by those who know. */
typedef struct Gauges
{
	bool	 database_up;
	unsigned database_connections;
	uint64_t queued;	 /* webhooks waiting for a commit */
	bool	 spool_used; /* is there a spool at all */
	bool	 spool_full;
	bool	 spooling; /* new bodies go to the spool */
	uint64_t spool_bytes;
	uint64_t spool_limit;
	uint64_t spool_records;
	double	 spool_oldest_seconds; /* age of the oldest record */
	unsigned http_connections;
	uint64_t memory_bytes; /* bodies in memory */
} Gauges;

/* Count an answer. */
extern void metrics_count_status(unsigned status);

/* Count a commit of `rows` rows that took `microseconds`. */
extern void metrics_count_commit(uint64_t rows, int64_t microseconds);

/* Text format 0.0.4; malloc'd, NULL when out of memory. */
extern char *metrics_render(const Gauges *gauges);

#endif
