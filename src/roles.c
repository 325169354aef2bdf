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
 * Requests that have ended stay, and the next role of that name must neither
 * read nor repeat them, nor meet their keys: they follow a role that is renamed, and
 * get a name that no role can have when theirs is dropped.
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

	ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					errmsg("role \"%s\" cannot be %s because truust works for it", role,
						   renamed ? "renamed" : "dropped"),
					errdetail("%s", detail),
					errhint("Let the worker send its requests, or take them back with "
							"truust_cancel_request(); see to those in truust.dead_letters; "
							"truust_detach() and truust_off() undo the rest.")));
}

static void
check_names(Datum names, bool renamed)
{
	static TruustStatement query = {
		"SELECT * FROM (SELECT n.role,"
		" (SELECT count(*) FROM truust.requests r WHERE r.role = n.role"
		" AND (r.state IN ('queued', 'sending', 'uncertain')"
		" OR r.done_state IN ('pending', 'dead')))::text"
		" AS requests,"
		" (SELECT count(*) FROM truust.attachments a WHERE a.role = n.role)::text AS tables,"
		" (SELECT count(*) FROM truust.handlers h WHERE h.role = n.role)::text AS handlers"
		" FROM pg_catalog.unnest($1) n (role)) c"
		" WHERE c.requests <> '0' OR c.tables <> '0' OR c.handlers <> '0' LIMIT 1",
		1,
		{TEXTARRAYOID}};

	if (truust_statement_run(&query, &names, NULL, 1) > 0)
		refuse(renamed);
}

static Datum
name_array(List *names)
{
	TruustColumn column;
	ListCell	*lc;

	truust_column_init(&column, TEXTOID, list_length(names));
	foreach (lc, names)
		truust_column_add_text(&column, lfirst(lc));
	return truust_column_array(&column);
}

/*
 * What has ended, out of reach of whoever is called so next.  No role's name may
 * begin with pg_; the transaction tells one that was dropped from another of
 * the same name, and a digest two long names that begin alike.
 */
static void
put_away(Datum names)
{
	static TruustStatement query = {
		"UPDATE truust.requests r SET role = pg_catalog.concat('pg_dropped_',"
		" pg_catalog.pg_current_xact_id(), '_',"
		" pg_catalog.substr(pg_catalog.md5(r.role::pg_catalog.text), 1, 6), '_',"
		" r.role)::pg_catalog.name"
		" WHERE r.role = ANY ($1::pg_catalog.name[])",
		1,
		{TEXTARRAYOID}};

	truust_statement_run(&query, &names, NULL, 0);
}

/* What has ended follows the role; what another left who had the new name (and was dropped in another database) does not. */
static void
hand_over(Datum names, char *new_name)
{
	static TruustStatement query = {"UPDATE truust.requests r SET role = $2::pg_catalog.name"
									" WHERE r.role = ANY ($1::pg_catalog.name[])",
									2,
									{TEXTARRAYOID, TEXTOID}};
	Datum				   values[2] = {names, CStringGetTextDatum(new_name)};

	put_away(name_array(list_make1(new_name)));
	truust_statement_run(&query, values, NULL, 0);
}

void
truust_roles_guard(Node *statement)
{
	List		   *names = names_taken(statement);
	bool			renamed = IsA(statement, RenameStmt);
	Datum			value;
	TruustRoleState state;

	if (names == NIL || !IsTransactionState() || !OidIsValid(truust_owner()))
		return;
	SPI_connect();
	value = name_array(names);
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	check_names(value, renamed);
	if (renamed)
		hand_over(value, castNode(RenameStmt, statement)->newname);
	else
		put_away(value);
	truust_owner_leave(&state);
	SPI_finish();
}
