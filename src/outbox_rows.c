/*-------------------------------------------------------------------------
 *
 * outbox_rows.c
 *		The two updates that every request gets, without a plan.
 *
 * A backlog's requests are claimed, and recorded when they are done.  Both
 * updates know where the row is, so that finding it again by a join costs more than
 * the change itself.  Whatever else becomes of a request, and a table to which
 * somebody has added what only SQL sees to, is for the statements of
 * outbox_claim.c and outbox_record.c, which do the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "direct.h"
#include "outbox.h"

enum
{
	ID,
	FENCE,
	STATE,
	ATTEMPTS,
	LOOKS,
	NEXT_ATTEMPT_AT,
	SENT_AT,
	HTTP_STATUS,
	RESPONSE,
	FAILURE,
	FINISHED_AT,
	DONE_STATE,
	N_COLUMNS
};

static TruustTable requests = {.name = "requests",
							   .n = N_COLUMNS,
							   .columns = {"id", "fence", "state", "attempts", "looks",
										   "next_attempt_at", "sent_at", "http_status", "response",
										   "error", "finished_at", "done_state"},
							   .update_only = true,
							   .stays = "role_oid",
							   .n_checks = 2};

typedef struct Change
{
	Datum values[N_COLUMNS];
	bool  nulls[N_COLUMNS];
	bool  replace[N_COLUMNS];
	bool  match[N_COLUMNS];
} Change;

static void
set(Change *change, int column, Datum value, bool isnull)
{
	change->values[column] = value;
	change->nulls[column] = isnull;
	change->replace[column] = true;
}

static void
set_text(Change *change, int column, const char *text)
{
	set(change, column, text ? CStringGetTextDatum(text) : (Datum) 0, text == NULL);
}

bool
truust_requests_claim(TruustFlight **flights, int n, TimestampTz now)
{
	Change change = {0};

	if (!truust_table_open(&requests, ACL_UPDATE))
		return false;
	set_text(&change, STATE, "sending");
	set(&change, LOOKS, Int32GetDatum(0), false);
	set(&change, NEXT_ATTEMPT_AT, TimestampTzGetDatum(DT_NOEND), false);
	set(&change, SENT_AT, TimestampTzGetDatum(now), false);
	for (int i = 0; i < n; i++)
	{
		set(&change, FENCE, Int64GetDatum(flights[i]->fence), false);
		set(&change, ATTEMPTS, Int32GetDatum(flights[i]->attempts), false);
		truust_table_update(&requests, &flights[i]->tid, change.values, change.nulls,
							change.replace);
	}
	truust_table_close(&requests);
	return true;
}

/* The row as it was claimed: by this process and by nobody since. */
static void
match_claimed(Change *change, const TruustFlight *flight)
{
	change->values[ID] = Int64GetDatum(flight->id);
	change->values[FENCE] = Int64GetDatum(flight->fence);
	change->match[ID] = change->match[FENCE] = true;
}

bool
truust_requests_open(void)
{
	return truust_table_open(&requests, ACL_UPDATE);
}

bool
truust_requests_done(const TruustFlight *flight)
{
	const TruustAnswer *answer = &flight->answer;
	Change				change = {0};

	if (flight->verdict != TRUUST_FLIGHT_DONE || flight->is_look)
		return false;
	match_claimed(&change, flight);
	set_text(&change, STATE, "done");
	if (answer->status != 0)
		set(&change, HTTP_STATUS, Int32GetDatum(answer->status), false);
	set(&change, RESPONSE, JsonbPGetDatum(answer->resource), answer->resource == NULL);
	set_text(&change, FAILURE, NULL);
	set(&change, FINISHED_AT, TimestampTzGetDatum(GetCurrentTimestamp()), false);
	set_text(&change, DONE_STATE, flight->on_done || flight->attachment_id ? "done" : NULL);
	return truust_table_update_if(&requests, &flight->tid, change.values, change.nulls,
								  change.replace, change.match);
}

void
truust_requests_close(void)
{
	truust_table_close(&requests);
}
