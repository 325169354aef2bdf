/*-------------------------------------------------------------------------
 *
 * attach.c
 *		truust_attach() and truust_detach(): checks first, then the trigger.
 *
 * Both run with the caller's rights as far as the merchant's table goes, so
 * that PostgreSQL itself decides who may put a trigger on it and write it;
 * only truust.attachments is written as its owner.  Everything that would make
 * a later insert or a later answer fail is looked for now: columns, types,
 * the primary key, the rights to write, the key of the account.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "attach_map.h"
#include "compat.h"
#include "credentials.h"
#include "json.h"
#include "owner.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(truust_attach);
PG_FUNCTION_INFO_V1(truust_detach);

#define TRIGGER_NAME "truust_attached"

/* ---------------------------------------------------------------- checks */

static void
check_relation(Relation relation)
{
	char kind = relation->rd_rel->relkind;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a table", RelationGetRelationName(relation)),
						errhint("An ordinary or a partitioned table can be attached.")));
	if (relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(
			ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("temporary table \"%s\" cannot be attached", RelationGetRelationName(relation)),
			 errdetail("The worker, which writes the order's id into it, cannot see it.")));
	if (relation->rd_rel->relispartition)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a partition", RelationGetRelationName(relation)),
				 errhint("Attach the partitioned table: that takes in all its partitions.")));
}

/* The columns of the primary key. */
static void
find_keys(Relation relation, TruustAttachment *attachment)
{
	Oid		 index_oid = InvalidOid;
	Relation index;

	(void) RelationGetIndexList(relation); /* fills in rd_pkindex */
	index_oid = relation->rd_pkindex;
	if (!OidIsValid(index_oid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("table \"%s\" has no primary key", RelationGetRelationName(relation)),
				 errdetail("A row is found again by it when its order has been made."),
				 errhint("ALTER TABLE %s ADD PRIMARY KEY (...);",
						 truust_relation_name(attachment->relation))));
	index = index_open(index_oid, AccessShareLock);
	attachment->n_keys = IndexRelationGetNumberOfKeyAttributes(index);
	attachment->keys = palloc(sizeof(char *) * attachment->n_keys);
	for (int i = 0; i < attachment->n_keys; i++)
		attachment->keys[i] =
			get_attname(attachment->relation, index->rd_index->indkey.values[i], false);
	index_close(index, AccessShareLock);
}

static void
refuse_arg(const char *name, const char *problem, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("args of truust_attach: parameter \"%s\" %s", name, problem),
					errhint("%s", hint)));
}

/* args is an object of texts that name parameters of create_order. */
static void
check_args(Jsonb *args, TruustAttachment *attachment)
{
	const TruustSignature *signature =
		truust_endpoint_signature(truust_endpoint_find("create_order"));
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   v;
	char			  *name = NULL;

	if (!JB_ROOT_IS_OBJECT(args))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("args of truust_attach is not a JSON object"),
						errhint("Give the column of each parameter: {\"name\": \"title\", "
								"\"value\": \"total\"}.")));
	it = JsonbIteratorInit(&args->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		bool known = false;

		if (token == WJB_VALUE && v.type != jbvString)
			refuse_arg(name, "does not name a column", "Give the column's name as a text.");
		if (token != WJB_KEY)
			continue;
		name = pnstrdup(v.val.string.val, v.val.string.len);
		for (int i = 0; i < signature->n_parameters; i++)
			known |= strcmp(signature->parameters[i].name, name) == 0 &&
					 signature->parameters[i].place != TRUUST_IN_CLIENT;
		if (!known)
			refuse_arg(name, "is none of create_order",
					   "\\df truust_create_order shows the parameters.");
	}
	attachment->n_mappings = truust_mappings_of(args, &attachment->mappings);
	for (int i = 0; i < signature->n_parameters; i++)
		if (signature->parameters[i].required &&
			truust_json_get_text(args, signature->parameters[i].name) == NULL)
			refuse_arg(signature->parameters[i].name, "is missing",
					   "create_order requires it: name a column for it.");
}

/* Whether SQL can convert one type into another, explicitly. */
static bool
converts(Oid from, Oid to)
{
	Oid function;

	if (getBaseType(from) == getBaseType(to))
		return true;
	return find_coercion_pathway(to, getBaseType(from), COERCION_EXPLICIT, &function) !=
		   COERCION_PATH_NONE;
}

/* A column that a parameter is taken from. */
static void
check_source(const TruustAttachment *attachment, const TruustMapping *mapping)
{
	Oid relation = attachment->relation;
	Oid type;
	Oid base;

	if (get_attnum(relation, mapping->column) <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("table %s has no column \"%s\"", truust_relation_name(relation),
							   mapping->column),
						errdetail("args of truust_attach() takes parameter \"%s\" from it.",
								  mapping->parameter->name),
						errhint("args maps parameters to columns, not to expressions. For a "
								"computed value add a generated column, for example: ADD total "
								"numeric GENERATED ALWAYS AS (total_cents / 100.0) STORED.")));
	type = get_atttype(relation, get_attnum(relation, mapping->column));
	base = getBaseType(type);
	if (mapping->parameter->type == NUMERICOID && (base == FLOAT4OID || base == FLOAT8OID))
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of table %s is of type %s, which does not hold money exactly",
					mapping->column, truust_relation_name(relation), format_type_be(type)),
			 errhint("Make it numeric.")));
	if (!converts(type, mapping->parameter->type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table %s is of type %s, which cannot become parameter "
						"\"%s\" of type %s",
						mapping->column, truust_relation_name(relation), format_type_be(type),
						mapping->parameter->name, format_type_be(mapping->parameter->type))));
}

