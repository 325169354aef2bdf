/*-------------------------------------------------------------------------
 *
 * outbox_record.c
 *		Answers into rows.
 *
 * All outcomes of a round are written by one statement, and only where the
 * fence is still the claim's: what another process has claimed since, or an
 * operator has taken in hand, is not this one's to write.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "outbox.h"
#include "stats.h"

static TruustStatement record_query = {
	"UPDATE truust.requests r SET state = v.state, http_status = COALESCE(v.status, r.http_status),"
	" response = v.response, error = v.error,"
	" attempts = r.attempts - v.unsent::pg_catalog.int4,"
	" looks = r.looks + v.looked::pg_catalog.int4,"
	" next_attempt_at = CASE WHEN v.state IN ('queued', 'sending')"
	" THEN pg_catalog.clock_timestamp() + v.delay * interval '1 millisecond' ELSE "
	"r.next_attempt_at END,"
	" finished_at = CASE WHEN v.state IN ('done', 'failed') THEN pg_catalog.clock_timestamp() END,"
	" done_state = CASE WHEN v.state IN ('done', 'failed') AND v.follows THEN 'done' END"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
	" pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7),"
	" pg_catalog.unnest($8), pg_catalog.unnest($9), pg_catalog.unnest($10))"
	" AS v (id, fence, state, delay, status, response, error, unsent, looked, follows)"
	" WHERE r.id = v.id AND r.fence = v.fence AND r.state = $11"
	" RETURNING r.id",
	11,
	{INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, INT8ARRAYOID, INT4ARRAYOID, JSONBARRAYOID,
	 TEXTARRAYOID, BOOLARRAYOID, BOOLARRAYOID, BOOLARRAYOID, TEXTOID}};

enum
{
	P_ID,
	P_FENCE,
	P_STATE,
	P_DELAY,
	P_STATUS,
	P_RESPONSE,
	P_ERROR,
	P_UNSENT,
	P_LOOKED,
	P_FOLLOWS,
	N_PARAMETERS
};

static const Oid element_types[N_PARAMETERS] = {INT8OID,  INT8OID, TEXTOID, INT8OID, INT4OID,
												JSONBOID, TEXTOID, BOOLOID, BOOLOID, BOOLOID};

static const char *
state_of(const TruustFlight *flight)
{
	switch (flight->verdict)
	{
		case TRUUST_FLIGHT_DONE:
			return "done";
		case TRUUST_FLIGHT_FAILED:
			return "failed";
		case TRUUST_FLIGHT_UNCERTAIN:
			return "uncertain";
		case TRUUST_FLIGHT_AGAIN:
		case TRUUST_FLIGHT_UNSENT:
			return "queued";
		default:
			return "sending";
	}
}

static bool
has_ended(const TruustFlight *flight)
{
	return flight->verdict == TRUUST_FLIGHT_DONE || flight->verdict == TRUUST_FLIGHT_FAILED;
}

static bool
is_uncounted(const TruustFlight *flight)
{
	return flight->verdict == TRUUST_FLIGHT_UNSENT ||
		   (flight->verdict == TRUUST_FLIGHT_AGAIN && truust_flight_uncounted(flight));
}

static void
add_row(const TruustFlight *flight, TruustColumn *columns)
{
	const TruustAnswer *answer = &flight->answer;
	bool				done = flight->verdict == TRUUST_FLIGHT_DONE;

	truust_column_add_int64(&columns[P_ID], flight->id);
	truust_column_add_int64(&columns[P_FENCE], flight->fence);
	truust_column_add_text(&columns[P_STATE], state_of(flight));
	truust_column_add_int64(&columns[P_DELAY], flight->delay);
	truust_column_add(&columns[P_STATUS], Int32GetDatum(answer->status), answer->status == 0);
	truust_column_add(&columns[P_RESPONSE], JsonbPGetDatum(answer->resource),
					  !done || answer->resource == NULL);
	truust_column_add_text(&columns[P_ERROR], done ? NULL : answer->error);
	truust_column_add(&columns[P_UNSENT], BoolGetDatum(is_uncounted(flight)), false);
	truust_column_add(&columns[P_LOOKED],
					  BoolGetDatum(flight->is_look && flight->verdict == TRUUST_FLIGHT_LOOK),
					  false);
	truust_column_add(&columns[P_FOLLOWS], BoolGetDatum(flight->on_done || flight->attachment_id),
					  false);
}

/* Write the flights' outcomes as SQL; returns the number of rows that were still ours. */
static uint64
write_by_sql(TruustFlight **flights, int n)
{
	TruustColumn columns[N_PARAMETERS];
	Datum		 parameters[N_PARAMETERS + 1];

	for (int p = 0; p < N_PARAMETERS; p++)
		truust_column_init(&columns[p], element_types[p], n);
	for (int i = 0; i < n; i++)
		add_row(flights[i], columns);
	for (int p = 0; p < N_PARAMETERS; p++)
		parameters[p] = truust_column_array(&columns[p]);
	/* as a parameter, so that the index of rows in this state is not taken for a way to them */
	parameters[N_PARAMETERS] = CStringGetTextDatum("sending");
	return truust_outbox_run(&record_query, parameters);
}

