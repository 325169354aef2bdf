/*-------------------------------------------------------------------------
 *
 * outbox_clock.c
 *		Rows that wait for a time, when the clock was set back.
 *
 * A clock that was a day ahead leaves retries and looks behind that are due in
 * a day.  No pause is longer than the settings say, so that what waits for
 * longer than that waits by a clock that is gone: it is due now.  Looked for when a
 * process begins and when its clock goes back, because nothing else would
 * find such rows.
 *
 * Requests that were never tried, of which there can be many, are not
 * touched: the claim knows them (see wait_for_lane).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "guc.h"
#include "outbox.h"

#define WAITS_FOR_TOO_LONG " r.next_attempt_at > $1 AND r.next_attempt_at < 'infinity'"

/* sent_at may be ahead, too.  Who is locked is for the next turn. */
static TruustStatement heed_query = {
	TRUUST_LANES
	", late AS MATERIALIZED ("
	"SELECT r.id FROM truust.requests r WHERE r.state = 'sending' AND" WAITS_FOR_TOO_LONG
	" UNION ALL"
	" SELECT r.id FROM truust.requests r WHERE r.done_state = 'pending' AND" WAITS_FOR_TOO_LONG
	" UNION ALL"
	" SELECT q.id FROM lanes l, LATERAL ("
	"SELECT r.id, r.attempts, r.next_attempt_at, r.created_at FROM truust.requests r"
	" WHERE r.state = 'queued' AND r.server = l.server AND r.role = l.role AND" WAITS_FOR_TOO_LONG
	") q WHERE q.attempts > 0 OR q.next_attempt_at > q.created_at),"
	" free AS MATERIALIZED (SELECT r.id FROM truust.requests r"
	" WHERE r.id = ANY (ARRAY (SELECT l.id FROM late l)) FOR NO KEY UPDATE SKIP LOCKED),"
	" freed AS (UPDATE truust.requests u SET next_attempt_at = pg_catalog.clock_timestamp(),"
	" sent_at = LEAST(u.sent_at, pg_catalog.clock_timestamp())"
	" WHERE u.id = ANY (ARRAY (SELECT f.id FROM free f)) RETURNING u.id)"
	" SELECT (SELECT count(*) FROM freed), (SELECT count(*) FROM late)",
	1,
	{TIMESTAMPTZOID}};

bool
truust_outbox_heed_clock(void)
{
	static uint64 heeded = 0;
	uint64		  steps = truust_clock_steps();
	int64		  settled = (int64) truust_settle_time + TRUUST_LONGEST_UNSENT;
	int64		  longest = Max(truust_max_retry_delay, settled);
	TimestampTz	  limit = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), longest);
	Datum		  value = TimestampTzGetDatum(limit);
	int64		  freed;

	if (steps == heeded)
		return false;
	truust_outbox_run(&heed_query, &value);
	freed = DatumGetInt64(truust_field(0, 1));
	if (freed == DatumGetInt64(truust_field(0, 2)))
		heeded = steps;
	return freed > 0;
}
