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

void
truust_webhooks_free(int64 order_id)
{
	static TruustStatement update = {"UPDATE truust.webhooks SET next_attempt_at = "
									 "pg_catalog.now() WHERE state = 'retry' AND order_id = $1",
									 1,
									 {INT8OID}};
	Datum				   value = Int64GetDatum(order_id);

	if (order_id != 0)
		truust_statement_run(&update, &value, NULL, 0);
}

/* All rows of an order that wait do so until the same time. */
static void
postpone(int64 order_id, TimestampTz until)
{
	static TruustStatement update = {
		"UPDATE truust.webhooks SET next_attempt_at = $2 WHERE state = 'retry' AND order_id = $1",
		2,
		{INT8OID, TIMESTAMPTZOID}};
	Datum values[2] = {Int64GetDatum(order_id), TimestampTzGetDatum(until)};

	if (order_id != 0)
		truust_statement_run(&update, values, NULL, 0);
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

void
truust_batch_write_fates(TruustBatch *batch)
{
	int failed = 0;
	int dead = 0;

	update_rows(batch);
	for (int i = 0; i < batch->n; i++)
	{
		TruustWebhook *row = &batch->rows[i];

		if (row->fate == TRUUST_FATE_RETRY || (row->fate == TRUUST_FATE_WAITS && row->resting))
			postpone(row->order_id, row->next_attempt_at);
		if (row->fate == TRUUST_FATE_RETRY)
			failed++;
		else if (row->fate == TRUUST_FATE_DEAD)
		{
			truust_webhooks_free(row->order_id);
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
