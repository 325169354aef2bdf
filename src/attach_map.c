/*-------------------------------------------------------------------------
 *
 * attach_map.c
 *		Attachments as they are stored, and the SQL that follows from them.
 *
 * Columns are kept by name, because their numbers do not survive a dump.  All
 * SQL made here quotes every name, and runs with the rights of the role that
 * inserted (new rows) or attached (rows that are filled in), never the
 * extension's: a column's type may bring code of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "attach_map.h"
#include "json.h"

#define OPERATION "create_order"

char *
truust_relation_name(Oid relation)
{
	char *name = get_rel_name(relation);

	if (name == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("an attached table with OID %u does not exist any more", relation)));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
}

/* A type's name for SQL; typmod -1: of any length. */
static char *
type_name(Oid type, int32 typmod)
{
	return format_type_extended(type, typmod,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

bool
truust_is_string_type(Oid type)
{
	char category;
	bool preferred;

	get_type_category_preferred(getBaseType(type), &category, &preferred);
	return category == TYPCATEGORY_STRING;
}

Oid
truust_attached_column_type(Oid relation, const char *column, const char *what)
{
	AttrNumber number = get_attnum(relation, column);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table %s has no column \"%s\"", truust_relation_name(relation), column),
				 errdetail("truust_attach() takes it for %s.", what),
				 errhint("After renaming or dropping columns of an attached table, call "
						 "truust_detach() and truust_attach() again.")));
	return get_atttype(relation, number);
}

/* ---------------------------------------------------------------- reading */

int
truust_mappings_of(Jsonb *args, TruustMapping **mappings)
{
	const TruustSignature *signature = truust_endpoint_signature(truust_endpoint_find(OPERATION));
	TruustMapping		  *result = palloc(sizeof(TruustMapping) * Max(signature->n_parameters, 1));
	int					   n = 0;

	for (int i = 0; i < signature->n_parameters; i++)
	{
		const TruustParameter *p = &signature->parameters[i];
		char				  *column = truust_json_get_text(args, p->name);

		if (column == NULL)
			continue;
		result[n].parameter = p;
		result[n++].column = column;
	}
	*mappings = result;
	return n;
}

static char **
read_names(Datum value, int *n)
{
	Datum *elements;
	char **names;

	deconstruct_array(DatumGetArrayTypeP(value), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &elements, NULL, n);
	names = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		names[i] = pstrdup(NameStr(*DatumGetName(elements[i])));
	return names;
}

TruustAttachment *
truust_attachment_read(uint64 row)
{
	TruustAttachment *attachment = palloc0(sizeof(TruustAttachment));
	bool			  isnull;

	attachment->id = DatumGetInt64(truust_result(row, 1, &isnull));
	attachment->relation = DatumGetObjectId(truust_result(row, 2, &isnull));
	attachment->keys = read_names(truust_result(row, 3, &isnull), &attachment->n_keys);
	attachment->n_mappings = truust_mappings_of(DatumGetJsonbPCopy(truust_result(row, 4, &isnull)),
												&attachment->mappings);
	attachment->order_id = truust_result_text(row, 5);
	attachment->status = truust_result_text(row, 6);
	attachment->link = truust_result_text(row, 7);
	attachment->server = truust_result_text(row, 8);
	attachment->role = truust_result_text(row, 9);
	attachment->search_path = truust_result_text(row, 10);
	attachment->index_name = truust_result_text(row, 11);
	attachment->role_oid = truust_result_oid(row, 12);
	return attachment;
}

TruustAttachment *
truust_attachment_get(int64 id)
{
	static TruustStatement query = {"SELECT " TRUUST_ATTACHMENT_COLUMNS
									" FROM truust.attachments a WHERE a.id = $1",
									1,
									{INT8OID}};
	Datum				   value = Int64GetDatum(id);
	MemoryContext		   cxt = CurrentMemoryContext;
	uint64				   found = truust_statement_run(&query, &value, NULL, 1);

	MemoryContextSwitchTo(cxt); /* SPI leaves its own behind */
	return found > 0 ? truust_attachment_read(0) : NULL;
}

