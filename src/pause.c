/*-------------------------------------------------------------------------
 *
 * pause.c
 *		Whether work must wait: paused by somebody, or by being a copy.
 *
 * A restored dump or a copied database holds the queued requests and webhooks
 * of the original, and must not act on them by itself.  truust.homes tells: it
 * is dumped with the rest, and CREATE EXTENSION writes a row that says where it
 * ran.  Data that never moved has that one row.  Data that came from elsewhere
 * has a row of another place, or two, until truust_resume() adopts them.
 *
 * pg_restore loads tables in parallel, the largest first: requests may be there
 * long before the row that tells.  So each of the tables that work comes from
 * looks at what is inserted, and the first row that was not made here and now
 * adds a home of nowhere in its own transaction.  Such a row may also be somebody's
 * own INSERT; nothing in it tells, since a copy need not have all columns, and so
 * that one waits too, with a warning that says why.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "owner.h"
#include "pause.h"
#include "slots.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(truust_arrival);
PG_FUNCTION_INFO_V1(truust_home_here);
PG_FUNCTION_INFO_V1(truust_pause);
PG_FUNCTION_INFO_V1(truust_resume);

/* The data is at home: exactly one row that nobody adopted away, and it is of this place. */
#define AT_HOME                                                                                    \
	"(SELECT pg_catalog.count(*) = 1 AND pg_catalog.bool_and(h.system_identifier = $2 AND "        \
	"h.database_oid = $3) "                                                                        \
	"FROM truust.homes h WHERE h.adopted_at IS NULL)"

static void
place_here(Datum *values)
{
	values[0] = Int64GetDatum((int64) GetSystemIdentifier());
	values[1] = ObjectIdGetDatum(MyDatabaseId);
}

const char *
truust_pause_reason(const char *what)
{
	static TruustStatement look = {
		"SELECT EXISTS (SELECT FROM truust.pauses p WHERE p.what = $1), " AT_HOME,
		3,
		{TEXTOID, INT8OID, OIDOID}};
	Datum values[3] = {CStringGetTextDatum(what)};
	bool  paused;
	bool  at_home;
	bool  isnull;

	place_here(&values[1]);
	truust_statement_run(&look, values, NULL, 1);
	paused = DatumGetBool(truust_result(0, 1, &isnull));
	at_home = DatumGetBool(truust_result(0, 2, &isnull)) && !isnull;
	SPI_freetuptable(SPI_tuptable);
	return paused ? "paused" : at_home ? NULL : "restored";
}

bool
truust_paused(const char *what)
{
	return truust_pause_reason(what) != NULL;
}

/*
 * truust.home_here(): where this database is, for truust.homes.
 */
Datum
truust_home_here(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Datum	  values[2];
	bool	  nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	place_here(values);
	truust_slots_announce_at_commit(); /* CREATE EXTENSION calls this: workers can start */
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* The rows that are inserted are the extension's own doing. */
static bool
is_our_own(void)
{
	Oid user;
	int context;

	GetUserIdAndSecContext(&user, &context);
	return (context & SECURITY_LOCAL_USERID_CHANGE) && user == truust_owner();
}

/* To who inserts the row, be it a restore or a person, and into the log. */
static void
warn_of_arrival(const char *table, const char *time_column)
{
	ereport(
		WARNING,
		(errmsg("webhooks and deferred requests of this database wait for truust_resume() as "
				"soon as this transaction is committed"),
		 errdetail("A row came into truust.%s with a %s of its own, as those of a dump do: the "
				   "data may be a copy, whose original is at work elsewhere.",
				   table, time_column),
		 errhint("Leave it so in a copy. If you have inserted the row yourself, or this database "
				 "takes over for good: SELECT truust_resume('webhooks'), "
				 "truust_resume('requests'). A row that is inserted without %s makes nothing wait.",
				 time_column),
		 errhidecontext(true))); /* it has the row of a COPY */
}

/* Add a home of nowhere, if the data is at home so far. */
static bool
doubt_home(void)
{
	static TruustStatement insert = {"INSERT INTO truust.homes (system_identifier, database_oid) "
									 "SELECT 0, 0 FROM (VALUES ($1)) AS unused WHERE " AT_HOME,
									 3,
									 {TEXTOID, INT8OID, OIDOID}};
	Datum				   values[3] = {CStringGetTextDatum("")};
	TruustRoleState		   state;
	bool				   added;

	place_here(&values[1]);
	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	added = truust_statement_run(&insert, values, NULL, 0) > 0;
	truust_owner_leave(&state);
	SPI_finish();
	return added;
}

void
truust_note_arrival(Relation rel, HeapTuple row, const char *time_column)
{
	static TransactionId	noted_xid = InvalidTransactionId;
	static SubTransactionId noted_subxid = InvalidSubTransactionId;
	bool					isnull;
	Datum time = heap_getattr(row, SPI_fnumber(RelationGetDescr(rel), time_column),
							  RelationGetDescr(rel), &isnull);

	if (is_our_own() || isnull ||
		DatumGetTimestampTz(time) == GetCurrentTransactionStartTimestamp() ||
		(TransactionIdIsValid(noted_xid) && noted_xid == GetTopTransactionIdIfAny() &&
		 noted_subxid == GetCurrentSubTransactionId()))
		return;
	if (doubt_home())
		warn_of_arrival(RelationGetRelationName(rel), time_column);
	noted_xid = GetTopTransactionId();
	noted_subxid = GetCurrentSubTransactionId();
}

/*
 * truust.arrival(): before each row that is inserted into truust.requests or truust.orders.
 */
Datum
truust_arrival(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs != 1)
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("truust.arrival() can only be a BEFORE INSERT row trigger, with the "
							   "name of a column")));
	truust_note_arrival(trigger->tg_relation, trigger->tg_trigtuple,
						trigger->tg_trigger->tgargs[0]);
	PG_RETURN_POINTER(trigger->tg_trigtuple);
}

