/*-------------------------------------------------------------------------
 *
 * attach_check.c
 *		What a table must be to be attached.
 *
 * Everything that would make a later insert or a later answer fail, or worse,
 * lose something of a value without failing, is looked for when the table is
 * attached: kind of table, primary key, columns and their types.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "nodes/primnodes.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "attach_map.h"
#include "compat.h"
#include "json.h"

#define VIRTUAL 'v' /* as pg_attribute.attgenerated has it from PostgreSQL 18 on */

/* ---------------------------------------------------------------- the table */

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

/* Whether what a value of the type looks like as text depends on nothing that differs between sessions. */
static bool
has_plain_text(Oid type)
{
	Oid base = getBaseType(type);
	Oid part = get_element_type(base);

	switch (base)
	{
		case MONEYOID: /* the locale */
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGTYPEOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGCOLLATIONOID: /* search_path */
			return false;
	}
	if (!OidIsValid(part))
		part = get_range_subtype(
			OidIsValid(truust_multirange_range(base)) ? truust_multirange_range(base) : base);
	if (OidIsValid(part))
		return has_plain_text(part);
	if (get_typtype(base) == TYPTYPE_COMPOSITE)
	{
		TupleDesc desc = lookup_rowtype_tupdesc(base, -1);
		bool	  plain = true;

		for (int i = 0; i < desc->natts; i++)
			plain &= TupleDescAttr(desc, i)->attisdropped ||
					 has_plain_text(TupleDescAttr(desc, i)->atttypid);
		ReleaseTupleDesc(desc);
		return plain;
	}
	return true;
}

static void
check_key(Oid relation, const char *column)
{
	Oid type = get_atttype(relation, get_attnum(relation, column));

	if (!has_plain_text(type))
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of the primary key of table %s is of type %s, by which a row "
					"is not found again",
					column, truust_relation_name(relation), format_type_be(type)),
			 errdetail("As text, a value of it differs from session to session."),
			 errhint("Give the table a primary key of other types.")));
}

/* The index of the primary key; raises where there is none that can be used. */
static Oid
find_primary_key(Relation relation)
{
	List	   *indexes = RelationGetIndexList(relation);
	ListCell   *lc;
	const char *name = truust_relation_name(RelationGetRelid(relation));

	foreach (lc, indexes)
	{
		Relation index = index_open(lfirst_oid(lc), AccessShareLock);
		bool	 primary = index->rd_index->indisprimary && index->rd_index->indisvalid;
		bool	 immediate = index->rd_index->indimmediate;

		index_close(index, AccessShareLock);
		if (primary && immediate)
			return lfirst_oid(lc);
		if (primary)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("the primary key of table %s is deferrable", name),
					 errdetail("A row is found again by it when its order has been made, and a "
							   "deferrable key may be another row's too for a while."),
					 errhint("Make the primary key anew without DEFERRABLE.")));
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					errmsg("table \"%s\" has no primary key", RelationGetRelationName(relation)),
					errdetail("A row is found again by it when its order has been made."),
					errhint("ALTER TABLE %s ADD PRIMARY KEY (...);", name)));
}

/* The columns of the primary key. */
static void
find_keys(Relation relation, TruustAttachment *attachment)
{
	Relation index = index_open(find_primary_key(relation), AccessShareLock);

	attachment->n_keys = IndexRelationGetNumberOfKeyAttributes(index);
	attachment->keys = palloc(sizeof(char *) * attachment->n_keys);
	for (int i = 0; i < attachment->n_keys; i++)
	{
		attachment->keys[i] =
			get_attname(attachment->relation, index->rd_index->indkey.values[i], false);
		check_key(attachment->relation, attachment->keys[i]);
	}
	index_close(index, AccessShareLock);
}

/* ---------------------------------------------------------------- what is sent */

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

static bool
converts(Oid from, Oid to, CoercionContext context)
{
	Oid function;

	return from == to || find_coercion_pathway(to, from, context, &function) != COERCION_PATH_NONE;
}

