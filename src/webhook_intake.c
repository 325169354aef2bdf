/*-------------------------------------------------------------------------
 *
 * webhook_intake.c
 *		A webhook arrives.
 *
 * All that happens in the transaction of whoever inserts it: the body is kept as
 * it came, the orders it names are read, without understanding it where that is
 * possible, and the worker is woken at the commit.  An insert by anybody but the
 * owner or a superuser cannot say more than what came, when and from whom: what
 * the worker notes on a row is the worker's.  These two may load rows of a dump,
 * as they were.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "owner.h"
#include "pause.h"
#include "slots.h"
#include "stats.h"
#include "statement.h"
#include "webhook.h"
#include "webhook_peek.h"

PG_FUNCTION_INFO_V1(truust_intake);
PG_FUNCTION_INFO_V1(truust_receive_webhook);
PG_FUNCTION_INFO_V1(truust_receive_webhook_text);

static void
check_size(const char *what, Size size)
{
	if (size <= (Size) truust_max_webhook_size)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("webhook %s of %zu bytes is larger than truust.max_webhook_size (%d bytes)",
					what, size, truust_max_webhook_size)));
}

/* What comes beside the body is no larger either. */
static void
check_sizes(Relation rel, HeapTuple tuple, bytea *body)
{
	static const char *const others[][2] = {{"event", "event"}, {"headers", "header"}};

	check_size("body", VARSIZE_ANY_EXHDR(body));
	for (int i = 0; i < (int) lengthof(others); i++)
	{
		bool  isnull;
		Datum value = heap_getattr(tuple, SPI_fnumber(RelationGetDescr(rel), others[i][0]),
								   RelationGetDescr(rel), &isnull);

		if (!isnull)
			check_size(others[i][1], toast_raw_datum_size(value) - VARHDRSZ);
	}
}

/* A body without its header, not copied unless it must be. */
static bytea *
body_of(HeapTuple tuple, TupleDesc desc, int column)
{
	bool  isnull;
	Datum value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? NULL : DatumGetByteaPP(value);
}

/* Whether the current user may insert rows as a worker has left them. */
static bool
may_load(Relation rel)
{
	return GetUserId() == rel->rd_rel->relowner || superuser();
}

/* When it came, as the row says. */
static TimestampTz
received_at(Relation rel, HeapTuple tuple)
{
	bool  isnull;
	Datum value = heap_getattr(tuple, SPI_fnumber(RelationGetDescr(rel), "received_at"),
							   RelationGetDescr(rel), &isnull);

	return isnull ? GetCurrentTransactionStartTimestamp() : DatumGetTimestampTz(value);
}

/*
 * Whether a row came long ago and is loaded now: it was within the limits of that time.
 * What has just come may have a time too, or one of a receiver's spool.
 */
static bool
is_loaded(Relation rel, HeapTuple tuple)
{
	bool has_no_order;

	if (!may_load(rel))
		return false;
	(void) heap_getattr(tuple, SPI_fnumber(RelationGetDescr(rel), "order_id"),
						RelationGetDescr(rel), &has_no_order);
	return !has_no_order ||
		   received_at(rel, tuple) < GetCurrentTransactionStartTimestamp() - USECS_PER_DAY;
}

/* Columns that the trigger fills in; the first three of every row that does not say its order. */
static const char *const filled[] = {"order_id", "order_ids", "server",
									 "state",	 "attempts",  "next_attempt_at",
									 "error",	 "source",	  "received_at"};

#define N_FILLED ((int) lengthof(filled))

/*
 * The orders that a body names, which say what it waits for and which worker takes
 * it.  A body that is not plain enough to be looked through is understood, as the worker
 * will do.
 */
static int
find_orders(bytea *body, int64 *ids)
{
	TruustWebhook row = {.body = body, .source = TRUUST_FROM_WEBHOOK};
	bool		  all;
	int n = truust_webhook_peek(VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), ids, TRUUST_MAX_EVENTS,
								&all);

	if (all)
		return n;
	truust_webhook_understand(&row);
	if (row.n_orders == 0)
		return n;
	memcpy(ids, row.orders, sizeof(int64) * row.n_orders);
	return row.n_orders;
}

/* The first two of these columns. */
static void
fill_in_orders(bytea *body, Datum *values, bool *nulls)
{
	int64 ids[TRUUST_MAX_EVENTS];
	int	  n = find_orders(body, ids);

	nulls[0] = n == 0;
	nulls[1] = n < 2;
	if (n > 0)
		values[0] = Int64GetDatum(ids[0]);
	if (n > 1)
		values[1] = truust_array_of_ids(ids, n);
}

/* The server that a row belongs to, a name like all others: no longer than one can be. */
static Datum
server_of(Relation rel, HeapTuple tuple)
{
	bool  isnull;
	Datum value = heap_getattr(tuple, SPI_fnumber(RelationGetDescr(rel), "server"),
							   RelationGetDescr(rel), &isnull);
	char *name = isnull ? truust_server : TextDatumGetCString(value);
	int	  len = strlen(name);

	return PointerGetDatum(
		cstring_to_text_with_len(name, pg_mbcliplen(name, len, Min(len, NAMEDATALEN - 1))));
}

