/*-------------------------------------------------------------------------
 *
 * webhook_handlers.c
 *		The merchant's functions: registered by truust_on(), called for each
 *		event.
 *
 * A handler runs inside the batch's transaction as the role that registered
 * it.  Becoming that role costs more than calling a small function, so it
 * stays that role while the handlers that follow are the same role's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "clock.h"
#include "compat.h"
#include "endpoint.h"
#include "owner.h"
#include "webhook.h"

PG_FUNCTION_INFO_V1(truust_on);
PG_FUNCTION_INFO_V1(truust_off);

typedef struct Handler
{
	char	*event;
	char	*name;	   /* signature */
	Oid		 function; /* InvalidOid: there is none any more */
	char	*role;
	Oid		 role_oid;
	char	*search_path;
	bool	 ready; /* finfo is set up */
	FmgrInfo finfo;
} Handler;

/* The handlers, in the order of their registration; live in the transaction that loaded them. */
static Handler *handlers = NULL;
static int		n_handlers = 0;

/* A registered name as events have it now: an older version may have spelled it otherwise. */
static char *
name_as_sent(char *registered)
{
	char *name = strcmp(registered, "*") == 0 ? NULL : truust_event_name(registered);

	return name ? name : registered;
}

bool
truust_handlers_load(void)
{
	static TruustStatement select = {
		"SELECT h.event, pg_catalog.to_regprocedure(h.handler)::pg_catalog.oid, h.role, "
		"h.search_path, h.handler, " TRUUST_ROLE_OID(
			"h") " FROM truust.handlers h ORDER BY h.created_at, h.event, h.handler",
		0,
		{0}};
	n_handlers = (int) truust_statement_run(&select, NULL, NULL, 0);
	handlers = palloc0(sizeof(Handler) * Max(n_handlers, 1));
	for (int i = 0; i < n_handlers; i++)
	{
		handlers[i].event = name_as_sent(truust_result_text(i, 1));
		handlers[i].function = truust_result_oid(i, 2);
		handlers[i].role = truust_result_text(i, 3);
		handlers[i].search_path = truust_result_text(i, 4);
		handlers[i].name = truust_result_text(i, 5);
		handlers[i].role_oid = truust_result_oid(i, 6);
	}
	SPI_freetuptable(SPI_tuptable);
	return n_handlers > 0;
}

/* truust_event, whose columns are what event_datum() fills in. */
static TupleDesc
event_desc(void)
{
	Oid type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("truust_event"),
							   ObjectIdGetDatum(truust_extension_schema()));

	return lookup_rowtype_tupdesc_copy(type, -1);
}

static void
set_text(Datum *values, bool *nulls, int i, const char *value)
{
	nulls[i] = value == NULL;
	values[i] = value ? CStringGetTextDatum(value) : (Datum) 0;
}

static void
set_id(Datum *values, bool *nulls, int i, int64 value)
{
	nulls[i] = value == 0;
	values[i] = Int64GetDatum(value);
}

static Datum
event_datum(TupleDesc desc, const TruustApplied *applied)
{
	const TruustHistory *h = &applied->row;
	Datum				 values[12];
	bool				 nulls[12];

	if (desc->natts != 12)
		elog(ERROR, "type truust_event has %d columns instead of 12", desc->natts);
	set_id(values, nulls, 0, h->id);
	set_text(values, nulls, 1, h->event);
	set_id(values, nulls, 2, h->order_id);
	set_text(values, nulls, 3, h->status);
	set_text(values, nulls, 4, h->previous_status);
	set_text(values, nulls, 5, h->server);
	set_text(values, nulls, 6, truust_source_name(h->source));
	set_id(values, nulls, 7, h->webhook_id);
	set_id(values, nulls, 8, h->payin_id);
	set_id(values, nulls, 9, h->payout_id);
	nulls[10] = h->received_at == 0;
	values[10] = TimestampTzGetDatum(h->received_at);
	nulls[11] = applied->body == NULL;
	values[11] = JsonbPGetDatum(applied->body);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* Look the function up for as long as cxt lives, with the rights of the role that it is called as. */
static void
make_ready(Handler *handler, MemoryContext cxt)
{
	AclResult acl;

	if (!OidIsValid(handler->function))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("function %s does not exist any more", handler->name),
						errhint("Create it again, or remove its row from truust.handlers.")));
	acl = truust_function_aclcheck(handler->function, GetUserId());
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FUNCTION, get_func_name(handler->function));
	fmgr_info_cxt(handler->function, &handler->finfo, cxt);
	handler->ready = true;
}

/* Names the handler in an error's context, which becomes the reason of a failure. */
static void
handler_context(void *arg)
{
	Handler *handler = arg;

	errcontext("handler %s of event \"%s\"", handler->name, handler->event);
}

