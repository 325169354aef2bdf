/*-------------------------------------------------------------------------
 *
 * webhook_fate.c
 *		Rows that wait, and dead letters.
 *
 * A row that failed waits in state retry until its next_attempt_at, and all
 * rows of its order that came later wait with it and share that time, so that
 * they are tried in their order.  A dead one lets them go.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "stats.h"
#include "webhook.h"

/* The same for who reads the server's log, with the reason in full. */
static void
log_dead(const TruustWebhook *row)
{
	char *of = row->order_id != 0 ? psprintf(" of order " INT64_FORMAT, row->order_id) : "";

	ereport(LOG, (errmsg("webhook " INT64_FORMAT "%s is a dead letter: %s", row->id, of,
						 row->reason ? row->reason : row->kind),
				  errhint("Use truust_retry_webhook(" INT64_FORMAT
						  ") when its cause is gone, or truust_discard_webhook(" INT64_FORMAT
						  ", reason).",
						  row->id, row->id),
				  errhidestmt(true), errhidecontext(true)));
}

/* Tell who listens that a person must look; anybody can listen, so nothing of the body. */
static void
alert(const TruustWebhook *row)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf,
					 "{\"kind\": \"webhook\", \"id\": " INT64_FORMAT ", \"order_id\": ", row->id);
	if (row->order_id != 0)
		appendStringInfo(&buf, INT64_FORMAT, row->order_id);
	else
		appendStringInfoString(&buf, "null");
	appendStringInfoString(&buf, ", \"reason\": ");
	escape_json(&buf, row->kind);
	appendStringInfoChar(&buf, '}');
	Async_Notify("truust_alert", buf.data);
}

/*
 * Rows that wait and name one of some orders of a server: $1 orders, $2 server,
 * $3 the server of rows that name none, $4 when they are due.
 */
#define SET_DUE(names, lock)                                                                       \
	{                                                                                              \
		"UPDATE truust.webhooks u SET next_attempt_at = $4 WHERE u.id = ANY (ARRAY ("              \
		"SELECT w.id FROM truust.webhooks w WHERE w.state = 'retry' AND " names                    \
		" AND coalesce(w.server, $3) = $2 ORDER BY w.id FOR UPDATE" lock "))",                     \
			4,                                                                                     \
		{                                                                                          \
			INT8ARRAYOID, TEXTOID, TEXTOID, TIMESTAMPTZOID                                         \
		}                                                                                          \
	}

/*
 * Set when they are due.  A worker does not wait for those that somebody else is
 * changing: whoever that is says by it when they are due.
 */
static void
set_due(Datum orders, Datum server, TimestampTz at, bool wait)
{
	static TruustStatement waiting[2] = {SET_DUE("w.order_id = ANY ($1)", ""),
										 SET_DUE("w.order_ids && $1", "")};
	static TruustStatement skipping[2] = {SET_DUE("w.order_id = ANY ($1)", " SKIP LOCKED"),
										  SET_DUE("w.order_ids && $1", " SKIP LOCKED")};
	TruustStatement		  *statements = wait ? waiting : skipping;
	Datum values[4] = {orders, server, CStringGetTextDatum(truust_server), TimestampTzGetDatum(at)};

	truust_statement_run(&statements[0], values, NULL, 0);
	if (truust_webhooks_name_several())
		truust_statement_run(&statements[1], values, NULL, 0);
}

/* The same for the orders of a row. */
static void
set_due_with(const TruustWebhook *row, TimestampTz at)
{
	if (row->n_orders > 0)
		set_due(truust_array_of_ids(row->orders, row->n_orders), CStringGetTextDatum(row->server),
				at, false);
}

void
truust_webhooks_free(int64 id)
{
	static TruustStatement look[2] = {
		{"SELECT ARRAY[w.order_id], coalesce(w.server, $2) FROM truust.webhooks w WHERE w.id = $1",
		 2,
		 {INT8OID, TEXTOID}},
		{"SELECT pg_catalog.array_append(w.order_ids, w.order_id), coalesce(w.server, $2) "
		 "FROM truust.webhooks w WHERE w.id = $1",
		 2,
		 {INT8OID, TEXTOID}}};
	Datum values[2] = {Int64GetDatum(id), CStringGetTextDatum(truust_server)};
	bool  isnull;

	if (truust_statement_run(&look[truust_webhooks_name_several() ? 1 : 0], values, NULL, 1) > 0)
		set_due(truust_result(0, 1, &isnull), truust_result(0, 2, &isnull), GetCurrentTimestamp(),
				true);
}

static const char *
state_of(TruustFate fate)
{
	return fate == TRUUST_FATE_DEAD ? "dead" : "retry";
}