/* ---------------------------------------------------------------- SQL */

/* ONLY, unless the rows are in partitions: an inheritance child has a primary key of its own. */
static const char *
only(Oid relation)
{
	return get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ";
}

/*
 * The operator that two values of a type are equal by, named with its schema: one that
 * stands in front in the role's search_path is not asked.
 */
static char *
equals(Oid type)
{
	Oid				 operator= lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
	HeapTuple		 tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char			*name;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("type %s has no equality operator", format_type_be(type)),
						errhint("A key and an order's id are found again by it.")));
	form = (Form_pg_operator) GETSTRUCT(tuple);
	name = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
					NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

/*
 * "column" = expression, by the cast that an INSERT makes: it raises where a value is too long, and does
 * not cut it off.  Only what has no such cast (an enum) is cast, to the column's own length.
 */
static void
append_assignment(StringInfo sql, const TruustAttachment *attachment, const char *column,
				  const char *what, const char *expression, Oid from)
{
	Oid	  type = truust_attached_column_type(attachment->relation, column, what);
	int32 typmod;
	Oid	  collation;
	Oid	  function;

	get_atttypetypmodcoll(attachment->relation, get_attnum(attachment->relation, column), &type,
						  &typmod, &collation);
	if (getBaseType(type) == from ||
		find_coercion_pathway(getBaseType(type), from, COERCION_ASSIGNMENT, &function) !=
			COERCION_PATH_NONE)
		appendStringInfo(sql, "%s = %s", quote_identifier(column), expression);
	else
		appendStringInfo(sql, "%s = CAST(%s AS %s)", quote_identifier(column), expression,
						 type_name(type, typmod));
}

/* The key of a row, out of JSON into the columns' types: a FROM item named k. */
static void
append_key_columns(StringInfo sql, const TruustAttachment *attachment, const char *json)
{
	appendStringInfo(sql, "LATERAL pg_catalog.jsonb_to_record(%s) AS k (", json);
	for (int i = 0; i < attachment->n_keys; i++)
	{
		const char *column = attachment->keys[i];
		Oid	  type = truust_attached_column_type(attachment->relation, column, "its primary key");
		int32 typmod;
		Oid	  collation;

		get_atttypetypmodcoll(attachment->relation, get_attnum(attachment->relation, column), &type,
							  &typmod, &collation);
		type = getBaseTypeAndTypmod(type, &typmod);
		appendStringInfo(sql, "%s%s %s", i > 0 ? ", " : "", quote_identifier(column),
						 type_name(type, typmod));
	}
	appendStringInfoChar(sql, ')');
}

static void
append_key_match(StringInfo sql, const TruustAttachment *attachment)
{
	for (int i = 0; i < attachment->n_keys; i++)
	{
		const char *column = attachment->keys[i];
		Oid type = truust_attached_column_type(attachment->relation, column, "its primary key");

		appendStringInfo(sql, "%st.%s %s k.%s", i > 0 ? " AND " : "", quote_identifier(column),
						 equals(type), quote_identifier(column));
	}
}

/* An order's id, as the column holds it; an id beyond the column's range matches nothing. */
static void
append_order_match(StringInfo sql, const TruustAttachment *attachment)
{
	Oid type =
		truust_attached_column_type(attachment->relation, attachment->order_id, "the order's id");

	if (getBaseType(type) == INT4OID)
		appendStringInfo(
			sql,
			"t.%s OPERATOR(pg_catalog.=) CASE WHEN v.order_id OPERATOR(pg_catalog.<=) 2147483647"
			" THEN CAST(v.order_id AS pg_catalog.int4) END",
			quote_identifier(attachment->order_id));
	else
		appendStringInfo(sql, "t.%s %s CAST(v.order_id AS %s)",
						 quote_identifier(attachment->order_id), equals(type),
						 type_name(getBaseType(type), -1));
}