static char *
check_what(FunctionCallInfo fcinfo)
{
	char *what = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (what == NULL || (strcmp(what, "webhooks") != 0 && strcmp(what, "requests") != 0))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("nothing called \"%s\" can be paused", what ? what : "NULL"),
						errhint("Valid values are webhooks and requests.")));
	return what;
}

static void
wake(const char *what)
{
	truust_worker_wake_at_commit(strcmp(what, "webhooks") == 0 ? TRUUST_WORKER_WEBHOOKS
															   : TRUUST_WORKER_REQUESTS);
}

/*
 * truust_pause(what, reason)
 */
Datum
truust_pause(PG_FUNCTION_ARGS)
{
	static TruustStatement insert = {
		"INSERT INTO truust.pauses (what, reason, role) VALUES ($1, $2, $3) "
		"ON CONFLICT (what) DO UPDATE SET reason = EXCLUDED.reason, role = EXCLUDED.role",
		3,
		{TEXTOID, TEXTOID, NAMEOID}};
	char		   *what = check_what(fcinfo);
	Datum			values[3] = {CStringGetTextDatum(what), PG_GETARG_DATUM(1)};
	bool			nulls[3] = {false, PG_ARGISNULL(1), false};
	TruustRoleState state;

	values[2] = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetUserId(), false)));
	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	truust_statement_run(&insert, values, nulls, 0);
	truust_owner_leave(&state);
	SPI_finish();
	wake(what);
	PG_RETURN_VOID();
}

/* The data lives here from now on; the kind that is not resumed stays paused by a row of its own. */
static void
adopt(const char *other)
{
	static TruustStatement keep_other = {
		"INSERT INTO truust.pauses (what, reason, role) SELECT $1, CASE WHEN EXISTS (SELECT FROM "
		"truust.homes h WHERE h.adopted_at IS NULL AND h.system_identifier <> 0 AND "
		"(h.system_identifier, h.database_oid) <> ($2, $3)) THEN 'restored or copied data' "
		"ELSE 'rows with a time of their own were inserted, by a restore or by hand' END, "
		"session_user ON CONFLICT (what) DO NOTHING",
		3,
		{TEXTOID, INT8OID, OIDOID}};
	static TruustStatement leave_homes = {
		"UPDATE truust.homes SET adopted_at = pg_catalog.now() WHERE adopted_at IS NULL", 0, {0}};
	/* what is queued may have been sent there, even if nothing was at work yet when the dump was taken */
	static TruustStatement forget_place = {
		"INSERT INTO truust.request_places (place) VALUES ('elsewhere')", 0};
	static TruustStatement move_in = {
		"INSERT INTO truust.homes (system_identifier, database_oid) VALUES ($1, $2)",
		2,
		{INT8OID, OIDOID}};
	Datum values[3] = {CStringGetTextDatum(other)};

	place_here(&values[1]);
	truust_statement_run(&keep_other, values, NULL, 0);
	truust_statement_run(&leave_homes, NULL, NULL, 0);
	truust_statement_run(&forget_place, NULL, NULL, 0);
	truust_statement_run(&move_in, &values[1], NULL, 0);
}

/*
 * truust_resume(what)
 */
Datum
truust_resume(PG_FUNCTION_ARGS)
{
	static TruustStatement delete = {"DELETE FROM truust.pauses WHERE what = $1", 1, {TEXTOID}};
	static TruustStatement look = {
		"SELECT " AT_HOME " FROM (VALUES ($1)) AS unused", 3, {TEXTOID, INT8OID, OIDOID}};
	char		   *what = check_what(fcinfo);
	Datum			values[3] = {CStringGetTextDatum(what)};
	bool			isnull;
	TruustRoleState state;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	truust_statement_run(&delete, values, NULL, 0);
	place_here(&values[1]);
	truust_statement_run(&look, values, NULL, 1);
	if (!DatumGetBool(truust_result(0, 1, &isnull)) || isnull)
		adopt(strcmp(what, "webhooks") == 0 ? "requests" : "webhooks");
	truust_owner_leave(&state);
	SPI_finish();
	wake(what);
	PG_RETURN_VOID();
}
