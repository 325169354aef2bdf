/*-------------------------------------------------------------------------
 *
 * roles.c
 *		Roles that the extension works for are not dropped.
 *
 * Rows belong to a role by its OID (role_name.c).  A role must not go while requests,
 * attached tables or handlers of it are pending: nobody would be there for them.  The
 * server itself knows only of roles that have a user mapping or rights in the database.
 * Other databases of the cluster cannot be seen from here; what is pending for
 * a role that was dropped there waits for a person.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "owner.h"
#include "roles.h"
#include "statement.h"

typedef struct Role
{
	Oid	  oid;
	char *name;
} Role;

List *
truust_roles_to_drop(Node *statement)
{
	List	 *roles = NIL;
	ListCell *lc;

	if (!IsA(statement, DropRoleStmt) || !IsTransactionState() || !OidIsValid(truust_owner()))
		return NIL;
	foreach (lc, castNode(DropRoleStmt, statement)->roles)
	{
		Role *role = palloc(sizeof(Role));

		role->name = castNode(RoleSpec, lfirst(lc))->rolename;
		role->oid = role->name ? get_role_oid(role->name, true) : InvalidOid;
		if (OidIsValid(role->oid))
			roles = lappend(roles, role);
	}
	return roles;
}

static void
refuse(const Role *role)
{
	char *detail =
		psprintf("In this database it has %s pending requests, %s attached tables and %s handlers.",
				 truust_result_text(0, 1), truust_result_text(0, 2), truust_result_text(0, 3));

	ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					errmsg("role \"%s\" cannot be dropped because truust works for it", role->name),
					errdetail("%s", detail),
					errhint("Let the worker send its requests, or take them back with "
							"truust_cancel_request(); see to those in truust.dead_letters; "
							"truust_detach() and truust_off() undo the rest.")));
}

/* Rows of the role: with role_oid those of $1, without it those called $2. */
#define OWN "{{t.role_oid = $1|t.role = $2}}"
#define REQUESTS "(SELECT count(*) FROM truust.requests t WHERE " OWN

static void
check_pending(const Role *role)
{
	/* each state by the index that has its rows, so that history is not looked through */
	static TruustStatement query = {
		"SELECT c.requests::text, c.tables::text, c.handlers::text FROM (SELECT " REQUESTS
		" AND t.state = 'queued') + " REQUESTS " AND t.state = 'sending') + " REQUESTS
		" AND t.done_state = 'pending') + " REQUESTS
		" AND (t.state = 'uncertain' OR t.done_state = 'dead')), "
		"(SELECT count(*) FROM truust.attachments t WHERE " OWN "), "
		"(SELECT count(*) FROM truust.handlers t WHERE " OWN ")) c (requests, tables, handlers) "
		"WHERE c.requests + c.tables + c.handlers > 0",
		2,
		{OIDOID, NAMEOID}};
	Datum values[2] = {ObjectIdGetDatum(role->oid),
					   DirectFunctionCall1(namein, CStringGetDatum(role->name))};

	if (truust_statement_run(&query, values, NULL, 1) > 0)
		refuse(role);
}

void
truust_roles_guard(List *dropped)
{
	TruustRoleState state;
	ListCell	   *lc;

	if (dropped == NIL)
		return;
	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	foreach (lc, dropped)
		check_pending(lfirst(lc));
	truust_owner_leave(&state);
	SPI_finish();
}
