/*-------------------------------------------------------------------------
 *
 * attach.c
 *		truust_attach() and truust_detach(): checks first, then the trigger.
 *
 * Both run with the caller's rights as far as the merchant's table goes, so
 * that PostgreSQL itself decides who may put a trigger on it and write it;
 * only truust.attachments is written as its owner.  Everything that would make
 * a later insert or a later answer fail is looked for now: columns, types,
 * the primary key (attach_check.c), the rights to write, the key of the account.
 *
 * The row of a detached table stays while requests that came of the table are
 * not over, without a role: what comes of them must not be lost in silence, and
 * is written when the table is attached again, which takes this row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "attach_map.h"
#include "compat.h"
#include "credentials.h"
#include "owner.h"
#include "role_name.h"

PG_FUNCTION_INFO_V1(truust_attach);
PG_FUNCTION_INFO_V1(truust_detach);

#define TRIGGER_NAME "truust_attached"

/* ---------------------------------------------------------------- attach */

/* Run the statements that will fill in rows, on none: SQL itself says what is wrong. */
static void
rehearse(const TruustAttachment *attachment)
{
	Oid	  fill_types[4] = {JSONBARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	Oid	  update_types[3] = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	char *update = truust_update_statement(attachment);
	Datum values[4] = {0};

	SPI_execute_with_args(truust_fill_statement(attachment), 4, fill_types, values, "nnnn", false,
						  0);
	if (update)
		SPI_execute_with_args(update, 3, update_types, values, "nnn", false, 0);
}

static Datum
names_array(char **names, int n)
{
	Datum *elements = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		elements[i] = DirectFunctionCall1(namein, CStringGetDatum(names[i]));
	return PointerGetDatum(
		construct_array(elements, n, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
}

static Datum
name_or_null(const char *name, bool *isnull)
{
	*isnull = name == NULL;
	return name ? DirectFunctionCall1(namein, CStringGetDatum(name)) : (Datum) 0;
}

static int64
insert_attachment(const TruustAttachment *attachment, Jsonb *args)
{
	static TruustStatement query = {
		"INSERT INTO truust.attachments AS a (relation, key_columns, args, order_id_column,"
		" status_column, link_column, server, role, search_path, index_name)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
		" ON CONFLICT (relation) DO UPDATE SET key_columns = excluded.key_columns,"
		" args = excluded.args, order_id_column = excluded.order_id_column,"
		" status_column = excluded.status_column, link_column = excluded.link_column,"
		" server = excluded.server, role = excluded.role, search_path = excluded.search_path,"
		" index_name = excluded.index_name, created_at = pg_catalog.now()"
		" WHERE a.role = '' RETURNING a.id",
		10,
		{REGCLASSOID, NAMEARRAYOID, JSONBOID, NAMEOID, NAMEOID, NAMEOID, TEXTOID, NAMEOID, TEXTOID,
		 TEXTOID}};
	Datum			values[10];
	bool			nulls[10] = {false};
	bool			isnull;
	TruustRoleState state;
	uint64			n;

	values[0] = ObjectIdGetDatum(attachment->relation);
	values[1] = names_array(attachment->keys, attachment->n_keys);
	values[2] = JsonbPGetDatum(args);
	values[3] = name_or_null(attachment->order_id, &nulls[3]);
	values[4] = name_or_null(attachment->status, &nulls[4]);
	values[5] = name_or_null(attachment->link, &nulls[5]);
	values[6] = CStringGetTextDatum(attachment->server);
	values[7] = name_or_null(attachment->role, &nulls[7]);
	values[8] = CStringGetTextDatum(attachment->search_path);
	nulls[9] = attachment->index_name == NULL;
	values[9] = nulls[9] ? (Datum) 0 : CStringGetTextDatum(attachment->index_name);
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	n = truust_statement_run(&query, values, nulls, 0);
	truust_owner_leave(&state);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("table %s is attached already", truust_relation_name(attachment->relation)),
				 errhint("Call truust_detach() first to attach it in another way.")));
	return DatumGetInt64(truust_result(0, 1, &isnull));
}

static void
run_utility(const char *sql)
{
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(SPI_result));
}

