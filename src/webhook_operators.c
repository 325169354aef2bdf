/*-------------------------------------------------------------------------
 *
 * webhook_operators.c
 *		What a person does about webhooks: retry, discard, replay.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "guc.h"
#include "owner.h"
#include "slots.h"
#include "webhook.h"

PG_FUNCTION_INFO_V1(truust_retry_webhook);
PG_FUNCTION_INFO_V1(truust_discard_webhook);
PG_FUNCTION_INFO_V1(truust_replay);

/* The order of a row that an operator's statement found, 0 if it has none. */
static int64
order_of_result(void)
{
	bool  isnull;
	Datum value = truust_result(0, 1, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static void
throw_not_found(int64 id)
{
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
					errmsg("there is no webhook " INT64_FORMAT " that waits or is dead", id),
					errhint("truust.dead_letters and truust.pending list them.")));
}

/*
 * truust_retry_webhook(id): try a dead or waiting one at once, with all its attempts before it.
 */
Datum
truust_retry_webhook(PG_FUNCTION_ARGS)
{
	static TruustStatement update = {"UPDATE truust.webhooks SET state = 'retry', attempts = 0, "
									 "next_attempt_at = pg_catalog.now() "
									 "WHERE id = $1 AND state <> 'new'",
									 1,
									 {INT8OID}};
	Datum				   id = PG_GETARG_DATUM(0);
	TruustRoleState		   state;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	truust_webhooks_free(DatumGetInt64(id));
	if (truust_statement_run(&update, &id, NULL, 0) == 0)
		throw_not_found(DatumGetInt64(id));
	truust_owner_leave(&state);
	SPI_finish();
	truust_worker_wake_at_commit(TRUUST_WORKER_WEBHOOKS);
	PG_RETURN_VOID();
}

/*
 * truust_discard_webhook(id, reason): take one out of the intake for good; the
 * server's log keeps who, what and why.
 */
Datum
truust_discard_webhook(PG_FUNCTION_ARGS)
{
	static TruustStatement delete = {
		"DELETE FROM truust.webhooks WHERE id = $1 RETURNING order_id", 1, {INT8OID}};
	Datum			id = PG_GETARG_DATUM(0);
	char		   *reason = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	char		   *role = GetUserNameFromId(GetUserId(), false);
	TruustRoleState state;
	int64			order_id;

	if (PG_ARGISNULL(0))
		throw_not_found(0);
	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	truust_webhooks_free(DatumGetInt64(id));
	if (truust_statement_run(&delete, &id, NULL, 0) == 0)
		throw_not_found(DatumGetInt64(id));
	order_id = order_of_result();
	truust_owner_leave(&state);
	SPI_finish();
	ereport(LOG, (errmsg("webhook " INT64_FORMAT " of order " INT64_FORMAT
						 " was discarded by role \"%s\"",
						 DatumGetInt64(id), order_id, role),
				  errdetail("Reason: %s", reason ? reason : "none given"), errhidestmt(true)));
	truust_worker_wake_at_commit(TRUUST_WORKER_WEBHOOKS);
	PG_RETURN_VOID();
}

/* A server other than this one that knows an order of the id, NULL if there is none. */
static char *
other_server(Datum id, Datum server)
{
	static TruustStatement select = {
		"SELECT pg_catalog.min(k.server) FROM (SELECT o.server FROM truust.orders o WHERE o.id = "
		"$1 "
		"UNION ALL SELECT e.server FROM truust.events e WHERE e.order_id = $1 AND e.outcome = "
		"'applied') AS k WHERE k.server <> $2",
		2,
		{INT8OID, TEXTOID}};
	Datum values[2] = {id, server};

	truust_statement_run(&select, values, NULL, 1);
	return truust_result_text(0, 1);
}

/* Whether an order is known, be it without anything to replay. */
static bool
is_known(Datum *values)
{
	static TruustStatement select = {
		"SELECT FROM truust.orders o WHERE o.id = $1 AND o.server = $2", 2, {INT8OID, TEXTOID}};

	return truust_statement_run(&select, values, NULL, 1) > 0;
}

static void
throw_unknown_order(int64 id, const char *other)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("order " INT64_FORMAT " of server \"%s\" is not known", id, truust_server),
			 other ? errhint("Server \"%s\" has an order of this id: set truust.server to the "
							 "server whose order is meant.",
							 other)
				   : errhint("truust_sync_orders() finds the orders that Truust has.")));
}

/*
 * truust_replay(order_id): queue the history of an order of the session's account for
 * handlers, listeners and attached tables once more.  Another account may have an order
 * of the same id, whose handlers nobody has asked for.
 */
Datum
truust_replay(PG_FUNCTION_ARGS)
{
	static TruustStatement insert = {
		"INSERT INTO truust.webhooks (server, source, order_id, body) "
		"SELECT e.server, 'replay', e.order_id, "
		"pg_catalog.convert_to(pg_catalog.jsonb_build_object("
		"'escrow', pg_catalog.jsonb_build_object('id', e.order_id, 'status', e.status), "
		"'replay', pg_catalog.jsonb_build_object('event_id', e.id, 'event', e.event, 'status', "
		"e.status, "
		"'previous_status', e.previous_status, 'payin_id', e.payin_id, 'payout_id', "
		"e.payout_id))::pg_catalog.text, "
		"'UTF8') "
		"FROM truust.events e WHERE e.order_id = $1 AND e.server = $2 AND e.outcome = 'applied' "
		"AND e.source <> 'replay' ORDER BY e.id",
		2,
		{INT8OID, TEXTOID}};
	static TruustStatement insert_current = {
		"INSERT INTO truust.webhooks (server, source, order_id, body) "
		"SELECT o.server, 'replay', o.id, pg_catalog.convert_to(pg_catalog.jsonb_build_object("
		"'escrow', pg_catalog.jsonb_build_object('id', o.id, 'status', o.status), "
		"'replay', pg_catalog.jsonb_build_object('event', truust.order_state_event(o.status), "
		"'status', o.status, "
		"'previous_status', o.previous_status))::pg_catalog.text, 'UTF8') "
		"FROM truust.orders o WHERE o.id = $1 AND o.server = $2 AND o.status <> ''",
		2,
		{INT8OID, TEXTOID}};
	Datum			values[2] = {PG_GETARG_DATUM(0), CStringGetTextDatum(truust_server)};
	uint64			n;
	TruustRoleState state;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	n = truust_statement_run(&insert, values, NULL, 0);
	if (n == 0)
		n = truust_statement_run(&insert_current, values, NULL, 0);
	if (n == 0 && !is_known(values))
		throw_unknown_order(DatumGetInt64(values[0]), other_server(values[0], values[1]));
	truust_owner_leave(&state);
	SPI_finish();
	PG_RETURN_INT64((int64) n);
}
