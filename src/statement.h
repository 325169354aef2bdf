/*-------------------------------------------------------------------------
 *
 * statement.h
 *		SQL from C: statements that are planned once, and arrays as their
 *		parameters.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_STATEMENT_H
#define TRUUST_STATEMENT_H

#include "catalog/pg_type.h"
#include "executor/spi.h"

#define TRUUST_MAX_STATEMENT_ARGS 24

/*
 * A statement of the extension's own: a static variable, planned at its first
 * use and kept for the process's life.  Its text names every object with its
 * schema.
 *
 * Where it has {{a|b}}, a is for tables with the column role_oid, and b for those
 * of a version before 0.2, whose rows belong to roles by their names, until
 * somebody updates the extension.
 */
typedef struct TruustStatement
{
	const char *sql;
	int			n; /* number of parameters */
	Oid			types[TRUUST_MAX_STATEMENT_ARGS];
	SPIPlanPtr	plan;	/* NULL at first */
	bool		varies; /* it has {{a|b}}, */
	bool		by_oid; /* and was planned as a */
} TruustStatement;

/* In a statement: the OID of the role that row r belongs to, NULL where there is none. */
#define TRUUST_ROLE_OID(r)                                                                         \
	"{{" r ".role_oid|"                                                                            \
	"pg_catalog.to_regrole(pg_catalog.quote_ident(" r ".role))::pg_catalog.oid}}"

/* In a statement: whether row r belongs to the role whose OID is parameter n, by an index. */
#define TRUUST_IS_ROLES(r, n)                                                                      \
	"{{" r ".role_oid OPERATOR(pg_catalog.=) " n "|" r ".role OPERATOR(pg_catalog.=) "             \
	"(SELECT a.rolname FROM pg_catalog.pg_roles a WHERE a.oid OPERATOR(pg_catalog.=) " n ")}}"

/* Whether the tables have role_oid.  In a transaction. */
extern bool truust_has_role_oids(void);

/*
 * Execute in the current SPI connection.  nulls may be NULL (none is).  limit
 * 0: all rows.  Returns the number of rows, which are in SPI_tuptable where the
 * statement returns any.  The current memory context stays what it is.  Raises
 * whatever the statement does.
 */
extern uint64 truust_statement_run(TruustStatement *statement, Datum *values, const bool *nulls,
								   long limit);

/* A field of row i of SPI_tuptable; column from 1. */
extern Datum truust_result(uint64 i, int column, bool *isnull);

/* The same as palloc'd text, NULL for a null; for columns of type text and name. */
extern char *truust_result_text(uint64 i, int column);

/* The same as an OID, InvalidOid for a null. */
extern Oid truust_result_oid(uint64 i, int column);

/*
 * Values that become one array parameter.
 */
typedef struct TruustColumn
{
	Oid	   type; /* INT8OID, TEXTOID, NUMERICOID, JSONBOID, TIMESTAMPTZOID, BOOLOID, INT4OID */
	int	   n;
	int	   max;
	Datum *values;
	bool  *nulls;
	bool   has_nulls;
} TruustColumn;

/* Start an empty column in the current memory context. */
extern void truust_column_init(TruustColumn *column, Oid type, int max);

/* Append; the value is not copied. */
extern void truust_column_add(TruustColumn *column, Datum value, bool isnull);
extern void truust_column_add_int64(TruustColumn *column, int64 value);
extern void truust_column_add_text(TruustColumn *column, const char *value); /* NULL: null */

extern void truust_column_add_id(TruustColumn *column, int64 id); /* 0: a null */

/* The array. */
extern Datum truust_column_array(const TruustColumn *column);

/* The same of a list of strings, and of ids. */
extern Datum truust_array_of_texts(List *texts);
extern Datum truust_array_of_ids(const int64 *ids, int n);

#endif /* TRUUST_STATEMENT_H */
