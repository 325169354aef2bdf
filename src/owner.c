/*-------------------------------------------------------------------------
 *
 * owner.c
 *		Acting as the owner of the extension's tables, and as another role for
 *		that role's code.
 *
 * The workers connect as the bootstrap superuser, and sessions call functions
 * of the extension with few rights.  Neither is what the extension's own SQL
 * should run as: it runs as the owner of the tables.  A user's code
 * (handlers, on_done, attached tables) runs as the user who registered it, in
 * a context where it can neither become somebody else nor leave anything behind
 * that would run later with other rights.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/varlena.h"

#include "compat.h"
#include "guc.h"
#include "owner.h"
#include "role_name.h"

static TimeoutId			 clock_id;
static bool					 clock_registered = false;
static bool					 clock_running = false;
static volatile sig_atomic_t clock_fired = false;

/* What truust_owner() found last; forgotten when the table changes. */
static Oid orders_relation = InvalidOid;
static Oid orders_owner = InvalidOid;

static void
on_invalidation(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == orders_relation)
		orders_relation = orders_owner = InvalidOid;
}

static void
find_owner(void)
{
	Oid		  schema = get_namespace_oid("truust", true);
	Oid		  relation = OidIsValid(schema) ? get_relname_relid("orders", schema) : InvalidOid;
	HeapTuple tuple;

	if (!OidIsValid(relation) || !OidIsValid(get_extension_oid("truust", true)))
		return;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	if (!HeapTupleIsValid(tuple))
		return;
	orders_relation = relation;
	orders_owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
}

Oid
truust_owner(void)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterRelcacheCallback(on_invalidation, (Datum) 0);
	registered = true;
	if (!OidIsValid(orders_owner))
		find_owner();
	return orders_owner;
}

/*
 * How the extension's own statements are planned: once, and by index whatever
 * the statistics say, for a plan that was made when a table was small must not
 * scan it when it has grown.
 */
static const char *const plan_settings[][2] = {
	{"plan_cache_mode", "force_generic_plan"},
	{"enable_seqscan", "off"},
	{"enable_hashjoin", "off"},
	{"enable_mergejoin", "off"},
	{"jit", "off"},
};

static void
set(const char *name, const char *value, GucAction action)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, action, true, 0, false);
}

static void
set_path(const char *path)
{
	set("search_path", path, GUC_ACTION_SAVE);
}

void
truust_owner_plans(bool for_ever)
{
	for (int i = 0; i < (int) lengthof(plan_settings); i++)
		set(plan_settings[i][0], plan_settings[i][1], for_ever ? GUC_ACTION_SET : GUC_ACTION_SAVE);
}

/* A user's code is planned as the user is used to, and may wait longer for locks. */
static void
users_settings(void)
{
	char value[16];

	for (int i = 0; i < (int) lengthof(plan_settings); i++)
		set(plan_settings[i][0], NULL, GUC_ACTION_SAVE);
	snprintf(value, sizeof(value), "%d", truust_handler_lock_timeout);
	set("lock_timeout", value, GUC_ACTION_SAVE);
}

static void
enter(TruustRoleState *state, Oid user, int context)
{
	GetUserIdAndSecContext(&state->saved_user, &state->saved_context);
	SetUserIdAndSecContext(user, state->saved_context | context);
	state->guc_nest_level = 0;
}

static void
leave(TruustRoleState *state)
{
	if (state->guc_nest_level > 0)
		AtEOXact_GUC(false, state->guc_nest_level);
	SetUserIdAndSecContext(state->saved_user, state->saved_context);
}

void
truust_owner_enter(TruustRoleState *state, TruustOwnerWork work)
{
	Oid owner = truust_owner();

	if (!OidIsValid(owner))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("extension \"truust\" does not exist in this database"),
						errhint("Create it with CREATE EXTENSION truust.")));
	enter(state, owner, SECURITY_LOCAL_USERID_CHANGE);
	if (work == TRUUST_OWNER_ROWS)
		return;
	state->guc_nest_level = NewGUCNestLevel();
	set_path("pg_catalog, pg_temp");
	if (work == TRUUST_OWNER_QUERIES)
		truust_owner_plans(false);
}

void
truust_owner_leave(TruustRoleState *state)
{
	leave(state);
}

/* Runs in a signal handler. */
static void
on_clock(void)
{
	clock_fired = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

void
truust_role_restart_clock(void)
{
	if (truust_handler_timeout <= 0)
		return;
	if (!clock_registered)
	{
		clock_id = RegisterTimeout(USER_TIMEOUT, on_clock);
		clock_registered = true;
	}
	clock_fired = false;
	clock_running = true;
	enable_timeout_after(clock_id, truust_handler_timeout);
}

static void
stop_clock(void)
{
	if (clock_running)
		disable_timeout(clock_id, false);
	clock_running = false;
}

bool
truust_role_timed_out(void)
{
	bool fired = clock_fired;

	stop_clock();
	clock_fired = false;
	return fired;
}

static bool
names_schema(const char *path, const char *schema)
{
	List	 *names = NIL;
	ListCell *lc;

	if (!SplitIdentifierString(pstrdup(path), ',', &names))
		return false;
	foreach (lc, names)
		if (strcmp(lfirst(lc), schema) == 0)
			return true;
	return false;
}

/* A temporary table of the session must not stand in for one of the role's. */
static char *
path_with_temp_last(const char *path)
{
	if (names_schema(path, "pg_temp"))
		return pstrdup(path);
	return psprintf("%s%spg_temp", path, path[0] ? ", " : "");
}

/*
 * Code in a restricted context cannot leave a constraint for the end of the
 * transaction: what is deferrable is checked at once.  Before the role is
 * entered, because what waits already is not its doing.
 */
void
truust_constraints_at_once(void)
{
	static ConstraintsSetStmt all = {
		.type = T_ConstraintsSetStmt, .constraints = NIL, .deferred = false};

	AfterTriggerSetState(&all);
}

void
truust_role_check_function(Oid function)
{
	AclResult acl = truust_function_aclcheck(function, GetUserId());

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FUNCTION, get_func_name(function));
	if (isAnyTempNamespace(get_func_namespace(function)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
						errmsg("temporary function %s cannot be called by a worker",
							   format_procedure(function)),
						errdetail("Only this session sees it, and it ends with it."),
						errhint("Create it in a schema that is not temporary.")));
}

/* An id that the code is given is one of this account's, and no other's. */
void
truust_role_serve(const char *server)
{
	if (server && strcmp(server, truust_server) != 0)
		set("truust.server", server, GUC_ACTION_SAVE);
}

void
truust_role_enter(TruustRoleState *state, Oid role, const char *name, const char *search_path,
				  const char *server)
{
	char *path = path_with_temp_last(search_path ? search_path : "pg_catalog");

	if (!truust_role_exists(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role \"%s\" does not exist", name)));
	truust_constraints_at_once();
	enter(state, role, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	state->guc_nest_level = NewGUCNestLevel();
	set_path(path);
	users_settings();
	truust_role_serve(server);
	pfree(path);
	truust_role_restart_clock();
}

void
truust_role_leave(TruustRoleState *state)
{
	if (clock_fired)
		CHECK_FOR_INTERRUPTS(); /* it ran out just now: an error like any other */
	stop_clock();
	clock_fired = false;
	leave(state);
}