/* Digits behind the point that a numeric column keeps; below 0: it rounds before the point. */
static int
scale_of(int32 typmod)
{
	return (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
}

/*
 * Whether a column's values become a parameter's without loss, or not at all: a string
 * that does not fit is refused when it is read, and what PostgreSQL converts unasked
 * loses nothing.
 */
static bool
converts_without_loss(Oid column_type, int32 typmod, Oid to)
{
	Oid from = getBaseTypeAndTypmod(column_type, &typmod);

	if (from == NUMERICOID && to == INT8OID)
		return typmod >= (int32) VARHDRSZ && scale_of(typmod) <= 0;
	if (from == MONEYOID && to == NUMERICOID)
		return true;
	if (from == JSONBOID && (to == NUMERICOID || to == BOOLOID))
		return true;
	if (truust_is_string_type(from) || truust_is_string_type(to) || to == JSONBOID ||
		to == TEXTARRAYOID)
		return converts(from, to, COERCION_EXPLICIT);
	return converts(from, to, COERCION_IMPLICIT);
}

/* A column that a parameter is taken from. */
static void
check_source(const TruustAttachment *attachment, const TruustMapping *mapping)
{
	Oid	  relation = attachment->relation;
	Oid	  type;
	Oid	  base;
	Oid	  collation;
	int32 typmod;

	if (get_attnum(relation, mapping->column) <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("table %s has no column \"%s\"", truust_relation_name(relation),
							   mapping->column),
						errdetail("args of truust_attach() takes parameter \"%s\" from it.",
								  mapping->parameter->name),
						errhint("args maps parameters to columns, not to expressions. For a "
								"computed value add a generated column, for example: ADD total "
								"numeric GENERATED ALWAYS AS (total_cents / 100.0) STORED.")));
	if (get_attgenerated(relation, get_attnum(relation, mapping->column)) == VIRTUAL)
		ereport(ERROR, (errcode(ERRCODE_GENERATED_ALWAYS),
						errmsg("column \"%s\" of table %s is a virtual generated column",
							   mapping->column, truust_relation_name(relation)),
						errdetail("Triggers do not see its value."),
						errhint("Make it GENERATED ALWAYS AS (...) STORED.")));
	get_atttypetypmodcoll(relation, get_attnum(relation, mapping->column), &type, &typmod,
						  &collation);
	base = getBaseType(type);
	if (mapping->parameter->type == NUMERICOID && (base == FLOAT4OID || base == FLOAT8OID))
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of table %s is of type %s, which does not hold money exactly",
					mapping->column, truust_relation_name(relation), format_type_be(type)),
			 errhint("Make it numeric.")));
	if (!converts(base, mapping->parameter->type, COERCION_EXPLICIT))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table %s is of type %s, which cannot become parameter "
						"\"%s\" of type %s",
						mapping->column, truust_relation_name(relation), format_type_be(type),
						mapping->parameter->name, format_type_be(mapping->parameter->type))));
	if (!converts_without_loss(type, typmod, mapping->parameter->type))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column \"%s\" of table %s is of type %s, which parameter \"%s\" of "
							   "type %s does not "
							   "take without loss",
							   mapping->column, truust_relation_name(relation),
							   format_type_with_typemod(type, typmod), mapping->parameter->name,
							   format_type_be(mapping->parameter->type)),
						errhint("Make it %s.", format_type_be(mapping->parameter->type))));
}

/* ---------------------------------------------------------------- what comes back */

#define ORDER_ID "the order's id"
#define STATUS "the order's status"
#define LINK "the buyer's link"

/* A column that something is written into is there, and nothing else is in it. */
static void
check_target(const TruustAttachment *attachment, const char *column, const char *what)
{
	const char *table = truust_relation_name(attachment->relation);
	HeapTuple	tuple = SearchSysCacheAttName(attachment->relation, column);
	bool		generated;

	if (!HeapTupleIsValid(tuple) || get_attnum(attachment->relation, column) <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("table %s has no column \"%s\"", table, column),
						errdetail("truust_attach() takes it for %s.", what),
						errhint("Name a column of the table, or add this one.")));
	generated = ((Form_pg_attribute) GETSTRUCT(tuple))->attgenerated != '\0' ||
				((Form_pg_attribute) GETSTRUCT(tuple))->attidentity != '\0';
	ReleaseSysCache(tuple);
	if (generated)
		ereport(ERROR, (errcode(ERRCODE_GENERATED_ALWAYS),
						errmsg("column \"%s\" of table %s is generated and cannot hold %s", column,
							   table, what)));
	for (int i = 0; i < attachment->n_keys; i++)
		if (strcmp(attachment->keys[i], column) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" of table %s cannot hold %s", column, table, what),
					 errdetail("It is part of the primary key, by which a row is found again "
							   "when its order has been made."),
					 errhint("Name another column.")));
}