/* The rows themselves, in one statement. */
static void
update_rows(TruustBatch *batch)
{
	static TruustStatement update = {
		"UPDATE truust.webhooks w SET state = u.state, attempts = w.attempts + u.attempt, "
		"next_attempt_at = u.next_attempt_at, error = coalesce(u.error, w.error), "
		"order_id = coalesce(u.order_id, w.order_id) "
		"FROM unnest($1, $2, $3, $4, $5, $6) AS u (id, state, attempt, next_attempt_at, error, "
		"order_id) "
		"WHERE w.id = u.id AND w.state <> 'dead'",
		6,
		{INT8ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID,
		 INT8ARRAYOID}};
	static const Oid types[6] = {INT8OID, TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID, INT8OID};
	TruustColumn	 columns[6];
	Datum			 values[6];

	for (int i = 0; i < 6; i++)
		truust_column_init(&columns[i], types[i], 16);
	for (int i = 0; i < batch->n; i++)
	{
		TruustWebhook *row = &batch->rows[i];
		bool		   counts =
			row->fate == TRUUST_FATE_DEAD || (row->fate == TRUUST_FATE_RETRY && !row->passing);

		if (row->fate < TRUUST_FATE_WAITS)
			continue;
		truust_column_add_int64(&columns[0], row->id);
		truust_column_add_text(&columns[1], state_of(row->fate));
		truust_column_add(&columns[2], Int32GetDatum(counts ? 1 : 0), false);
		truust_column_add(&columns[3], TimestampTzGetDatum(row->next_attempt_at),
						  row->fate == TRUUST_FATE_DEAD);
		truust_column_add_text(&columns[4], row->reason);
		truust_column_add(&columns[5], Int64GetDatum(row->order_id), row->order_id == 0);
	}
	if (columns[0].n == 0)
		return;
	for (int i = 0; i < 6; i++)
		values[i] = truust_column_array(&columns[i]);
	truust_statement_run(&update, values, NULL, 0);
}

/* All orders that a row names, where the intake does not say so yet: it came with a dump of an older version. */
static void
write_orders(const TruustWebhook *row)
{
	static TruustStatement update = {
		"UPDATE truust.webhooks SET order_ids = $2 WHERE id = $1 AND order_ids IS NULL",
		2,
		{INT8OID, INT8ARRAYOID}};
	Datum values[2] = {Int64GetDatum(row->id), truust_array_of_ids(row->orders, row->n_orders)};

	truust_statement_run(&update, values, NULL, 0);
}

int
truust_rows_lock(TruustWebhook **rows, int n, bool *locked)
{
	static TruustStatement lock = {"SELECT w.id FROM truust.webhooks w WHERE w.id = ANY ($1) AND "
								   "w.state <> 'dead' ORDER BY w.id FOR UPDATE SKIP LOCKED",
								   1,
								   {INT8ARRAYOID}};
	TruustColumn		   ids;
	Datum				   value;
	uint64				   found;
	int					   j = 0;
	bool				   isnull;

	truust_column_init(&ids, INT8OID, n);
	for (int i = 0; i < n; i++)
		truust_column_add_int64(&ids, rows[i]->id);
	value = truust_column_array(&ids);
	found = truust_statement_run(&lock, &value, NULL, 0);
	for (int i = 0; i < n; i++)
	{
		locked[i] =
			(uint64) j < found && DatumGetInt64(truust_result(j, 1, &isnull)) == rows[i]->id;
		j += locked[i];
	}
	SPI_freetuptable(SPI_tuptable);
	return j;
}

/*
 * Of the rows whose fate is to be written, those that somebody is changing (an operator
 * who has not committed yet) stay as they are, and all behind them.
 */
static void
leave_locked(TruustBatch *batch)
{
	TruustWebhook **rows = palloc(sizeof(TruustWebhook *) * Max(batch->n, 1));
	bool		   *locked = palloc(sizeof(bool) * Max(batch->n, 1));
	int				n = 0;

	for (int i = 0; i < batch->n; i++)
		if (batch->rows[i].fate >= TRUUST_FATE_WAITS)
			rows[n++] = &batch->rows[i];
	if (n == 0 || truust_rows_lock(rows, n, locked) == n)
		return;
	for (int i = 0; i < n; i++)
	{
		bool resting;

		if (locked[i] && !truust_row_is_behind_left(batch, rows[i], &resting))
			continue;
		rows[i]->fate = TRUUST_FATE_LEFT;
		(void) truust_row_may_go(batch, rows[i]);
	}
}

/* A due row that is left would stand before all others that are due, who knows how many; so it waits. */
static void
put_off(TruustBatch *batch)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TRUUST_LEFT_PAUSE);

	for (int i = 0; batch->due && i < batch->n; i++)
		if (batch->rows[i].fate == TRUUST_FATE_LEFT)
		{
			batch->rows[i].fate = TRUUST_FATE_WAITS;
			batch->rows[i].next_attempt_at = until;
		}
}

/* What follows from a row's fate for those behind it. */
static void
tell_others(const TruustBatch *batch, const TruustWebhook *row)
{
	if (row->fate == TRUUST_FATE_RETRY || (row->fate == TRUUST_FATE_WAITS && row->resting))
		set_due_with(row, row->next_attempt_at);
	else if (row->fate == TRUUST_FATE_DEAD ||
			 (row->fate == TRUUST_FATE_DONE && batch->due && row->n_orders > 1))
		set_due_with(row, GetCurrentTimestamp());
}

void
truust_batch_write_fates(TruustBatch *batch)
{
	int failed = 0;
	int dead = 0;

	put_off(batch);
	leave_locked(batch);
	update_rows(batch);
	for (int i = 0; i < batch->n; i++)
	{
		TruustWebhook *row = &batch->rows[i];

		tell_others(batch, row);
		if (row->fate >= TRUUST_FATE_WAITS && row->n_orders > 1 && truust_webhooks_name_several())
			write_orders(row);
		if (row->fate == TRUUST_FATE_RETRY)
			failed++;
		else if (row->fate == TRUUST_FATE_DEAD)
		{
			alert(row);
			log_dead(row);
			dead++;
		}
	}
	if (failed > 0)
		truust_stats_count(TRUUST_EVENTS_FAILED, failed);
	if (dead > 0)
		truust_stats_count(TRUUST_EVENTS_DEAD, dead);
}
