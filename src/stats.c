/*-------------------------------------------------------------------------
 *
 * stats.c
 *		Counters since start.
 *
 * Where the library is preloaded they are in shared memory and every backend
 * and worker adds to the same; otherwise each backend has its own.  All
 * are atomic, so that counting takes no lock and can happen anywhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "endpoint.h"
#include "rowset.h"
#include "stats.h"

#define MAX_ENDPOINTS 128

/* One operation; all fields atomic. */
typedef struct OperationStats
{
	pg_atomic_uint64 calls;
	pg_atomic_uint64 errors;
	pg_atomic_uint64 retries;
	pg_atomic_uint64 total_us;
	pg_atomic_uint64 max_us;
} OperationStats;

typedef struct TruustStats
{
	TimestampTz		 since; /* set once */
	pg_atomic_uint64 counters[TRUUST_N_COUNTERS];
	OperationStats	 operations[MAX_ENDPOINTS];
} TruustStats;

static const char *const counter_names[TRUUST_N_COUNTERS] = {
	[TRUUST_EVENTS_RECEIVED] = "events_received",
	[TRUUST_EVENTS_APPLIED] = "events_applied",
	[TRUUST_EVENTS_STALE] = "events_stale",
	[TRUUST_EVENTS_DUPLICATE] = "events_duplicate",
	[TRUUST_EVENTS_UNCONFIRMED] = "events_unconfirmed",
	[TRUUST_EVENTS_FAILED] = "events_failed",
	[TRUUST_EVENTS_DEAD] = "events_dead",
	[TRUUST_BATCHES] = "batches",
	[TRUUST_REQUESTS_SENT] = "requests_sent",
	[TRUUST_REQUESTS_DONE] = "requests_done",
	[TRUUST_REQUESTS_FAILED] = "requests_failed",
	[TRUUST_REQUESTS_UNCERTAIN] = "requests_uncertain",
	[TRUUST_REQUESTS_LOOKED_UP] = "requests_looked_up",
};

static TruustStats	own_stats;
static TruustStats *stats = &own_stats;

static shmem_startup_hook_type previous_shmem_startup = NULL;

PG_FUNCTION_INFO_V1(truust_stats_rows);

static void
initialize(TruustStats *s)
{
	s->since = GetCurrentTimestamp();
	for (int i = 0; i < TRUUST_N_COUNTERS; i++)
		pg_atomic_init_u64(&s->counters[i], 0);
	for (int i = 0; i < MAX_ENDPOINTS; i++)
	{
		pg_atomic_init_u64(&s->operations[i].calls, 0);
		pg_atomic_init_u64(&s->operations[i].errors, 0);
		pg_atomic_init_u64(&s->operations[i].retries, 0);
		pg_atomic_init_u64(&s->operations[i].total_us, 0);
		pg_atomic_init_u64(&s->operations[i].max_us, 0);
	}
}

#if PG_VERSION_NUM >= 150000
static shmem_request_hook_type previous_shmem_request = NULL;

static void
on_shmem_request(void)
{
	if (previous_shmem_request)
		previous_shmem_request();
	RequestAddinShmemSpace(sizeof(TruustStats));
}
#endif

static void
on_shmem_startup(void)
{
	bool found;

	if (previous_shmem_startup)
		previous_shmem_startup();
	stats = ShmemInitStruct("truust stats", sizeof(TruustStats), &found);
	if (!found)
		initialize(stats);
}

void
truust_stats_init(void)
{
	StaticAssertStmt(lengthof(counter_names) == TRUUST_N_COUNTERS, "a counter has no name");

	initialize(&own_stats);
	if (!process_shared_preload_libraries_in_progress)
		return;
#if PG_VERSION_NUM >= 150000
	previous_shmem_request = shmem_request_hook;
	shmem_request_hook = on_shmem_request;
#else
	RequestAddinShmemSpace(sizeof(TruustStats));
#endif
	previous_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = on_shmem_startup;
}

void
truust_stats_count(TruustCounter counter, int64 n)
{
	pg_atomic_fetch_add_u64(&stats->counters[counter], n);
}

void
truust_stats_call(int endpoint_index, bool failed, int retries, int64 elapsed_us)
{
	OperationStats *o;
	uint64			longest;

	if (endpoint_index < 0 || endpoint_index >= Min(truust_n_endpoints, MAX_ENDPOINTS))
		return;
	o = &stats->operations[endpoint_index];
	pg_atomic_fetch_add_u64(&o->calls, 1);
	if (failed)
		pg_atomic_fetch_add_u64(&o->errors, 1);
	if (retries > 0)
		pg_atomic_fetch_add_u64(&o->retries, retries);
	pg_atomic_fetch_add_u64(&o->total_us, elapsed_us);
	longest = pg_atomic_read_u64(&o->max_us);
	while ((uint64) elapsed_us > longest &&
		   !pg_atomic_compare_exchange_u64(&o->max_us, &longest, elapsed_us))
		;
}

static void
put_operation(Tuplestorestate *store, TupleDesc desc, const char *name, OperationStats *o)
{
	uint64 calls = pg_atomic_read_u64(&o->calls);
	Datum  values[8];
	bool   nulls[8] = {0};

	values[0] = CStringGetTextDatum("operation");
	values[1] = CStringGetTextDatum(name);
	values[2] = Int64GetDatum(calls);
	values[3] = Int64GetDatum(pg_atomic_read_u64(&o->errors));
	values[4] = Int64GetDatum(pg_atomic_read_u64(&o->retries));
	nulls[5] = calls == 0;
	values[5] = Float8GetDatum(calls == 0 ? 0 : pg_atomic_read_u64(&o->total_us) / 1000.0 / calls);
	values[6] = Float8GetDatum(pg_atomic_read_u64(&o->max_us) / 1000.0);
	values[7] = TimestampTzGetDatum(stats->since);
	tuplestore_putvalues(store, desc, values, nulls);
}

/*
 * truust.stats_rows(): what the view truust.stats shows.
 */
Datum
truust_stats_rows(PG_FUNCTION_ARGS)
{
	TupleDesc		 desc;
	Tuplestorestate *store = truust_materialize(fcinfo, &desc);

	for (int i = 0; i < TRUUST_N_COUNTERS; i++)
	{
		Datum values[8];
		bool  nulls[8] = {false, false, false, true, true, true, true, false};

		values[0] = CStringGetTextDatum("counter");
		values[1] = CStringGetTextDatum(counter_names[i]);
		values[2] = Int64GetDatum(pg_atomic_read_u64(&stats->counters[i]));
		values[7] = TimestampTzGetDatum(stats->since);
		tuplestore_putvalues(store, desc, values, nulls);
	}
	for (int i = 0; i < Min(truust_n_endpoints, MAX_ENDPOINTS); i++)
		put_operation(store, desc, truust_endpoints[i].name, &stats->operations[i]);
	return (Datum) 0;
}
