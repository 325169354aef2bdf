/*-------------------------------------------------------------------------
 *
 * statement.c
 *		SQL from C: statements that are planned once, and arrays as their
 *		parameters.
 *
 * What the workers write goes through a few statements over arrays, so that
 * a batch costs the same number of statements whatever its size.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "statement.h"

/* The table of requests when truust_has_role_oids() last looked at it, and what it saw; forgotten when it changes. */
static Oid	requests = InvalidOid;
static bool has_role_oids;

static void
on_invalidation(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == requests)
		requests = InvalidOid;
}

bool
truust_has_role_oids(void)
{
	static bool registered = false;
	Oid			schema;
	Oid			relation;

	if (!registered)
		CacheRegisterRelcacheCallback(on_invalidation, (Datum) 0);
	registered = true;
	if (OidIsValid(requests))
		return has_role_oids;
	schema = get_namespace_oid("truust", true);
	relation = OidIsValid(schema) ? get_relname_relid("requests", schema) : InvalidOid;
	has_role_oids = get_attnum(relation, "role_oid") != InvalidAttrNumber;
	requests = relation;
	return has_role_oids;
}

/*
 * The same for what follows in this transaction.  Where they have not, somebody
 * may be giving it to them right now, and is waited for.
 */
static bool
has_role_oids_from_here(void)
{
	if (!truust_has_role_oids() && OidIsValid(requests))
		LockRelationOid(requests, AccessShareLock);
	return truust_has_role_oids();
}

/* The text for tables with role_oid, or for those without. */
static char *
text_for(const char *sql, bool by_oid)
{
	StringInfoData text;
	const char	  *open;

	initStringInfo(&text);
	for (; (open = strstr(sql, "{{")) != NULL; sql = strstr(open, "}}") + 2)
	{
		const char *middle = strchr(open, '|');
		const char *close = strstr(open, "}}");

		appendBinaryStringInfo(&text, sql, open - sql);
		if (by_oid)
			appendBinaryStringInfo(&text, open + 2, middle - open - 2);
		else
			appendBinaryStringInfo(&text, middle + 1, close - middle - 1);
	}
	appendStringInfoString(&text, sql);
	return text.data;
}

static void
prepare(TruustStatement *statement)
{
	bool	   varies = strstr(statement->sql, "{{") != NULL;
	bool	   by_oid = varies && has_role_oids_from_here();
	char	  *sql = text_for(statement->sql, by_oid);
	SPIPlanPtr plan = SPI_prepare(sql, statement->n, statement->types);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	statement->plan = plan;
	statement->varies = varies;
	statement->by_oid = by_oid;
	pfree(sql);
}

uint64
truust_statement_run(TruustStatement *statement, Datum *values, const bool *nulls, long limit)
{
	char		  null_chars[TRUUST_MAX_STATEMENT_ARGS];
	MemoryContext cxt = CurrentMemoryContext;
	int			  result;

	if (statement->plan && statement->varies && statement->by_oid != has_role_oids_from_here())
	{
		SPI_freeplan(statement->plan);
		statement->plan = NULL;
	}
	if (statement->plan == NULL)
		prepare(statement);
	for (int i = 0; nulls && i < statement->n; i++)
		null_chars[i] = nulls[i] ? 'n' : ' ';

	result = SPI_execute_plan(statement->plan, values, nulls ? null_chars : NULL, false, limit);
	MemoryContextSwitchTo(cxt); /* SPI leaves its own, which ends with the transaction */
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

Datum
truust_result(uint64 i, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, column, isnull);
}

char *
truust_result_text(uint64 i, int column)
{
	bool  isnull;
	Datum value = truust_result(i, column, &isnull);

	if (isnull)
		return NULL;
	if (SPI_gettypeid(SPI_tuptable->tupdesc, column) == NAMEOID)
		return pstrdup(NameStr(*DatumGetName(value)));
	return TextDatumGetCString(value);
}

Oid
truust_result_oid(uint64 i, int column)
{
	bool  isnull;
	Datum value = truust_result(i, column, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

void
truust_column_init(TruustColumn *column, Oid type, int max)
{
	column->type = type;
	column->n = 0;
	column->max = Max(max, 1);
	column->values = palloc(sizeof(Datum) * column->max);
	column->nulls = palloc(sizeof(bool) * column->max);
	column->has_nulls = false;
}

void
truust_column_add(TruustColumn *column, Datum value, bool isnull)
{
	if (column->n == column->max)
	{
		column->max *= 2;
		column->values = repalloc(column->values, sizeof(Datum) * column->max);
		column->nulls = repalloc(column->nulls, sizeof(bool) * column->max);
	}
	column->values[column->n] = value;
	column->nulls[column->n++] = isnull;
	column->has_nulls |= isnull;
}

void
truust_column_add_int64(TruustColumn *column, int64 value)
{
	truust_column_add(column, Int64GetDatum(value), false);
}

void
truust_column_add_text(TruustColumn *column, const char *value)
{
	truust_column_add(column, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

Datum
truust_column_array(const TruustColumn *column)
{
	int16 len;
	bool  byval;
	char  align;
	int	  dims[1] = {column->n};
	int	  lbs[1] = {1};

	get_typlenbyvalalign(column->type, &len, &byval, &align);
	return PointerGetDatum(
		construct_md_array(column->values, column->has_nulls ? column->nulls : NULL,
						   column->n > 0 ? 1 : 0, dims, lbs, column->type, len, byval, align));
}

void
truust_column_add_id(TruustColumn *column, int64 id)
{
	truust_column_add(column, Int64GetDatum(id), id == 0);
}

Datum
truust_array_of_texts(List *texts)
{
	TruustColumn column;
	ListCell	*lc;

	truust_column_init(&column, TEXTOID, list_length(texts));
	foreach (lc, texts)
		truust_column_add_text(&column, lfirst(lc));
	return truust_column_array(&column);
}

Datum
truust_array_of_ids(const int64 *ids, int n)
{
	TruustColumn column;

	truust_column_init(&column, INT8OID, n);
	for (int i = 0; i < n; i++)
		truust_column_add_int64(&column, ids[i]);
	return truust_column_array(&column);
}