char *
truust_fill_statement(const TruustAttachment *attachment)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE %s%s AS t SET ", only(attachment->relation),
					 truust_relation_name(attachment->relation));
	append_assignment(&sql, attachment, attachment->order_id, "the order's id", "v.order_id",
					  INT8OID);
	if (attachment->status)
	{
		appendStringInfoString(&sql, ", ");
		append_assignment(&sql, attachment, attachment->status, "the order's status", "v.status",
						  TEXTOID);
	}
	if (attachment->link)
	{
		appendStringInfoString(&sql, ", ");
		append_assignment(&sql, attachment, attachment->link, "the buyer's link", "v.link",
						  TEXTOID);
	}
	appendStringInfoString(&sql, " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2),"
								 " pg_catalog.unnest($3), pg_catalog.unnest($4)) WITH ORDINALITY"
								 " AS v (key, order_id, status, link, place), ");
	append_key_columns(&sql, attachment, "v.key");
	appendStringInfoString(&sql, " WHERE ");
	append_key_match(&sql, attachment);
	appendStringInfo(&sql, " AND (t.%s IS NULL OR ", quote_identifier(attachment->order_id));
	append_order_match(&sql, attachment);
	appendStringInfoString(&sql, ") RETURNING v.place");
	return sql.data;
}

char *
truust_row_statement(const TruustAttachment *attachment)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT CAST(t.%s AS pg_catalog.text) FROM %s%s AS t, ",
					 quote_identifier(attachment->order_id), only(attachment->relation),
					 truust_relation_name(attachment->relation));
	append_key_columns(&sql, attachment, "$1");
	appendStringInfoString(&sql, " WHERE ");
	append_key_match(&sql, attachment);
	return sql.data;
}

char *
truust_concerns_statement(const TruustAttachment *attachment)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT FROM %s AS t, pg_catalog.unnest($1) AS v (order_id) WHERE ",
					 truust_relation_name(attachment->relation));
	append_order_match(&sql, attachment);
	appendStringInfoString(&sql, " LIMIT 1");
	return sql.data;
}

char *
truust_update_statement(const TruustAttachment *attachment)
{
	StringInfoData sql;
	StringInfoData changed;
	const char	  *link = attachment->link ? quote_identifier(attachment->link) : NULL;

	if (attachment->status == NULL && link == NULL)
		return NULL;
	initStringInfo(&sql);
	initStringInfo(&changed);
	appendStringInfo(&sql, "UPDATE %s%s AS t SET ", only(attachment->relation),
					 truust_relation_name(attachment->relation));
	if (attachment->status)
	{
		append_assignment(&sql, attachment, attachment->status, "the order's status", "v.status",
						  TEXTOID);
		appendStringInfo(&changed, "CAST(t.%s AS pg_catalog.text) IS DISTINCT FROM v.status",
						 quote_identifier(attachment->status));
	}
	if (link)
	{
		appendStringInfoString(&sql, attachment->status ? ", " : "");
		append_assignment(&sql, attachment, attachment->link, "the buyer's link",
						  psprintf("COALESCE(v.link, CAST(t.%s AS pg_catalog.text))", link),
						  TEXTOID);
		appendStringInfo(
			&changed,
			"%s(v.link IS NOT NULL AND CAST(t.%s AS pg_catalog.text) IS DISTINCT FROM v.link)",
			attachment->status ? " OR " : "", link);
	}
	appendStringInfoString(&sql, " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2),"
								 " pg_catalog.unnest($3)) AS v (order_id, status, link) WHERE ");
	append_order_match(&sql, attachment);
	appendStringInfo(&sql, " AND (%s)", changed.data);
	return sql.data;
}

/*
 * A key's value as JSON that gives the same value in any session: what is no JSON by itself
 * is written as its own type writes it.
 */
