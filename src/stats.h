/*-------------------------------------------------------------------------
 *
 * stats.h
 *		Counters since start, shared by all backends where the library is
 *		preloaded, else this backend's own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_STATS_H
#define TRUUST_STATS_H

/* What happened to events and batches. */
typedef enum TruustCounter
{
	TRUUST_EVENTS_RECEIVED,
	TRUUST_EVENTS_APPLIED,
	TRUUST_EVENTS_STALE,
	TRUUST_EVENTS_DUPLICATE,
	TRUUST_EVENTS_UNCONFIRMED,
	TRUUST_EVENTS_FAILED, /* attempts that failed and will be repeated */
	TRUUST_EVENTS_DEAD,
	TRUUST_BATCHES,
	TRUUST_REQUESTS_SENT,
	TRUUST_REQUESTS_DONE,
	TRUUST_REQUESTS_FAILED,
	TRUUST_REQUESTS_UNCERTAIN,
	TRUUST_REQUESTS_LOOKED_UP,
	TRUUST_N_COUNTERS
} TruustCounter;

/* From _PG_init: asks for shared memory where that is possible. */
extern void truust_stats_init(void);

/* Never raise; safe in any state of a transaction. */
extern void truust_stats_count(TruustCounter counter, int64 n);

/* One call of endpoint number i (index into truust_endpoints): failed or not, repeats, microseconds. */
extern void truust_stats_call(int endpoint_index, bool failed, int retries, int64 elapsed_us);

#endif /* TRUUST_STATS_H */
