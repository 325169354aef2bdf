/*-------------------------------------------------------------------------
 *
 * outbox_operate.c
 *		What a person does with requests: retry, cancel, resolve; and the guard
 *		that keeps pending ones from being dropped with the extension.
 *
 * These only move a row from one state to another, under its lock and with its
 * fence raised.  What follows from an end (on_done, the attached row, the next
 * of its group) is left to the worker, which is alone in doing it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "outbox.h"
#include "owner.h"
#include "slots.h"

PG_FUNCTION_INFO_V1(truust_retry_request);
PG_FUNCTION_INFO_V1(truust_cancel_request);
PG_FUNCTION_INFO_V1(truust_resolve_request);
PG_FUNCTION_INFO_V1(truust_guard_drop);

/* The next of its group and on_done wait for the end. */
#define THEN_COMPLETE(response)                                                                    \
	" done_state = CASE WHEN r.on_done IS NOT NULL OR r.attachment_id IS NOT NULL"                 \
	" OR r.sequence_group IS NOT NULL OR " response " IS NOT NULL THEN 'pending' END,"             \
	" done_attempts = 0, done_error = NULL, next_attempt_at = pg_catalog.clock_timestamp()"

/* Where what followed the end has failed, only that is repeated: a request that was taken back stays so. */
static TruustStatement retry_query = {
	"UPDATE truust.requests r SET state = 'queued', fence = r.fence + 1, attempts = 0, looks = 0,"
	" next_attempt_at = pg_catalog.clock_timestamp(), finished_at = NULL, response = NULL,"
	" done_state = NULL, done_attempts = 0, done_error = NULL"
	" WHERE r.id = $1 AND r.state IN ('failed', 'uncertain')"
	" AND NOT (r.done_state IS NOT DISTINCT FROM 'dead'"
	" OR r.done_state IS NOT DISTINCT FROM 'pending' AND r.done_attempts > 0)",
	1,
	{INT8OID}};

static TruustStatement retry_done_query = {
	"UPDATE truust.requests r SET done_state = 'pending', done_attempts = 0,"
	" next_attempt_at = pg_catalog.clock_timestamp()"
	" WHERE r.id = $1 AND r.state IN ('done', 'failed') AND r.done_state IN ('pending', 'dead')",
	1,
	{INT8OID}};

static TruustStatement cancel_query = {
	"UPDATE truust.requests r SET state = 'failed', fence = r.fence + 1,"
	" finished_at = pg_catalog.clock_timestamp(), error = $2," THEN_COMPLETE(
		"NULL") " WHERE r.id = $1 AND r.state = 'queued' AND (" TRUUST_IS_ROLES("r",
																				"$3") " OR $4)",
	4,
	{INT8OID, TEXTOID, OIDOID, BOOLOID}};

static TruustStatement resolve_done_query = {
	"UPDATE truust.requests r SET state = 'done', fence = r.fence + 1, response = $2, error = NULL,"
	" finished_at = pg_catalog.clock_timestamp()," THEN_COMPLETE(
		"$2") " WHERE r.id = $1 AND r.state = 'uncertain'",
	2,
	{INT8OID, JSONBOID}};

static TruustStatement resolve_failed_query = {
	"UPDATE truust.requests r SET state = 'failed', fence = r.fence + 1, error = $2,"
	" finished_at = pg_catalog.clock_timestamp()," THEN_COMPLETE(
		"NULL") " WHERE r.id = $1 AND r.state = 'uncertain'",
	2,
	{INT8OID, TEXTOID}};

static TruustStatement operation_query = {
	"SELECT r.operation FROM truust.requests r WHERE r.id = $1 AND r.state = 'uncertain'",
	1,
	{INT8OID}};

static TruustStatement state_query = {
	"SELECT r.state FROM truust.requests r WHERE r.id = $1 AND (" TRUUST_IS_ROLES("r",
																				  "$2") " OR $3)",
	3,
	{INT8OID, OIDOID, BOOLOID}};

/* Who asks: the role and whether all requests are its business, as two parameters. */
static void
who_asks(Datum *values)
{
	const char *name = psprintf("%s.truust_retry_request(bigint)",
								quote_identifier(get_namespace_name(truust_extension_schema())));

	values[0] = ObjectIdGetDatum(GetUserId());
	values[1] = DirectFunctionCall3(has_function_privilege_id_name, ObjectIdGetDatum(GetUserId()),
									CStringGetTextDatum(name), CStringGetTextDatum("EXECUTE"));
}

/* Nothing was changed: say why. */
static void
refuse(int64 id, Datum *who, const char *verb, const char *hint)
{
	Datum values[3] = {Int64GetDatum(id), who[0], who[1]};

	if (truust_statement_run(&state_query, values, NULL, 1) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND), errmsg("there is no request " INT64_FORMAT, id)));
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("request " INT64_FORMAT " cannot be %s: it is %s", id, verb,
						   truust_field_text(0, 1)),
					errhint("%s", hint)));
}