static void
append_key_value(StringInfo sql, const TruustAttachment *attachment, const char *column)
{
	Oid type =
		getBaseType(truust_attached_column_type(attachment->relation, column, "its primary key"));

	if (type == INT2OID || type == INT4OID || type == INT8OID || type == TEXTOID ||
		type == JSONBOID)
		appendStringInfo(sql, "%s, n.%s", quote_literal_cstr(column), quote_identifier(column));
	else
		appendStringInfo(sql, "%s, pg_catalog.format('%%s', n.%s)", quote_literal_cstr(column),
						 quote_identifier(column));
}

char *
truust_request_select(const TruustAttachment *attachment, const char *source)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT pg_catalog.jsonb_build_object(");
	for (int i = 0; i < attachment->n_mappings; i++)
	{
		const TruustMapping *m = &attachment->mappings[i];

		(void) truust_attached_column_type(attachment->relation, m->column,
										   psprintf("parameter \"%s\"", m->parameter->name));
		appendStringInfo(&sql, "%s%s, CAST(n.%s AS %s)", i > 0 ? ", " : "",
						 quote_literal_cstr(m->parameter->name), quote_identifier(m->column),
						 type_name(m->parameter->type, -1));
	}
	appendStringInfoString(&sql, "), pg_catalog.jsonb_build_object(");
	for (int i = 0; i < attachment->n_keys; i++)
	{
		appendStringInfoString(&sql, i > 0 ? ", " : "");
		append_key_value(&sql, attachment, attachment->keys[i]);
	}
	appendStringInfoString(&sql, "), CASE");
	for (int i = 0; i < attachment->n_mappings; i++)
		if (attachment->mappings[i].parameter->required)
			appendStringInfo(&sql, " WHEN n.%s IS NULL THEN %s",
							 quote_identifier(attachment->mappings[i].column),
							 quote_literal_cstr(attachment->mappings[i].column));
	(void) truust_attached_column_type(attachment->relation, attachment->order_id,
									   "the order's id");
	appendStringInfo(&sql, " END FROM %s WHERE n.%s IS NULL", source,
					 quote_identifier(attachment->order_id));
	return sql.data;
}

char *
truust_conversion_select(const TruustAttachment *attachment, const TruustMapping *mapping,
						 const char *source)
{
	const char *column = quote_identifier(mapping->column);
	Oid			to = mapping->parameter->type;
	Oid			from = getBaseType(
				truust_attached_column_type(attachment->relation, mapping->column,
											psprintf("parameter \"%s\"", mapping->parameter->name)));
	char *cast = psprintf("CAST(n.%s AS %s)", column, type_name(to, -1));
	char *rounded = "NULL";

	if (from == to || to == TEXTOID || from == INT2OID || from == INT4OID)
		return NULL;
	if (to == INT8OID && (from == NUMERICOID || from == FLOAT4OID || from == FLOAT8OID))
		rounded = psprintf("pg_catalog.min(n.%s) FILTER (WHERE n.%s OPERATOR(pg_catalog.<>) %s)",
						   column, column, cast);
	return psprintf("SELECT pg_catalog.count(%s), CAST(%s AS pg_catalog.text) FROM %s"
					" WHERE n.%s IS NULL",
					cast, rounded, source, quote_identifier(attachment->order_id));
}

/* ---------------------------------------------------------------- the form of values as text */

static void
set(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
}

int
truust_plain_text_enter(void)
{
	int level = NewGUCNestLevel();

	if (DateStyle != USE_ISO_DATES)
		set("datestyle", "ISO");
	if (IntervalStyle != INTSTYLE_POSTGRES)
		set("intervalstyle", "postgres");
	if (extra_float_digits < 1)
		set("extra_float_digits", "1");
	if (bytea_output != BYTEA_OUTPUT_HEX)
		set("bytea_output", "hex");
	return level;
}

void
truust_plain_text_leave(int level)
{
	AtEOXact_GUC(true, level);
}
