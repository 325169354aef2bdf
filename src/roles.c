/*-------------------------------------------------------------------------
 *
 * roles.c
 *		Roles that the extension's rows name.
 *
 * Requests, attached tables and handlers belong to a role by its name, which
 * is what a dump carries to another cluster.  So a role must not go, nor give
 * its name to another, while they are pending: another role's key would be
 * used, and its rights.  The server itself knows only of roles that have a user
 * mapping.  Other databases of the cluster cannot be seen from here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"

#include "owner.h"
#include "roles.h"
#include "statement.h"

/* The roles that a command takes the names from, as a list of C strings. */
static List *
names_taken(Node *statement)
{
	List	 *names = NIL;
	ListCell *lc;

	if (IsA(statement, DropRoleStmt))
	{
		foreach (lc, castNode(DropRoleStmt, statement)->roles)
		{
			RoleSpec *role = lfirst(lc);

			if (role->rolename)
				names = lappend(names, role->rolename);
		}
	}
	else if (IsA(statement, RenameStmt) &&
			 castNode(RenameStmt, statement)->renameType == OBJECT_ROLE)
		names = list_make1(castNode(RenameStmt, statement)->subname);
	return names;
}

static void
refuse(bool renamed)
{
	char *role = truust_result_text(0, 1);
	char *detail =
		psprintf("In this database it has %s pending requests, %s attached tables and %s handlers.",
				 truust_result_text(0, 2), truust_result_text(0, 3), truust_result_text(0, 4));

	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("role \"%s\" cannot be %s because truust works for it", role,
					renamed ? "renamed" : "dropped"),
			 errdetail("%s", detail),
			 errhint("Let the worker send its requests, or take them back with "
					 "truust_cancel_request(); truust_detach() and truust_off() undo the rest.")));
}

static void
check_names(List *names, bool renamed)
{
	static TruustStatement query = {
		"SELECT * FROM (SELECT n.role,"
		" (SELECT count(*) FROM truust.requests r WHERE r.role = n.role"
		" AND (r.state IN ('queued', 'sending', 'uncertain') OR r.done_state = 'pending'))::text"
		" AS requests,"
		" (SELECT count(*) FROM truust.attachments a WHERE a.role = n.role)::text AS tables,"
		" (SELECT count(*) FROM truust.handlers h WHERE h.role = n.role)::text AS handlers"
		" FROM pg_catalog.unnest($1) n (role)) c"
		" WHERE c.requests <> '0' OR c.tables <> '0' OR c.handlers <> '0' LIMIT 1",
		1,
		{TEXTARRAYOID}};
	TruustRoleState state;
	TruustColumn	column;
	Datum			value;
	ListCell	   *lc;

	SPI_connect();
	truust_column_init(&column, TEXTOID, list_length(names));
	foreach (lc, names)
		truust_column_add_text(&column, lfirst(lc));
	value = truust_column_array(&column);
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	if (truust_statement_run(&query, &value, NULL, 1) > 0)
		refuse(renamed);
	truust_owner_leave(&state);
	SPI_finish();
}

void
truust_roles_guard(Node *statement)
{
	List *names = names_taken(statement);

	if (names != NIL && IsTransactionState() && OidIsValid(truust_owner()))
		check_names(names, IsA(statement, RenameStmt));
}