/* ---------------------------------------------------------------- what follows */

static void
fill_end(TruustEnd *end, const TruustFlight *flight)
{
	memset(end, 0, sizeof(TruustEnd));
	end->id = flight->id;
	end->done = flight->verdict == TRUUST_FLIGHT_DONE;
	end->server = flight->lane->server;
	end->role_oid = flight->lane->role_oid;
	end->role = flight->lane->role;
	end->resource_kind = flight->resource;
	end->is_write = flight->endpoint && strcmp(flight->endpoint->method, "GET") != 0;
	end->response = end->done ? flight->answer.resource : NULL;
	end->args = flight->args;
	end->on_done = flight->on_done;
	end->search_path = flight->search_path;
	end->attachment_id = flight->attachment_id;
	end->attachment_row = flight->attachment_row;
}

static int
compare_ids(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

/* Those of n flights whose rows SQL has written, to the end of result. */
static void
keep_written(TruustFlight **flights, int n, uint64 written, TruustFlight **result, int *n_result)
{
	int64 *ids = palloc(sizeof(int64) * Max(written, 1));

	for (uint64 i = 0; i < written; i++)
		ids[i] = DatumGetInt64(truust_field(i, 1));
	qsort(ids, written, sizeof(int64), compare_ids);
	for (int i = 0; i < n; i++)
	{
		if (bsearch(&flights[i]->id, ids, written, sizeof(int64), compare_ids))
			result[(*n_result)++] = flights[i];
		else
			ereport(
				LOG,
				(errmsg("truust: the outcome of request " INT64_FORMAT
						" was not recorded, because another process has taken the request since",
						flights[i]->id)));
	}
}

/* Write the flights' outcomes; returns those that were still ours, *n of them. */
static TruustFlight **
write_outcomes(TruustFlight **flights, int *n)
{
	TruustFlight **written = palloc(sizeof(TruustFlight *) * *n);
	TruustFlight **others = palloc(sizeof(TruustFlight *) * *n);
	int			   n_written = 0;
	int			   n_others = 0;
	bool		   directly = truust_requests_open();

	for (int i = 0; i < *n; i++)
	{
		if (directly && truust_requests_done(flights[i]))
			written[n_written++] = flights[i];
		else
			others[n_others++] = flights[i];
	}
	if (directly)
		truust_requests_close();
	if (n_others > 0)
		keep_written(others, n_others, write_by_sql(others, n_others), written, &n_written);
	*n = n_written;
	return written;
}

/* A line for the server's log: an operator finds the request, and the order that it names. */
static void
log_request(int64 id, const char *operation, const char *what, const char *reason, const char *hint)
{
	static TruustStatement query = {
		"SELECT r.args ->> 'order_id' FROM truust.requests r WHERE r.id = $1", 1, {INT8OID}};
	Datum value = Int64GetDatum(id);
	char *order = truust_outbox_run(&query, &value) > 0 ? truust_field_text(0, 1) : NULL;

	ereport(LOG, (errmsg("request " INT64_FORMAT " (%s%s%s) %s: %s", id, operation,
						 order ? " of order " : "", order ? order : "", what,
						 reason ? reason : "no reason is known"),
				  hint ? errhint("%s", hint) : 0, errhidestmt(true), errhidecontext(true)));
}

static void
count_outcome(const TruustFlight *flight)
{
	const char *operation = flight->endpoint ? flight->endpoint->name : "";

	if (flight->verdict == TRUUST_FLIGHT_DONE)
		truust_stats_count(TRUUST_REQUESTS_DONE, 1);
	else if (flight->verdict == TRUUST_FLIGHT_FAILED)
	{
		truust_stats_count(TRUUST_REQUESTS_FAILED, 1);
		log_request(flight->id, operation, "was refused", flight->answer.error, NULL);
	}
	else if (flight->verdict == TRUUST_FLIGHT_UNCERTAIN)
	{
		truust_stats_count(TRUUST_REQUESTS_UNCERTAIN, 1);
		truust_outbox_alert("uncertain", flight->id, operation, flight->answer.error);
	}
}

static void
follow_up(TruustFlight **flights, int n)
{
	TruustEnd *ends = palloc(sizeof(TruustEnd) * Max(n, 1));
	char	 **groups = palloc(sizeof(char *) * Max(n, 1));
	int		   n_ends = 0;
	int		   n_groups = 0;

	for (int i = 0; i < n; i++)
	{
		TruustFlight *flight = flights[i];

		count_outcome(flight);
		if (flight->group && flight->verdict != TRUUST_FLIGHT_LOOK &&
			flight->verdict != TRUUST_FLIGHT_UNCERTAIN)
			groups[n_groups++] = flight->group;
		if (has_ended(flight))
			fill_end(&ends[n_ends++], flight);
	}
	truust_outbox_complete(ends, n_ends);
	truust_groups_release(groups, n_groups);
}

/* Looks that are answered: judged now, or asked on. */
static void
judge_looks(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &truust_outbox.answered)
	{
		TruustFlight *flight = dlist_container(TruustFlight, node, iter.cur);

		if (flight->verdict != TRUUST_FLIGHT_JUDGE)
			continue;
		truust_look_judge(flight);
		if (flight->verdict == TRUUST_FLIGHT_NONE)
			truust_outbox_continue_look(flight);
		truust_stats_count(TRUUST_REQUESTS_LOOKED_UP, flight->verdict != TRUUST_FLIGHT_NONE);
	}
}

