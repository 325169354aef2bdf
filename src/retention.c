/*-------------------------------------------------------------------------
 *
 * retention.c
 *		History is kept for truust.retention and removed in small steps; what is left
 *		of tables that were attached goes when nothing needs it.
 *
 * A step is a transaction of its own that removes a few rows, so that it is
 * in nobody's way; while a step finds all it looks for, another follows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "attach.h"
#include "guc.h"
#include "webhook.h"
#include "worker.h"

#define STEP 1000					  /* rows */
#define INTERVAL (10 * USECS_PER_SEC) /* between looks that found nothing more */

#define TIDY_INTERVAL (10 * USECS_PER_MINUTE) /* it may have to look through all requests */

static TimestampTz next_step = 0;
static TimestampTz next_tidy = 0;

/* The oldest events; they are numbered as they were written, so the index on id finds them. */
static uint64
remove_events(Datum before)
{
	static TruustStatement delete = {"DELETE FROM truust.events WHERE id = ANY (ARRAY("
									 "SELECT old.id FROM (SELECT e.id, e.applied_at FROM "
									 "truust.events e ORDER BY e.id LIMIT $2) AS old "
									 "WHERE old.applied_at < $1))",
									 2,
									 {TIMESTAMPTZOID, INT8OID}};
	Datum values[2] = {before, Int64GetDatum(STEP)};

	return truust_statement_run(&delete, values, NULL, 0);
}

/* Finished requests, but not those that a person must still look at. */
static uint64
remove_requests(Datum before)
{
	static TruustStatement delete = {
		"DELETE FROM truust.requests WHERE id = ANY (ARRAY("
		"SELECT r.id FROM truust.requests r WHERE r.finished_at < $1 AND r.state IN ('done', "
		"'failed') "
		"AND coalesce(r.done_state, 'done') = 'done' ORDER BY r.finished_at LIMIT $2))",
		2,
		{TIMESTAMPTZOID, INT8OID}};
	Datum values[2] = {before, Int64GetDatum(STEP)};

	return truust_statement_run(&delete, values, NULL, 0);
}

bool
truust_retention_step(bool now)
{
	TimestampTz time = GetCurrentTimestamp();
	Datum		before;
	bool		more;

	if (!now && time < next_step)
		return false;
	before = TimestampTzGetDatum(time - truust_retention * USECS_PER_MINUTE);
	truust_worker_begin();
	more = truust_retention >= 0 && remove_events(before) == STEP;
	more |= truust_retention >= 0 && remove_requests(before) == STEP;
	if (now || time >= next_tidy)
	{
		truust_attached_tidy(true);
		next_tidy = time + TIDY_INTERVAL;
	}
	truust_worker_commit();
	next_step = more ? 0 : time + INTERVAL;
	return more;
}
