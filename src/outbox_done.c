/*-------------------------------------------------------------------------
 *
 * outbox_done.c
 *		What follows the end of a request: the order is noted, the attached row
 *		filled in, on_done called.
 *
 * All of it runs in the transaction that records the end, in subtransactions,
 * so that a failure never takes the recorded answer with it: the row is left
 * with done_state 'pending', tried again with growing pauses, and after
 * truust.max_attempts 'dead', for a person.  An order whose attached row could
 * not be written is noted even so.  Requests without on_done share one
 * subtransaction; if that fails, each gets its own and only the culprit waits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "attach.h"
#include "guc.h"
#include "outbox.h"
#include "worker.h"

/* Ends that one round completes of those that failed before. */
#define PENDING_LIMIT 100

typedef struct EndList
{
	TruustEnd **ends;
	int			n;
} EndList;

/* ---------------------------------------------------------------- the steps */

/* The function's SQL name from its stored signature; raises 42883 if it is gone. */
static char *
function_name(const char *signature)
{
	Oid function =
		DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(signature)));

	return DatumGetCString(DirectFunctionCall1(regprocout, ObjectIdGetDatum(function)));
}

static void
call_on_done(const TruustEnd *end)
{
	static TruustStatement get_row = {
		"SELECT r FROM truust.requests r WHERE r.id = $1", 1, {INT8OID}};
	Datum			value = Int64GetDatum(end->id);
	TruustRoleState role;
	Oid				type;
	char		   *call;

	if (truust_outbox_run(&get_row, &value) == 0)
		return;
	value = truust_field(0, 1);
	type = SPI_gettypeid(SPI_tuptable->tupdesc, 1);

	truust_role_enter(&role, end->role_oid, end->role,
					  end->search_path ? end->search_path : "pg_catalog, pg_temp", end->server);
	call = psprintf("SELECT %s($1)", function_name(end->on_done));
	if (SPI_execute_with_args(call, 1, &type, &value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not call on_done");
	truust_role_leave(&role);
}

static void
note_list(void *arg)
{
	EndList *list = arg;

	truust_outbox_note(list->ends, list->n);
}

/* An order whose attached row could not be written exists all the same: it must be known somewhere. */
static void
note_alone(EndList *list)
{
	ErrorData *error = truust_worker_try(note_list, list);

	if (error)
		FreeErrorData(error);
}

/* All steps for some ends; the attached rows of all of them at once. */
static void
complete_list(void *arg)
{
	EndList				*list = arg;
	TruustAttachedOrder *orders = palloc(sizeof(TruustAttachedOrder) * list->n);
	int					 n_orders = 0;

	truust_outbox_note(list->ends, list->n);
	for (int i = 0; i < list->n; i++)
	{
		TruustEnd *end = list->ends[i];

		if (end->done && end->attachment_id != 0)
		{
			orders[n_orders].attachment_id = end->attachment_id;
			orders[n_orders].server = end->server;
			orders[n_orders].row = end->attachment_row;
			orders[n_orders].order = end->response;
			n_orders++;
		}
	}
	if (n_orders > 0)
		truust_attached_fill(orders, n_orders);
	for (int i = 0; i < list->n; i++)
		if (list->ends[i]->on_done)
			call_on_done(list->ends[i]);
}

/* ---------------------------------------------------------------- failures */

static void
mark_failed(const TruustEnd *end, const ErrorData *error)
{
	static TruustStatement query = {
		"UPDATE truust.requests r SET done_state = CASE WHEN r.done_attempts + 1 >= $3 THEN 'dead' "
		"ELSE 'pending' END,"
		" done_attempts = r.done_attempts + 1, done_error = $2,"
		" next_attempt_at = pg_catalog.clock_timestamp() + $4 * interval '1 millisecond'"
		" WHERE r.id = $1 RETURNING r.done_state = 'dead', r.operation",
		4,
		{INT8OID, TEXTOID, INT4OID, INT8OID}};
	Datum values[4];
	char *reason = psprintf("%s%s%s%s%s", error->message, error->detail ? "\n" : "",
							error->detail ? error->detail : "", error->hint ? "\n" : "",
							error->hint ? error->hint : "");

	values[0] = Int64GetDatum(end->id);
	values[1] = CStringGetTextDatum(reason);
	values[2] = Int32GetDatum(truust_max_attempts);
	values[3] = Int64GetDatum(truust_flight_pause(end->done_attempts + 1));
	if (truust_outbox_run(&query, values) > 0 && DatumGetBool(truust_field(0, 1)))
		truust_outbox_alert("on_done", end->id, truust_field_text(0, 2), reason);
}

static bool
try_list(TruustEnd **ends, int n)
{
	EndList	   list = {ends, n};
	ErrorData *error = truust_worker_try(complete_list, &list);

	if (error == NULL)
		return true;
	if (n == 1)
	{
		if (ends[0]->attachment_id != 0)
			note_alone(&list);
		mark_failed(ends[0], error);
	}
	FreeErrorData(error);
	return false;
}

static bool
has_work(const TruustEnd *end)
{
	return end->on_done || end->attachment_id != 0 ||
		   (end->done && end->is_write && end->resource_kind != TRUUST_A_RESOURCE);
}

void
truust_outbox_complete(TruustEnd *ends, int n)
{
	TruustEnd **plain = palloc(sizeof(TruustEnd *) * Max(n, 1));
	int			n_plain = 0;

	for (int i = 0; i < n; i++)
		if (has_work(&ends[i]) && ends[i].on_done == NULL)
			plain[n_plain++] = &ends[i];
	if (n_plain > 0 && (n_plain == 1 || !try_list(plain, n_plain)))
	{
		for (int i = 0; i < n_plain; i++)
			try_list(&plain[i], 1);
	}
	for (int i = 0; i < n; i++)
		if (ends[i].on_done)
		{
			TruustEnd *end = &ends[i];

			try_list(&end, 1);
		}
}

/* ---------------------------------------------------------------- later attempts */

static void
read_end(TruustEnd *end, uint64 row)
{
	const TruustEndpoint *endpoint = truust_endpoint_find(truust_field_text(row, 2));

	memset(end, 0, sizeof(TruustEnd));
	end->id = DatumGetInt64(truust_field(row, 1));
	end->done = strcmp(truust_field_text(row, 3), "done") == 0;
	end->server = truust_field_text(row, 4);
	end->role = truust_field_text(row, 5);
	end->response = truust_field_jsonb(row, 6);
	end->args = truust_field_jsonb(row, 7);
	end->on_done = truust_field_text(row, 8);
	end->search_path = truust_field_text(row, 9);
	if (!truust_field_isnull(row, 10))
		end->attachment_id = DatumGetInt64(truust_field(row, 10));
	end->attachment_row = truust_field_jsonb(row, 11);
	end->done_attempts = DatumGetInt32(truust_field(row, 12));
	end->role_oid = truust_result_oid(row, 14);
	end->is_write = endpoint && strcmp(endpoint->method, "GET") != 0;
	end->resource_kind = TRUUST_A_RESOURCE;
	if (endpoint)
		end->resource_kind = truust_endpoint_signature(endpoint)->resource;
}

static long
ms_until_next_completion(void)
{
	static TruustStatement query = {
		"SELECT r.next_attempt_at FROM truust.requests r WHERE r.done_state = 'pending'"
		" ORDER BY r.next_attempt_at LIMIT 1",
		0};
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz at;

	if (truust_outbox_run(&query, NULL) == 0)
		return -1;
	at = DatumGetTimestampTz(truust_field(0, 1));
	return at <= now ? 0 : (long) Min((at - now) / 1000 + 1, PG_INT32_MAX);
}

/*
 * An end is marked 'done' first and back to 'pending' by its failure, so that
 * on_done sees its row as it will be.
 */
bool
truust_outbox_complete_pending(long *wait)
{
	static TruustStatement query = {
		"UPDATE truust.requests u SET done_state = 'done', done_error = NULL WHERE u.id = ANY "
		"(ARRAY ("
		"SELECT r.id FROM truust.requests r WHERE r.done_state = 'pending'"
		" AND r.next_attempt_at <= pg_catalog.clock_timestamp()"
		" ORDER BY r.next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED))"
		" RETURNING u.id, u.operation, u.state, u.server, u.role, u.response, u.args, u.on_done,"
		" u.search_path, u.attachment_id, u.attachment_row, u.done_attempts, u.sequence_group,"
		" " TRUUST_ROLE_OID("u"),
		1,
		{INT8OID}};
	Datum	   value = Int64GetDatum(PENDING_LIMIT);
	TruustEnd *ends;
	char	 **groups;
	int		   n_groups = 0;
	int		   n = (int) truust_outbox_run(&query, &value);

	if (n > 0)
	{
		ends = palloc(sizeof(TruustEnd) * n);
		groups = palloc(sizeof(char *) * n);
		for (int i = 0; i < n; i++)
			if ((groups[n_groups] = truust_field_text(i, 13)) != NULL)
				n_groups++;
		for (int i = 0; i < n; i++)
			read_end(&ends[i], i);
		truust_outbox_complete(ends, n);
		truust_groups_release(groups, n_groups);
	}
	*wait = ms_until_next_completion();
	return n > 0;
}