/* Run the first of the statements that changes the row; else refuse. */
static void
change(TruustStatement **statements, int n, Datum *values, const char *verb, const char *hint)
{
	TruustRoleState state;
	Datum			who[2];
	uint64			changed = 0;

	who_asks(who);
	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	for (int i = 0; i < n && changed == 0; i++)
		changed = truust_statement_run(statements[i], values, NULL, 0);
	if (changed == 0)
		refuse(DatumGetInt64(values[0]), who, verb, hint);
	truust_owner_leave(&state);
	SPI_finish();
	ereport(LOG, (errmsg("request " INT64_FORMAT " was %s by role \"%s\"", DatumGetInt64(values[0]),
						 verb, GetUserNameFromId(DatumGetObjectId(who[0]), false)),
				  errhidestmt(true), errhidecontext(true)));
	truust_worker_wake_at_commit(TRUUST_WORKER_REQUESTS);
}

static Datum
told_by(const char *what)
{
	return CStringGetTextDatum(
		psprintf("%s by role \"%s\"", what, GetUserNameFromId(GetUserId(), false)));
}

/* truust_retry_request(id) */
Datum
truust_retry_request(PG_FUNCTION_ARGS)
{
	TruustStatement *statements[] = {&retry_query, &retry_done_query};
	Datum			 values[1] = {PG_GETARG_DATUM(0)};

	change(statements, 2, values, "retried",
		   "Only a failed or an uncertain request is sent again, and only what failed after its "
		   "end is repeated.");
	PG_RETURN_VOID();
}

/* truust_cancel_request(id) */
Datum
truust_cancel_request(PG_FUNCTION_ARGS)
{
	TruustStatement *statements[] = {&cancel_query};
	Datum			 values[4] = {PG_GETARG_DATUM(0), told_by("cancelled")};

	who_asks(&values[2]);
	change(statements, 1, values, "cancelled", "Only a queued request can be taken back.");
	PG_RETURN_VOID();
}

/* ---------------------------------------------------------------- what a person says became of it */

/* What an uncertain request would have been answered with; NULL: there is no such request. */
static const TruustSignature *
signature_of(Datum id)
{
	TruustRoleState		  state;
	const TruustEndpoint *endpoint = NULL;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	if (truust_statement_run(&operation_query, &id, NULL, 1) > 0)
		endpoint = truust_endpoint_find(truust_field_text(0, 1));
	truust_owner_leave(&state);
	SPI_finish();
	return endpoint ? truust_endpoint_signature(endpoint) : NULL;
}

/* The resource in what a person gives as the answer, which may be all of it, as the API has it. */
static Jsonb *
resource_of(Datum id, Jsonb *response)
{
	const TruustSignature *signature = signature_of(id);
	Jsonb				  *resource = truust_json_resource(response);

	if (signature && signature->identity && !truust_answer_is_known(resource, signature->identity))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("response is not what %s returns", signature->endpoint->name),
			 errdetail("It is no object with the \"%s\" of a resource.", signature->identity[0]),
			 errhint("Give the resource as the API shows it, or NULL if the request was not "
					 "executed and shall not be.")));
	return resource ? resource : response;
}

/* truust_resolve_request(id, response) */
Datum
truust_resolve_request(PG_FUNCTION_ARGS)
{
	TruustStatement *statements[] = {PG_ARGISNULL(1) ? &resolve_failed_query : &resolve_done_query};
	Datum			 values[2];

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("id must not be null")));
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_ARGISNULL(1) ? told_by("resolved as not executed")
								: JsonbPGetDatum(resource_of(values[0], PG_GETARG_JSONB_P(1)));
	change(statements, 1, values, "resolved",
		   "Only an uncertain request waits for somebody to say what became of it.");
	PG_RETURN_VOID();
}

/* ---------------------------------------------------------------- DROP EXTENSION */

static bool
drops_truust(const DropStmt *stmt)
{
	ListCell *lc;

	if (stmt->removeType != OBJECT_EXTENSION || stmt->behavior == DROP_CASCADE)
		return false;
	foreach (lc, stmt->objects)
		if (strcmp(strVal(lfirst(lc)), "truust") == 0)
			return true;
	return false;
}

static uint64
count_pending(void)
{
	static TruustStatement query = {"SELECT FROM truust.requests r WHERE r.state IN ('queued', "
									"'sending', 'uncertain') LIMIT 1000",
									0};
	TruustRoleState		   state;
	uint64				   n;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	n = truust_statement_run(&query, NULL, NULL, 0);
	truust_owner_leave(&state);
	SPI_finish();
	return n;
}

/*
 * Event trigger on DROP EXTENSION: pending requests depend on the extension.
 */
Datum
truust_guard_drop(PG_FUNCTION_ARGS)
{
	EventTriggerData *trigger = (EventTriggerData *) fcinfo->context;
	uint64			  n;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("truust.guard_drop() is an event trigger")));
	if (!IsA(trigger->parsetree, DropStmt) || !drops_truust((DropStmt *) trigger->parsetree))
		PG_RETURN_NULL();
	n = count_pending();
	if (n > 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot drop extension truust because requests are pending"),
			 errdetail(n == 1	  ? UINT64_FORMAT " request is queued, under way or uncertain."
					   : n < 1000 ? UINT64_FORMAT " requests are queued, under way or uncertain."
								  : UINT64_FORMAT
						   " or more requests are queued, under way or uncertain.",
					   n),
			 errhint("Let the worker send them, cancel them with truust_cancel_request(), or "
					 "use DROP EXTENSION ... CASCADE to drop them too.")));
	PG_RETURN_NULL();
}