void
truust_outbox_record(void)
{
	TruustFlight **flights = palloc(sizeof(TruustFlight *) * Max(truust_outbox.n_answered, 1));
	dlist_iter	   iter;
	int			   n = 0;

	judge_looks();
	dlist_foreach (iter, &truust_outbox.answered)
	{
		TruustFlight *flight = dlist_container(TruustFlight, node, iter.cur);

		if (flight->verdict != TRUUST_FLIGHT_NONE)
			flights[n++] = flight;
	}
	if (n == 0)
		return;
	flights = write_outcomes(flights, &n);
	follow_up(flights, n);
}

/* ---------------------------------------------------------------- alerts */

void
truust_outbox_alert(const char *kind, int64 id, const char *operation, const char *reason)
{
	static TruustStatement query = {
		"SELECT pg_catalog.pg_notify('truust_alert', pg_catalog.jsonb_build_object('kind', $1,"
		" 'id', $2, 'operation', $3, 'reason', pg_catalog.left($4, 1000))::pg_catalog.text)",
		4,
		{TEXTOID, INT8OID, TEXTOID, TEXTOID}};
	Datum values[4];

	values[0] = CStringGetTextDatum(kind);
	values[1] = Int64GetDatum(id);
	values[2] = CStringGetTextDatum(operation);
	values[3] = CStringGetTextDatum(reason ? reason : "");
	truust_outbox_run(&query, values);
	if (strcmp(kind, "uncertain") == 0)
		log_request(id, operation, "is uncertain", reason,
					psprintf("Look at Truust whether it happened: then "
							 "truust_resolve_request(" INT64_FORMAT ", response) if it did, or "
							 "truust_retry_request(" INT64_FORMAT ") if it did not.",
							 id, id));
	else
		log_request(
			id, operation, "has ended, and what was to follow failed for good", reason,
			psprintf("Use truust_retry_request(" INT64_FORMAT ") when its cause is gone.", id));
}