static void
call(Handler *handler, Datum event, MemoryContext cxt)
{
	LOCAL_FCINFO(fcinfo, 1);
	ErrorContextCallback callback = {
		.previous = error_context_stack, .callback = handler_context, .arg = handler};

	error_context_stack = &callback;
	if (!handler->ready)
		make_ready(handler, cxt);
	InitFunctionCallInfoData(*fcinfo, &handler->finfo, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = event;
	fcinfo->args[0].isnull = false;
	(void) FunctionCallInvoke(fcinfo);
	error_context_stack = callback.previous;
	CommandCounterIncrement();
}

/* The handler as whose role code runs, and the search_path that is in force then. */
typedef struct Actor
{
	Handler		   *handler; /* NULL: none */
	char		   *search_path;
	TruustRoleState state;
} Actor;

static void
leave_role(Actor *actor)
{
	if (actor->handler)
		truust_role_leave(&actor->state);
	actor->handler = NULL;
}

/* Whether the handler's code can go on as this actor; the one before may have set another search_path. */
static bool
is_same(const Actor *actor, const Handler *handler)
{
	const Handler *other = actor->handler;

	return other && other->role_oid == handler->role_oid &&
		   strcmp(other->search_path, handler->search_path) == 0 &&
		   strcmp(actor->search_path, namespace_search_path) == 0;
}

static void
become(Actor *actor, Handler *handler, const char *server)
{
	if (is_same(actor, handler))
	{
		truust_role_serve(server);
		truust_role_restart_clock();
		return;
	}
	leave_role(actor);
	truust_role_enter(&actor->state, handler->role_oid, handler->role, handler->search_path,
					  server);
	actor->handler = handler;
	actor->search_path = pstrdup(namespace_search_path);
}

static bool
concerns(const Handler *handler, const TruustApplied *applied)
{
	return strcmp(handler->event, "*") == 0 || strcmp(handler->event, applied->row.event) == 0;
}

/* Call those that an event concerns. */
static void
call_for(const TruustApplied *applied, TupleDesc desc, Actor *actor, MemoryContext cxt)
{
	MemoryContext old = CurrentMemoryContext;
	Datum		  event = (Datum) 0;

	for (int j = 0; j < n_handlers; j++)
	{
		Handler *handler = &handlers[j];

		if (!concerns(handler, applied))
			continue;
		become(actor, handler, applied->row.server);
		MemoryContextSwitchTo(cxt);
		if (event == (Datum) 0)
			event = event_datum(desc, applied);
		call(handler, event, old);
		MemoryContextSwitchTo(old);
	}
	MemoryContextReset(cxt);
}

bool
truust_handlers_call(TruustApplied **applied, int n, TruustWebhook **current, int64 until)
{
	TupleDesc	  desc = event_desc();
	Actor		  actor = {NULL};
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "truust handler", ALLOCSET_DEFAULT_SIZES);
	bool in_time = true;

	for (int j = 0; j < n_handlers; j++)
		handlers[j].ready = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < n && in_time; i++)
	{
		*current = applied[i]->webhook;
		in_time = *current == applied[0]->webhook || truust_monotonic_ms() <= until;
		if (in_time)
			call_for(applied[i], desc, &actor, cxt);
	}
	leave_role(&actor);
	PopActiveSnapshot();
	if (in_time)
		*current = NULL;
	MemoryContextDelete(cxt);
	return in_time;
}

static char *
event_argument(FunctionCallInfo fcinfo)
{
	char *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (name && strcmp(name, "*") == 0)
		return name;
	name = name ? truust_event_name(name) : NULL;
	if (name == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("an event must be named"),
						errhint("Name one such as order.published, or * for all.")));
	return name;
}

/* A handler takes one truust_event, and whoever registers it may call it. */
static void
check_handler(Oid function)
{
	Oid		  type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("truust_event"),
									 ObjectIdGetDatum(truust_extension_schema()));
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("function with OID %u does not exist", function)));
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prokind != PROKIND_FUNCTION || form->pronargs != 1 || form->proretset ||
		form->proargtypes.values[0] != type)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("function %s cannot be a handler", format_procedure(function)),
						errhint("A handler is a function with one parameter of type truust_event "
								"that returns no set.")));
	ReleaseSysCache(tuple);
	truust_role_check_function(function);
}

/*
 * truust_on(event, handler)
 */
Datum
truust_on(PG_FUNCTION_ARGS)
{
	static TruustStatement insert = {
		"INSERT INTO truust.handlers (event, handler, role, search_path) VALUES ($1, $2, $3, $4) "
		"ON CONFLICT (event, handler) DO UPDATE SET role = EXCLUDED.role, search_path = "
		"EXCLUDED.search_path",
		4,
		{TEXTOID, TEXTOID, NAMEOID, TEXTOID}};
	char		   *event = event_argument(fcinfo);
	Datum			values[4];
	TruustRoleState state;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a handler must be given")));
	check_handler(PG_GETARG_OID(1));
	values[0] = CStringGetTextDatum(event);
	values[1] = CStringGetTextDatum(format_procedure_qualified(PG_GETARG_OID(1)));
	values[2] = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetUserId(), false)));
	values[3] = CStringGetTextDatum(namespace_search_path);
	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	truust_statement_run(&insert, values, NULL, 0);
	truust_owner_leave(&state);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * truust_off(event, handler)
 */
Datum
truust_off(PG_FUNCTION_ARGS)
{
	static TruustStatement delete = {
		"DELETE FROM truust.handlers h WHERE h.handler = $2 AND (h.event = $1 OR h.event <> '*' "
		"AND truust.event_name(h.event) = $1)",
		2,
		{TEXTOID, TEXTOID}};
	char		   *event = event_argument(fcinfo);
	Datum			values[2];
	bool			found;
	TruustRoleState state;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a handler must be given")));
	values[0] = CStringGetTextDatum(event);
	values[1] = CStringGetTextDatum(format_procedure_qualified(PG_GETARG_OID(1)));
	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	found = truust_statement_run(&delete, values, NULL, 0) > 0;
	truust_owner_leave(&state);
	SPI_finish();
	PG_RETURN_BOOL(found);
}