/* Each is written into a column of its own. */
static void
check_distinct(const TruustAttachment *attachment, const char *column, const char *what,
			   const char *other, const char *other_what)
{
	if (column && other && strcmp(column, other) == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("column \"%s\" of table %s cannot hold both %s and %s", column,
							   truust_relation_name(attachment->relation), what, other_what),
						errhint("Name a column for each.")));
}

static void
refuse_type(const TruustAttachment *attachment, const char *column, const char *what,
			const char *hint)
{
	Oid type = truust_attached_column_type(attachment->relation, column, what);

	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("column \"%s\" of table %s is of type %s, which cannot hold %s", column,
						   truust_relation_name(attachment->relation), format_type_be(type), what),
					errhint("%s", hint)));
}

/* A string that is written into the column is there as a whole, or refused as too long. */
static bool
holds_strings(Oid base)
{
	return truust_is_string_type(base) && base != CHAROID && base != NAMEOID &&
		   converts(TEXTOID, base, COERCION_ASSIGNMENT);
}

static void
check_status(const TruustAttachment *attachment)
{
	Oid base;

	if (attachment->status == NULL)
		return;
	check_target(attachment, attachment->status, STATUS);
	base =
		getBaseType(truust_attached_column_type(attachment->relation, attachment->status, STATUS));
	if (!holds_strings(base) && base != NAMEOID && get_typtype(base) != TYPTYPE_ENUM)
		refuse_type(attachment, attachment->status, STATUS,
					"Make it text, or an enum of the statuses.");
}

static void
check_link(const TruustAttachment *attachment)
{
	if (attachment->link == NULL)
		return;
	check_target(attachment, attachment->link, LINK);
	if (!holds_strings(
			getBaseType(truust_attached_column_type(attachment->relation, attachment->link, LINK))))
		refuse_type(attachment, attachment->link, LINK, "Make it text.");
}

/* A row is sent if its order's id is null, so null it must be unless somebody sets it. */
static void
check_null_at_first(Relation relation, const TruustAttachment *attachment)
{
	const char *table = truust_relation_name(attachment->relation);
	AttrNumber	number = get_attnum(attachment->relation, attachment->order_id);
	Node	   *value;

	if (TupleDescAttr(RelationGetDescr(relation), number - 1)->attnotnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("column \"%s\" of table %s must allow nulls", attachment->order_id, table),
				 errdetail("It is null until the order has been made, and a row inserted "
						   "with a value in it is not sent.")));
	value = build_column_default(relation, number);
	if (value && !(IsA(value, Const) && ((Const *) value)->constisnull))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("column \"%s\" of table %s must not have a default", attachment->order_id,
						table),
				 errdetail("A row inserted with a value in it is not sent, so none would be."),
				 errhint("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;", table,
						 quote_identifier(attachment->order_id))));
}

static void
check_order_id(Relation relation, const TruustAttachment *attachment)
{
	Oid	  base;
	Oid	  collation;
	int32 typmod;
	bool  rounds;

	check_target(attachment, attachment->order_id, ORDER_ID);
	get_atttypetypmodcoll(attachment->relation,
						  get_attnum(attachment->relation, attachment->order_id), &base, &typmod,
						  &collation);
	base = getBaseTypeAndTypmod(base, &typmod);
	rounds = base == NUMERICOID && typmod >= (int32) VARHDRSZ && scale_of(typmod) < 0;
	if (rounds ||
		(base != INT8OID && base != INT4OID && base != NUMERICOID && !holds_strings(base)))
		refuse_type(attachment, attachment->order_id, ORDER_ID, "Make it bigint.");
	check_null_at_first(relation, attachment);
}

void
truust_attachment_check(TruustAttachment *attachment, Relation relation, Jsonb *args)
{
	check_relation(relation);
	find_keys(relation, attachment);
	check_args(args, attachment);
	for (int i = 0; i < attachment->n_mappings; i++)
		check_source(attachment, &attachment->mappings[i]);
	check_order_id(relation, attachment);
	check_status(attachment);
	check_link(attachment);
	check_distinct(attachment, attachment->status, STATUS, attachment->order_id, ORDER_ID);
	check_distinct(attachment, attachment->link, LINK, attachment->order_id, ORDER_ID);
	check_distinct(attachment, attachment->link, LINK, attachment->status, STATUS);
}
