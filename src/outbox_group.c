/*-------------------------------------------------------------------------
 *
 * outbox_group.c
 *		Requests that go one after the other: letting the next one go.
 *
 * A request that waits behind another of its group is parked (next_attempt_at
 * infinity) by the claim that meets it.  What ends the one before it lets it
 * go, in the same transaction.  That never waits for a lock: somebody who is
 * about to cancel the next request would stop everybody's.  What was locked,
 * and what a failed transaction had let go, is found by a sweep.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "clock.h"
#include "guc.h"
#include "outbox.h"

#define NO_SWEEP (-1)

static int64 sweep_at = 0; /* monotonic ms; at once in a new process, which knows nothing */

/* Let go those of the parked rows that nobody has locked; the result says whether there were others. */
#define LET_GO                                                                                     \
	" free AS MATERIALIZED (SELECT r.id FROM truust.requests r"                                    \
	" WHERE r.id = ANY (ARRAY (SELECT p.id FROM parked p)) AND r.state = 'queued'"                 \
	" FOR NO KEY UPDATE SKIP LOCKED),"                                                             \
	" freed AS (UPDATE truust.requests u SET next_attempt_at = pg_catalog.clock_timestamp()"       \
	" WHERE u.id = ANY (ARRAY (SELECT f.id FROM free f)) RETURNING u.id)"                          \
	" SELECT (SELECT count(*) FROM freed), (SELECT count(*) FROM parked)"

/* Of the last statement. */
static bool
some_were_locked(uint64 *freed)
{
	*freed = DatumGetInt64(truust_field(0, 1));
	return DatumGetInt64(truust_field(0, 2)) > (int64) *freed;
}

static void
sweep_later(void)
{
	sweep_at = truust_monotonic_ms() + truust_naptime;
}

void
truust_groups_release(char **groups, int n)
{
	static TruustStatement query = {
		"WITH parked AS MATERIALIZED ("
		"SELECT f.id FROM pg_catalog.unnest($1) g (name), LATERAL ("
		"SELECT r.id, r.state, r.next_attempt_at FROM truust.requests r"
		" WHERE r.sequence_group = g.name AND r.state IN ('queued', 'sending', 'uncertain')"
		" ORDER BY r.id LIMIT 1) f WHERE f.state = 'queued' AND f.next_attempt_at = "
		"'infinity')," LET_GO,
		1,
		{TEXTARRAYOID}};
	TruustColumn names;
	Datum		 value;
	uint64		 freed;

	if (n == 0)
		return;
	truust_column_init(&names, TEXTOID, n);
	for (int i = 0; i < n; i++)
		truust_column_add_text(&names, groups[i]);
	value = truust_column_array(&names);
	truust_outbox_run(&query, &value);
	if (some_were_locked(&freed) && sweep_at == NO_SWEEP)
		sweep_later();
}

void
truust_groups_doubt(void)
{
	sweep_at = 0;
}

bool
truust_groups_sweep(long *wait)
{
	static TruustStatement query = {
		TRUUST_LANES
		", parked AS MATERIALIZED ("
		"SELECT q.id FROM lanes l, LATERAL ("
		"SELECT r.id, r.sequence_group FROM truust.requests r WHERE r.state = 'queued'"
		" AND r.server = l.server AND r.role = l.role AND r.next_attempt_at = 'infinity') q"
		" WHERE NOT EXISTS (SELECT FROM truust.requests b"
		" WHERE b.sequence_group = q.sequence_group AND b.id <> q.id"
		" AND b.state IN ('queued', 'sending', 'uncertain')"
		" AND (b.state <> 'queued' OR b.id < q.id)))," LET_GO,
		0};
	int64  now = truust_monotonic_ms();
	uint64 freed = 0;

	*wait = -1;
	if (sweep_at != NO_SWEEP && sweep_at <= now)
	{
		truust_outbox_run(&query, NULL);
		sweep_at = NO_SWEEP;
		if (some_were_locked(&freed))
			sweep_later();
	}
	if (sweep_at != NO_SWEEP)
		*wait = Max(sweep_at - now, 1);
	return freed > 0;
}
