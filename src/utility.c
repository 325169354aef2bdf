/*-------------------------------------------------------------------------
 *
 * utility.c
 *		Commands that the workers must know of, or the log must not.
 *
 * DROP DATABASE, ALTER DATABASE ... RENAME or SET TABLESPACE, and CREATE DATABASE
 * from a template want nobody connected to the database.  Its workers go
 * first, and come back if it is still there.  COMMIT PREPARED wakes the workers, because
 * the session that prepared is not the one that commits.  Roles that the
 * extension works for stay (roles.c).  A statement that holds a key is kept out
 * of the log when it fails before its options are looked at: the mapping exists
 * already, or the server does not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "compat.h"
#include "launcher.h"
#include "options.h"
#include "roles.h"
#include "slots.h"

static ProcessUtility_hook_type previous_utility = NULL;

/* The value of an option of a command, NULL: it has none. */
static char *
option(List *options, const char *name)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *def = lfirst(lc);

		if (strcmp(def->defname, name) == 0 && def->arg != NULL)
			return defGetString(def);
	}
	return NULL;
}

/* The database that a command wants for itself, InvalidOid: none. */
static Oid
wanted_database(Node *statement)
{
	const char *name = NULL;

	if (IsA(statement, DropdbStmt))
		name = castNode(DropdbStmt, statement)->dbname;
	else if (IsA(statement, RenameStmt) &&
			 castNode(RenameStmt, statement)->renameType == OBJECT_DATABASE)
		name = castNode(RenameStmt, statement)->subname;
	else if (IsA(statement, AlterDatabaseStmt) &&
			 option(castNode(AlterDatabaseStmt, statement)->options, "tablespace"))
		name = castNode(AlterDatabaseStmt, statement)->dbname;
	else if (IsA(statement, CreatedbStmt))
		name = option(castNode(CreatedbStmt, statement)->options, "template");
	return name ? get_database_oid(name, true) : InvalidOid;
}

/* Only who may do it gets the workers out of the way. */
static bool
may_have(Oid database)
{
	return truust_database_ownercheck(database, GetUserId()) || superuser();
}

static bool
is_commit_prepared(Node *statement)
{
	return IsA(statement, TransactionStmt) &&
		   castNode(TransactionStmt, statement)->kind == TRANS_STMT_COMMIT_PREPARED;
}

/* What a prepared transaction has left for the workers; it may have made the extension itself. */
static void
wake_workers(void)
{
	TruustSlot slot;
	bool	   known = truust_slot_find(MyDatabaseId, TRUUST_WORKER_REQUESTS, 0, &slot);

	truust_slots_wake(MyDatabaseId, TRUUST_WORKER_WEBHOOKS);
	truust_slots_wake(MyDatabaseId, TRUUST_WORKER_REQUESTS);
	if ((!known || (slot.pid == 0 && !slot.stop)) && OidIsValid(get_extension_oid("truust", true)))
		truust_slots_announce_now();
}

/* The options of a command that may be given a key. */
static List *
options_of(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateUserMappingStmt:
			return castNode(CreateUserMappingStmt, statement)->options;
		case T_AlterUserMappingStmt:
			return castNode(AlterUserMappingStmt, statement)->options;
		case T_CreateForeignServerStmt:
			return castNode(CreateForeignServerStmt, statement)->options;
		case T_AlterForeignServerStmt:
			return castNode(AlterForeignServerStmt, statement)->options;
		default:
			return NIL;
	}
}

static void
run(TRUUST_UTILITY_PARAMETERS)
{
	ErrorContextCallback hidden = {.previous = error_context_stack,
								   .callback = truust_options_hide_statement};

	if (truust_options_hold_key(options_of(pstmt->utilityStmt)))
		error_context_stack = &hidden;
	if (previous_utility)
		previous_utility(TRUUST_UTILITY_ARGUMENTS);
	else
		standard_ProcessUtility(TRUUST_UTILITY_ARGUMENTS);
	error_context_stack = hidden.previous;
}

static void
on_utility(TRUUST_UTILITY_PARAMETERS)
{
	Node *statement = pstmt->utilityStmt;
	Oid	  database = InvalidOid;
	List *dropped;

	if (IsA(statement, DropdbStmt) || IsA(statement, RenameStmt) ||
		IsA(statement, AlterDatabaseStmt) || IsA(statement, CreatedbStmt))
		database = wanted_database(statement);
	if (OidIsValid(database) && database != MyDatabaseId && may_have(database))
	{
		truust_slots_hold(database);
		PG_TRY();
		{
			if (truust_slots_stop(database) > 0)
				(void) truust_workers_wait_gone(database);
			run(TRUUST_UTILITY_ARGUMENTS);
		}
		PG_FINALLY();
		{
			truust_slots_unstop(database);
			truust_slots_unhold();
		}
		PG_END_TRY();
		return;
	}
	dropped = truust_roles_to_drop(statement);
	run(TRUUST_UTILITY_ARGUMENTS);
	truust_roles_guard(dropped);
	if (is_commit_prepared(statement))
		wake_workers();
}

void
truust_utility_init(void)
{
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = on_utility;
}