static void
create_trigger(const TruustAttachment *attachment, int64 id, bool partitioned)
{
	run_utility(psprintf("CREATE TRIGGER " TRIGGER_NAME " AFTER INSERT ON %s %s"
						 " EXECUTE FUNCTION truust.attached(" INT64_FORMAT ")",
						 truust_relation_name(attachment->relation),
						 partitioned ? "FOR EACH ROW"
									 : "REFERENCING NEW TABLE AS truust_new FOR EACH STATEMENT",
						 id));
}

static bool
is_ours(const Trigger *trigger)
{
	const char *function = get_func_name(trigger->tgfoid);
	const char *schema = get_namespace_name(get_func_namespace(trigger->tgfoid));

	return function && schema && strcmp(function, "attached") == 0 && strcmp(schema, "truust") == 0;
}

/* Drop what truust_attach() made; the table is locked. */
static void
drop_triggers(Oid table)
{
	Relation  relation = table_open(table, NoLock);
	List	 *found = NIL;
	ListCell *lc;

	for (int i = 0; relation->trigdesc && i < relation->trigdesc->numtriggers; i++)
		if (is_ours(&relation->trigdesc->triggers[i]))
			found = lappend_oid(found, relation->trigdesc->triggers[i].tgoid);
	table_close(relation, NoLock);
	foreach (lc, found)
	{
		ObjectAddress trigger;

		ObjectAddressSet(trigger, TriggerRelationId, lfirst_oid(lc));
		performDeletion(&trigger, DROP_RESTRICT, 0);
	}
}

/* Whether an index leads with the column of the order's id. */
static bool
has_index(Relation relation, const char *column)
{
	AttrNumber number = get_attnum(RelationGetRelid(relation), column);
	List	  *indexes = RelationGetIndexList(relation);
	ListCell  *lc;
	bool	   found = false;

	foreach (lc, indexes)
	{
		Relation index = index_open(lfirst_oid(lc), AccessShareLock);

		found |= index->rd_index->indisvalid && index->rd_index->indkey.values[0] == number &&
				 RelationGetIndexPredicate(index) == NIL;
		index_close(index, AccessShareLock);
	}
	return found;
}

/*
 * Webhooks find rows by the order's id, so there must be an index on it.  Rows
 * without an order are left out of it, which makes it quick to build.
 */
static void
create_index(TruustAttachment *attachment)
{
	char *name;

	if (!truust_owns_relation(attachment->relation, GetUserId()))
	{
		ereport(NOTICE,
				(errmsg("table %s has no index on \"%s\"",
						truust_relation_name(attachment->relation), attachment->order_id),
				 errhint("Its owner should create one: webhooks find its rows by this column.")));
		return;
	}
	name = ChooseRelationName(get_rel_name(attachment->relation), attachment->order_id, "truust",
							  get_rel_namespace(attachment->relation), false);
	run_utility(psprintf("CREATE INDEX %s ON %s (%s) WHERE %s IS NOT NULL", quote_identifier(name),
						 truust_relation_name(attachment->relation),
						 quote_identifier(attachment->order_id),
						 quote_identifier(attachment->order_id)));
	attachment->index_name = quote_qualified_identifier(
		get_namespace_name(get_rel_namespace(attachment->relation)), name);
}

static char *
optional_name(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(argument)));
}

static void
require(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
}