/* A column that something is written into. */
static void
check_target(const TruustAttachment *attachment, const char *column, Oid value_type,
			 const char *what)
{
	Oid				  type = truust_attached_column_type(attachment->relation, column, what);
	HeapTuple		  tuple = SearchSysCacheAttName(attachment->relation, column);
	Form_pg_attribute form = (Form_pg_attribute) GETSTRUCT(tuple);
	bool			  generated = form->attgenerated != '\0' || form->attidentity != '\0';
	bool			  not_null = form->attnotnull;

	ReleaseSysCache(tuple);
	if (generated)
		ereport(ERROR, (errcode(ERRCODE_GENERATED_ALWAYS),
						errmsg("column \"%s\" of table %s is generated and cannot hold %s", column,
							   truust_relation_name(attachment->relation), what)));
	if (not_null && value_type == INT8OID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
						errmsg("column \"%s\" of table %s must allow nulls", column,
							   truust_relation_name(attachment->relation)),
						errdetail("It is null until the order has been made, and a row inserted "
								  "with a value in it is not sent.")));
	if (!converts(value_type, type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table %s is of type %s, which cannot hold %s", column,
						truust_relation_name(attachment->relation), format_type_be(type), what)));
}

static void
check_order_id_type(const TruustAttachment *attachment)
{
	Oid type = getBaseType(
		truust_attached_column_type(attachment->relation, attachment->order_id, "the order's id"));

	if (type != INT8OID && type != INT4OID && type != NUMERICOID && type != TEXTOID &&
		type != VARCHAROID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table %s is of type %s, which cannot hold the order's id",
						attachment->order_id, truust_relation_name(attachment->relation),
						format_type_be(type)),
				 errhint("Make it bigint.")));
}

static void
check_columns(const TruustAttachment *attachment)
{
	for (int i = 0; i < attachment->n_mappings; i++)
		check_source(attachment, &attachment->mappings[i]);
	check_order_id_type(attachment);
	check_target(attachment, attachment->order_id, INT8OID, "the order's id");
	if (attachment->status)
		check_target(attachment, attachment->status, TEXTOID, "the order's status");
	if (attachment->link)
		check_target(attachment, attachment->link, TEXTOID, "the buyer's link");
}

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

/* ---------------------------------------------------------------- attach */

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
	static TruustStatement query = {"INSERT INTO truust.attachments (relation, key_columns, args, "
									"order_id_column, status_column,"
									" link_column, server, role, search_path, index_name)"
									" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT "
									"(relation) DO NOTHING RETURNING id",
									10,
									{REGCLASSOID, NAMEARRAYOID, JSONBOID, NAMEOID, NAMEOID, NAMEOID,
									 TEXTOID, NAMEOID, TEXTOID, TEXTOID}};
	Datum				   values[10];
	bool				   nulls[10] = {false};
	bool				   isnull;
	TruustRoleState		   state;
	uint64				   n;

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
	check_relation(relation);
	find_keys(relation, &attachment);
	check_args(args, &attachment);
	check_columns(&attachment);
	indexed = has_index(relation, attachment.order_id);
	table_close(relation, NoLock);

	SPI_connect();
	rehearse(&attachment);
	if (!indexed)
		create_index(&attachment);
	create_trigger(&attachment, insert_attachment(&attachment, args), partitioned);
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---------------------------------------------------------------- detach */

/*
 * Take the attachment out of the table; NULL: it is not attached.  What is
 * still queued for it is sent, but no longer written back.
 */
static TruustAttachment *
delete_attachment(Oid relation)
{
	static TruustStatement query = {"DELETE FROM truust.attachments a WHERE a.relation = $1 "
									"RETURNING " TRUUST_ATTACHMENT_COLUMNS,
									1,
									{REGCLASSOID}};
	Datum				   value = ObjectIdGetDatum(relation);
	TruustAttachment	  *attachment = NULL;
	TruustRoleState		   state;

	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	if (truust_statement_run(&query, &value, NULL, 0) > 0)
		attachment = truust_attachment_read(0);
	truust_owner_leave(&state);
	return attachment;
}

/* truust_detach(relation) */
Datum
truust_detach(PG_FUNCTION_ARGS)
{
	Oid				  relation = PG_GETARG_OID(0);
	TruustAttachment *attachment;

	SPI_connect();
	attachment = delete_attachment(relation);
	if (attachment == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("table %s is not attached", truust_relation_name(relation))));
	run_utility(
		psprintf("DROP TRIGGER IF EXISTS " TRIGGER_NAME " ON %s", truust_relation_name(relation)));
	if (attachment->index_name)
		run_utility(psprintf("DROP INDEX IF EXISTS %s", attachment->index_name));
	SPI_finish();
	PG_RETURN_VOID();
}