/* What those columns of a row that just came hold; returns how many of them are to be set. */
static int
fill_in(Relation rel, HeapTuple tuple, bytea *body, Datum *values, bool *nulls)
{
	TupleDesc	desc = RelationGetDescr(rel);
	bool		isnull;
	bool		may_say_more = may_load(rel);
	TimestampTz came = received_at(rel, tuple);

	(void) heap_getattr(tuple, SPI_fnumber(desc, "order_id"), desc, &isnull);
	if (may_say_more && !isnull)
	{
		truust_note_arrival(rel, tuple, "received_at");
		return 0; /* restored, or one of our own */
	}
	fill_in_orders(body, values, nulls);
	values[2] = server_of(rel, tuple);
	if (may_say_more)
		return 3;
	values[3] = CStringGetTextDatum("new");
	values[4] = Int32GetDatum(0);
	nulls[5] = nulls[6] = true;
	values[7] = CStringGetTextDatum("webhook");
	/* infinity is no time at which anything comes */
	values[8] = TimestampTzGetDatum(
		TIMESTAMP_NOT_FINITE(came) ? GetCurrentTransactionStartTimestamp() : came);
	return N_FILLED;
}

/* The row with the first n of these columns; an older version's table may lack one. */
static HeapTuple
with_columns(Relation rel, HeapTuple tuple, int n, const Datum *values, const bool *nulls)
{
	int	  columns[N_FILLED];
	Datum some_values[N_FILLED];
	bool  some_nulls[N_FILLED];
	int	  m = 0;

	for (int i = 0; i < n; i++)
	{
		columns[m] = SPI_fnumber(RelationGetDescr(rel), filled[i]);
		if (columns[m] < 0)
			continue;
		some_values[m] = values[i];
		some_nulls[m++] = nulls[i];
	}
	if (m == 0)
		return tuple;
	return heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), m, columns, some_values,
									 some_nulls);
}

/*
 * truust.intake(): before each row that is inserted into truust.webhooks.
 */
Datum
truust_intake(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	 rel;
	HeapTuple	 tuple;
	bytea		*body;
	Datum		 values[N_FILLED] = {0};
	bool		 nulls[N_FILLED] = {false};

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("truust.intake() can only be a BEFORE INSERT row trigger")));
	rel = trigger->tg_relation;
	tuple = trigger->tg_trigtuple;
	body = body_of(tuple, RelationGetDescr(rel), SPI_fnumber(RelationGetDescr(rel), "body"));
	if (body != NULL) /* else the column's NOT NULL says it */
	{
		if (!is_loaded(rel, tuple))
			check_sizes(rel, tuple, body);
		tuple = with_columns(rel, tuple, fill_in(rel, tuple, body, values, nulls), values, nulls);
	}
	truust_worker_wake_at_commit(TRUUST_WORKER_WEBHOOKS);
	truust_stats_count(TRUUST_EVENTS_RECEIVED, 1);
	PG_RETURN_POINTER(tuple);
}

/* The other arguments are event and headers; body NULL: the caller's mistake. */
static Datum
receive(FunctionCallInfo fcinfo, bytea *body)
{
	static TruustStatement insert = {"INSERT INTO truust.webhooks (event, headers, body, server) "
									 "VALUES ($1, $2, $3, $4) RETURNING id",
									 4,
									 {TEXTOID, JSONBOID, BYTEAOID, TEXTOID}};
	Datum				   values[4];
	bool				   nulls[4] = {PG_ARGISNULL(1), PG_ARGISNULL(2), false, false};
	Datum				   id;
	bool				   isnull;
	TruustRoleState		   state;

	if (body == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the body of a webhook must not be null")));
	values[0] = PG_GETARG_DATUM(1);
	values[1] = PG_GETARG_DATUM(2);
	values[2] = PointerGetDatum(body);
	values[3] = CStringGetTextDatum(truust_server);
	check_size("body", VARSIZE_ANY_EXHDR(body));

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_INSERTS);
	truust_statement_run(&insert, values, nulls, 0);
	id = truust_result(0, 1, &isnull);
	truust_owner_leave(&state);
	SPI_finish();
	PG_RETURN_DATUM(id);
}

/*
 * truust_receive_webhook(body bytea, event, headers)
 */
Datum
truust_receive_webhook(PG_FUNCTION_ARGS)
{
	return receive(fcinfo, PG_ARGISNULL(0) ? NULL : PG_GETARG_BYTEA_PP(0));
}

/* A text as the sender wrote it: in UTF-8, as JSON is, whatever the database's encoding. */
static bytea *
in_utf8(text *body)
{
	int	  len = VARSIZE_ANY_EXHDR(body);
	char *converted;

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return (bytea *) body;
	converted = pg_server_to_any(VARDATA_ANY(body), len, PG_UTF8);
	if (converted == VARDATA_ANY(body))
		return (bytea *) body;
	return (bytea *) cstring_to_text(converted);
}

/*
 * truust_receive_webhook(body text, event, headers)
 */
Datum
truust_receive_webhook_text(PG_FUNCTION_ARGS)
{
	return receive(fcinfo, PG_ARGISNULL(0) ? NULL : in_utf8(PG_GETARG_TEXT_PP(0)));
}