/* truust_attach(relation, args, order_id, status, link) */
Datum
truust_attach(PG_FUNCTION_ARGS)
{
	TruustAttachment attachment = {0};
	Relation		 relation;
	Jsonb			*args;
	bool			 partitioned;
	bool			 indexed;
	int64			 id;

	require(fcinfo, 0, "relation");
	require(fcinfo, 1, "args");
	require(fcinfo, 2, "order_id");
	args = PG_GETARG_JSONB_P(1);
	attachment.relation = PG_GETARG_OID(0);
	attachment.order_id = optional_name(fcinfo, 2);
	attachment.status = optional_name(fcinfo, 3);
	attachment.link = optional_name(fcinfo, 4);
	attachment.server = pstrdup(truust_account_get(NULL, GetUserId())->server_name);
	attachment.role = GetUserNameFromId(GetUserId(), false);
	attachment.search_path = namespace_search_path;

	relation = table_open(attachment.relation, ShareRowExclusiveLock);
	partitioned = relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	truust_attachment_check(&attachment, relation, args);
	indexed = has_index(relation, attachment.order_id);
	table_close(relation, NoLock);

	SPI_connect();
	rehearse(&attachment);
	if (!indexed)
		create_index(&attachment);
	id = insert_attachment(&attachment, args);
	drop_triggers(
		attachment.relation); /* a dump without data has brought one without an attachment */
	create_trigger(&attachment, id, partitioned);
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---------------------------------------------------------------- detach */

void
truust_attached_tidy(bool dropped_too)
{
	static TruustStatement query = {
		"DELETE FROM truust.attachments d WHERE d.id = ANY (ARRAY("
		"SELECT a.id FROM truust.attachments a WHERE (a.role = ''"
		" OR $1 AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = a.relation))"
		" AND NOT EXISTS (SELECT FROM truust.requests r WHERE r.attachment_id = a.id"
		" AND (r.state <> 'done' OR r.done_state = 'pending' OR r.done_state = 'dead'))"
		" FOR UPDATE SKIP LOCKED))",
		1,
		{BOOLOID}};
	Datum dropped = BoolGetDatum(dropped_too);

	/* an old snapshot does not show the requests that came last */
	if (!IsolationUsesXactSnapshot())
		truust_statement_run(&query, &dropped, NULL, 0);
}

/* The attachment of a table; one that has ended is none. */
static TruustAttachment *
find_attachment(Oid relation)
{
	static TruustStatement query = {"SELECT " TRUUST_ATTACHMENT_COLUMNS " FROM truust.attachments a"
									" WHERE a.relation = $1 AND a.role <> ''",
									1,
									{REGCLASSOID}};
	Datum				   value = ObjectIdGetDatum(relation);
	TruustAttachment	  *attachment = NULL;
	TruustRoleState		   state;

	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	if (truust_statement_run(&query, &value, NULL, 0) > 0)
		attachment = truust_attachment_read(0);
	truust_owner_leave(&state);
	if (attachment == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						get_rel_name(relation)
							? errmsg("table %s is not attached", truust_relation_name(relation))
							: errmsg("table with OID %u is not attached", relation)));
	return attachment;
}

/* The attachment ends; its row stays while it is needed. */
static void
end_attachment(int64 id)
{
	static TruustStatement query = {"UPDATE truust.attachments a SET role = '', index_name = NULL"
									" WHERE a.id = $1 AND a.role <> ''",
									1,
									{INT8OID}};
	Datum				   value = Int64GetDatum(id);
	TruustRoleState		   state;

	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	truust_statement_run(&query, &value, NULL, 0);
	truust_attached_tidy(false); /* the caller may be about to detach other tables that are gone */
	truust_owner_leave(&state);
}

/*
 * Whoever attached the table may detach it too, which DROP TRIGGER would leave
 * to the table's owner.
 */
static void
check_may_detach(const TruustAttachment *attachment)
{
	if (!truust_owns_relation(attachment->relation, GetUserId()) &&
		!(truust_role_exists(attachment->role_oid) &&
		  has_privs_of_role(GetUserId(), attachment->role_oid)))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(attachment->relation));
}

/* The index that truust_attach() made, if it is still there and the caller may. */
static void
drop_index(const TruustAttachment *attachment)
{
	Oid index;

	if (attachment->index_name == NULL || !truust_owns_relation(attachment->relation, GetUserId()))
		return;
	index = RangeVarGetRelid(
		makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(attachment->index_name))),
		NoLock, true);
	if (OidIsValid(index) &&
		(get_rel_relkind(index) == RELKIND_INDEX ||
		 get_rel_relkind(index) == RELKIND_PARTITIONED_INDEX) &&
		IndexGetRelation(index, true) == attachment->relation)
		run_utility(psprintf("DROP INDEX %s", attachment->index_name));
}

/* truust_detach(relation) */
Datum
truust_detach(PG_FUNCTION_ARGS)
{
	Oid				  relation = PG_GETARG_OID(0);
	TruustAttachment *attachment;

	SPI_connect();
	attachment = find_attachment(relation);
	if (get_rel_name(relation))
	{
		check_may_detach(attachment);
		LockRelationOid(relation, AccessExclusiveLock); /* waits for rows being inserted */
		attachment = find_attachment(relation);
		drop_triggers(relation);
		drop_index(attachment);
	}
	end_attachment(attachment->id);
	SPI_finish();
	PG_RETURN_VOID();
}
